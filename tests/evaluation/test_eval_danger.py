"""`compeer eval danger`: the layers that find danger, on sentences that they were not made on."""

import json
from itertools import product
from pathlib import Path

from chat_server_fixture import ChatHTTPServer, last_message

from compeer_jax.cli.main import main
from compeer_jax.data.jsonl import read_jsonl, write_jsonl
from compeer_jax.dialogue.danger.find import find_danger
from compeer_jax.dialogue.danger.kinds import KINDS
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.evaluation.danger.cases import CASE_FORMS, LOOK_ALIKE, bundled_cases
from compeer_jax.evaluation.danger.evaluate import LAYERS
from compeer_jax.evaluation.danger.sentences import bundled, read_sentences

TRAINING = list((Path(__file__).parents[2] / "scripts" / "danger").glob("sentences_*.jsonl"))


def test_nothing_that_is_measured_on_was_trained_on():
    made_on = {letters(row["text"]) for file in TRAINING for _, row in read_jsonl(file)}
    assert len(made_on) > 1000
    texts = [one.text for one in read_sentences(bundled())]
    texts += [case.turns[case.danger_from] for case in bundled_cases() if case.form != LOOK_ALIKE]
    shared = sum(letters(text) in made_on for text in texts)
    assert shared == 0  # a number alone: whoever makes the rules or the classifier is not to read the sentences


def letters(text):
    return "".join(filter(str.isalnum, text.casefold()))


def test_the_command_prints_and_writes_what_every_layer_finds(tmp_path, capsys):
    assert main(["eval", "danger", "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*LAYERS, *CASE_FORMS, *KINDS))
    figures = json.loads((tmp_path / "danger.json").read_text(encoding="utf-8"))["figures"]
    assert [(one["layer"], one["language"]) for one in figures] == [*product(LAYERS, LANGUAGES)]
    told = read_sentences(bundled())
    rows = [row for _, row in read_jsonl(tmp_path / "findings.jsonl")]
    assert [set(row["both"]) for row in rows] == [set(find_danger(one.text).kinds) for one in told]
    for one in figures:
        found = [
            bool(row[one["layer"]])
            for row, sentence in zip(rows, told, strict=True)
            if (sentence.language, sentence.form) == (one["language"], "indirect")
        ]
        assert one["found"]["indirect"]["value"] == sum(found) / len(found)


def test_a_chat_model_is_asked_about_sentences_and_about_talks_after_each_turn(tmp_path, capsys):
    sentences, talks, output = tmp_path / "sentences.jsonl", tmp_path / "talks.jsonl", tmp_path / "output"
    write_jsonl(
        sentences,
        [
            {"text": "It is over tonight", "language": "en", "kinds": ["plan_or_means"], "form": "indirect"},
            {"text": "Kill the process", "language": "en", "kinds": [], "form": "harmless"},
            {"text": "hmm", "language": "en", "kinds": ["attempt"], "form": "explicit"},
        ],
    )
    talk = {"id": "a", "language": "en", "country": "US", "kinds": ["plan_or_means"], "level": 3, "form": "hidden"}
    write_jsonl(talks, [{**talk, "turns": ["hello", "It is over tonight", "what's new?"], "danger_from": 1}])

    def answer(body):
        shown = last_message(body)
        if "hmm" in shown:
            return "I can't say."
        return "It may be.\nDanger: plan_or_means" if "over tonight" in shown else "Nothing.\nDanger: none"

    with ChatHTTPServer(answer) as server:
        models = json.dumps({"asked": {"server": {"url": server.url, "model": "judge"}}})
        arguments = ["--sentences", str(sentences), "--talks", str(talks), "--models", models, "--output", str(output)]
        assert main(["eval", "danger", *arguments]) == 0
        count = len(server.asked)
        assert count == 3 + 1 + 3  # the answer that can't be read is asked for twice
        printed = capsys.readouterr().out
        assert main(["eval", "danger", *arguments]) == 0
        assert len(server.asked) == count  # answers are kept
    assert "asked: 1 of its answers could not be read" in printed
    content = json.loads((output / "danger.json").read_text(encoding="utf-8"))
    model = content["figures"][-1]
    assert [one["value"] for one in model["found"].values()] == [0, 1, 0]
    assert content["unread"] == {"asked": 1}
    figures = content["talks"][-1]
    assert figures["layer"] == "asked"
    assert [figures[name]["value"] for name in ("in_time", "at_end", "early")] == [1, 1, 0]


def test_a_model_that_is_named_as_a_layer_is_refused(capsys):
    assert main(["eval", "danger", "--models", json.dumps({"both": {"path": "x"}})]) == 2
    assert "a model is named 'both', as a layer is; give it another name." in capsys.readouterr().err


def test_the_command_names_a_wrong_file_in_a_sentence(tmp_path, capsys):
    assert main(["eval", "danger", "--sentences", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl can't be read (No such file or directory); check the path." in capsys.readouterr().err
