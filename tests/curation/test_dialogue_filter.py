import json
from collections import Counter
from dataclasses import replace

import pytest
from build_folder import dialogue, given_rows, read_rows, workspace
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.chat.models import Malformed
from compeer_jax.chat.types import Answer, Spent
from compeer_jax.curation.config import FilterConfig
from compeer_jax.curation.filter.rules import Limits, why_left_out
from compeer_jax.curation.filter.stage import STAGE, VERDICTS, parse_verdict
from compeer_jax.curation.stage import REJECTED, read_card, run_stage
from compeer_jax.data.corpora import iter_corpus, merged
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.errors import UserError


def talk(*texts, language="en", id="a"):
    roles = ("seeker", "supporter")
    turns = tuple(Turn(roles[n % 2], text) for n, text in enumerate(texts))
    return Dialogue(id, language, "test", "CC0 1.0", turns)


GOOD = (
    "I lost my job last week and I don't know how to tell my wife about it.",
    "That sounds really hard. What makes it so difficult to tell her, do you think?",
    "She has been so worried about the money, and I feel that I have let her down.",
    "You care about her a lot. It might help her to hear it from you.",
)
GOOD_ZH = (
    "我上周失业了，不知道怎么告诉我妻子，心里很难受。",
    "听起来真的很不容易。是什么让你觉得难以开口呢？",
    "她一直很担心钱的事，我觉得自己让她失望了。",
    "你很在乎她。也许她更愿意听你亲口说出来。",
)


def changed(index, text, *, before=GOOD, language="en"):
    return talk(*(text if n == index else turn for n, turn in enumerate(before)), language=language)


LEFT_OUT = (
    (talk(*GOOD[:2]), "too few exchanges: 1"),
    (talk(GOOD[0]), "too few exchanges: 0"),
    (changed(2, "so " * 1400), "a turn is too long: turn 3 has 4,200 characters"),
    (
        replace(talk(*GOOD), turns=(*talk(*GOOD).turns, Turn("supporter", "So?"))),
        "roles don't alternate: turn 5 is the",
    ),
    (changed(0, "I donâ€™t know â€“ itâ€™s Ã©verything"), "garbled: "),
    (changed(0, "\ufffd\ufffd\ufffd\ufffd what"), "garbled: 4 of"),
    (changed(0, "锟斤拷锟斤拷锟斤拷", before=GOOD_ZH, language="zh"), "garbled: 9 of"),
    (talk("...", "?", "!!", "12", "Okay."), "not a dialogue, hardly a word: 4 of 5 turns have none"),
    (changed(1, "def main():\n    return 1;"), "not a dialogue, code: 1 of 4 turns"),
    (talk(*GOOD_ZH), "not in its language: "),
    (talk(*GOOD, language="zh"), "not in its language: 100% of it is not Chinese"),
    (
        talk(
            "Ich habe letzte Woche meine Arbeit verloren und weiß nicht, wie ich es meiner Frau sagen soll.",
            "Das klingt wirklich schwer. Was macht es so schwierig, mit ihr darüber zu sprechen?",
            "Sie macht sich so viele Sorgen um das Geld, und ich glaube, dass ich sie enttäuscht habe.",
            "Sie liegt Ihnen am Herzen. Vielleicht hilft es ihr, es von Ihnen selbst zu hören.",
        ),
        "not in its language: ",
    ),
    (
        talk(
            "先週仕事を失ってしまい、妻にどう伝えればいいのか分かりません。とてもつらいです。",
            "それは本当につらいですね。何が難しいのでしょうか。",
            "妻はずっとお金のことを心配していて、がっかりさせてしまったと思います。",
            "奥さんのことを大切に思っているのですね。",
            language="zh",
        ),
        "not in its language: ",
    ),
    (talk("Hi.", GOOD[1] * 3, "Yes.", GOOD[3] * 3), "mostly one side: the supporter says 9"),
    (
        talk(*(GOOD[n % 4] if n % 2 == 0 else GOOD[1] for n in range(6))),
        "repeated turns: the supporter says one thing 3 times",
    ),
    (
        talk(*(turn for n in range(5) for turn in (GOOD[0] + str(n), "I see." if n > 1 else GOOD[3] * (n + 1)))),
        "repeated turns: the supporter says 2 of 5 turns again",
    ),
    (changed(1, "As an AI language model, I can't say."), "machine-like, it says that it is a model: turn 2"),
    (changed(3, "Try:\n- rest\n- eat\n- talk"), "machine-like, a list: turn 4"),
    (
        changed(3, "好的。支持者：谢谢。", before=GOOD_ZH, language="zh"),
        "machine-like, a speaker's name in a turn: turn 4",
    ),
)


@pytest.mark.parametrize("dialogue, reason", LEFT_OUT)
def test_broken_and_machine_like_talks_are_left_out_for(dialogue, reason):
    assert why_left_out(dialogue).startswith(reason)


@pytest.mark.parametrize(
    "dialogue",
    (
        talk(*GOOD),
        talk(*GOOD_ZH, language="zh"),
        talk("hi", "hello", "i'm sad", "why?", "idk", "ok", "yes", "ok"),
        changed(0, "My cafÃ© closed."),  # one broken sign is no broken talk
        changed(0, "😭😭😭"),
        changed(1, "我在听。", before=(*GOOD[:3], GOOD[3] * 3)),
        changed(1, "OK，那你的PPT呢？", before=GOOD_ZH, language="zh"),
        talk("no", GOOD[1], "no", GOOD[3], "no, my sister said so", "Tell me about your sister."),
    ),
)
def test_the_talk_of_people_stays(dialogue):
    assert why_left_out(dialogue) is None


def test_limits_are_the_configs():
    assert why_left_out(talk(*GOOD), Limits(min_exchanges=3)) == "too few exchanges: 2"
    assert why_left_out(talk(*GOOD[:2]), Limits(min_exchanges=1)) is None
    assert why_left_out(talk(*GOOD), Limits(max_turn_characters=50)).startswith("a turn is too long: turn 1 has 70")


@given(st.lists(st.text(max_size=40), min_size=1, max_size=9), st.sampled_from(("en", "zh")))
def test_any_text_gives_a_reason_or_none(texts, language):
    reason = why_left_out(talk(*texts, language=language))
    assert reason is None or reason.partition(":")[0].strip()


def test_what_is_left_out_of_the_corpora_at_hand(shared_data):
    left_out = Counter()
    for path in ("esconv/ESConv.json", "smile/smile_300.jsonl", "cpsycoun/CPsyCounE"):
        for read in iter_corpus(CorpusConfig(path=str(shared_data / path))):
            if isinstance(read, Dialogue) and (reason := why_left_out(merged(read)[0])):
                left_out[read.source, reason] += 1
    assert left_out == {("smile_300", "too few exchanges: 1"): 10}


@pytest.mark.parametrize(
    "text, verdict",
    (
        ("Two people talk.\nVerdict: good", "good"),
        ("Verdict: good.\n\n", "good"),
        ("Hm.\n**Verdict:** Machine-Like\n```", "machine-like"),
        ("理由。\nＶｅｒｄｉｃｔ：not a dialogue", "not a dialogue"),
        ("Verdict: good\nNo, wait.\nVerdict: incoherent", "incoherent"),
    ),
)
def test_a_verdict_is_the_last_line(text, verdict):
    assert parse_verdict(text) == verdict


@pytest.mark.parametrize(
    "text, reason",
    (
        ("", "an empty answer"),
        ("\n...\n", "an empty answer"),
        ("It is good.", "no verdict in the last line"),
        ("Verdict: good\nI hope this helps.", "no verdict in the last line"),
        ("Verdict: good or incoherent", "no verdict in the last line"),
        ("Verdict: not good", "no verdict in the last line"),
        ("Verdict: good|incoherent|machine-like|not a dialogue", "no verdict in the last line"),
        ("My verdict: good", "no verdict in the last line"),
        ("Verdict good", "no verdict in the last line"),
    ),
)
def test_anything_else_is_no_verdict(text, reason):
    with pytest.raises(Malformed, match=f"^{reason}$"):
        parse_verdict(text)


def test_each_verdict_is_read_as_the_prompt_shows_it():
    assert [parse_verdict(f"Verdict: {verdict}") for verdict in VERDICTS] == list(VERDICTS)


class ScriptedModel:
    """A chat model whose answers are written down: by a word in the talk, for each draw; None where it has none."""

    name, settings = "scripted", {"script": 1}

    def __init__(self, script):
        self.script, self.asked, self.spent = script, [], Spent()

    def check(self):
        """It can always be asked."""

    def close(self):
        """It holds nothing."""

    def answer(self, requests):
        answers = []
        for messages, draw in requests:
            self.asked.append((messages, draw))
            text = next((said for word, said in self.script.items() if word in messages[1]["content"]), "Verdict: good")
            text = text[min(draw, len(text) - 1)] if isinstance(text, tuple) else text
            answers.append(None if text is None else Answer(text, 10, 2))
            self.spent += Spent(1, 10, 2, 0.5)
        return answers


def test_the_stage_leaves_out_by_rules_and_near_duplicates(tmp_path):
    first, other = dialogue("first", 3), dialogue("other", 3)
    again = first | {"id": "again", "source": "copies"}
    work = workspace(tmp_path)
    lines = []
    work = replace(work, say=lines.append)
    given_rows(work, "privacy", [first, dialogue("short", 1), again, other, {"id": "broken"}])
    assert run_stage(STAGE, work)
    assert read_rows(work, "filter", "dialogues.jsonl") == [first, other]
    assert [(row["where"], row["reason"]) for row in read_rows(work, "filter", REJECTED)] == [
        ("short", "too few exchanges: 1"),
        ("again", "near-duplicate: of first"),
        ("privacy/dialogues.jsonl, line 5", "not a dialogue's row: field 'turns' is missing."),
    ]
    counts = read_card(work.folder / "filter")["counts"]
    assert counts["sources"] == {
        "test": {
            "dialogues": 3,
            "kept": 2,
            "removed": 1,
            "removed_share": 0.3333,
            "reasons": {"too few exchanges": 1},
        },
        "copies": {"dialogues": 1, "kept": 0, "removed": 1, "removed_share": 1.0, "reasons": {"near-duplicate": 1}},
    }
    assert counts["paper"] == {"removed_share": "over 23 % of its own corpora, by its own filter"}
    assert lines == [
        "filter: 33.3% of 3 dialogues of test left out (paper: over 23 % of its own corpora, by its own filter)",
        "filter: 100.0% of 1 dialogues of copies left out (paper: over 23 % of its own corpora, by its own filter)",
    ]


def test_a_model_sorts_what_the_rules_leave(tmp_path):
    model = ScriptedModel(
        {
            "story": "It is a story.\nVerdict: not a dialogue",
            "robot": ("Hm.", "Verdict: machine-like"),
            "second": ("Hm.", "Verdict: good"),
            "mumbles": "I don't know.",
            "away": None,
        }
    )
    work = workspace(tmp_path, models={"sorter": model}, filter=FilterConfig(model="sorter", tries=2))
    ids = ("fine", "story", "robot", "second", "mumbles", "away")
    rows = [dialogue(id, 3) for id in ids]
    given_rows(work, "privacy", [*rows, dialogue("short", 1)])
    assert run_stage(STAGE, work)
    kept = read_rows(work, "filter", "dialogues.jsonl")
    made = {"stage": "filter", "model": "scripted", "settings_sha": kept[0]["provenance"][0]["settings_sha"]}
    made |= {"prompt": "coherence v1"}
    assert len(made["settings_sha"]) == 12
    assert {row["id"]: row["provenance"] for row in kept} == {
        "fine": [made | {"verdict": "good", "draw": 0}],
        "second": [made | {"verdict": "good", "draw": 1}],
        "mumbles": [made | {"verdict": None}],
        "away": [made | {"verdict": None}],
    }
    assert {row["where"]: row["reason"] for row in read_rows(work, "filter", REJECTED)} == {
        "short": "too few exchanges: 1",
        "story": "not a dialogue (a model's verdict)",
        "robot": "machine-like (a model's verdict)",
    }
    counts = read_card(work.folder / "filter")["counts"]
    assert counts["models"]["sorter"] == {
        "verdicts": {"good": 2, "machine-like": 1, "not a dialogue": 1},
        "without_verdict": {"no reply": 1, "no verdict in the last line": 1},
        "settings": {"script": 1},
        "settings_sha": made["settings_sha"],
        "spent": {"answers": 10, "prompt_tokens": 100, "completion_tokens": 20, "cost": 5.0},
    }
    assert counts["sources"]["test"]["reasons"] == {
        "machine-like (a model's verdict)": 1,
        "not a dialogue (a model's verdict)": 1,
        "too few exchanges": 1,
    }
    assert "Seeker: This is my part 0 of fine" in model.asked[0][0][1]["content"]
    files = {path.name: path.read_bytes() for path in (work.folder / "filter").iterdir()}
    assert not run_stage(STAGE, work)
    assert run_stage(STAGE, work, again=True)
    del files["stage.json"]
    assert files == {name: (work.folder / "filter" / name).read_bytes() for name in files}


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"^filter.model: unknown chat model 'qwn'; did you mean 'qwen'\?"):
        workspace(tmp_path, models={"qwen": ScriptedModel({})}, filter=FilterConfig(model="qwn"))


def test_no_dialogue_is_no_error(tmp_path):
    work = workspace(tmp_path)
    given_rows(work, "privacy", [])
    assert run_stage(STAGE, work)
    assert read_rows(work, "filter", "dialogues.jsonl") == []
    assert json.loads((work.folder / "filter/stage.json").read_text())["counts"]["sources"] == {}
