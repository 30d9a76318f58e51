"""The personality stage, against a scripted chat model: what it says is written here, it thinks nothing."""

import json
import re
from collections import Counter

import pytest
from chat_server_fixture import GREETING, ChatHTTPServer, error, last_message, texts
from hypothesis import given
from hypothesis import strategies as st
from scripted_chat import SYSTEMS

from compeer_jax.chat.config import ChatModelConfig, ServerConfig
from compeer_jax.chat.models import ChatModels
from compeer_jax.chat.types import Answer, Spent
from compeer_jax.curation.candidates.rows import Candidate
from compeer_jax.curation.config import BuildConfig, PersonalityConfig
from compeer_jax.curation.personality.rewriting import Talk, parse_rewrite, rewrite_messages
from compeer_jax.curation.personality.stage import STAGE
from compeer_jax.curation.personality.steps import parse_steps, unsaid
from compeer_jax.curation.personality.traits import Traits
from compeer_jax.curation.rows import read_rows
from compeer_jax.curation.stage import Workspace, read_card, run_stage
from compeer_jax.data.jsonl import read_jsonl, write_jsonl
from compeer_jax.dialogue.schema import Turn, merge_adjacent
from compeer_jax.errors import UserError

MANNERS = {
    "en": (
        "Speaks in short, restless bursts and says it all.",
        "Calm and patient, with long gentle sentences.",
    ),
    "zh": ("说话急促直接，想要什么就说什么。", "语气平静耐心，句子长而温和。"),
}
NAMED = {"en": "Question", "zh": "提问"}


def traits(language: str, lively: bool) -> dict:
    levels = ("high", "high", "low", "low") if lively else ("low", "low", "high", "high")
    names = ("dominance", "influence", "steadiness", "conscientiousness")
    return dict(zip(names, levels, strict=True)) | {"description": MANNERS[language][not lively]}


def say(messages, draw) -> str:
    """What a well-behaved model says: two kinds of people by turns, each line with a word more, always a question."""
    name, language = SYSTEMS[messages[0]["content"]]
    shown = messages[-1]["content"]
    if name == "traits":
        lively = int(re.search(r"\d+", shown)[0]) % 2 == 0
        return json.dumps({side: traits(language, lively) for side in ("seeker", "supporter")}, ensure_ascii=False)
    if name == "rewrite_steps":
        return re.search(r"<second>\n(.*)\n</second>", shown, re.DOTALL)[1]
    if name == "strategy":
        return f"First: {NAMED[language]}\nSecond: {NAMED[language]}"
    lines = re.findall(r"^\d+\. .*$", shown, re.MULTILINE)
    more = {"rewrite": {"en": " you know", "zh": "呢"}, "rewrite_persona": {"en": " well then", "zh": "啊"}}
    return "\n".join(line + more[name][language] for line in lines)


class Scripted:
    """A chat model that says what a function of (messages, draw) says; None is no answer."""

    def __init__(self, say=say):
        self.name, self.say, self.spent, self.asked = "scripted", say, Spent(), []
        self.settings = {"scripted": True, "temperature": 0.7}

    def check(self) -> None:
        pass

    def answer(self, requests):
        self.asked += [(json.dumps(list(request.messages)), request.draw) for request in requests]
        texts = [self.say(request.messages, request.draw) for request in requests]
        self.spent += Spent(len(texts), 10 * len(texts), 5 * len(texts), 0.5)
        return [None if text is None else Answer(text, 10, 5) for text in texts]

    def close(self) -> None:
        pass


def dialogue(number: int, language: str = "en", **more) -> dict:
    """A dialogue as the filter stage gives it."""
    words = {
        "en": (
            f"I lost job number {number} and can't sleep.",
            "Since when have you been awake?",
            "Since last week.",
        ),
        "zh": (f"我失业了，睡不着，第{number}次了。", "你从什么时候开始睡不着的？", "从上周开始的，每天都这样。"),
    }[language]
    roles = ("seeker", "supporter", "seeker", "supporter")
    last = {"en": "That is a long time. How do you feel?", "zh": "这么久了。你现在感觉怎么样？"}[language]
    turns = [{"role": role, "content": text} for role, text in zip(roles, (*words, last), strict=True)]
    turns[1]["strategy"] = turns[3]["strategy"] = "Question"
    row = {"id": f"talk-{number}", "language": language, "source": "own", "licence": "CC0-1.0", "turns": turns}
    return row | {"provenance": [{"stage": "corpora", "file": "own.jsonl", "record": number}]} | more


def candidate(number: int, language: str = "en", model: str = "m", **more) -> dict:
    """A candidate for a dialogue's last round."""
    row = dialogue(number, language)
    turns = row.pop("turns")
    reply = {"en": "A whole week! What have you tried so far?", "zh": "整整一周！你试过什么办法？"}[language]
    return row | {
        "id": f"talk-{number}#3/{model}",
        "dialogue": f"talk-{number}",
        "history": turns[:3],
        "reference": {"response": turns[3]["content"], "strategy": "Question"},
        "round": 2,
        "rounds": 2,
        "steps": {"history": "Lost a job.", "emotion": "Worn out.", "strategy": "Ask."},
        "labels": {"stage": "exploration", "strategy": "Question"},
        "response": reply,
        "provenance": [*row["provenance"], {"stage": "candidates", "model": model}],
        **more,
    }


def work_with(folder, asked, *, dialogues, candidates, labelled=None, **settings) -> Workspace:
    """A pipeline's folder with these rows in it, and this model to ask."""
    settings = {"model": "scripted", "max_clusters": 4} | settings
    config = BuildConfig(
        output=str(folder), models={"scripted": ChatModelConfig(path="x")}, personality=PersonalityConfig(**settings)
    )
    labelled = [row["id"] for row in candidates] if labelled is None else labelled
    write_jsonl(folder / "filter" / "dialogues.jsonl", dialogues)
    write_jsonl(folder / "candidates" / "candidates.jsonl", candidates)
    write_jsonl(folder / "annotation" / "labels.jsonl", [{"id": id, "labels": {}, "provenance": []} for id in labelled])
    return Workspace(config, folder, {"scripted": asked}, lambda line: None)


def rows(work, name) -> list[dict]:
    path = work.file("personality", name)
    return [row for _, row in read_jsonl(path)] if path.stat().st_size else []


def eight(folder, model, **settings) -> Workspace:
    """Six English and two Chinese dialogues, a candidate each."""
    spoken = [(number, "en") for number in range(6)] + [(number, "zh") for number in (6, 7)]
    return work_with(
        folder,
        model,
        dialogues=[dialogue(*one) for one in spoken],
        candidates=[candidate(*one) for one in spoken],
        **settings,
    )


def test_both_variants_of_each_labelled_candidate(tmp_path):
    work = eight(tmp_path, Scripted())
    assert run_stage(STAGE, work)
    rewrites = rows(work, "rewrites.jsonl")
    assert [(row["id"], row["variant"]) for row in rewrites] == [
        (f"talk-{number}#3/m", variant) for number in range(8) for variant in ("r", "p")
    ]
    for row, before in zip(
        rewrites[::2], read_rows(work.file("candidates", "candidates.jsonl"), Candidate), strict=True
    ):
        assert [turn["role"] for turn in row["history"]] == ["seeker", "supporter", "seeker"]
        assert row["history"][1]["strategy"] == "Question"
        more = " you know" if before.language == "en" else "呢"
        assert [turn["content"] for turn in row["history"]] == [turn.content + more for turn in before.history]
        assert row["responses"] == [before.reference.response + more, before.response + more]
        assert [entry["stage"] for entry in row["provenance"]] == ["corpora", "candidates", "personality"]
        entry = row["provenance"][-1]
        assert (entry["variant"], entry["prompt"], entry["draw"]) == ("r", "rewrite v1", 0)
        assert 0.5 <= entry["cosine"] < 1
        assert "persona" not in row
    card = read_card(work.folder / "personality")
    assert card["counts"]["variants"] == {name: {"accepted": 8, "left_out": {}} for name in ("r", "p")}
    assert card["counts"]["with_both"] == 8
    # Of each dialogue the traits, of each candidate two rewrites and the strategies before and after.
    assert card["counts"]["models"]["scripted"]["spent"]["answers"] == 8 * (1 + 2 + 3)


def test_a_persona_comes_from_another_dialogue_of_the_same_language_and_cluster(tmp_path):
    work = eight(tmp_path, Scripted(), clusters=2)
    run_stage(STAGE, work)
    described = {row["id"]: row for row in rows(work, "traits.jsonl")}
    assert len(described) == 8
    personas = [row for row in rows(work, "rewrites.jsonl") if row["variant"] == "p"]
    # English: number even and odd are two clusters of three. Chinese: each is alone in its own.
    assert [row["id"] for row in personas] == [f"talk-{number}#3/m" for number in range(6)]
    for row in personas:
        own = described[row["id"].split("#")[0]]
        for side in ("seeker", "supporter"):
            other = described[row["persona"][side]["dialogue"]]
            assert other["id"] != own["id"]
            assert other[f"{side}_cluster"] == own[f"{side}_cluster"]
            assert row["persona"][side] == {"dialogue": other["id"], **other[side]}
    counts = read_card(work.folder / "personality")["counts"]["variants"]
    assert counts["p"] == {"accepted": 6, "left_out": {"nobody else is in the cluster of a speaker": 2}}
    assert counts["r"]["accepted"] == 8
    clusters = json.loads(work.file("personality", "clusters.json").read_text())
    assert {name: c["sizes"] for name, c in clusters.items()} == {
        "en seeker": [3, 3],
        "en supporter": [3, 3],
        "zh seeker": [1, 1],
        "zh supporter": [1, 1],
    }
    assert work.file("personality", "elbow.png").read_bytes().startswith(b"\x89PNG")


def test_the_model_is_told_the_manner_of_both(tmp_path):
    model = Scripted()
    run_stage(STAGE, eight(tmp_path, model, clusters=2))
    told = [text for text, _ in model.asked if json.loads(text)[0]["content"] in SYSTEMS and "<first>" in text]
    personas = [text for text in told if "manner of speaking:" in text]
    assert len(personas) == 6
    lively, calm = (Traits(**traits("en", kind)).text("en") for kind in (True, False))
    assert lively == (
        "Dominance high, influence high, steadiness low, conscientiousness low. "
        "Speaks in short, restless bursts and says it all."
    )
    for text in personas:
        assert (lively in text) != (calm in text)  # both sides of a talk are of one kind here


def test_only_labelled_candidates_and_their_dialogues_are_asked_about(tmp_path):
    model = Scripted()
    work = work_with(
        tmp_path,
        model,
        dialogues=[dialogue(number) for number in range(4)],
        candidates=[candidate(number, model=name) for number in range(4) for name in "ab"],
        labelled=["talk-1#3/a", "talk-3#3/a", "talk-3#3/b"],
    )
    run_stage(STAGE, work)
    assert [row["id"] for row in rows(work, "traits.jsonl")] == ["talk-1", "talk-3"]
    assert Counter(row["id"] for row in rows(work, "rewrites.jsonl")) == dict.fromkeys(
        ("talk-1#3/a", "talk-3#3/a", "talk-3#3/b"), 2
    )
    assert len(model.asked) == 2 + 3 * (2 + 3)


def test_the_personas_of_a_dialogue_are_drawn_once(tmp_path):
    work = work_with(
        tmp_path,
        Scripted(),
        dialogues=[dialogue(number) for number in range(12)],
        candidates=[candidate(number, model=name) for number in range(12) for name in "abc"],
        clusters=1,
    )
    run_stage(STAGE, work)
    lent = {}
    for row in rows(work, "rewrites.jsonl"):
        if row["variant"] == "p":
            lent.setdefault(row["id"].partition("#")[0], []).append(row["persona"])
    assert {id: len(personas) for id, personas in lent.items()} == {f"talk-{number}": 3 for number in range(12)}
    for personas in lent.values():
        assert personas[0] == personas[1] == personas[2]
    assert len({json.dumps(personas[0]) for personas in lent.values()}) > 3


QUOTING = {"history": "They said “I lost job number 0” and more.", "emotion": "Worn out.", "strategy": "Ask."}


@pytest.mark.parametrize(
    "new, reason",
    [
        ("They said “Job number 0 is what I lost” and more.", None),
        ("They said that they lost it.", None),
        ("They said “I lost job number 0” and more.", "a step quotes what nobody says"),
        ("They said, as an AI language model, that they lost it.", "a step: machine-like"),
        ("他们失业了，睡不着觉。", "a step: another language"),
    ],
)
def test_steps_are_carried_over_and_quote_what_is_said_now(tmp_path, new, reason):
    def answer(messages, draw):
        name, _ = SYSTEMS[messages[0]["content"]]
        if name == "rewrite":
            return re.sub(r"I lost (job number 0)", r"Job number 0 is what I lost", say(messages, draw))
        return f"1. {new}\n2. Worn out.\n3. Ask." if name == "rewrite_steps" else say(messages, draw)

    work = work_with(
        tmp_path,
        Scripted(answer),
        dialogues=[dialogue(0)],
        candidates=[candidate(0, steps=QUOTING)],
        rewrite_steps=True,
    )
    run_stage(STAGE, work)
    found, rejected = rows(work, "rewrites.jsonl"), rows(work, "rejected.jsonl")
    if reason is None:
        assert [row["steps"] for row in found] == [QUOTING | {"history": new}]
        assert found[0]["provenance"][-1]["steps_prompt"] == "rewrite_steps v1"
    else:
        assert not found
        assert rejected[0]["reason"] == f"steps could not be rewritten: {reason}"


def test_a_step_that_quoted_what_nobody_said_may_go_on_doing_so():
    """Its label, that it is wrong perhaps, stays true."""
    history = (Turn("seeker", "I lost my job."),)
    talk = Talk("en", history, ("a", "b"))
    step = {"history": 'They say "I hate it".'}
    assert parse_steps(talk, talk.said_as(["My job is gone.", "c", "d"]), step, '1. They say "I hate it".') == step


@given(st.lists(st.text("abc 。，!", min_size=1, max_size=12), min_size=1, max_size=4), st.integers(0, 3))
def test_what_a_turn_has_is_said(words, place):
    history = tuple(Turn("seeker", text) for text in words)
    quote = words[place % len(words)]
    assert unsaid(f"They say “{quote.upper()}”", history) == []
    assert unsaid(f"They say 「{quote}」 and “never that”", history) == ["never that"]


def spoiled(name: str, change):
    """The well-behaved model, but for what `change` makes of its answers to this prompt: (text, draw, shown)."""

    def answer(messages, draw):
        text = say(messages, draw)
        if SYSTEMS[messages[0]["content"]][0] != name:
            return text
        return change(text, draw, messages[-1]["content"])

    return Scripted(answer)


REWRITES_FAULTS = {
    "no reply": lambda text, draw, shown: None,
    "fewer lines than were asked for": lambda text, draw, shown: text.rpartition("\n")[0],
    "more lines than were asked for": lambda text, draw, shown: f"{text}\n6. Supporter: And more.",
    "lines that are not numbered in order": lambda text, draw, shown: text.replace("2. ", "3. ", 1),
    "a line without its number": lambda text, draw, shown: f"Sure! Here it is.\n{text}",
    "a line with another speaker than it had": lambda text, draw, shown: text.replace("Seeker:", "Supporter:"),
    "a line without words": lambda text, draw, shown: re.sub(r"(2\. Supporter:).*", r"\1 …", text),
    "machine-like: line 5, it says that it is a model": lambda text, draw, shown: text + ", as an AI language model.",
    "another language: line 5": lambda text, draw, shown: re.sub(r"(5\. Supporter:).*", r"\1 你试过什么办法？", text),
    "a mark or a number is not as it was: line 5": lambda text, draw, shown: text + " Call 555 now.",
    "copied: 5 of 5 lines are as they were": lambda text, draw, shown: text.replace(" you know", "!"),
    "the two replies became one": lambda text, draw, shown: re.sub(
        r"(5\. Supporter:).*", r"\1 That is a long time. How do you feel? you know", text
    ),
    "meaning drift: line 5 has cosine 0.0": lambda text, draw, shown: re.sub(r"(5\. S\w+:).*", r"\1 Buy gold", text),
}


@pytest.mark.parametrize(("reason", "change"), REWRITES_FAULTS.items(), ids=REWRITES_FAULTS)
def test_a_rewrite_that_is_no_rewrite_is_left_out_with_the_reason(reason, change, tmp_path):
    work = work_with(
        tmp_path,
        spoiled("rewrite", change),
        dialogues=[dialogue(number) for number in range(2)],
        candidates=[candidate(number) for number in range(2)],
    )
    run_stage(STAGE, work)
    rejected = rows(work, "rejected.jsonl")
    assert [row["where"] for row in rejected] == ["talk-0#3/m, variant r", "talk-1#3/m, variant r"]
    assert all(row["reason"].startswith(reason) for row in rejected), rejected
    counts = read_card(work.folder / "personality")["counts"]
    assert counts["variants"]["r"] == {"accepted": 0, "left_out": {reason.partition(":")[0]: 2}}
    assert counts["variants"]["p"]["accepted"] == 2
    assert counts["with_both"] == 0


def test_a_malformed_rewrite_is_asked_for_again(tmp_path):
    model = spoiled("rewrite", lambda text, draw, shown: text if draw else "Sure!")
    work = eight(tmp_path, model)
    run_stage(STAGE, work)
    draws = {row["variant"]: row["provenance"][-1]["draw"] for row in rows(work, "rewrites.jsonl")}
    assert draws == {"r": 1, "p": 0}
    assert len(set(model.asked)) == len(model.asked)  # nothing is asked twice


def test_replies_that_change_their_strategy_are_left_out(tmp_path):
    def change(text, draw, shown):
        return "First: Question\nSecond: Providing Suggestions" if "you know" in shown else text

    work = eight(tmp_path, spoiled("strategy", change))
    run_stage(STAGE, work)
    reasons = Counter(row["reason"] for row in rows(work, "rejected.jsonl"))
    assert reasons == {"strategy drift: Question became Providing Suggestions": 6}  # the English ones of variant r
    assert {row["variant"] for row in rows(work, "rewrites.jsonl") if row["id"] == "talk-0#3/m"} == {"p"}

    unchecked = eight(tmp_path / "unchecked", spoiled("strategy", change), check_strategy=False)
    run_stage(STAGE, unchecked)
    assert len(rows(unchecked, "rewrites.jsonl")) == 16


def test_strategies_that_could_not_be_told(tmp_path):
    work = eight(tmp_path, spoiled("strategy", lambda text, draw, shown: "Question and more"))
    run_stage(STAGE, work)
    reason = "strategies could not be told: not one line with a strategy for each reply"
    assert Counter(row["reason"] for row in rows(work, "rejected.jsonl")) == {reason: 16}


def test_without_traits_a_candidate_has_no_persona_but_is_rewritten(tmp_path):
    def change(text, draw, shown):
        return "They are kind." if "job number 3" in shown else text

    work = eight(tmp_path, spoiled("traits", change))
    run_stage(STAGE, work)
    counts = read_card(work.folder / "personality")["counts"]
    assert (counts["described"], counts["traits_set_aside"]) == (7, {"not one JSON object": 1})
    assert counts["variants"]["p"]["left_out"]["the traits of its speakers are not known"] == 1
    assert counts["variants"]["r"]["accepted"] == 8
    where = {row["where"] for row in rows(work, "rejected.jsonl")}
    assert {"talk-3, traits", "talk-3#3/m, variant p"} <= where


def test_marks_numbers_images_and_breaks_within_turns(tmp_path):
    one = candidate(0)
    one["history"][0] = {"role": "seeker", "content": "Write to [email]\nor call 988 please, my dear friend."}
    one["history"][1] = {"role": "supporter", "content": "", "images": ["a.png"]}
    work = work_with(tmp_path, Scripted(), dialogues=[dialogue(0), dialogue(1)], candidates=[one, candidate(1)])
    run_stage(STAGE, work)
    row = rows(work, "rewrites.jsonl")[0]
    assert row["history"][0]["content"] == "Write to [email] or call 988 please, my dear friend. you know"
    assert row["history"][1] == {"role": "supporter", "content": "", "images": ["a.png"]}

    model = spoiled("rewrite", lambda text, draw, shown: text.replace("988", "the helpline"))
    lost = work_with(tmp_path / "lost", model, dialogues=[dialogue(0)], candidates=[one])
    run_stage(STAGE, lost)
    assert rows(lost, "rejected.jsonl")[0]["reason"] == "a mark or a number is not as it was: line 1"


def test_the_same_input_gives_the_same_files(tmp_path):
    for name in ("one", "two"):
        run_stage(STAGE, eight(tmp_path / name, Scripted()))
    folders = [tmp_path / name / "personality" for name in ("one", "two")]
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert first == second
    made = {"traits.jsonl", "rewrites.jsonl", "clusters.json", "elbow.png"}
    assert set(first) == made | {"rejected.jsonl", "stage.json"}


def test_a_persona_depends_on_seed_and_id_not_on_order(tmp_path):
    numbers = [*range(0, 40, 2)]  # all of one kind, so of one cluster

    def personas(folder, order):
        work = work_with(
            tmp_path / folder,
            Scripted(),
            dialogues=[dialogue(number) for number in numbers],
            candidates=[candidate(number) for number in order],
        )
        run_stage(STAGE, work)
        return {row["id"]: row["persona"] for row in rows(work, "rewrites.jsonl") if row["variant"] == "p"}

    there, back = personas("there", numbers), personas("back", numbers[::-1])
    assert there == back
    assert len({persona["seeker"]["dialogue"] for persona in there.values()}) > 5


@pytest.mark.long
def test_a_killed_run_goes_on_and_asks_nothing_twice(tmp_path):
    """Against a real server, whose answers are scripted and which refuses after a number of them."""
    left = [1000]

    def answer(body):
        if last_message(body) == GREETING:
            return "Hello."
        left[0] -= 1
        return say(body["messages"], 0) if left[0] >= 0 else error(401, "enough")

    with ChatHTTPServer(answer) as server:

        def run(folder):
            base = eight(tmp_path / folder, None)
            config = ChatModelConfig(server=ServerConfig(url=server.url, model="judge", concurrency=4))
            models = ChatModels({"scripted": config}, folder=tmp_path / folder / "answers", say=print)
            try:
                run_stage(STAGE, Workspace(base.config, base.folder, models, print))
            finally:
                models.close()
            folder = base.folder / "personality"
            return {path.name: path.read_bytes() for path in folder.iterdir()}

        whole = run("whole")
        asked = sorted(texts(server.asked))
        assert len(asked) == len(set(asked)) == 8 * 6
        for allowed in (0, 5, 20, 0, 9):
            left[0] = allowed
            with pytest.raises(UserError):
                run("killed")
        left[0], before = 1000, len(server.asked)
        assert run("killed") == whole
        lost = len(server.asked) - before - (8 * 6 - 5 - 20 - 9)
        assert 0 <= lost <= 3 * 3  # each time, answers to the other three questions under way may not have been read
        assert run("killed") == whole


@pytest.mark.parametrize(
    ("settings", "labelled", "why"),
    [
        ({"model": ""}, None, "personality.model names no chat model"),
        ({}, [], "no candidate has a label yet"),
    ],
)
def test_with_nothing_to_do_the_files_are_there_and_empty(settings, labelled, why, tmp_path):
    model, said = Scripted(), []
    work = work_with(tmp_path, model, dialogues=[dialogue(0)], candidates=[candidate(0)], labelled=labelled, **settings)
    run_stage(STAGE, Workspace(work.config, work.folder, work.models, said.append))
    assert said == [f"personality: {why}, so nothing is rewritten."]
    assert rows(work, "traits.jsonl") == rows(work, "rewrites.jsonl") == rows(work, "rejected.jsonl") == []
    assert json.loads(work.file("personality", "clusters.json").read_text()) == {}
    assert not model.asked


def test_a_dialogue_with_one_side_silent_is_named(tmp_path):
    silent = dialogue(0)
    for turn in silent["turns"][1::2]:
        turn |= {"content": "", "images": ["a.png"]}
    work = work_with(tmp_path, Scripted(), dialogues=[silent, dialogue(1)], candidates=[candidate(0), candidate(1)])
    run_stage(STAGE, work)
    assert rows(work, "rejected.jsonl")[0] == {
        "where": "talk-0",
        "reason": "one side says nothing that could be described",
    }


def test_a_row_of_labels_without_an_id_is_named(tmp_path):
    work = work_with(tmp_path, Scripted(), dialogues=[dialogue(0)], candidates=[candidate(0)])
    path = work.file("annotation", "labels.jsonl")
    write_jsonl(path, [{"id": "talk-0#3/m"}, {"labels": {}}])
    with pytest.raises(UserError) as caught:
        run_stage(STAGE, work)
    assert str(caught.value) == (f"{path}, line 2: a row of labels needs an id; run `compeer data annotation` again.")


def test_real_talks_are_shown_and_read_back_line_by_line(shared_data):
    talks = 0
    for number, talk in enumerate(json.loads((shared_data / "esconv" / "ESConv.json").read_text(encoding="utf-8"))):
        turns = [Turn(turn["speaker"], turn["content"]) for turn in talk["dialog"] if turn["content"].strip()]
        history = merge_adjacent(turns)[0]
        while history and history[-1].role != "seeker":
            history = history[:-1]
        if number % 5 or not history:
            continue
        shown = Talk("en", history, ("I see. Why: tell me", "2. Seeker: I am no seeker"))
        answer = rewrite_messages(shown)[-1]["content"]
        lines = parse_rewrite(shown, answer.partition("<conversation>")[2].partition("</conversation>")[0])
        assert lines == shown.lines
        talks += 1
    assert talks == 260
