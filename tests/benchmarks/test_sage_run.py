"""SAGE from its config to its files, against a local server whose words are scripted."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from chat_server_fixture import GREETING, ChatHTTPServer, completion, error, last_message, plain_settings

from compeer_jax.benchmarks.config import BudgetConfig
from compeer_jax.benchmarks.dialogues import read_dialogues
from compeer_jax.benchmarks.sage.config import SageConfig
from compeer_jax.benchmarks.sage.run import run_sage
from compeer_jax.chat.config import ChatModelConfig, ServerConfig
from compeer_jax.cli.main import main
from compeer_jax.errors import UserError

MODELS = ("tested", "seeker")
FILES = ("dialogues.jsonl", "counts.json", "results.json", "results.md", "settings.json", "rejected.jsonl")


def mark(body: dict) -> str:
    """Digits that follow from what is asked alone."""
    return str(int(hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest(), 16))[:12]


def person(body: dict) -> int:
    """Whom a planner or an agent is asked about."""
    return int(re.search(r"第(\d+)件", words_of(body))[1])


def words_of(body: dict) -> str:
    """All of it."""
    return "\n".join(message["content"] for message in body["messages"])


def scripted(body: dict) -> str:
    """The words of both sides; nothing in it thinks."""
    if last_message(body) == GREETING:
        return GREETING
    if body["model"] == "tested":
        return f"我在听，请接着说。（{mark(body)}）"
    if "TargetCompletion" in body["messages"][0]["content"]:
        changes = (("＋６０",), ("**-60**",), ("+10", "＋７", "-6", "**+4**", "-2"))[person(body) % 3]
        change = changes[int(mark(body)) % len(changes)]
        return f"**Content：** 倾听\nTargetCompletion：一些\nActivity：好受\nAnalyse：被听见了\nChange：\n{change}"
    leaves = person(body) % 3 == 2 and int(mark(body)) % 9 == 0
    said = "我先走了，再见。" if leaves else f"我还是很难过，{mark(body)}。"
    return f"Thinking: 想\nOrigin: 说\nChange: 轻声\nResponse: {said}"


def models_at(server: ChatHTTPServer, **settings) -> dict[str, ChatModelConfig]:
    settings = {"url": server.url, "backoff": 0.01, "max_tokens": 64} | settings
    return {name: ChatModelConfig(server=ServerConfig(model=name, **settings)) for name in MODELS}


@pytest.fixture(scope="module")
def profiles(tmp_path_factory) -> Path:
    """Nine people of our own making, and two rows that are none."""
    path = tmp_path_factory.mktemp("profiles") / "profiles.jsonl"
    rows = [
        {"id": f"p{n}", "player": f"小{n}，话不多", "scene": f"第{n}件难过的事", "main_cha": "被动型",
         "cha_group": ["内向", "敏感"], "task": "你希望对方用心倾听"} for n in range(9)
    ]  # fmt: skip
    rows[4:4] = [{"id": "x"}, rows[0]]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def config_of(server, profiles, output, *, settings=None, **more) -> SageConfig:
    more = {"models": models_at(server, **(settings or {})), "tested": "tested", "role": "seeker", "rounds": 6} | more
    return SageConfig(output=str(output), profiles=str(profiles), **more)


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def questions(server: ChatHTTPServer) -> Counter:
    return Counter(json.dumps([body["model"], body["messages"], body.get("temperature")]) for body in server.asked)


@pytest.fixture(scope="module")
def whole(profiles, tmp_path_factory):
    """A run that nothing disturbed: its folder, what it said, how much it asked."""
    lines: list[str] = []
    with ChatHTTPServer(scripted, models=MODELS) as server:
        folder = run_sage(config_of(server, profiles, tmp_path_factory.mktemp("whole")), lines.append)
        return folder, lines, len(server.asked)


def test_each_profile_has_a_row_in_order_and_bad_rows_are_set_aside(whole):
    folder, lines, _ = whole
    rows = read_dialogues(folder)
    assert [row.id for row in rows] == [f"p{n}" for n in range(9)]
    assert lines[:2] == [
        "left out: profiles.jsonl, line 5: field 'player' is missing",
        "left out: profiles.jsonl, line 6: id 'p0' was given before",
    ]
    rejected = [json.loads(line) for line in (folder / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["reason"] for row in rejected] == ["field 'player' is missing", "id 'p0' was given before"]
    assert {row.ending for row in rows} == {"rounds", "goodbye", "success", "failure"}
    for row in rows:
        emotions = [turn.emotion for turn in row.turns if turn.role == "seeker"]
        changes = [turn.change for turn in row.turns if turn.role == "seeker"][1:]
        assert emotions[0] == 40
        assert row.emotion == emotions[-1] == 40 + sum(changes)
        assert row.provenance["prompts"].items() >= {"sage_planner.zh": 1, "sage_agent.zh": 1}.items()


def test_the_results_are_those_of_the_rows(whole):
    folder, lines, asked = whole
    rows = read_dialogues(folder)
    mean = sum(row.emotion for row in rows) / len(rows)
    (found,) = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert found["reports"][0]["emotion"]["value"] == pytest.approx(mean)
    counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    assert counts["endings"] == Counter(row.ending for row in rows)
    assert counts["spent"]["answers"] == asked
    assert lines[2] == "9 talks: " + ", ".join(f"{n} {ending}" for ending, n in counts["endings"].items()) + "."


def test_a_budget_stops_it_cleanly_and_more_budget_ends_with_the_same_files(profiles, whole, tmp_path):
    folder, _, asked = whole
    with ChatHTTPServer(scripted, models=MODELS) as server:
        for limit in (1, 700, 0):
            lines: list[str] = []
            budget = BudgetConfig(max_tokens=limit)
            run_sage(config_of(server, profiles, tmp_path, budget=budget), lines.append)
            stopped = [row for row in read_dialogues(tmp_path) if row.ending == "budget"]
            assert bool(stopped) == (limit > 0)
            assert all(row.emotion is None for row in stopped)
            assert any("raise the budget" in line for line in lines) == (limit > 0)
        assert set(questions(server).values()) == {1}
        assert len(server.asked) == asked
    assert without_address(tmp_path) == without_address(folder)


def without_address(folder: Path) -> dict[str, bytes]:
    """The files, the port of the server aside."""
    found = files(folder)
    settings = json.loads(found.pop("settings.json"))
    for model in settings["models"].values():
        model.pop("url")
    return found | {"settings": json.dumps(settings).encode()}


RUN = """
import json, sys
from compeer_jax.benchmarks.sage.run import run_sage
from compeer_jax.benchmarks.sage.config import SageConfig
from compeer_jax.chat.config import ServerConfig
from compeer_jax.chat.models import ChatModelConfig
given = json.loads(sys.argv[1])
models = {name: ChatModelConfig(server=ServerConfig(**server)) for name, server in given.pop("servers").items()}
run_sage(SageConfig(models=models, **given), print)
"""


@pytest.mark.long
def test_killed_at_random_it_asks_nothing_twice_and_ends_with_the_same_files(profiles, whole, tmp_path):
    folder, _, asked = whole
    generator, kills, left, process = random.Random(3), 2, 0, None

    def answer(body):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(process.pid, signal.SIGKILL)
        return scripted(body)

    with ChatHTTPServer(answer, models=MODELS) as server:
        config = config_of(server, profiles, tmp_path, settings={"concurrency": 2})
        servers = {name: plain_settings(model.server) for name, model in config.models.items()}
        given = {
            "output": config.output,
            "profiles": config.profiles,
            "tested": "tested",
            "role": "seeker",
            "rounds": 6,
        }
        for _ in range(kills):
            left = generator.randrange(10, asked // (kills + 1))
            command = [sys.executable, "-c", RUN, json.dumps(given | {"servers": servers})]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                assert process.wait(timeout=100) == -signal.SIGKILL
        run_sage(config, lambda line: None)
        repeated = questions(server)
    assert repeated.total() - len(repeated) <= 2 * kills  # what was under way when a kill came
    assert without_address(tmp_path) == without_address(folder)


def test_a_folder_of_other_settings_is_refused_by_name(profiles, whole):
    folder, _, _ = whole
    url = json.loads((folder / "settings.json").read_text(encoding="utf-8"))["models"]["tested"]["url"]

    class At:
        pass

    At.url = url
    with pytest.raises(UserError, match=r"holds a run with other settings: rounds \(6 there, 7 now\); choose another"):
        run_sage(config_of(At, profiles, folder, rounds=7), lambda line: None)
    with pytest.raises(UserError, match=r"models\.tested\.max_tokens \(64 there, 32 now\)"):
        run_sage(config_of(At, profiles, folder, settings={"max_tokens": 32}), lambda line: None)


def test_prose_silence_and_a_server_that_refuses_are_missing_and_counted_never_numbers(profiles, tmp_path):
    mended = False

    def misbehaving(body):
        text = last_message(body)
        if body["model"] == "seeker" and "TargetCompletion" in body["messages"][0]["content"]:
            if "第0件" in text:
                return "情绪好了很多，我给 5 分。"  # prose with a digit
            if "第1件" in text:
                return completion(None)  # nothing
            if "第2件" in text and not mended:
                return error(400, "too long")
        return scripted(body)

    lines: list[str] = []
    with ChatHTTPServer(misbehaving, models=MODELS) as server:
        config = config_of(server, profiles, tmp_path, rounds=2)
        run_sage(config, lines.append)
        rows = {row.id: row for row in read_dialogues(tmp_path)}
        counts = json.loads((tmp_path / "counts.json").read_text(encoding="utf-8"))
        mended = True
        run_sage(config, lambda line: None)
    for name, why in (("p0", "no change"), ("p1", "an empty reply"), ("p2", "no reply")):
        assert (rows[name].ending, rows[name].emotion) == ("no reply", None)
        assert rows[name].missing == {"planner": {"emotion": why}}
    assert all(row.emotion is not None for name, row in rows.items() if name not in ("p0", "p1", "p2"))
    assert counts["missing"] == {"planner: no change": 1, "planner: an empty reply": 1, "planner: no reply": 1}
    assert counts["asked again"] == {"planner: no change": 2, "planner: an empty reply": 2, "planner: no reply": 2}
    assert "missing: 1 talks without a result (planner: no change)." in lines
    after = [row.id for row in read_dialogues(tmp_path) if row.emotion is None]
    assert after == ["p0", "p1"]  # what was refused is asked for again by the next run, what was answered is kept


def test_replies_in_broken_format_are_counted_and_worth_what_the_config_says(profiles, tmp_path):
    def thinking_only(body):
        return "<history>\n想\n</history>" if body["model"] == "tested" else scripted(body)

    with ChatHTTPServer(thinking_only, models=MODELS) as server:
        more = {"prompt": "ours", "malformed": "empty", "rounds": 1, "limit": 2}
        folder = run_sage(config_of(server, profiles, tmp_path, **more), lambda line: None)
    rows = read_dialogues(folder)
    assert [row.turns[1].content for row in rows] == ["", ""]
    assert [row.turns[1].steps for row in rows] == [{"history": "想"}] * 2
    counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    assert (counts["broken format"], counts["replies"], counts["empty"]) == (2, 2, 2)
    assert counts["problems"]["missing:response"] == 2


def test_the_command_plays_and_shows_the_table(profiles, tmp_path, capsys):
    with ChatHTTPServer(scripted, models=MODELS) as server:
        settings = {name: {"server": {"url": server.url, "model": name}} for name in MODELS}
        path = tmp_path / "sage.yaml"
        path.write_text(
            json.dumps(
                {"output": str(tmp_path / "run"), "profiles": str(profiles), "models": settings, "tested": "tested",
                 "role": "seeker", "flavour": "official", "limit": 3}
            )
        )  # fmt: skip
        assert main(["eval", "sage", "--config", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "3 talks: " in shown
    assert "tested" in shown
    rows = read_dialogues(tmp_path / "run")
    assert max(len(row.responses) for row in rows) <= 10


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"profiles": ""}, "profiles names no file; name the file of the seekers' profiles."),
        ({"role": "seekr"}, "seeker"),
        ({"planner": "judge"}, "planner: unknown chat model 'judge'"),
        ({"rounds": -1}, "rounds is -1; it must be at least 0."),
        ({"prompt": "own", "system": {"en": "Help."}}, "system has no words for zh; give them."),
    ],
)
def test_settings_that_cannot_be(settings, sentence):
    models = {name: ChatModelConfig(server=ServerConfig(model=name)) for name in MODELS}
    given = {"output": "o", "profiles": "p", "models": models, "tested": "tested", "role": "seeker"} | settings
    with pytest.raises(UserError) as error_:
        SageConfig(**given)
    assert sentence in str(error_.value)


def test_twenty_rounds_or_ten_in_the_official_flavour():
    models = {name: ChatModelConfig(server=ServerConfig(model=name)) for name in MODELS}
    given = {"output": "o", "profiles": "p", "models": models, "tested": "tested", "role": "seeker"}
    assert SageConfig(**given).most_rounds == 20
    assert SageConfig(**given, flavour="official").most_rounds == 10
    assert SageConfig(**given, flavour="official", rounds=4).most_rounds == 4
