"""A reward of the user's own: found by its dotted path, and stopped in one sentence when it returns nonsense."""

import sys
import types

import jax
import numpy as np
import pytest
from gold_records import record

from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.errors import UserError
from compeer_jax.rewards.config import PartWeights, RewardConfig
from compeer_jax.rewards.load import load_reward
from compeer_jax.rewards.reward import Rewards, reference_completion

KEY = jax.random.key(0)
REWARDS = {
    "brevity": lambda completions: [-len(completion.turn.response) / 100 for completion in completions],
    "parts": lambda completions: Rewards(np.ones(len(completions)), {"kind": np.zeros(len(completions))}),
    "nan": lambda completions: [float("nan")] * len(completions),
    "short": lambda completions: np.zeros(len(completions) - 1),
    "square": lambda completions: np.zeros((len(completions), 2)),
    "words": lambda completions: ["good"] * len(completions),
    "bad_part": lambda completions: Rewards(np.ones(len(completions)), {"kind": np.zeros(7)}),
}


@pytest.fixture
def user_module():
    """A module of the user's on the import path."""
    module = types.ModuleType("their_rewards")
    module.__dict__.update(REWARDS, not_callable=3)
    sys.modules["their_rewards"] = module
    yield "their_rewards"
    del sys.modules["their_rewards"]


def load(name: str, **settings):
    return load_reward(RewardConfig(judge=name, **settings))


def completions(count=3):
    return [reference_completion(record(response="a" * 50), COMPEER)] * count


def test_a_function_by_dotted_path_gives_its_numbers(user_module):
    rewards = load(f"{user_module}.brevity")(completions(), KEY)
    np.testing.assert_allclose(rewards.total, [-0.5] * 3)
    assert load(f"{user_module}.parts")(completions(), KEY).parts["kind"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("nan", r"returned nan for completion 0 of 3; rewards must be finite"),
        ("short", r"returned shape \(2,\) for 3 completions; it must be \(3,\)"),
        ("square", r"returned shape \(3, 2\)"),
        ("words", r"no array of numbers"),
        ("bad_part", r"part 'kind' of reward .*bad_part.* shape \(7,\)"),
    ],
)
def test_nonsense_is_stopped_by_name(user_module, name, sentence):
    with pytest.raises(UserError, match=sentence):
        load(f"{user_module}.{name}")(completions(), KEY)


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("ruls", "none of rules.* nor a dotted path"),
        ("no_such_module.f", "can't be imported"),
        ("their_rewards.missing", "has no function 'missing'"),
        ("their_rewards.not_callable", "has no function 'not_callable'"),
    ],
)
def test_what_cannot_be_found_is_said_before_any_work(user_module, name, sentence):
    with pytest.raises(UserError, match=sentence):
        load(name)


def test_weights_of_parts_add_up_and_are_refused_for_a_function_of_the_users(user_module):
    weights = PartWeights(history=0.5, format=2.0)
    assert load("rules", weights=weights)(completions(1), KEY).total.tolist() == [0.5 + 1 + 1 + 1 + 2]
    with pytest.raises(UserError, match="weights weigh the parts of a judge"):
        load(f"{user_module}.brevity", weights=weights)
