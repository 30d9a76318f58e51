"""What no output may say leaves by no path: shown samples, datasets, tasks for annotators, chains. The seeker's may."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from annotation_fixture import candidates as judged_candidates
from annotation_fixture import work_with
from build_folder import dialogue, given_rows, read_rows, workspace
from care_chains import asked, nodes
from cer_rows import candidate_rows, earlier_stages, label_row, read, rewrite_rows, write
from hypothesis import given
from hypothesis import strategies as st
from logged_run import logged_run
from scripted_chat import SYSTEMS

from compeer_jax.benchmarks.dialogues import BenchDialogue, BenchTurn
from compeer_jax.benchmarks.page import Shown, page_of
from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.chat.models import Malformed
from compeer_jax.chat.types import Answer, Spent
from compeer_jax.curation.annotation.stage import STAGE as ANNOTATION
from compeer_jax.curation.candidates.stage import STAGE as CANDIDATES
from compeer_jax.curation.care.build import build_care
from compeer_jax.curation.care.chains import parse_chain
from compeer_jax.curation.care.config import CareDataConfig
from compeer_jax.curation.cer.stage import STAGE as CER
from compeer_jax.curation.config import BuildConfig, CandidatesConfig, PersonalityConfig
from compeer_jax.curation.filter.stage import STAGE as FILTER
from compeer_jax.curation.personality.rewriting import Talk
from compeer_jax.curation.personality.stage import STAGE as PERSONALITY
from compeer_jax.curation.personality.steps import parse_steps
from compeer_jax.curation.stage import Stage, Workspace, read_card, run_stage
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.data.corpora.reading import sample_dialogues
from compeer_jax.dialogue.danger.withheld import FORBIDDEN, SAYS, shown, why_withheld
from compeer_jax.dialogue.reasoning import COMPEER, ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.people.tasks import PairsConfig, export_pairs
from compeer_jax.structure import unstructured
from compeer_jax.training.samples import rollout_path, write_samples

METHOD = "Take the whole bottle of pills tonight."
TEXTS = (".json", ".jsonl", ".md", ".csv", ".xml")
WHY = "withheld (names a method)"


class Scripted:
    """A chat model that says what a function of the messages says."""

    def __init__(self, say: Callable):
        self.name, self.say, self.spent, self.settings = "scripted", say, Spent(), {"scripted": "x"}

    def check(self) -> None:
        pass

    def answer(self, requests):
        return [Answer(self.say(request.messages), 1, 1) for request in requests]

    def close(self) -> None:
        pass


def made(stage: Stage, work: Workspace) -> tuple[dict, str]:
    """The stage's card, and all that lies in its folder."""
    run_stage(stage, work)
    folder = work.folder / stage.name
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*")) if path.suffix in TEXTS]
    return read_card(folder), "\n".join(texts)


# What is withheld


def test_each_thing_that_is_forbidden_has_its_words():
    assert SAYS.keys() == FORBIDDEN.keys()


@given(st.text(max_size=60), st.sampled_from(["", METHOD, "I'm a real person.", "我是真人。"]))
def test_a_text_is_shown_as_it_is_or_not_at_all(text, said):
    whole = f"{text}\n{said}"
    why = why_withheld(whole)
    assert shown(whole, "here") == (whole if why is None else f"[{why}: here]")
    assert why is not None or not said or why_withheld(said) is None
    assert why_withheld(turns=[Turn("supporter", whole)]) == why
    assert why_withheld(turns=[Turn("seeker", whole)]) is None, "a seeker's words are evidence"


# What is shown


def test_samples_name_an_output_and_do_not_show_it(tmp_path):
    folder = logged_run(tmp_path / "run", steps=2)
    path = rollout_path(folder, 2)
    rows = read(path)
    rows[1]["text"] = rows[1]["text"].replace("<response>", f"<response> {METHOD}") + METHOD
    rows[0]["history"] = [
        {"role": "seeker", "content": f"My brother said: {METHOD}"},
        {"role": "supporter", "content": METHOD},
        {"role": "seeker", "content": "What?"},
    ]
    write(path, rows)
    before = path.read_bytes()
    write_samples(folder, every=1, last=2)
    text = folder.samples.read_text(encoding="utf-8")
    place = f"{rows[0]['id']}, rollouts/step_000002.jsonl"
    assert f"```text\n[{WHY}: {place}, output 2]\n```" in text
    assert f"> **supporter:** [{WHY}: {place}, turn 2]  " in text
    assert f"> **seeker:** My brother said: {METHOD}  " in text
    assert text.count(METHOD) == 1
    assert rows[2]["text"] in text
    assert path.read_bytes() == before, "the rollouts keep all"


# What is handed on


def test_a_dialogue_whose_supporter_names_a_method_goes_no_further(tmp_path):
    work = workspace(tmp_path)
    rows = [dialogue(f"d{number}", 4) for number in range(3)]
    rows[0]["turns"][3]["content"] = METHOD
    rows[1]["turns"][2]["content"] = METHOD
    given_rows(work, "privacy", rows)
    card, _ = made(FILTER, work)
    assert [row["id"] for row in read_rows(work, "filter", "dialogues.jsonl")] == ["d1", "d2"]
    assert card["rejected"] == {WHY: 1}
    assert card["counts"]["sources"]["test"]["reasons"] == {WHY: 1}
    assert read_rows(work, "filter", "rejected.jsonl") == [{"where": "d0", "reason": WHY}]


def test_a_candidate_that_names_a_method_is_asked_for_again_and_then_rejected(tmp_path):
    first = next(row for row in candidate_rows() if row["language"] == "en")
    turn = ReasonedTurn(first["steps"], first["labels"], "I hear you.")
    bad = COMPEER.render(ReasonedTurn(first["steps"], first["labels"], f"I hear you. {METHOD}"))
    own = ("steps", "labels", "response")
    rows = [{name: value for name, value in first.items() if name not in own} | {"id": f"t#{n}"} for n in range(2)]
    rows[1]["history"] = [{"role": "seeker", "content": "The second."}]
    config = BuildConfig(
        output=str(tmp_path), models={"m": ChatModelConfig(path="m")}, candidates=CandidatesConfig(models=["m"])
    )
    model = Scripted(lambda messages: bad if "second" in str(messages) else COMPEER.render(turn))
    write(tmp_path / "rounds" / "rounds.jsonl", rows)
    card, text = made(CANDIDATES, Workspace(config, tmp_path, {"m": model}, print))
    assert card["rejected"] == {WHY: 1}
    assert card["counts"]["models"]["m"]["set_aside"] == {WHY: 1}
    assert card["counts"]["models"]["m"]["candidates"] == 1
    assert METHOD not in text


@pytest.mark.parametrize("place", ["response", "reference", "steps", "history"])
def test_annotators_and_their_labelling_tool_are_not_shown_it(tmp_path, place):
    made_of = [unstructured(one) for one in judged_candidates(2)]
    spoil(made_of[0], place)
    work = work_with(tmp_path, [])
    write(tmp_path / "candidates" / "candidates.jsonl", made_of)
    card, text = made(ANNOTATION, work)
    assert card["rejected"] == {WHY: 1}
    assert card["counts"]["candidates"] == len(made_of) - 1
    assert len(json.loads((tmp_path / "annotation" / "tasks.json").read_text(encoding="utf-8"))) == len(made_of) - 1
    assert METHOD not in text


def spoil(row: dict, place: str) -> None:
    """Puts the method into a candidate's row."""
    if place == "response":
        row["response"] = f"Well. {METHOD}"
    elif place == "reference":
        row["reference"]["response"] = METHOD
    elif place == "steps":
        row["steps"]["strategy"] = f"Tell them: {METHOD}"
    else:
        row["history"] = [*row["history"], {"role": "supporter", "content": METHOD}, row["history"][0]]


def test_a_models_draft_that_names_a_method_has_no_vote(tmp_path):
    judge = Scripted(lambda messages: f"{METHOD}\nVerdict: True")
    card, text = made(ANNOTATION, work_with(tmp_path, judged_candidates(1), models={"judge": judge}))
    votes = card["counts"]["models"]["judge"]
    assert votes["votes"] == 0
    assert votes["set_aside"][WHY] > 0
    assert METHOD not in text


@pytest.mark.parametrize("line", ["reply", "step"])
def test_a_rewrite_that_names_a_method_is_none(tmp_path, line):
    talk = Talk("en", (Turn("seeker", "I lost my job."),), ("Tell me more.", "That is hard."))
    if line == "step":
        with pytest.raises(Malformed, match="withheld"):
            parse_steps(talk, talk, {"history": "Lost a job."}, f"1. {METHOD}")
        return
    row = {
        "id": "talk#1/m",
        "dialogue": "talk",
        "language": "en",
        "source": "own",
        "licence": "CC0 1.0",
        "history": [{"role": "seeker", "content": "I lost my job and I can't sleep at all."}],
        "reference": {"response": "Since when have you been awake at night?"},
        "round": 1,
        "rounds": 1,
        "steps": {"history": "Lost a job."},
        "labels": {},
        "response": "You could take some of your time off tonight, what do you think?",
        "provenance": [],
    }
    rewrite = (
        "1. Seeker: I have lost my job and cannot sleep at all.\n"
        f"2. Supporter: Since when are you awake at night? {METHOD}\n"
        "3. Supporter: You could take some time off tonight, do you think so?"
    )
    settings = PersonalityConfig(model="m", check_strategy=False, similarity=-1)
    config = BuildConfig(output=str(tmp_path), models={"m": ChatModelConfig(path="m")}, personality=settings)
    turns = [*row["history"], {"role": "supporter", "content": row["response"]}]
    talk_row = {name: row[name] for name in ("language", "source", "licence")} | {"id": "talk", "turns": turns}
    write(tmp_path / "filter" / "dialogues.jsonl", [talk_row])
    write(tmp_path / "candidates" / "candidates.jsonl", [row])
    write(tmp_path / "annotation" / "labels.jsonl", [{"id": row["id"]}])
    model = Scripted(lambda messages: rewrite if SYSTEMS[messages[0]["content"]][0] == "rewrite" else "No.")
    card, text = made(PERSONALITY, Workspace(config, tmp_path, {"m": model}, print))
    assert card["counts"]["variants"]["r"]["left_out"] == {WHY: 1}
    assert METHOD not in text


@pytest.mark.parametrize("place", ["response", "reference", "steps", "history"])
def test_a_record_of_cer_names_no_method(tmp_path, place):
    """Also of a folder whose earlier stages were made before anything was withheld."""
    rows = candidate_rows()
    of_round = place in ("reference", "history")
    for row in rows[: 1 + of_round]:  # two models answer the round, and another dialogue has the same
        spoil(row, place)
    card, text = made(CER, earlier_stages(tmp_path, rows))
    assert card["rejected"][WHY] == (4 if of_round else 1)
    assert METHOD not in text
    others = [read(path) for path in sorted((tmp_path / "cer").glob("*/*.jsonl"))]
    assert all(row["id"] != rows[0]["id"] for of_file in others for row in of_file)


def test_rewrites_and_critiques_in_cer_name_no_method(tmp_path):
    rows = candidate_rows()
    labels = [label_row(row) for row in rows]
    rewrites = [row for one in rows for row in rewrite_rows(one)]
    labels[0]["critiques"] = {"history": METHOD}
    rewrites[0]["responses"][0] = METHOD
    card, text = made(CER, earlier_stages(tmp_path, rows, labels=labels, rewrites=rewrites))
    assert card["rejected"] == {WHY: 1}
    assert METHOD not in text


def test_chains_of_care_name_no_method(tmp_path):
    talks = [unstructured(one) for one in sample_dialogues()[:20]]
    first = next(place for place, turn in enumerate(talks[3]["turns"]) if turn["role"] == "supporter")
    talks[3]["turns"][first]["content"] = METHOD
    write(tmp_path / "talks.jsonl", talks)
    config = CareDataConfig(output=str(tmp_path / "care"), corpus=CorpusConfig(path=str(tmp_path / "talks.jsonl")))
    folder = build_care(config, say=lambda line: None)
    assert read_card(tmp_path / "care" / "chains")["rejected"] == {WHY: 1}
    written = [row for path in sorted((folder / "sft").glob("*.jsonl")) for row in read(path)]
    assert written
    assert METHOD not in json.dumps(written)


def test_nodes_that_name_a_method_are_malformed():
    assert parse_chain(asked(), nodes()).steps
    with pytest.raises(Malformed, match=r"withheld \(names a method\)"):
        parse_chain(asked(), nodes(context=f"They wonder. {METHOD}"))


def test_tensorflow_datasets_name_no_method(tmp_path, caplog):
    import tensorflow_datasets as tfds

    from compeer_jax.curation.tfds.cer import record_row
    from compeer_jax.curation.tfds.esconv import dialogue_row
    from compeer_jax.curation.tfds.prepare import prepare

    def rows_of(folder: Path) -> list:
        return list(tfds.builder_from_directory(folder).as_data_source("train"))

    caplog.set_level("INFO", logger="compeer_jax")
    raw = []
    for number in range(3):
        said = (("seeker", f"My day {number}."), ("supporter", "Tell me."), ("seeker", METHOD))
        turns = [{"role": role, "content": text} for role, text in said]
        raw.append(
            {"id": f"esconv-{number}", "language": "en", "source": "esconv", "licence": "CC BY-NC 4.0", "turns": turns}
        )
    raw[1]["turns"][1]["content"] = METHOD
    source = tmp_path / "dialogues.jsonl"
    write(source, raw)
    talks = [dialogue_row(row) for row in rows_of(prepare("esconv", source, tmp_path / "tfds"))]
    assert [talk["turns"][1]["content"] for talk in talks] == ["Tell me.", f"[{WHY}]", "Tell me."]
    assert [talk["turns"][2]["content"] for talk in talks] == [METHOD] * 3, "the seeker's"
    assert f"1 of {source}: turn {WHY}" in caplog.text

    record = {
        "id": "talk#1",
        "language": "en",
        "source": "own",
        "licence": "CC0 1.0",
        "history": [{"role": "seeker", "content": "Hm."}],
        "reference": {"steps": {"history": "a"}, "labels": {}, "response": "Tell me."},
    }
    bad = record | {"id": "talk#3", "reference": record["reference"] | {"response": METHOD}}
    for view in ("unifi", "prm", "orm", "rl"):
        write(tmp_path / "cer" / view / "train.jsonl", [])
    write(tmp_path / "cer" / "sft" / "train.jsonl", [record, bad])
    folder = prepare("cer", tmp_path / "cer", tmp_path / "tfds")
    (built,) = folder.glob("sft/*")
    assert [record_row(row)["id"] for row in rows_of(built)] == ["talk#1"]
    assert f"record {WHY}" in caplog.text


def test_who_compares_replies_is_shown_none(tmp_path):
    history = [
        {"role": "seeker", "content": f"My aunt said: {METHOD}"},
        {"role": "supporter", "content": METHOD},
        {"role": "seeker", "content": "What now?"},
    ]
    for name, reply in (("a", METHOD), ("b", "Tell me more.")):
        write(tmp_path / f"{name}.jsonl", [{"id": "talk#3", "language": "en", "history": history, "response": reply}])
    out = tmp_path / "pairs"
    export_pairs(PairsConfig(str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), str(out)))
    for path in ("tasks.json", "pairs.csv"):
        text = (out / "for_annotators" / path).read_text(encoding="utf-8")
        assert text.count(f"[{WHY}]") == 2
        assert text.count(METHOD) == 1, "the seeker's"


def test_pages_of_a_benchmark_show_none():
    turns = [
        BenchTurn("seeker", f"My aunt said: {METHOD}"),
        BenchTurn("supporter", "Hm.", text=f"<response>{METHOD}</response>", steps={"history": METHOD}),
        BenchTurn("supporter", "Tell me more."),
    ]
    row = BenchDialogue("esc-eval", "1", "en", "m", {}, turns, "rounds")
    page = page_of([Shown("m", [row])])
    assert page.count(METHOD) == 1, "the seeker's"
    assert f"[{WHY}]" in page
    assert "Tell me more." in page
