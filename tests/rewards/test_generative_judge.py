"""Rewards from a judge that talks: the closed form of its opinions where they are known, however it was asked."""

import jax
import numpy as np
import pytest
from gold_records import completion
from hypothesis import given, settings
from hypothesis import strategies as st

from compeer_jax.chat.types import Answer
from compeer_jax.dialogue.judging import PREFERENCES, conversations
from compeer_jax.dialogue.reasoning import COMPEER, RESPONSE
from compeer_jax.errors import UserError
from compeer_jax.rewards.conversation import SWAPPED, ask_judge
from compeer_jax.rewards.generative_judge import GenerativeJudge, case_of, group_size_of
from compeer_jax.rewards.judge import judge_reward
from compeer_jax.rewards.judge_card import JudgeCard
from compeer_jax.rewards.rules import RuleJudge

KEY = jax.random.key(7)
STEPS = ("history", "emotion", "strategy")


def shown(conversation, tag):
    """The case as it is shown under a tag, and what is asked of it."""
    swapped = tag == SWAPPED
    return conversation.case.swapped() if swapped else conversation.case, RESPONSE if swapped else tag


class Reader:
    """A judge that rates what it is shown: a step is right when it is the gold one, and the longer answer is better.

    Attributes:
        calls: (conversations, group_size, retry) of each call.
    """

    def __init__(self):
        self.calls = []
        self.gold = case_of(completion(), COMPEER).steps

    def __call__(self, asked, key, *, group_size, retry=False):
        self.calls.append((list(asked), group_size, retry))
        return [tuple(Answer(self.reply(*shown(one, tag), retry)) for tag in one.tags) for one in asked]

    def reply(self, case, tag, retry):
        if tag != RESPONSE:
            return f"I have read it.\nVerdict: {case.steps[tag] == self.gold[tag]}"
        first, second = map(len, case.responses)
        return "Verdict: " + ("similar" if first == second else "first" if first > second else "second")


class AlwaysFirst(Reader):
    def reply(self, case, tag, retry):
        return "Verdict: True" if tag != RESPONSE else "Verdict: first"


def judge(respond, kinds=("unifi",), both_orders=False) -> GenerativeJudge:
    return GenerativeJudge(COMPEER, dict.fromkeys(kinds, respond), both_orders=both_orders)


def test_a_judge_is_asked_as_its_card_says():
    """A PRM that was trained on all steps in one conversation, and one on each apart."""
    for prm_calls, rounds in (("apart", [("history",), ("emotion",), ("strategy",)]), ("together", [STEPS])):
        prm, orm = Reader(), Reader()
        prm.card = JudgeCard("prm", prm_calls=prm_calls)
        GenerativeJudge(COMPEER, {"prm": prm, "orm": orm})([completion()], KEY)
        assert [one.rounds for one in prm.calls[0][0]] == rounds
        assert [one.rounds for one in orm.calls[0][0]] == [(RESPONSE,)]


LONGER = "What worries you most about the exam on Friday, and what would help you to sleep tonight?"
ITEMS = [
    (completion(), [1, 1, 1, 1, 1]),
    (completion(stage="action"), [-1, 1, 1, 1, 1]),
    (completion(emotion="anger"), [1, -1, 1, 1, 1]),
    (completion(strategy="Others"), [1, 1, -1, 1, 1]),
    (completion(response=LONGER), [1, 1, 1, 1, 1]),
    (completion(response="I see."), [1, 1, 1, -1, 1]),
    (completion(missing=["emotion"]), [1, -1, 1, 1, -1]),
    (completion(missing=[RESPONSE]), [1, 1, 1, -1, -1]),
]


@pytest.mark.parametrize("kinds", [("unifi",), ("prm", "orm")])
@pytest.mark.parametrize("seed", range(3))
def test_the_reward_is_the_sum_of_the_judges_opinions_in_either_order(kinds, seed):
    items, expected = zip(*ITEMS, strict=True)
    rewards = judge_reward(judge(Reader(), kinds))(items, jax.random.key(seed))
    columns = [rewards.parts[name].tolist() for name in (*STEPS, "response", "format")]
    assert [list(row) for row in zip(*columns, strict=True)] == list(expected)
    assert rewards.total.tolist() == [sum(row) for row in expected]
    assert rewards.diagnostics["judge/unparsed"] == rewards.diagnostics["judge/retried"] == 0


def test_it_agrees_with_the_rule_judge_on_steps_that_only_labels_tell_apart():
    items = [item for item, _ in ITEMS]
    np.testing.assert_array_equal(judge(Reader())(items, KEY).steps, RuleJudge()(items).steps)


def test_an_opinion_about_the_place_of_an_answer_averages_out_and_is_reported():
    verdicts = judge(AlwaysFirst())([completion(response=LONGER)] * 400, KEY)
    assert abs(verdicts.response.mean()) < 0.15  # three standard deviations of a fair coin
    assert set(verdicts.response.tolist()) == {-1, 1}
    assert verdicts.diagnostics["judge/first_share"] == 1


def test_a_judge_that_reads_prefers_each_place_about_equally():
    verdicts = judge(Reader())([completion(response=LONGER)] * 400, KEY)
    assert (verdicts.response == 1).all()
    assert abs(verdicts.diagnostics["judge/first_share"] - 0.5) < 0.075


def test_the_order_is_drawn_anew_with_another_key_and_the_same_with_the_same():
    reader = Reader()
    for seed in (1, 1, 2):
        judge(reader)([completion(response=LONGER)] * 20, jax.random.key(seed))
    one, same, other = [[conversation.case.responses for conversation in call[0]] for call in reader.calls]
    assert one == same
    assert one != other


def test_one_conversation_of_four_rounds_or_four_of_one_are_held_about_each_output_with_groups_together():
    reader = Reader()
    items = [completion(prompt=prompt) for prompt in ("a#1", "a#1", "b#1", "b#1")]
    judge(reader)(items, KEY)
    judge(reader, ("prm", "orm"))(items, KEY)
    shapes = [(len(asked), group_size, asked[0].rounds) for asked, group_size, _ in reader.calls]
    assert shapes == [(4, 2, (*STEPS, RESPONSE)), (12, 6, ("history",)), (4, 2, (RESPONSE,))]
    assert [one.rounds for one in reader.calls[1][0][:4]] == [("history",), ("emotion",), ("strategy",), ("history",)]


def test_groups_of_one_prompt_that_stand_together_are_still_groups():
    items = [completion(prompt=prompt) for prompt in ("a#1", "a#1", "a#1", "a#1", "b#1", "b#1")]
    assert group_size_of(items) == 2
    assert group_size_of(items[:4]) == 4
    assert group_size_of(items[:5]) == 1


class Mumbler(Reader):
    """Gives no verdict on the emotion in its first reply, and none on the response of "a" ever."""

    def reply(self, case, tag, retry):
        if tag == "emotion" and not retry:
            return "Well, it is hard to say."
        if tag == RESPONSE and "I see." in case.responses:
            return "Verdict: first or second"
        if tag == "history" and retry:
            return "Verdict: False"
        return super().reply(case, tag, retry)


def test_a_part_without_a_verdict_is_asked_once_more_and_then_counts_nothing():
    mumbler = Mumbler()
    items = [completion(), completion(response="I see."), completion(missing=["emotion"])]
    verdicts = judge(mumbler)(items, KEY)
    assert verdicts.steps.tolist() == [[1, 1, 1], [1, 1, 1], [1, -1, 1]]  # what was said of the history first stands
    assert verdicts.response.tolist() == [1, 0, 1]
    assert [(len(asked), group_size, retry) for asked, group_size, retry in mumbler.calls] == [
        (3, 3, False),
        (2, 1, True),  # nothing more is to be learnt about a step that is missing
    ]
    assert verdicts.diagnostics["judge/unparsed"] == 1
    assert verdicts.diagnostics["judge/retried"] == 2


ENDINGS = ("cut", "refused", "silent", "thinking")


class Ending(Reader):
    """Ends its replies on the emotion otherwise than whole, whatever it says in them; all replies where `always`."""

    def __init__(self, ended, always=False):
        super().__init__()
        self.ended, self.always = ended, always

    def __call__(self, asked, key, **options):
        replies = super().__call__(asked, key, **options)
        return [
            tuple(
                self._broken(reply) if self.always or tag == "emotion" else reply
                for reply, tag in zip(said, one.tags, strict=True)
            )
            for said, one in zip(replies, asked, strict=True)
        ]

    def _broken(self, reply):
        return Answer("") if self.ended == "silent" else reply._replace(ended=self.ended)


@pytest.mark.parametrize("kinds", [("unifi",), ("prm", "orm")])
@pytest.mark.parametrize("ended", ["cut", "refused", "thinking"])
def test_a_verdict_in_a_reply_that_is_not_whole_is_none_and_counted_by_cause(ended, kinds):
    verdicts = judge(Ending(ended), kinds)([completion(), completion(missing=["emotion"])], KEY)
    assert verdicts.steps.tolist() == [[1, 0, 1], [1, -1, 1]]
    assert verdicts.response.tolist() == [1, 1]
    counted = {cause: verdicts.diagnostics[f"judge/{cause}"] for cause in ENDINGS}
    assert counted == dict.fromkeys(ENDINGS, 0) | {ended: 1}
    assert (verdicts.diagnostics["judge/unparsed"], verdicts.diagnostics["judge/unparsed_share"]) == (1, 1 / 7)
    assert verdicts.diagnostics["judge/retried"] == 1


@pytest.mark.parametrize("ended", ENDINGS)
def test_a_judge_without_any_verdict_ends_in_a_sentence_that_says_why(ended):
    words = {"cut": "cut off", "refused": "refused", "silent": "without words", "thinking": "thoughts alone"}[ended]
    with pytest.raises(UserError, match=rf"^the judge gave no verdict on any of 8 parts \(8 {words}\); .*\.$"):
        judge(Ending(ended, always=True))([completion()] * 2, KEY)
    garbage = completion(missing=[*STEPS, RESPONSE])
    if ended == "cut":  # it has words, and there was nothing to be said of
        assert judge(Ending(ended, always=True))([garbage], KEY).steps.tolist() == [[-1, -1, -1]]
    else:
        with pytest.raises(UserError, match=rf"no verdict on any of 4 parts \(4 {words}\)"):
            judge(Ending(ended, always=True))([garbage], KEY)


def test_a_judge_that_mumbles_of_everything_is_a_sentence_too():
    class Mute(Reader):
        def reply(self, case, tag, retry):
            return "Hard to say."

    with pytest.raises(UserError, match=r"no verdict on any of 4 parts \(4 without a verdict\); read what it says"):
        judge(Mute())([completion()], KEY)


def test_prm_and_orm_ask_again_only_where_it_is_needed():
    mumbler = Mumbler()
    judge(mumbler, ("prm", "orm"))([completion(), completion()], KEY)
    assert [[one.rounds for one in asked] for asked, _, retry in mumbler.calls if retry] == [[("emotion",)] * 2]


def test_the_second_try_has_noise_of_its_own():
    keys = []

    class Listener(Mumbler):
        def __call__(self, asked, key, **options):
            keys.append(jax.random.key_data(key).tolist())
            return super().__call__(asked, key, **options)

    judge(Listener(), ("prm", "orm"))([completion()], KEY)
    assert len(keys) == 3
    assert len({tuple(key) for key in keys}) == 3


def test_share_of_true_is_over_the_steps_that_are_there():
    verdicts = judge(Reader())([completion(stage="action"), completion(missing=["emotion"])], KEY)
    assert verdicts.diagnostics["judge/true_share"] == pytest.approx(4 / 5)


def test_nobody_prefers_anything_when_all_answers_are_alike():
    assert "judge/first_share" not in judge(Reader())([completion()], KEY).diagnostics


def test_cases_are_heard_without_completions_too():
    case = case_of(completion(stage="action", response=LONGER), COMPEER)
    heard = ask_judge(Reader(), conversations("unifi", COMPEER), [case, case.swapped()], KEY)
    assert [said[RESPONSE] for said in heard.verdicts] == ["second", "first"]
    assert [said["history"] for said in heard.verdicts] == [False, False]


# Both orders

KINDS = st.sampled_from([("unifi",), ("prm", "orm")])
REPLIES = ["I see.", "Write down what you know already, then rest.", LONGER]


@settings(max_examples=30)
@given(kinds=KINDS, seed=st.integers(0, 99), replies=st.lists(st.sampled_from(REPLIES), min_size=1, max_size=6))
def test_a_judge_of_places_alone_counts_for_no_response(kinds, seed, replies):
    verdicts = judge(AlwaysFirst(), kinds, True)([completion(reply) for reply in replies], jax.random.key(seed))
    assert verdicts.response.tolist() == [0] * len(replies)
    assert verdicts.steps.tolist() == [[1, 1, 1]] * len(replies)
    assert verdicts.diagnostics["judge/first_share"] == 1
    assert verdicts.diagnostics["judge/order_agreement"] == 0
    assert verdicts.diagnostics["judge/order_disagreed"] == len(replies)
    assert verdicts.diagnostics["judge/unparsed"] == 0


@settings(max_examples=30)
@given(kinds=KINDS, seed=st.integers(0, 99), chosen=st.lists(st.integers(0, len(ITEMS) - 1), min_size=1, max_size=8))
def test_a_judge_of_answers_says_the_same_in_one_order_and_in_both(kinds, seed, chosen):
    items, key = [ITEMS[index][0] for index in chosen], jax.random.key(seed)
    one, both = (judge(Reader(), kinds, both_orders)(items, key) for both_orders in (False, True))
    assert both.steps.tolist() == one.steps.tolist()
    assert both.response.tolist() == one.response.tolist()
    assert both.diagnostics.get("judge/first_share", 0.5) == 0.5
    assert both.diagnostics.get("judge/order_agreement", 1) == 1
    assert both.diagnostics["judge/order_disagreed"] == 0


SAID = st.sampled_from([*PREFERENCES, None])


class Unsure(Reader):
    """Says of a response what it was given for the order it is shown in; mumbles where that is None."""

    def __init__(self, output_last, output_first):
        super().__init__()
        self.said = {False: output_last, True: output_first}

    def reply(self, case, tag, retry):
        return f"Verdict: {self.said[case.responses[0] == LONGER]}" if tag == RESPONSE else "Verdict: True"


@settings(max_examples=30)
@given(output_last=SAID, output_first=SAID, seed=st.integers(0, 9))
def test_a_preference_counts_only_where_it_is_the_same_in_both_orders(output_last, output_first, seed):
    """Over all pairs of what a judge may say in the two orders, against the rule written out."""
    verdicts = judge(Unsure(output_last, output_first), both_orders=True)([completion(LONGER)], jax.random.key(seed))
    same = {("second", "first"): 1, ("first", "second"): -1, ("similar", "similar"): 1, ("neither", "neither"): -1}
    assert verdicts.response.tolist() == [same.get((output_last, output_first), 0)]
    unparsed = None in (output_last, output_first)
    assert verdicts.diagnostics["judge/unparsed"] == verdicts.diagnostics["judge/retried"] == unparsed
    agrees = None if unparsed else (output_last, output_first) in same
    assert verdicts.diagnostics.get("judge/order_agreement") == agrees
    assert verdicts.diagnostics["judge/order_disagreed"] == (agrees is False)


def test_what_is_asked_again_in_one_order_comes_first_in_both():
    """So that steps asked again at a temperature draw what they draw in one order."""

    class Moody(Mumbler):
        def reply(self, case, tag, retry):
            if tag == RESPONSE and case.responses[0] == LONGER:
                return "Both have something."
            return "Verdict: True" if tag == "emotion" and LONGER in case.responses else super().reply(case, tag, retry)

    asked = {}
    items = [completion(LONGER if index % 2 else None) for index in range(8)]
    for both_orders in (False, True):
        moody = Moody()
        judge(moody, both_orders=both_orders)(items, KEY)
        asked[both_orders] = [one.case for one in moody.calls[1][0]]
    assert len(asked[True]) == 8 > len(asked[False]) > 0
    assert asked[True][: len(asked[False])] == asked[False]
