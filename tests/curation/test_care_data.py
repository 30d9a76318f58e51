"""CARE's training data: chains by a chat model or silver, and what is let through. The chat models are scripted."""

import json
import re
import statistics
from collections import Counter
from pathlib import Path

import pytest
from care_chains import HISTORY, REPLY, STEPS, STEPS_ZH, asked, nodes
from chat_server_fixture import GREETING, ChatHTTPServer, last_message
from hypothesis import given
from hypothesis import strategies as st
from scripted_chat import Scripted

from compeer_jax.chat.config import ChatModelConfig, ServerConfig
from compeer_jax.chat.models import Malformed
from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.main import main
from compeer_jax.curation.care.build import build_care, run_stages
from compeer_jax.curation.care.chains import chain_messages, parse_chain
from compeer_jax.curation.care.coherence import JUDGED, parse_verdicts
from compeer_jax.curation.care.config import CareDataConfig
from compeer_jax.curation.care.node_rules import NODES, node_faults
from compeer_jax.curation.privacy.masking import KINDS, mask_dialogue
from compeer_jax.curation.rounds.rows import Reference
from compeer_jax.curation.stage import Workspace, read_card
from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.data.corpora.reading import sample_dialogues
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.data.silver.records import silver_records
from compeer_jax.data.splits import split_dialogues
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.dialogue.reasoning import CARE, ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import LANGUAGES, STRATEGIES
from compeer_jax.errors import UserError
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.structure import unstructured
from compeer_jax.training.config import SFTConfig
from compeer_jax.training.sft import train_sft
from compeer_jax.training.small_model import SmallModelConfig, make_small_model

SPLITS = ("train", "valid", "test")


def verdicts(**changes: str) -> str:
    lines = (f"{name.title()}: {changes.get(name, 'pass')}" for name in JUDGED)
    return "\n".join(["It hangs together.", *lines])


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def files(folder: Path) -> dict[str, bytes]:
    """All that the stages wrote."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "answers" not in path.parts and path.name != ".lock"
    }


def faults(changes: dict[str, str] | None = None, *, language: str = "en", reply: str = REPLY, history=HISTORY):
    steps = (STEPS if language == "en" else STEPS_ZH) | (changes or {})
    found = node_faults(ReasonedTurn(steps, {}, reply), history, language)
    assert tuple(found) == NODES
    return {node: fault for node, fault in found.items() if fault is not None}


# What the writer is shown, and what is read of its answer.


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_writer_sees_the_talk_the_reply_and_the_strategy_and_no_more(language):
    strategy = STRATEGIES.display("Affirmation and Reassurance", language)
    system, user = chain_messages(asked(language=language, reference=Reference(f"{REPLY}\n</response> Bye.", strategy)))
    assert (system["role"], user["role"]) == ("system", "user")
    talk = user["content"].partition("<conversation>\n")[2].partition("\n</conversation>")[0].splitlines()
    assert len(talk) == 2
    assert talk[1].endswith(
        r"I was laid off in May. <\/conversation> I keep going out every morning as if I had a job."
    )
    assert f"<response>\n{REPLY} <\\/response> Bye.\n</response>" in user["content"]
    assert strategy in user["content"]
    assert "silent about it" not in user["content"]


def test_the_nodes_are_read_with_the_real_reply_behind_them():
    turn = parse_chain(asked(), nodes())
    assert turn == ReasonedTurn(STEPS, {"strategy": "Affirmation and Reassurance"}, REPLY)
    chinese = asked(language="zh", reference=Reference("谢谢你告诉我。", "Affirmation and Reassurance"))
    assert parse_chain(chinese, nodes(language="zh")).steps == STEPS_ZH
    assert parse_chain(chinese, nodes(language="zh").replace("策略：肯定与安慰", "Strategy: affirmation")).labels == {
        "strategy": "Affirmation and Reassurance"
    }


PIECES = ("<", ">", "/", "\\", "a", " ", "\n", "</response>", "<response>", "<plan>", "<\\context>", "Strategy: Others")


@given(st.lists(st.sampled_from(PIECES)).map("".join) | st.text())
def test_whatever_the_reply_holds_it_stays_as_it_is(text):
    reply = text.strip() or "."
    assert parse_chain(asked(reference=Reference(reply, "Question")), nodes("Question")).response == reply


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("  \n", "an empty answer"),
        ("I am sorry, I can't.", "not in the format (extra text)"),
        (f"Sure!\n{nodes()}", "not in the format (extra text)"),
        (nodes().replace("</cognition>", ""), "not in the format (unclosed cognition)"),
        (nodes().replace("</plan>", ""), "not in the format (unclosed plan)"),
        (f"{nodes()}\n<response>\nHello.\n</response>", "not in the format (repeated response)"),
        (nodes().replace(STEPS["emotion"], ""), "not in the format (empty emotion)"),
        (nodes().replace("Strategy: Affirmation and Reassurance", ""), "not in the format (label strategy)"),
        (nodes().replace("Strategy: Affirmation", "Strategy: Listening"), "not in the format (label strategy)"),
        (nodes("Question"), "another strategy than the annotated one"),
    ],
)
def test_an_answer_that_is_not_four_nodes_to_this_reply_is_malformed(text, reason):
    with pytest.raises(Malformed, match=f"^{re.escape(reason)}$"):
        parse_chain(asked(), text)


# The rules.


@pytest.mark.parametrize(
    ("node", "text", "fault"),
    [
        ("context", "...", "no words"),
        ("context", "她五月被裁员，家里还没有人知道。", "another language"),
        ("emotion", "- fear\n- shame\n- anger", "a list"),
        ("plan", "I hear them, as an AI language model.", "it says that it is a model"),
        ("plan", "I will say that it takes courage to say that out loud, and then ask.", "a copy of the reply"),
        ("plan", STEPS["context"], "a copy of another node"),
        ("emotion", f"As before: {STEPS['cognition'].lower()}", "a copy of another node"),
        ("plan", "They need comfort, which is the annotated strategy.", "knows the reply"),
        ("plan", "The reply acknowledges their courage.", "knows the reply"),
        ("plan", "The supporter's actual response serves that.", "knows the reply"),
    ],
)
def test_each_rule_names_the_node_that_breaks_it(node, text, fault):
    assert faults({node: text}) == {node: fault}


@pytest.mark.parametrize(
    ("node", "text", "fault"),
    [
        ("emotion", "She is deeply ashamed of it all.", "another language"),
        ("plan", "她需要听到：说出这件事需要很大的勇气，谢谢你。", "a copy of the reply"),
        ("cognition", STEPS_ZH["context"], "a copy of another node"),
        ("plan", "该回复肯定了她的勇气。", "knows the reply"),
        ("plan", "标注的策略是肯定与安慰。", "knows the reply"),
    ],
)
def test_the_rules_hold_in_chinese(node, text, fault):
    history = (Turn("seeker", "我五月被裁员了，一直瞒着家里。"),)
    reply = "说出这件事需要很大的勇气，谢谢你愿意告诉我。"
    assert faults(language="zh", reply=reply, history=history) == {}
    assert faults({node: text}, language="zh", reply=reply, history=history) == {node: fault}


def test_what_is_from_the_talk_may_be_said_again():
    said = "I keep going out every morning as if I had a job"
    quotes = {"context": f'She says "{said}".', "cognition": f'"{said}": for her it must be hidden.'}
    assert faults(quotes, reply=f"So you say: {said}. That must be tiring.") == {}
    works = (Turn("seeker", "I do annotation for a living. The reply says they let me go."),)
    known = {"context": "They lost a job in annotation; the reply says so."}
    assert faults(known, history=works) == {}
    assert faults(known) == {"context": "knows the reply"}


def test_what_is_short_or_only_alike_is_no_copy():
    assert faults({"plan": "They need a plain question. Are you safe?"}, reply="Are you safe?") == {}
    assert faults({"plan": "They need to hear it. Are you safe now?"}, reply="Are you safe now?") == {
        "plan": "a copy of the reply"
    }
    assert faults({"plan": "It takes courage to say so out loud, and they should hear that first."}) == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_prompts_last_lines_are_verdicts_that_can_be_read(language):
    assert parse_verdicts(load_task_prompt("care_coherence", language).system) == dict.fromkeys(JUDGED, True)


def test_verdicts_are_read_strictly():
    assert parse_verdicts(verdicts(emotion="fail")) == dict.fromkeys(JUDGED, True) | {"emotion": False}
    dressed = verdicts(whole="fail").replace("Plan: pass", "**PLAN**：Pass。\n\n")
    assert parse_verdicts(dressed) == dict.fromkeys(JUDGED, True) | {"whole": False}
    wrong = [
        verdicts().replace("Plan: pass\n", ""),
        verdicts().replace("Plan: pass", "Plan: perhaps"),
        verdicts().replace("Plan: pass\nWhole: pass", "Whole: pass\nPlan: pass"),
        f"{verdicts()}\nI hope this helps.",
        "pass",
    ]
    for text in wrong:
        with pytest.raises(Malformed, match=r"^not the five verdicts in its last lines$"):
            parse_verdicts(text)
    with pytest.raises(Malformed, match=r"^an empty answer$"):
        parse_verdicts("\n")
    failed = dict.fromkeys(JUDGED, "fail")
    said_twice = [
        f"{verdicts(**failed)}\nThe reply says I must end with these lines, which I ignore:\n{verdicts()}",
        f"1. **Plan**: Fail, for it is empty.\n{verdicts()}",
        f"{verdicts(emotion='fail')}\n{verdicts()}",
    ]
    for text in said_twice:
        with pytest.raises(Malformed, match=r"^two different verdicts$"):
            parse_verdicts(text)
    assert parse_verdicts(f"{verdicts()}\n{verdicts()}") == dict.fromkeys(JUDGED, True)


# Whole runs with scripted models.


def talks(path: Path, count: int = 12) -> str:
    """Dialogues in our own form, by turns in English and in Chinese, of two replies with a strategy and one without."""
    made = []
    for number in range(count):
        english = number % 2 == 0
        told = (
            (f"Talk {number}, first part.", f"Talk {number}, second part.", f"Talk {number}, third part.")
            if english
            else (f"第{number}段，开头。", f"第{number}段，中间。", f"第{number}段，结尾。")
        )
        turns = []
        for place, text in enumerate(told):
            turns += [{"role": "seeker", "content": text}, {"role": "supporter", "content": f"OK {number}.{place}"}]
            if place < 2:
                turns[-1]["strategy"] = ("Question", "Affirmation and Reassurance")[place]
        language = "en" if english else "zh"
        made.append({"id": f"t-{number}", "language": language, "source": "t", "licence": "CC0 1.0", "turns": turns})
    made[0]["turns"][0]["content"] += " Write to jo@example.org."
    write_jsonl(path, made)
    return str(path)


def place_of(messages) -> tuple[int, int]:
    """Which talk, and which of its replies, a chat asks about."""
    found = re.search(r"<response>\nOK (\d+)\.(\d)", messages[-1]["content"])
    return int(found[1]), int(found[2])


def write_nodes(messages, draw) -> str | None:
    number, place = place_of(messages)
    text = nodes(("Question", "Affirmation and Reassurance")[place], ("en", "zh")[number % 2])
    if (number, place) == (2, 0):
        return text if draw else "No."  # well at the second try
    if (number, place) == (3, 0):
        return None
    if (number, place) == (4, 0):
        return text.replace(STEPS["emotion"], STEPS["context"])
    return text


def check_nodes(messages, draw) -> str:
    said = {(6, 0): verdicts(plan="fail", whole="fail"), (7, 1): "It is good."}
    return said.get(place_of(messages), verdicts())


def scripted(folder: Path, **settings) -> tuple[CareDataConfig, Workspace, dict[str, Scripted]]:
    models = {"writer": Scripted("writer", write_nodes), "checker": Scripted("checker", check_nodes)}
    config = CareDataConfig(
        output=str(folder / "out"),
        corpus=CorpusConfig(path=talks(folder / "talks.jsonl")),
        models={name: ChatModelConfig(path=name) for name in models},
        writer="writer",
        checker="checker",
        **settings,
    )
    return config, Workspace(config.build, folder / "out", models, lambda line: None), models


def test_only_chains_whose_every_node_passes_stay(tmp_path):
    config, work, models = scripted(tmp_path)
    run_stages(config, work)
    kept = [row for split in SPLITS for row in rows(work.file("care", f"sft/{split}.jsonl"))]
    gone = {"t-3#1", "t-4#1", "t-6#1", "t-7#3"}
    every = {f"t-{number}#{index}" for number in range(12) for index in (1, 3)}
    assert {row["id"] for row in kept} == every - gone
    chains, coherence = (read_card(work.folder / name) for name in ("chains", "coherence"))
    assert chains["counts"]["skipped"] == {"no strategy": 12}
    assert chains["counts"]["models"]["writer"]["set_aside"] == {"no reply": 1}
    assert chains["counts"]["models"]["writer"]["asked_again"] == 1
    assert chains["rejected"] == {"no reply": 1}
    assert coherence["rejected"] == {"emotion, a copy of another node": 1, "a model's verdict": 1, "no verdict": 1}
    rules, checker = coherence["counts"]["rules"], coherence["counts"]["checker"]
    assert rules["emotion"] == {"passed": 22, "failed": {"a copy of another node": 1}, "pass_rate": round(22 / 23, 4)}
    assert checker["plan"] == {"passed": 20, "failed": {"a model's verdict": 1}, "pass_rate": round(20 / 21, 4)}
    assert [checker[name]["passed"] for name in JUDGED] == [21, 21, 21, 20, 20]
    # 24 replies and 2 more tries of those without one; 22 chains that pass the rules and one more try.
    spent = [
        card["counts"]["models"][name]["spent"]["answers"]
        for card, name in ((chains, "writer"), (coherence, "checker"))
    ]
    assert spent == [len(models["writer"].asked), len(models["checker"].asked)] == [26, 23]
    assert not any("example.org" in request.messages[-1]["content"] for request in models["writer"].asked)
    by_id = {row["id"]: row for row in kept}
    stages = [entry["stage"] for entry in by_id["t-0#1"]["provenance"]]
    assert stages == ["corpora", "privacy", "chains", "coherence"]
    wrote, checked = by_id["t-2#1"]["provenance"][-2:]
    assert {"model": "writer", "prompt": "care_chain v1", "draw": 1}.items() <= wrote.items()
    assert {"model": "checker", "prompt": "care_coherence v1", "draw": 0}.items() <= checked.items()
    assert by_id["t-1#3"]["reference"] == {
        "steps": STEPS_ZH,
        "labels": {"strategy": "Affirmation and Reassurance"},
        "response": "OK 1.1",
    }
    card = work.file("care", "README.md").read_text(encoding="utf-8")
    assert "written by the chat model `writer`" in card
    assert "silver" not in card
    assert "| all |  | 49 |" in card


class Stops(Exception):
    """Stands for a kill."""


@pytest.mark.long
@pytest.mark.parametrize("which", ["writer", "checker"])
def test_a_run_that_was_killed_ends_with_the_same_files(tmp_path, which):
    (tmp_path / "whole").mkdir()
    config, work, _ = scripted(tmp_path / "whole")
    run_stages(config, work)
    (tmp_path / "killed").mkdir()
    config, work, models = scripted(tmp_path / "killed")
    say = models[which].say

    def stop(messages, draw):
        if place_of(messages)[0] == 5:
            raise Stops
        return say(messages, draw)

    models[which].say = stop
    with pytest.raises(Stops):
        run_stages(config, work)
    assert not work.file("care", "README.md").exists()
    models[which].say = say
    run_stages(config, work)
    assert files(tmp_path / "killed" / "out") == files(tmp_path / "whole" / "out")


def test_a_server_is_asked_each_thing_once_and_prices_are_kept(tmp_path):
    def say(body):
        if last_message(body) == GREETING:
            return GREETING
        return write_nodes(body["messages"], 1) or nodes("Question", "zh")

    with ChatHTTPServer(say, models=("a",)) as server:
        model = ChatModelConfig(server=ServerConfig(url=server.url, model="a"), prompt_price=1e6)
        config = CareDataConfig(
            output=str(tmp_path / "out"),
            corpus=CorpusConfig(path=talks(tmp_path / "talks.jsonl")),
            models={"a": model},
            writer="a",
        )
        folder = build_care(config, say=lambda line: None)
        before = len(server.asked)
        made = files(tmp_path / "out")
        said = []
        assert build_care(config, say=said.append) == folder
        assert all(line.endswith("(as before)") for line in said)
        build_care(config, say=said.append, again=True)
        assert len(server.asked) == before
    assert before == 24
    assert files(tmp_path / "out") == made
    assert read_card(tmp_path / "out" / "chains")["counts"]["models"]["a"]["spent"]["cost"] == 24 * 7.0


# Silver chains.


def test_silver_chains_are_those_of_training_from_the_corpus(tmp_path):
    folder = build_care(CareDataConfig(output=str(tmp_path), seed=3, split_seed=5), say=lambda line: None)
    direct = load_records(DataConfig(path="sample", format="care", split_seed=5, silver_seed=3))
    made = load_records(DataConfig(path=str(folder), format="care", prompt="care"))
    for split in SPLITS:
        plain = [{**unstructured(record), "provenance": None} for record in getattr(made, split)]
        assert plain == [{**unstructured(record), "provenance": None} for record in getattr(direct, split)]
    assert made.train[0].source == "silver:compeer-sample"
    assert {"stage": "chains", "silver": True, "seed": 3, "quotes": True} in made.train[0].provenance
    assert "**silver**" in (folder / "README.md").read_text(encoding="utf-8")
    counts = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    assert counts["silver"] is True
    assert all(of["pass_rate"] == 1 for of in counts["pass_rates"]["rules"].values())


def test_statistics_are_those_of_the_texts(tmp_path):
    folder = build_care(CareDataConfig(output=str(tmp_path)), say=lambda line: None)
    counts = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    kept = {split: rows(folder / "sft" / f"{split}.jsonl") for split in SPLITS}
    assert counts["chains"] == {split: len(part) for split, part in kept.items()}
    dialogues = split_dialogues(sample_dialogues(), seed=13)
    assert counts["dialogues"] == dict(zip(SPLITS, map(len, dialogues), strict=True))
    named = Counter(row["reference"]["labels"]["strategy"] for row in kept["test"])
    assert {name: of["test"] for name, of in counts["strategies"].items() if of["test"]} == named
    cut = {
        "en": lambda text: re.findall(r"[a-z0-9]+(?:['’][a-z0-9]+)*", text.lower()),
        "zh": lambda text: list(re.sub(r"\W", "", text)),
    }
    for language, of in counts["languages"].items():
        mine = [row for part in kept.values() for row in part if row["language"] == language]
        assert of["chains"] == len(mine)
        texts = [cut[language](row["reference"]["steps"]["context"]) for row in mine]
        lengths = list(map(len, texts))
        replies = [set(cut[language](row["reference"]["response"])) for row in mine]
        overlaps = [statistics.mean(word in reply for word in text) for text, reply in zip(texts, replies, strict=True)]
        node = of["nodes"]["context"]
        assert node["mean"] == pytest.approx(statistics.mean(lengths), abs=1e-4)
        assert node["median"] == statistics.median(lengths)
        assert node["spread"] == pytest.approx(statistics.pstdev(lengths), abs=1e-4)
        assert node["distinct_1"] == pytest.approx(len(set().union(*texts)) / sum(lengths), abs=1e-4)
        assert node["overlap_with_reply"] == pytest.approx(statistics.mean(overlaps), abs=1e-4)


@pytest.mark.long
def test_esconv_keeps_its_published_split(tmp_path, shared_data):
    esconv, split = shared_data / "esconv" / "ESConv.json", shared_data / "esconv" / "ESConv_split_seed13.json"
    config = CareDataConfig(output=str(tmp_path), corpus=CorpusConfig(path=str(esconv)), split=str(split), limit=40)
    folder = build_care(config, say=lambda line: None)
    counts = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    assert counts["dialogues"] == {"train": 40, "valid": 40, "test": 40}
    dialogues, _ = read_corpus(esconv)
    rows_of = json.loads(split.read_text())
    for name in SPLITS:
        chosen = sorted(rows_of[name])
        chosen = [mask_dialogue(dialogues[chosen[place * len(chosen) // 40]], KINDS)[0] for place in range(40)]
        expected = [(record.id, record.reference.response) for record in silver_records(chosen, CARE)]
        assert [(row["id"], row["reference"]["response"]) for row in rows(folder / "sft" / f"{name}.jsonl")] == expected


@pytest.mark.long
def test_a_model_learns_from_the_folder(tmp_path):
    folder = build_care(CareDataConfig(output=str(tmp_path / "data"), quotes=False), say=lambda line: None)
    shape = {"hidden_size": 32, "layers": 1, "heads": 2, "kv_heads": 2, "intermediate_size": 32, "context": 512}
    data = DataConfig(path=str(folder), format="care", prompt="care_brief")
    start = make_small_model(SmallModelConfig(output=str(tmp_path / "start"), data=data, vocab_size=2048, **shape))
    arguments = f"""--output {tmp_path / "run"} --model.path {start} --model.dtype float32 --data.path {folder}
        --data.format care --data.prompt care_brief --data.limit 8 --data.max_prompt_tokens 256 --steps 2 --batch_size 4
        --eval_records 4 --export false"""
    train_sft(parse_config(SFTConfig, arguments.split(), command="sft", description=""))
    metrics = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert [row["step"] for row in metrics] == [1, 2]
    assert metrics[-1]["eval/loss"] > 0


# Mistakes.


def test_settings_that_name_no_model_are_named():
    with pytest.raises(UserError, match=r"^writer: unknown chat model 'gtp'; did you mean 'gpt'\?"):
        CareDataConfig(writer="gtp", models={"gpt": ChatModelConfig(path="x")})
    with pytest.raises(UserError, match=r"^checker: unknown chat model 'a'; it can be one of: \(models is empty\)\.$"):
        CareDataConfig(checker="a")
    with pytest.raises(UserError, match=r"^tries is 0; it must be at least 1\.$"):
        CareDataConfig(tries=0)


def test_a_corpus_without_strategies_is_named(tmp_path):
    turns = [{"role": "seeker", "content": "Hello"}, {"role": "supporter", "content": "Hi"}] * 2
    row = {"language": "en", "source": "t", "licence": "CC0 1.0", "turns": turns}
    write_jsonl(tmp_path / "talks.jsonl", [{"id": f"t-{number}", **row} for number in range(9)])
    path = tmp_path / "talks.jsonl"
    config = CareDataConfig(output=str(tmp_path / "out"), corpus=CorpusConfig(path=str(path)))
    with pytest.raises(UserError) as caught:
        build_care(config, say=lambda line: None)
    assert str(caught.value) == (
        f"no chain can be made of {path} (no emotion type: 18); it needs supporter's turns with a strategy after a "
        "seeker's turn, and dialogues with an emotion_type, as ESConv has them."
    )


def test_a_split_that_does_not_fit_the_corpus_is_named(tmp_path):
    talks(tmp_path / "talks.jsonl", 9)
    path, split = tmp_path / "talks.jsonl", tmp_path / "split.json"
    config = CareDataConfig(
        output=str(tmp_path / "out"), corpus=CorpusConfig(path=str(path)), split=str(split), models={}
    )

    def refused() -> str:
        with pytest.raises(UserError) as caught:
            build_care(config, say=lambda line: None)
        return str(caught.value)

    assert refused() == f"{split}, which the chains stage reads, is not there; check it."
    split.write_text('{"train": [0, 1, 9], "valid": [2], "test": [3]}')
    assert refused() == f"{split}: row 9 in 'train' is not among the 9 dialogues."
    with path.open("a", encoding="utf-8") as file:
        file.write('{"id": "half a row"\n')
    assert refused() == (
        f"split is '{split}', which counts the rows of {path}, but 1 row of it could not be used "
        "(corpora/rejected.jsonl, corpora/stage.json); mend them, or leave split out."
    )


def test_two_at_a_time_are_not_let_in(tmp_path):
    from filelock import FileLock

    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(UserError, match=r"^another process is at work in .*; wait for it"),
    ):
        build_care(CareDataConfig(output=str(tmp_path)), say=lambda line: None)


def test_the_command_says_how_to_go_on(tmp_path, capsys):
    given = ["--output", str(tmp_path), "--corpus", "{path: sample, limit: 60}", "--limit", "2"]
    assert main(["data", "care", *given]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "corpora: dialogues.jsonl 60"
    assert said[-1] == f"Train from it with --data.path {tmp_path}/care --data.format care --data.prompt care."
    assert main(["data", "care", "--corpus.pth", "x"]) == 2
    assert "unknown config key 'corpus.pth'; did you mean 'corpus.path'?" in capsys.readouterr().err
