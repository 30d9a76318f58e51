"""Outputs that are judged while others are drawn: the judge says what it says of all of them, only sooner."""

import threading
from dataclasses import replace

import jax
import numpy as np
import pytest
from chat_server_fixture import ChatHTTPServer, error, last_message, verdict
from gold_records import completion

from compeer_jax.chat.server import ServerGone
from compeer_jax.errors import UserError
from compeer_jax.generation.rollout import Rollout
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.rewards.config import RemoteJudgeConfig, RewardConfig
from compeer_jax.rewards.load import load_reward
from compeer_jax.training.sampler import Sampled

KEY = jax.random.key(5)
PROMPTS, GROUP_SIZE = 3, 2
REPLIES = ("I see.", "What worries you most about the exam on Friday?", "Go on.", "Sleep.", "And then?", "The exam!")
COMPLETIONS = [
    completion(response=reply, prompt=f"d#{row // GROUP_SIZE}", **({"stage": "action"} if row % 3 else {}))
    for row, reply in enumerate(REPLIES)
]
LAST = 1  # the prompt whose outputs end last
REMOTE = RemoteJudgeConfig(model="judge", tries=1, backoff=0.01, patience=0.1)


def group(index: int) -> Rollout:
    """Outputs of a prompt; their only token is their row's number."""
    rows = np.arange(index * GROUP_SIZE, (index + 1) * GROUP_SIZE)[:, None]
    return Rollout(rows.astype(np.int32), rows >= 0, np.zeros(rows.shape, np.float32), rows[:, 0] >= 0)


def read(rollout, records):
    completions = [COMPLETIONS[row] for row in rollout.tokens[:, 0]]
    assert [one.record for one in completions] == [record for record in records for _ in range(GROUP_SIZE)]
    return completions


def outputs(drawn):
    records = [one.record for one in COMPLETIONS[::GROUP_SIZE]]
    return Sampled(records, drawn, GROUP_SIZE, read=read, mesh=make_mesh(MeshConfig(), jax.devices()[:1]))


def drawn(until: threading.Event, closed: threading.Event | None = None):
    """Groups as they end: the last of them not before `until`."""
    try:
        yield from ((index, group(index)) for index in reversed(range(PROMPTS)) if index != LAST)
        assert until.wait(60), "nobody judged what was there"
        yield LAST, group(LAST)
    finally:
        if closed:
            closed.set()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "rollout"]


def assert_same(one, other):
    np.testing.assert_array_equal(one.total, other.total)
    assert one.diagnostics == other.diagnostics
    assert one.parts.keys() == other.parts.keys()
    for name, values in one.parts.items():
        np.testing.assert_array_equal(values, other.parts[name])


def test_a_server_judges_what_has_ended_before_the_rest_is_there_and_says_the_same():
    judged, unheard = threading.Event(), {*REPLIES[:2], *REPLIES[4:]}

    def answer(body):
        unheard.difference_update({reply for reply in unheard if reply in last_message(body)})
        if not unheard:
            judged.set()
        return verdict(body)

    with ChatHTTPServer(answer) as server:
        config = RewardConfig(judge="remote", remote=replace(REMOTE, url=server.url))
        with outputs(drawn(judged)) as meanwhile:
            rewards = load_reward(config)(meanwhile.completions, KEY)
        assert_same(rewards, load_reward(config)(COMPLETIONS, KEY))
    assert len(set(rewards.total.tolist())) > 1
    np.testing.assert_array_equal(meanwhile.rollout.tokens[:, 0], range(PROMPTS * GROUP_SIZE))
    assert not threads()


def test_a_function_that_goes_through_outputs_rates_the_first_before_the_last_is_there():
    rated = threading.Event()

    def lengths(completions):
        totals = []
        for one in completions:
            totals.append(len(one.text))
            rated.set()
        return totals

    with outputs(drawn(rated)) as meanwhile:
        assert lengths(meanwhile.completions) == lengths(COMPLETIONS)
        assert list(meanwhile.completions) == [*meanwhile.completions[:2], *meanwhile.completions[2:]] == COMPLETIONS


@pytest.mark.parametrize("judge", ["rules", "hierarchical"])
def test_judges_by_rules_say_the_same_of_outputs_that_come(judge):
    at_once = threading.Event()
    at_once.set()
    reward = load_reward(RewardConfig(judge=judge))
    with outputs(drawn(at_once)) as meanwhile:
        assert_same(reward(meanwhile.completions, KEY), reward(COMPLETIONS, KEY))


def test_a_judge_that_fails_ends_the_drawing_with_its_own_sentence():
    refused, closed = threading.Event(), threading.Event()

    def answer(body):
        refused.set()
        return error(401, "no such key")

    with ChatHTTPServer() as server:
        reward = load_reward(RewardConfig(judge="remote", remote=replace(REMOTE, url=server.url)))
        server.answer = answer
        with pytest.raises(ServerGone, match="no such key"), outputs(drawn(refused, closed)) as meanwhile:
            reward(meanwhile.completions, KEY)
    assert closed.is_set()
    assert not threads()


@pytest.mark.parametrize("judge", ["rules", "remote"])
def test_what_ends_the_drawing_ends_the_judging(judge):
    def broken():
        yield 0, group(0)
        raise UserError("out of tokens.")

    with ChatHTTPServer(verdict) as server:
        reward = load_reward(RewardConfig(judge=judge, remote=replace(REMOTE, url=server.url)))
        with pytest.raises(UserError, match=r"^out of tokens\.$"), outputs(broken()) as meanwhile:
            reward(meanwhile.completions, KEY)
    assert not threads()


def test_outputs_that_nobody_judged_are_there_when_the_context_is_left():
    at_once = threading.Event()
    at_once.set()
    with outputs(drawn(at_once)) as meanwhile:
        pass
    with outputs(meanwhile.rollout) as again:
        assert again.completions == list(meanwhile.completions) == COMPLETIONS
