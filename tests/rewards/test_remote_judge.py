"""A judge behind a chat server: what it is asked, what becomes of its replies."""

import threading

import jax
import pytest
from chat_server_fixture import ChatHTTPServer, Raw, completion, error, last_message
from PIL import Image

from compeer_jax.data.pictures import PictureLimits
from compeer_jax.data.record import Record
from compeer_jax.dialogue.judging import JudgeCase, judge_messages
from compeer_jax.dialogue.reasoning import COMPEER, ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError
from compeer_jax.rewards.config import RemoteJudgeConfig
from compeer_jax.rewards.conversation import Conversation
from compeer_jax.rewards.generative_judge import GenerativeJudge
from compeer_jax.rewards.remote_judge import SILENCE, RemoteJudge
from compeer_jax.rewards.reward import Completion

ALL = ("history", "emotion", "strategy", "response")
HISTORY = (Turn("supporter", "Hello, what brings you here?"), Turn("seeker", "I failed my exam."))


def case(**steps):
    steps = {"history": "H. Stage: exploration", "emotion": "E. Intensity: 4", "strategy": "S"} | steps
    return JudgeCase("en", HISTORY, steps, ("I am sorry.", "Try harder."))


def judge(server, *, say=lambda line: None, folder=None, **settings):
    settings = {"model": "judge", "backoff": 0.001, "url": server.url} | settings
    return RemoteJudge(RemoteJudgeConfig(**settings), say=say, folder=folder)


def numbered(body):
    """Says how many questions it has been asked in this conversation."""
    return f"round {len(body['messages']) // 2}. Verdict: True"


def test_each_round_is_asked_with_all_that_was_said_before():
    with ChatHTTPServer(numbered) as server:
        replies = judge(server)([Conversation(case(), ALL)])
        said = [f"round {number}. Verdict: True" for number in (1, 2, 3, 4)]
        assert [[reply.text for reply in one] for one in replies] == [said]
        for count, body in enumerate(server.asked):
            assert body["messages"] == judge_messages(case(), ALL, prompt="judge", replies=said[:count])
        assert [message["role"] for message in body["messages"]] == ["system", *["user", "assistant"] * 3, "user"]


def test_conversations_of_any_rounds_are_held_side_by_side():
    barrier = threading.Barrier(4)  # lets requests pass only in fours

    def together(body):
        barrier.wait(timeout=30)
        return numbered(body)

    with ChatHTTPServer(together) as server:
        rounds = [("history", "response"), ("emotion", "response")] * 2
        asked = [Conversation(case(**{tags[0]: f"case {i}"}), tags) for i, tags in enumerate(rounds)]
        replies = judge(server, concurrency=4)(asked)
        assert [len(texts) for texts in replies] == [2] * 4
        assert server.peak == 4


def test_a_second_try_is_another_draw_at_its_own_temperature():
    with ChatHTTPServer(numbered) as server:
        ask = judge(server, seed=5, retry_temperature=0.7)
        for retry in (False, True, False, True):
            ask([Conversation(case(), ("history",))], jax.random.key(0), group_size=1, retry=retry)
        assert [(body["temperature"], body["seed"]) for body in server.asked] == [(0.0, 5), (0.7, 6)]
        assert ask.server.usage.cached == 2


SILENT = {
    "empty": "",
    "blank": "  \n",
    "no reply": Raw(200, "garbage"),
    "null": completion(None),
    "cut": completion("The line is\nVerdict: True", finish="length"),
    "refused": completion("Verdict: True", finish="content_filter"),
    "declined": completion(None, refusal="I won't. Verdict: True"),
    "filtered": error(400, "no", code="content_filter"),
    "thinking": "<think>\nVerdict: True",
    "thoughts apart": completion(None, reasoning_content="Verdict: True"),
    "a call": completion(None, finish="tool_calls"),
}


@pytest.mark.parametrize("silence", SILENT.values(), ids=SILENT)
def test_a_round_without_a_reply_does_not_end_the_conversation(silence):
    def answer(body):
        return silence if len(body["messages"]) == 4 else numbered(body)

    with ChatHTTPServer(answer) as server:
        ((first, second, third),) = judge(server)([Conversation(case(), ALL[:3])])
        assert not second.whole
        assert (first.text, third.text) == ("round 1. Verdict: True", "round 3. Verdict: True")
        assert server.asked[-1]["messages"][4] == {"role": "assistant", "content": SILENCE}


def test_a_picture_reaches_a_model_that_sees_and_a_word_one_that_does_not(tmp_path):
    Image.new("RGB", (30, 40), "red").save(tmp_path / "cat.png")
    history = (Turn("seeker", "look", images=(str(tmp_path / "cat.png"),)),)
    shown = JudgeCase("en", history, case().steps, case().responses)
    with ChatHTTPServer(numbered) as server:
        judge(server, pictures=PictureLimits(1))([Conversation(shown, ("history",))])
        judge(server)([Conversation(shown, ("history",))])
        seen, unseen = (body["messages"][1]["content"] for body in server.asked)
    text, part, _ = seen
    assert text["text"].endswith("Seeker: look ")
    assert part["image_url"]["url"].startswith("data:image/png;base64,")
    assert "Seeker: look [image]" in unseen


def test_a_wrong_prompt_and_a_wrong_temperature_are_named():
    with ChatHTTPServer() as server:
        with pytest.raises(UserError, match="unknown judge prompt 'juge'; did you mean 'judge'"):
            judge(server, prompt="juge")
        with pytest.raises(UserError, match=r"retry_temperature is 0\.0; it must be above 0"):
            judge(server, retry_temperature=0.0)


# With the generative judge: verdicts on completions.


def completions(count):
    """Outputs of two prompts, in their groups; the output's number stands in each part."""

    def turn(number):
        steps = {tag: f"{tag} of {number}" for tag in ("history", "emotion", "strategy")}
        labels = {"stage": "action", "sentiment": "negative", "emotion": "sadness", "intensity": "3"}
        return ReasonedTurn(steps, labels | {"strategy": "Question"}, f"reply of {number}")

    records = [
        Record(
            id=f"talk#{prompt}",
            language="en",
            source="test",
            licence="none",
            history=HISTORY,
            reference=turn(f"reference {prompt}"),
        )
        for prompt in (0, 1)
    ]
    return [Completion(records[2 * index // count], "", turn(f"output {index}")) for index in range(count)]


def scripted_judge(body):
    """Even outputs reason and answer well, odd ones get the emotion wrong and answer worse than the reference."""
    text = last_message(body)
    number = next(int(word) for word in text.replace("\n", " ").replace("<", " ").split(" of output ")[1].split())
    if "reply of output" not in text:
        return f"Verdict: {not (number % 2 and 'emotion of' in text)}"
    output_is_first = text.index("reply of output") < text.index("reply of reference")
    return f"**Verdict:** {'first' if output_is_first == (number % 2 == 0) else 'second'}"


def scores(server, both_orders=False, **settings):
    remote = judge(server, concurrency=8, **settings)
    rate = GenerativeJudge(COMPEER, {"unifi": remote}, both_orders=both_orders)
    return rate(completions(16), jax.random.key(3)), remote


def test_verdicts_are_the_servers_whatever_the_order_shown():
    with ChatHTTPServer(scripted_judge) as server:
        verdicts, remote = scores(server)
    assert verdicts.response.tolist() == [1, -1] * 8
    assert verdicts.steps.tolist() == [[1, 1, 1], [1, -1, 1]] * 8
    assert verdicts.diagnostics["judge/unparsed"] == 0
    assert 0 < verdicts.diagnostics["judge/first_share"] < 1
    assert remote.server.usage.calls == 16 * 4


def test_the_other_order_is_one_request_more_after_the_same_rounds():
    with ChatHTTPServer(scripted_judge) as server:
        one, _ = scores(server)
        both, remote = scores(server, both_orders=True)
        assert remote.server.usage.calls == 16 * 5
        last = [body["messages"] for body in server.asked if len(body["messages"]) == 8]
    assert both.steps.tolist() == one.steps.tolist()
    assert both.response.tolist() == one.response.tolist()
    assert (both.diagnostics["judge/first_share"], both.diagnostics["judge/order_agreement"]) == (0.5, 1)
    asks = {}
    for *before, ask in last:
        asks.setdefault(str(before), set()).add(ask["content"])
    assert sorted(map(len, asks.values())) == [2] * 16


def test_a_stormy_server_gives_the_same_verdicts():
    faults = [error(500), error(429), Raw(200, "{"), Raw(503, "")]
    lock, count = threading.Lock(), [0]

    def stormy(body):
        with lock:
            count[0] += 1
            number = count[0]
        return faults[number // 3 % len(faults)] if number % 3 == 0 else scripted_judge(body)

    with ChatHTTPServer(scripted_judge) as calm, ChatHTTPServer(stormy) as server:
        (expected, _), (verdicts, _) = scores(calm), scores(server, tries=6)
    assert verdicts.steps.tolist() == expected.steps.tolist()
    assert verdicts.response.tolist() == expected.response.tolist()
    assert verdicts.diagnostics == expected.diagnostics


def test_a_judge_that_mumbles_is_asked_again_and_then_counts_as_silent():
    def mumbling(body):
        return "Hard to say." if body["temperature"] == 0 or "output 3" in str(body) else scripted_judge(body)

    with ChatHTTPServer(mumbling) as server:
        verdicts, _ = scores(server)
    assert verdicts.steps[3].tolist() == [0, 0, 0]
    assert verdicts.response[3] == 0
    assert verdicts.diagnostics["judge/unparsed"] == 4
    assert verdicts.diagnostics["judge/retried"] == 16
    assert verdicts.response[:3].tolist() == [1, -1, 1]
