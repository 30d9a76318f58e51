"""CARE's reward by rules: each fault of an output has its exact worth."""

import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.data.corpora.reading import sample_dialogues
from compeer_jax.data.silver.records import silver_records
from compeer_jax.dialogue.reasoning import ABLATIONS, CARE, COMPEER
from compeer_jax.dialogue.taxonomy import STRATEGIES
from compeer_jax.errors import UserError
from compeer_jax.rewards.config import HierarchyConfig, PartWeights, RewardConfig
from compeer_jax.rewards.hierarchical import HierarchicalReward
from compeer_jax.rewards.load import load_reward
from compeer_jax.rewards.reward import Completion

RECORDS = {
    language: next(record for record in silver_records(sample_dialogues(), CARE) if record.language == language)
    for language in ("en", "zh")
}
RECORD = dataclasses.replace(
    RECORDS["en"],
    reference=dataclasses.replace(
        RECORDS["en"].reference, labels={**RECORDS["en"].reference.labels, "strategy": "Providing Suggestions"}
    ),
)
PARTS = {
    "context": "<context>They lost their job.</context>",
    "cognition": "<cognition>They take it for their own fault.</cognition>",
    "emotion": "<emotion>They are ashamed.</emotion>",
    "plan": "<plan>They need a step.\nStrategy: Providing Suggestions</plan>",
    "response": "<response>What about a walk?</response>",
}
GOOD = "\n".join(PARTS.values())


def without(*tags):
    return "\n".join(text for tag, text in PARTS.items() if tag not in tags)


def instead(**parts):
    return "\n".join((PARTS | parts).values())


def order(*tags):
    return "\n".join(PARTS[tag] for tag in tags)


# output -> its worth with the defaults, and with partial credit and no hierarchy
CASES = {
    "good": (GOOD, 3, 3),
    "good, full-width and in Chinese": (instead(plan="<plan>需要一步。\n策略：提供建议</plan>"), 3, 3),
    "another spelling of the strategy": (instead(plan="<plan>A step.\nStrategy: suggestions</plan>"), 3, 3),
    "another strategy": (instead(plan="<plan>A step.\nStrategy: Question</plan>"), 2, 2),
    "a strategy outside of the taxonomy": (instead(plan="<plan>A step.\nStrategy: Hypnosis</plan>"), 2, 2),
    "no strategy": (instead(plan="<plan>A step.</plan>"), 2, 2),
    "no cognition": (without("cognition"), 1, 2.75),
    "an empty emotion": (instead(emotion="<emotion> </emotion>"), 1, 2.75),
    "two nodes missing": (without("context", "emotion"), 1, 2.5),
    "no plan": (without("plan"), 1, 1.75),
    "no node at all": (PARTS["response"], 1, 1),
    "out of order": (order("cognition", "context", "emotion", "plan", "response"), 1, 2),
    "the response first": (order("response", "context", "cognition", "emotion", "plan"), 1, 2),
    "a node twice": (GOOD + PARTS["emotion"], 0, 2),
    "an unclosed node": (GOOD.replace("</emotion>", ""), 0, 2),
    "a node within another": (GOOD.replace("</emotion>", "").replace("</plan>", "</plan></emotion>"), 0, 2),
    "a closing tag too many": (GOOD + "</plan>", 0, 2),
    "words outside": ("Sure!\n" + GOOD, 0, 2),
    "an empty response": (instead(response="<response></response>"), 0, 2),
    "no response": (without("response"), 0, 2),
    "nodes of another format": ("<history>They lost their job.</history>\n" + GOOD, 0, 2),
    "nothing": ("", 0, 0),
}


def reward(text, config=None, *, truncated=False, record=RECORD, format=CARE):
    item = Completion(record, text, format.parse(text), truncated)
    return HierarchicalReward(format, config or HierarchyConfig())([item])


@pytest.mark.parametrize("text, strict, _", CASES.values(), ids=CASES)
def test_what_an_output_is_worth(text, strict, _):
    assert reward(text).total.tolist() == [strict]


@pytest.mark.parametrize("text, _, lenient", CASES.values(), ids=CASES)
def test_with_partial_credit_and_levels_apart(text, _, lenient):
    rewards = reward(text, HierarchyConfig(hierarchy=False, partial=True))
    assert rewards.total.tolist() == [lenient]
    assert sum(values[0] for values in rewards.parts.values()) == lenient


def test_an_output_that_was_cut_off_is_malformed():
    assert reward(GOOD, truncated=True).total.tolist() == [0]


def test_the_weights_are_the_levels():
    weights = HierarchyConfig(format=0.5, nodes=2.0, strategy=4.0)
    texts = [GOOD, CASES["another strategy"][0], CASES["out of order"][0], CASES["nothing"][0]]
    assert [reward(text, weights).total[0] for text in texts] == [6.5, 2.5, 0.5, 0.0]


@pytest.mark.parametrize("language", RECORDS)
def test_every_silver_chain_earns_all(language):
    records = [record for record in silver_records(sample_dialogues(), CARE) if record.language == language]
    texts = [CARE.render(record.reference, language) for record in records]
    items = [Completion(record, text, CARE.parse(text)) for record, text in zip(records, texts, strict=True)]
    rewards = HierarchicalReward(CARE, HierarchyConfig())(items)
    np.testing.assert_array_equal(rewards.total, 3)


@pytest.mark.parametrize("name", ABLATIONS)
def test_a_format_with_a_node_left_out_does_not_ask_for_it(name):
    format, tag = ABLATIONS[name], name.rpartition("_")[2]
    strategy = 0 if tag == "plan" else 1  # it went with the plan
    assert reward(without(tag), format=format).total.tolist() == [2 + strategy]
    assert reward(without(tag, "context", "emotion"), format=format).total.tolist() == [1]


pieces = st.sampled_from(
    [
        *PARTS.values(),
        "<emotion>",
        "</emotion>",
        "</ plan >",
        "<PLAN>",
        "Strategy: Providing Suggestions",
        "words",
        "\n",
    ]
)


@given(st.lists(pieces, max_size=12).map("".join))
def test_whatever_is_written_the_levels_stand_on_each_other(text):
    strict, apart = reward(text), reward(text, HierarchyConfig(hierarchy=False))
    form, nodes, strategy = (float(strict.parts[level][0]) for level in ("format", "nodes", "strategy"))
    assert form >= nodes >= strategy
    assert {form, nodes, strategy} <= {0.0, 1.0}
    assert strict.total[0] <= apart.total[0]
    if strict.total[0] == 3:
        assert CARE.parse(text).format_ok


def test_a_config_names_it():
    item = Completion(RECORD, GOOD, CARE.parse(GOOD))
    function = load_reward(RewardConfig(judge="hierarchical"), CARE)
    assert function([item], jax.random.key(0)).total.tolist() == [3]
    with pytest.raises(UserError, match=r"reads 'compeer' outputs, not 'care'; take 'hierarchical'"):
        load_reward(RewardConfig(judge="rules"), CARE)
    with pytest.raises(UserError, match=r"reward\.weights weigh the parts of a judge"):
        load_reward(RewardConfig(judge="hierarchical", weights=PartWeights(format=2.0)), CARE)
    with pytest.raises(UserError, match=r"reward\.hierarchical\.nodes is -1; it must be at least 0"):
        HierarchyConfig(nodes=-1)
    assert load_reward(RewardConfig(judge="hierarchical"), COMPEER) is not None


def test_the_taxonomy_spells_the_strategy_of_these_cases():
    assert STRATEGIES.canonical("suggestions") == "Providing Suggestions"
