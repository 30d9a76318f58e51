"""SAGE's official flavour, against what the released code asked, read and counted in a scripted talk."""

import hashlib
import json
import re
from itertools import count

import pytest
from chat_server_fixture import GREETING, ChatHTTPServer, last_message
from hypothesis import given, settings
from hypothesis import strategies as st

from compeer_jax.benchmarks.dialogues import read_dialogues
from compeer_jax.benchmarks.sage.agent import SageRules, SageTalk
from compeer_jax.benchmarks.sage.config import SageConfig
from compeer_jax.benchmarks.sage.profiles import Profile, read_profiles
from compeer_jax.benchmarks.sage.prompts import AGENT, PLANNER, SagePrompts, state_of
from compeer_jax.benchmarks.sage.replies import read_official_appraisal, read_official_words
from compeer_jax.benchmarks.sage.run import run_sage
from compeer_jax.benchmarks.tested_model import TestedModel
from compeer_jax.chat.config import ChatModelConfig, ServerConfig
from compeer_jax.chat.models import Malformed
from compeer_jax.chat.types import Answer, Spent
from compeer_jax.dialogue.prompt_files import released_prompts
from compeer_jax.errors import UserError

ROW = {
    "id": "p", "player": "* 姓名：小林\n* 说话风格：直接", "scene": "小林丢了 $5，\n和 {x} 吵架了。",
    "main_cha": "被动型", "cha_group": ["内向"], "task": "你希望对方用心倾听", "first_talk": "最近很烦。",
}  # fmt: skip
# What the planner and the agent replied, and what digitalhuman's simulator_response.py (commit 6dcfa78b) made of it:
# the first quarter of the SHA-256 of what it asked of each, white space at the ends aside; then emotion, state,
# and what the seeker said.
ROUNDS = [
    ("Content:\n[听]\nTargetCompletion:\n[一些]\nActivity:\n[好受]\nAnalyse:\n[因为：对]\nChange:\n[+9]",
     "Thinking:\n[想]\nOrigin:\n[说]\nChange:\n[轻]\nResponse:\n[“嗯。”]",
     "f5e9e5440c912713", "259dfe845ea5854f", 49, "Emotion-B", "嗯。"),
    ("**Content：**\n听\n**TargetCompletion：**\n无\n**Activity：**\n心里\n不好\n**Analyse：**\n烦\n**Change：**\n-60",
     "没有标题",
     "3d65815991a668fe", "11e7b57f180c377f", 39, "Emotion-C", "没有标题"),
    ("Content: a TargetCompletion: b\nActivity: c\nAnalyse: d\nChange: 情绪从 4 分，到 9 分",
     "Response:\n一\nResponse:\n二[三]",
     "3142f4bfe7c5ca48", "097ffcc0b0cd7fe4", 43, "Emotion-B", "二[三"),
    ("Change: +3\nChange:\n−8",  # the sign is none that the released code knows
     "Thinking: 想\nResponse: 我想再见到她",
     "86e2778df832dcab", "724cada48976bb88", 51, "Emotion-B", "我想再见到她"),
]  # fmt: skip
OPENING = "49b221bbf9b5c83b"  # what it asks where there is no first talk


class Scripted:
    """A tested model whose words are scripted: nothing in it thinks."""

    name, spent, settings = "scripted", Spent(), {"max_tokens": 100}


def talk(row: dict = ROW, rounds: int = 10) -> SageTalk:
    prompts = SagePrompts(released_prompts(PLANNER)["zh"], released_prompts(AGENT)["zh"])
    return SageTalk(Profile.from_json(row), TestedModel(Scripted()), SageRules("zh", rounds, "official", prompts))


def asked(player: SageTalk, who: str) -> str:
    """The hash of the one message that is asked next."""
    wanted = player.wants()
    assert wanted.who == who
    (message,) = wanted.request.messages
    return hashlib.sha256(message["content"].encode()).hexdigest()[:16]


def test_a_talk_asks_reads_and_counts_as_the_released_code_does():
    player = talk()
    for number, (plan, say, planner_hash, agent_hash, emotion, state, said) in enumerate(ROUNDS):
        assert player.wants().who == "tested"
        player.receive(Answer(f"第{number}句，\n“我在听”。"))
        assert asked(player, "planner") == planner_hash
        player.receive(Answer(plan))
        assert asked(player, "role") == agent_hash
        player.receive(Answer(say))
        assert (player.emotion, state_of(player.emotion), player.turns[-1].content) == (emotion, state, said)
    assert player.ending == "goodbye"  # the words of leave anywhere, in a seeker's memory too


def test_without_a_first_talk_the_agent_opens_as_the_released_code_made_first_talks():
    player = talk(ROW | {"player": "* 姓名：小林", "scene": "吵架", "first_talk": ""})
    assert asked(player, "role") == OPENING


@pytest.mark.parametrize("rounds", [1, 3, 10])
def test_the_reply_of_the_last_round_ends_the_talk_and_is_not_judged(rounds):
    player = talk(rounds=rounds)
    plan, say = "Change: +2", "Response: 嗯"
    asks = count()
    while wanted := player.wants():
        next(asks)
        player.receive(Answer({"tested": "我在听。", "planner": plan, "role": say}[wanted.who]))
    assert (player.ending, player.rounds, player.emotion) == ("rounds", rounds, 40 + 2 * (rounds - 1))
    assert next(asks) == rounds + 2 * (rounds - 1)
    assert player.turns[-1].role == "supporter"


def test_what_cannot_be_read_is_asked_for_five_times():
    player = talk()
    player.receive(Answer("我在听。"))
    for draw in range(5):
        assert player.wants().request.draw == draw
        player.receive(Answer("好多了"))
    assert (player.ending, player.missing) == ("no reply", ("planner", "no change"))


@given(
    st.lists(st.sampled_from(["Content:", "Change:", "Response:", "Analyse:\n", "[", "“", "-3", "+", "9", "\n", "好"]))
)
@settings(max_examples=200)
def test_whatever_is_written_is_read_or_refused(pieces):
    text = "".join(pieces)
    digits = re.findall(r"[+-]?\d+", text.split("Change:")[-1])
    try:
        assert read_official_appraisal(text).change == int(digits[0])
    except Malformed:
        assert not digits
    try:
        assert read_official_words(text).response in text
    except Malformed:
        assert not re.sub(r"[\[\]“”\s]", "", text.split("Response:")[-1])


def config_of(server, folder, profiles, **more) -> SageConfig:
    models = {name: ChatModelConfig(server=ServerConfig(url=server.url, model=name)) for name in ("tested", "seeker")}
    return SageConfig(
        **{"output": str(folder), "models": models, "profiles": str(profiles), "tested": "tested", "role": "seeker"}
        | {"flavour": "official", "rounds": 2} | more
    )  # fmt: skip


def scripted(body: dict) -> str:
    if last_message(body) == GREETING:
        return GREETING
    if body["model"] == "tested":
        return "我在听。"
    return "Change: 5" if "TargetCompletion" in body["messages"][0]["content"] else "Response: 嗯"


@pytest.fixture
def profiles(tmp_path):
    path = tmp_path / "profiles.jsonl"
    path.write_text("\n".join(json.dumps(ROW | {"id": f"p{n}"}) for n in range(2)))
    return path


def test_a_run_has_the_released_prompts_and_is_held_to_them(tmp_path, profiles):
    with ChatHTTPServer(scripted, models=("tested", "seeker")) as server:
        folder = run_sage(config_of(server, tmp_path / "run", profiles), lambda line: None)
        (one, _) = read_dialogues(folder)
        assert (one.turns[0].content, one.card["first_talk"], one.emotion) == ("最近很烦。", "最近很烦。", 45)
        versions = {f"{task}.zh": released_prompts(task)["zh"].version for task in (PLANNER, AGENT, "sage_tested")}
        assert one.provenance["prompts"] == versions
        system = released_prompts("sage_tested")["zh"].system
        shown = [body["messages"] for body in server.asked if body["model"] == "tested" and len(body["messages"]) > 1]
        assert {messages[0]["content"] for messages in shown} == {system}
        own = tmp_path / "agent.md"
        own.write_text("<!-- sage_agent, zh -->\n<!-- user -->\n$player $feeling $conversation\n")
        with pytest.raises(UserError, match=r"holds a run with other settings: prompts\.sage_agent\.zh \(\"sha256:"):
            run_sage(config_of(server, folder, profiles, role_prompts=[str(own)]), lambda line: None)
        plain = run_sage(config_of(server, tmp_path / "plain", profiles, flavour="strict", rounds=1), lambda line: None)
        assert read_dialogues(plain)[0].turns[0].content == "嗯"  # the seeker's model speaks first
        assert "first_talk" not in read_dialogues(plain)[0].card


def test_there_is_no_official_flavour_in_english(tmp_path, profiles):
    class At:
        url = "http://127.0.0.1:1/v1"

    with pytest.raises(UserError, match="SAGE's released prompts are in Chinese only, not in en; set language zh, or"):
        run_sage(config_of(At, tmp_path / "run", profiles, language="en"), lambda line: None)
    assert not (tmp_path / "run").exists()


def test_a_first_talk_that_is_no_text_sets_a_profile_aside(profiles):
    profiles.write_text("\n".join(json.dumps(row) for row in (ROW, ROW | {"id": "q", "first_talk": 3})))
    found, rejected = read_profiles(profiles)
    assert [one.id for one in found] == ["p"]
    assert [one.reason for one in rejected] == ["field 'first_talk' is no text"]
