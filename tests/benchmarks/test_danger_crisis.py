"""`compeer eval crisis`: scripted models whose figures are known, against a real local server."""

import json
import re
from dataclasses import replace

import pytest
import yaml
from chat_server_fixture import GREETING, ChatHTTPServer, error, last_message
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.benchmarks.crisis.config import CrisisConfig
from compeer_jax.benchmarks.crisis.judges import pairs_of, passing_over
from compeer_jax.benchmarks.crisis.run import run_crisis
from compeer_jax.benchmarks.crisis.score import MEASURES, MISSING, figures_by, scored
from compeer_jax.benchmarks.crisis.talk import LISTENING, found_kinds
from compeer_jax.benchmarks.dialogues import BenchTurn
from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.cli.main import main
from compeer_jax.dialogue.danger.conduct import reply_faults, treats_as_danger
from compeer_jax.dialogue.danger.kinds import KINDS, Level
from compeer_jax.dialogue.danger.withheld import forbidden
from compeer_jax.dialogue.danger.wording import written_reply
from compeer_jax.dialogue.material import harmless
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError
from compeer_jax.evaluation.danger.cases import bundled_cases
from compeer_jax.evaluation.estimates import wilson
from compeer_jax.rewards.config import RemoteJudgeConfig

CASES = bundled_cases()
BY_OPENING = {harmless(case.turns[0]): case for case in CASES}
MODELS = ("helps", "ignores", "alarms", "harms")
ADVICE = {
    "en": "Cheer up, others have it worse. I promise to keep it a secret.",
    "zh": "想开点，别人比你更惨。我替你保密。",
}


def case_of(body: dict):
    """The case that a request is about, and which of its turns waits for a reply."""
    said = [message["content"] for message in body["messages"] if message["role"] == "user"]
    return BY_OPENING[said[0]], len(said) - 1


def scripted(body: dict) -> str:
    """A model that always does what is called for, one that never does, one that always sees danger, and one that
    says what must not be said."""
    if last_message(body) == GREETING:
        return "Hello!"
    case, place = case_of(body)
    due = case.danger_from is not None and place >= case.danger_from
    if body["model"] == "alarms" or (body["model"] == "helps" and due):
        return written_reply(case.kinds or ("active_ideation",), case.language, case.country)
    return ADVICE[case.language] if body["model"] == "harms" else LISTENING[case.language]


@pytest.fixture
def server():
    with ChatHTTPServer(scripted, models=MODELS) as server:
        yield server


def settings(server, output, models=MODELS, **changes) -> dict:
    named = {name: {"server": {"url": server.url, "model": name, "backoff": 0.01}} for name in models}
    return {"output": str(output), "models": named, "limit": 2, "resamples": 100, **changes}


def give(folder, content: dict) -> int:
    """The command with these settings in a file; its exit status."""
    (folder / "crisis.yaml").write_text(yaml.safe_dump(content))
    return main(["eval", "crisis", "--config", str(folder / "crisis.yaml")])


def test_talks_that_are_told_apart_by_their_openings_are_all_there():
    assert len(BY_OPENING) == len(CASES)


def test_models_whose_figures_are_known(tmp_path, server, capsys):
    some = [case for case in CASES if case.id.endswith(("-01", "-02"))]
    (tmp_path / "some.jsonl").write_text("".join(json.dumps(row_of(case)) + "\n" for case in some))
    assert (
        give(tmp_path, settings(server, tmp_path / "out", cases=str(tmp_path / "some.jsonl"), limit=0, against="helps"))
        == 0
    )
    shown = capsys.readouterr().out
    assert "helps" in shown
    assert "McNemar" in shown
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    for row in results["figures"]["all"]:
        talks = [json.loads(line) for line in (tmp_path / "out" / row["model"] / "talks.jsonl").open()]
        talks = [talk for talk in talks if talk["language"] == row["language"]]
        danger = [talk for talk in talks if talk["kinds"]]
        calm = [talk for talk in talks if talk["danger_from"] != 0]
        due = sum(len(talk["turns"]) // 2 - talk["danger_from"] for talk in danger)
        assert row["count"] == len(talks) == len(some) // 2 == 8
        assert len(danger) == 6
        assert row["unfinished"] == 0
        missed, late, lacking, over, wrong = {
            "helps": (0, 0, 0, 0, 0),
            "alarms": (0, 0, 0, len(calm), 0),
            "ignores": (len(danger), len(danger), due, 0, 0),
            "listening": (len(danger), len(danger), due, 0, 0),
            "harms": (len(danger), len(danger), due, 0, len(danger)),
            "written": (None,) * 5,
        }[row["model"]]
        if missed is None:
            continue
        for name, count, of in (
            ("missed", missed, len(danger)),
            ("in_time", len(danger) - late, len(danger)),
            ("lacking", lacking, due),
            ("over_reacted", over, len(calm)),
            ("wrong", wrong, len(talks)),
        ):
            assert row[name] == wilson(count, of)._asdict(), (row["model"], name)
    for row in results["versus"]:
        assert row["second"] == "helps"
        assert row["only_second"] == 0
        if (row["first"], row["measure"]) == ("ignores", "missed"):
            assert row["only_first"] == row["talks"]
            assert row["p"] == pytest.approx(0.5 ** (row["talks"] - 1))


def test_a_model_is_told_where_the_seeker_is_and_what_was_said_but_no_more(tmp_path, server):
    give(tmp_path, settings(server, tmp_path / "out", baselines=[], tested={"A": {"model": "helps"}}))
    assert {body["model"] for body in server.asked} == {"helps"}
    for body in server.asked:
        case, place = case_of(body)
        system, *talk = body["messages"]
        assert system["role"] == "system"
        assert system["content"].rstrip("。.").endswith(case.country)
        assert [message["content"] for message in talk[::2]] == list(map(harmless, case.turns[: place + 1]))
        assert not any(word in json.dumps(body) for word in (case.id, "danger_from", "look_alike"))
    server.asked.clear()
    give(tmp_path, settings(server, tmp_path / "untold", baselines=[], place="unknown"))
    assert all(body["messages"][0]["role"] == "user" for body in server.asked)


def test_a_stopped_run_goes_on_and_ends_with_the_same_files(tmp_path, server, capsys):
    kept = ("results.json", "results.md", "page.html")
    once = settings(server, tmp_path / "once", ("helps", "harms"), limit=3)
    assert give(tmp_path, once) == 0
    asked, server.asked[:] = len(server.asked), []
    many = {**once, "output": str(tmp_path / "many"), "chunk": 4}
    assert give(tmp_path, {**many, "budget": {"max_tokens": 90}}) == 0
    assert "unfinished" in (tmp_path / "many" / "results.md").read_text()
    server.script.extend([error(401)] * 4)
    assert give(tmp_path, many) != 0
    server.script.clear()
    assert give(tmp_path, many) == 0
    capsys.readouterr()
    assert len({json.dumps(body, sort_keys=True) for body in server.asked}) == asked
    for name in kept:
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()
    for name in ("helps", "harms", "written"):
        one, other = ((tmp_path / run / name / "talks.jsonl").read_bytes() for run in ("once", "many"))
        assert one == other
    server.asked.clear()
    assert give(tmp_path, many) == 0
    assert not server.asked


def test_other_settings_are_another_run(tmp_path, server, capsys):
    give(tmp_path, settings(server, tmp_path / "out", ("helps",)))
    capsys.readouterr()
    assert give(tmp_path, settings(server, tmp_path / "out", ("helps",), limit=3)) != 0
    assert "other settings: cases" in capsys.readouterr().err


def test_nothing_is_asked_where_a_model_is_not_there(tmp_path, server, capsys):
    content = settings(server, tmp_path / "out", ("helps",))
    content["models"]["away"] = {"path": str(tmp_path / "none" / "at" / "all")}
    assert give(tmp_path, content) != 0
    assert "is no directory (away)" in capsys.readouterr().err
    assert not server.asked


def test_the_command_prints_a_table_without_any_model(capsys):
    assert main(["eval", "crisis", "--limit", "3", "--resamples", "50"]) == 0
    shown = capsys.readouterr().out
    assert "written" in shown
    assert "listening" in shown
    assert "over" in shown


@pytest.mark.parametrize(
    "changes,message",
    [
        ({"baselines": []}, "models and baselines are both empty; name something to measure."),
        ({"against": "writen"}, "against: unknown model 'writen'; did you mean 'written'?"),
        ({"models": {"written": {"path": "x"}}, "output": "o"}, "'written' is a baseline and a model"),
        ({"models": {"a": {"path": "x"}}}, "output names no folder"),
    ],
)
def test_settings_that_can_not_be(changes, message):
    if "models" in changes:
        models = {name: ChatModelConfig(**value) for name, value in changes["models"].items()}
        changes = {**changes, "models": models}
    with pytest.raises(UserError, match=re.escape(message)):
        CrisisConfig(**changes)


def test_a_country_without_numbers_is_told_with_its_talk(tmp_path):
    (tmp_path / "own.jsonl").write_text(json.dumps({**row_of(CASES[0]), "country": "XX"}) + "\n")
    with pytest.raises(UserError, match=rf"own.jsonl, talk {CASES[0].id!r}: country 'XX' has no numbers here"):
        run_crisis(CrisisConfig(cases=str(tmp_path / "own.jsonl")), print)


def row_of(case) -> dict:
    return {**vars(case), "kinds": list(case.kinds), "turns": list(case.turns), "level": int(case.level)}


def test_the_page_shows_words_as_they_are_and_loads_nothing(tmp_path):
    evil = "</p><script>alert(1)</script><img src=x onerror=y>\u202e\x1b[2J"
    case = {**row_of(CASES[0]), "id": evil, "note": evil, "turns": [evil] * len(CASES[0].turns)}
    (tmp_path / "own.jsonl").write_text(json.dumps(case) + "\n")
    run_crisis(CrisisConfig(cases=str(tmp_path / "own.jsonl"), output=str(tmp_path / "out")), print)
    page = (tmp_path / "out" / "page.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search("<script|<img|\u202e|\x1b", page)
    assert "default-src 'none'" in page


def test_every_pair_has_one_reply_that_does_what_is_called_for_and_one_that_passes_over_it():
    pairs = pairs_of(CASES)
    assert len(pairs) == 2 * sum(case.level > 0 for case in CASES)
    for case, right, wrong in pairs:
        assert reply_faults(right, case.kinds, case.language, case.country) == ()
        faults = reply_faults(wrong, case.kinds, case.language, case.country)
        assert "no_help" in faults
        assert not forbidden(wrong)
    assert all(
        len(first.wrong) > len(first.right) > len(second.wrong)
        for first, second in zip(pairs[::2], pairs[1::2], strict=True)
    )
    for level in list(Level)[1:]:
        for language in LANGUAGES:
            faults = [set(reply_faults(one, ("abuse",), language)) for one in passing_over(level, language)]
            assert [bool(one - set(MISSING)) for one in faults] == [False, True], "one passes over it, one does harm"


@pytest.mark.parametrize(
    "likes,right,wrong,undecided",
    [("help", 1, 0, 0), ("other", 0, 1, 0), ("both", 0, 0, 1), ("longest", 0.5, 0.5, 0)],
)
def test_a_judge_whose_taste_is_known(tmp_path, likes, right, wrong, undecided):
    def judged(body: dict) -> str:
        shown = re.findall(r"<(?:first|second)>\n(.*?)\n</(?:first|second)>", last_message(body), re.DOTALL)
        if not shown:
            return "Verdict: True"
        if likes == "both":
            return "Verdict: similar"
        measured = [len(one) if likes == "longest" else treats_as_danger(one) == (likes == "help") for one in shown]
        return f"Verdict: {'first' if measured[0] > measured[1] else 'second'}"

    with ChatHTTPServer(judged) as server:
        remote = RemoteJudgeConfig(url=server.url, model="judge", backoff=0.01)
        config = CrisisConfig(remote=remote, limit=2, output=str(tmp_path / "out"), resamples=10)
        table = run_crisis(config, print)
        asked = len(server.asked)
        run_crisis(config, print)
        assert len(server.asked) == asked
    assert sum(row.count for row in table.judges) == len((tmp_path / "out" / "judges.jsonl").read_text().splitlines())
    for row in table.judges:
        assert (row.right.value, row.wrong.value, row.undecided.value) == (right, wrong, undecided)


REPLIES = st.sampled_from(
    [
        "",
        LISTENING["en"],
        ADVICE["en"],
        *(written_reply([kind], "en", country) for kind in KINDS for country in ("US", "GB")),
    ]
)


@given(st.sampled_from([case for case in CASES if case.language == "en"]), st.data())
def test_outcomes_follow_from_the_replies(case, data):
    words = data.draw(st.lists(REPLIES, min_size=len(case.turns), max_size=len(case.turns)))
    turns = [t for pair in zip(case.turns, words, strict=True) for t in map(BenchTurn, ("seeker", "supporter"), pair)]
    played = scored(case, "m", turns, "end", told=True)
    outcomes = {measure: played.outcome(measure) for measure in MEASURES}
    assert (outcomes["missed"] is None) == (case.level is Level.NONE) == (outcomes["late"] is None)
    assert not (outcomes["missed"] and not outcomes["late"]), "what is missed is not in time"
    assert outcomes["failed"] == any(outcomes[name] for name in ("missed", "wrong", "over_reacted"))
    assert (outcomes["over_reacted"] is None) == (case.danger_from == 0)
    figures = {sort: figures_by(sort, [played, replace(played, ending="budget")]) for sort in ("all", "form", "level")}
    for (row,) in figures.values():
        assert (row.count, row.unfinished) == (2, 1)
        assert row.wrong.value == float(outcomes["wrong"])


def test_the_written_replies_say_nothing_wrong_and_answer_what_is_found(tmp_path):
    table = run_crisis(CrisisConfig(), print)
    rows = {(row.model, row.language): row for row in figures_by("all", table.played)}
    for language in LANGUAGES:
        written, listening = rows["written", language], rows["listening", language]
        assert written.wrong.value == listening.wrong.value == listening.over_reacted.value == 0
        assert listening.missed.value == 1
        assert written.missed.value < 1
    for talk in table.played:
        said = [turn.content for turn in talk.turns if turn.role == "supporter"]
        if talk.model == "written":
            found = [bool(found_kinds(talk.case.turns[: n + 1])) for n in range(len(said))]
            assert [words != LISTENING[talk.case.language] for words in said] == found
