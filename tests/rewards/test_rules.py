"""The rule judge against gold labels: each verdict for a reason that the test names."""

import re

import jax
import numpy as np
import pytest
from gold_records import GOLD, record

from compeer_jax.dialogue.reasoning import CARE, COMPEER, ReasonedTurn
from compeer_jax.errors import UserError
from compeer_jax.rewards.config import RewardConfig
from compeer_jax.rewards.judge import judge_reward
from compeer_jax.rewards.load import load_reward
from compeer_jax.rewards.reward import Completion, reference_completion
from compeer_jax.rewards.rules import RuleJudge, word_f1, word_list

KEY = jax.random.key(0)  # rules use none


def completion(truncated=False, response=None, **labels) -> Completion:
    gold = record()
    said = ReasonedTurn(gold.reference.steps, GOLD | labels, response or gold.reference.response)
    text = COMPEER.render(said)
    return Completion(gold, text, COMPEER.parse(text), truncated)


def verdicts(item: Completion) -> list[int]:
    result = RuleJudge()([item])
    return [*result.steps[0].tolist(), int(result.response[0])]


def test_the_reference_itself_gets_the_highest_reward():
    rewards = judge_reward(RuleJudge())([reference_completion(record(), COMPEER)], KEY)
    assert rewards.total.tolist() == [5.0]
    assert {name: values.tolist() for name, values in rewards.parts.items()} == {
        "history": [1],
        "emotion": [1],
        "strategy": [1],
        "response": [1],
        "format": [1],
    }


@pytest.mark.parametrize(
    "changed, expected",
    [
        ({"stage": "action"}, [-1, 1, 1, 1]),
        ({"emotion": "anger"}, [1, -1, 1, 1]),
        ({"sentiment": "neutral"}, [1, -1, 1, 1]),
        ({"intensity": "5"}, [1, 1, 1, 1]),
        ({"intensity": "2"}, [1, -1, 1, 1]),
        ({"strategy": "Information"}, [1, 1, -1, 1]),
        ({"response": "Bananas ripen faster inside paper bags."}, [1, 1, 1, -1]),
        ({"response": "My exam is on Friday and I can't sleep."}, [1, 1, 1, -1]),
    ],
)
def test_a_changed_label_or_reply_costs_its_own_part_only(changed, expected):
    assert verdicts(completion(**changed)) == expected


def test_text_without_any_part_is_wrong_everywhere_and_costs_the_format():
    item = Completion(record(), "I hear you.", COMPEER.parse("I hear you."))
    rewards = judge_reward(RuleJudge())([item], KEY)
    assert rewards.total.tolist() == [-5.0]


def test_a_truncated_output_loses_the_format_part_even_when_all_parts_are_there():
    whole, cut = judge_reward(RuleJudge())([completion(), completion(truncated=True)], KEY).total
    assert (whole, cut) == (5.0, 3.0)


def test_the_papers_rule_of_format_asks_for_every_part_and_no_more():
    whole = completion().text
    changed = {
        "as it is": (whole, 1, 1),
        "a label that is none": (whole.replace("Emotion: ", "Emotion: no such "), -1, 1),
        "words around": (f"Of course!\n{whole}", -1, 1),
        "out of order": (whole[whole.index("<emotion>") :] + whole[: whole.index("<emotion>")], -1, 1),
        "no step": (whole[whole.index("<emotion>") :], -1, -1),
        "a step of its label alone": (re.sub(r"(?s)<strategy>.*?\n(?=Strategy)", "<strategy>\n", whole), -1, -1),
        "no response": (whole[: whole.index("<response>")], -1, -1),
    }
    items = [Completion(record(), text, COMPEER.parse(text)) for text, *_ in changed.values()]
    items.append(completion(truncated=True))
    expected = [*(scores for _, *scores in changed.values()), [-1, -1]]
    for column, rule in enumerate(("strict", "paper")):
        rewards = judge_reward(RuleJudge(), format=rule)(items, KEY)
        assert rewards.parts["format"].tolist() == [scores[column] for scores in expected]
        assert rewards.diagnostics == {"format/strict": 1 / 8, "format/paper": 4 / 8}
    with pytest.raises(UserError, match=r"reward.format 'paper' is a rule .* 'hierarchical' has its own"):
        load_reward(RewardConfig(judge="hierarchical", format="paper"), CARE)


def test_rewards_of_a_batch_are_those_of_its_members_alone():
    items = [completion(), completion(emotion="anger"), completion(truncated=True), completion(strategy="Others")]
    reward = judge_reward(RuleJudge())
    together = reward(items, KEY).total
    np.testing.assert_array_equal(together, [reward([item], KEY).total[0] for item in items])


def test_chinese_words_are_characters_and_english_words_are_lower_cased():
    assert word_list("你好，Anna's exam") == ["你", "好", "anna", "s", "exam"]


def test_word_f1_has_its_closed_forms():
    assert word_f1(["a", "b"], ["a", "b"]) == 1
    assert word_f1(["a"], ["b"]) == 0
    assert word_f1([], ["b"]) == 0
    assert word_f1(["a", "a", "b"], ["a", "c"]) == pytest.approx(2 * 1 / 5)
