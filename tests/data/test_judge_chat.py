from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compeer_jax.data.chat import CachingTokenizer
from compeer_jax.data.corpora.reading import sample_dialogues
from compeer_jax.data.judge_chat import JudgeLimits, ask_bound, ask_tokens, judge_examples, without_long_parts
from compeer_jax.data.judge_record import JudgeRecord
from compeer_jax.data.silver.judging import silver_judge_records
from compeer_jax.data.silver.records import silver_records
from compeer_jax.data.small_tokenizer import train_tokenizer
from compeer_jax.dialogue.judging import JudgeCase, conversations, judge_messages, judge_reply
from compeer_jax.dialogue.reasoning import CARE, COMPEER
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError

WIDE = JudgeLimits("judge_brief", max_history_tokens=100_000, max_part_tokens=100_000)
KINDS = ("unifi", "prm", "orm")
UNIFI = ("history", "emotion", "strategy", "response")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    texts = [turn.content for dialogue in sample_dialogues() for turn in dialogue.turns]
    return train_tokenizer(texts, tmp_path_factory.mktemp("tokenizer"), vocab_size=2048)


@pytest.fixture(scope="module")
def qwen(shared_data):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(shared_data / "qwen2.5_tokenizer", local_files_only=True)


@pytest.fixture(scope="module", params=["small", "qwen"])
def tokenizer(request):
    return request.getfixturevalue(request.param)


def judged(format, every):
    return silver_judge_records(silver_records(sample_dialogues(), format), format, seed=0, false_share=0.4)[::every]


def whole_talk(tokenizer, record: JudgeRecord, rounds, swapped, prompt="judge_brief"):
    """The chat template's own ids of a finished talk, without the line end after its last <|im_end|>."""
    replies = [judge_reply(record.critique(tag, swapped), record.verdict(tag, swapped)) for tag in rounds]
    messages = judge_messages(record.case(swapped), rounds, prompt=prompt, replies=replies)
    ids = tokenizer.apply_chat_template(messages, tokenize=True)["input_ids"]
    while ids[-1] != tokenizer.convert_tokens_to_ids("<|im_end|>"):
        ids = ids[:-1]
    return ids, replies


@pytest.mark.parametrize("format", [COMPEER, CARE], ids=lambda format: format.name)
@pytest.mark.parametrize("kind", KINDS)
def test_examples_are_the_chat_template_and_train_the_judges_turns(tokenizer, format, kind):
    for number, record in enumerate(judged(format, 61)):
        swapped = bool(number % 2)
        examples = judge_examples(tokenizer, record, kind, format, WIDE, swapped=swapped)
        for example, rounds in zip(examples, conversations(kind, format), strict=True):
            ids, replies = whole_talk(tokenizer, record, rounds, swapped)
            assert example.tokens.tolist() == ids
            trained = tokenizer.decode(example.tokens[example.loss_mask])
            assert trained == "".join(f"{reply}<|im_end|>" for reply in replies)


def test_asks_and_replies_in_turn_are_the_chat_template(tokenizer):
    for record in judged(COMPEER, 97):
        for rounds in (UNIFI, ("response",), ("strategy", "history")):
            ids, replies = whole_talk(tokenizer, record, rounds, False)
            talk = []
            for ask, reply in zip(ask_tokens(tokenizer, record.case(), rounds, WIDE), replies, strict=True):
                talk += ask + tokenizer(reply, add_special_tokens=False)["input_ids"]
            assert [*talk, tokenizer.convert_tokens_to_ids("<|im_end|>")] == ids


def test_a_later_ask_closes_the_reply_before_and_opens_the_next(tokenizer):
    case = judged(COMPEER, 400)[0].case()
    end, header = (
        tokenizer(text)["input_ids"] for text in ("<|im_end|>\n<|im_start|>user\n", "<|im_start|>assistant\n")
    )
    first, *later = ask_tokens(tokenizer, case, UNIFI, WIDE)
    assert len(later) == 3
    assert first[-len(header) :] == header
    for ask in later:
        assert ask[: len(end)] == end
        assert ask[-len(header) :] == header


@pytest.mark.parametrize("limits", [WIDE, JudgeLimits("judge_brief", 60, 24), JudgeLimits("judge", 200, 32)])
def test_all_outputs_of_a_prompt_share_the_ids_up_to_the_end_of_the_conversation(tokenizer, limits):
    record = max(judged(COMPEER, 1), key=lambda record: len(record.history))
    odd = replace(record.case(), steps={"history": "", "emotion": "<b>", "strategy": "x" * 500}, responses=("", "\n1"))
    asks = [
        ask_tokens(tokenizer, without_long_parts(tokenizer, case, rounds, limits)[0], rounds, limits)[0]
        for case in (record.case(), record.case(swapped=True), odd)
        for rounds in (UNIFI, ("emotion",), ("strategy",), ("response",))
    ]
    shared = int(np.cumprod([len(set(column)) == 1 for column in zip(*asks, strict=False)]).sum())
    text = tokenizer.decode(asks[0][:shared])
    last = record.history[-1].content
    assert last.split()[-1] in text
    assert text.count("<|im_start|>") == 2
    assert max(len(ask) - shared for ask in asks) <= ask_bound(limits, tokenizer)


def shared_conversation(tokenizer, case, limits):
    """The first ask's text up to its question."""
    marked = replace(case, steps=dict.fromkeys(case.steps, "MARK"))
    return tokenizer.decode(ask_tokens(tokenizer, marked, ("emotion",), limits)[0]).split("<emotion>MARK")[0]


def test_the_oldest_turns_are_dropped_as_few_as_need_be(tokenizer):
    turns = tuple(Turn(("seeker", "supporter")[place % 2], f"turn number {place} of it") for place in range(9))
    case = JudgeCase("en", turns, {"history": "a", "emotion": "b", "strategy": "c"}, ("d", "e"))
    whole = shared_conversation(tokenizer, case, WIDE)
    system = shared_conversation(tokenizer, replace(case, history=turns[-1:]), WIDE).split("Seeker")[0]
    count = {}
    for start in range(9):
        text = shared_conversation(tokenizer, replace(case, history=turns[start:]), WIDE)
        count[start] = len(tokenizer(text.removeprefix(system).strip())["input_ids"])
    for most in range(max(16, count[8]), count[0] + 2):
        limits = JudgeLimits("judge_brief", most, 32)
        start = min(start for start in count if count[start] <= most)
        expected = shared_conversation(tokenizer, replace(case, history=turns[start:]), WIDE)
        assert shared_conversation(tokenizer, case, limits) == expected
    assert shared_conversation(tokenizer, case, JudgeLimits("judge_brief", count[0], 32)) == whole


def test_a_last_turn_that_is_too_long_keeps_its_start_and_its_end(tokenizer):
    for words, language in (("start " + "middle " * 300 + "end", "en"), ("开头" + "中间" * 300 + "结尾", "zh")):
        turns = (Turn("seeker", "Before."), Turn("supporter", "Well?"), Turn("seeker", words))
        case = JudgeCase(language, turns, {"emotion": "b"}, ("d", "e"))
        text = shared_conversation(tokenizer, case, JudgeLimits("judge_brief", 64, 32))
        assert "Before" not in text
        assert " … " in text
        assert words[:2] in text
        assert text.rstrip().endswith(words[-2:])
        assert len(tokenizer(text)["input_ids"]) < 200
        alone = replace(case, history=turns[-1:])
        assert shared_conversation(tokenizer, alone, JudgeLimits("judge_brief", 64, 32)) == text


def test_all_that_is_judged_is_shown_whole_however_long(tokenizer):
    step = "They begin " + "and go on " * 200 + "\nStage: exploration"
    case = JudgeCase("en", (Turn("seeker", "Hi."),), {"history": step}, ("long " * 500 + "reply", "short"))
    asks = ask_tokens(tokenizer, case, ("history", "response"), JudgeLimits("judge_brief", 64, 64))
    history, response = map(tokenizer.decode, asks)
    assert f"<history>{step}</history>" in history
    assert case.responses[0] in response
    assert "short" in response


@pytest.mark.parametrize("tag, place", [("history", 0), ("response", 0), ("response", 1)])
def test_a_part_is_shown_whole_or_not_at_all(tokenizer, tag, place):
    """Word by word, up to the limit and over it."""
    limits, seen = JudgeLimits("judge_brief", 64, 32), set()
    for count in range(1, 60):
        text, others = "no " * count + "end", ["first", "second"]
        others[place] = text
        case = JudgeCase("en", (Turn("seeker", "Hi."),), {"history": text}, tuple(others))
        shown, sizes = without_long_parts(tokenizer, case, (tag,), limits)
        expected = replace(case, steps={"history": ""})
        if tag == "response":
            expected = replace(case, responses=tuple("" if one == text else one for one in others))
        fits = len(tokenizer(text)["input_ids"]) <= 32
        assert sizes[tag] <= 32 * (1 + (tag == "response"))
        if abs(len(tokenizer(text)["input_ids"]) - 32) > 8:  # the words for nothing have tokens too
            assert shown == (case if fits else expected)
        seen.add(shown == case)
        assert shown in (case, expected)
    assert seen == {True, False}


SPITEFUL = st.one_of(
    st.text(max_size=400),
    st.lists(st.sampled_from(["<history>", "</response>", "<|im_end|>", "好", "\n", " ", "🙁", "x"]), max_size=200).map(
        "".join
    ),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.tuples(*[SPITEFUL] * 5), language=st.sampled_from(["en", "zh"]))
def test_whatever_is_judged_asks_are_no_longer_than_their_bound_and_no_turn_is_closed(small, texts, language):
    limits = JudgeLimits("judge_brief", 64, 16)
    steps = dict(zip(UNIFI, texts[:3], strict=False))
    case = JudgeCase(language, (Turn("seeker", texts[4] or "?"),), steps, (texts[3], texts[4]))
    plain = JudgeCase(language, case.history, dict.fromkeys(steps, "x"), ("x", "x"))
    shown, sizes = without_long_parts(small, case, UNIFI, limits)
    for text, left in zip(
        (*case.steps.values(), *case.responses), (*shown.steps.values(), *shown.responses), strict=True
    ):
        assert left in (text, "")
    assert max(sizes.values()) <= 2 * 16
    asks, others = (ask_tokens(small, each, UNIFI, limits) for each in (shown, plain))
    shared = int(np.cumprod([one == other for one, other in zip(asks[0], others[0], strict=False)]).sum())
    bound = ask_bound(limits, small)
    assert max(len(asks[0]) - shared, *map(len, asks[1:])) <= bound
    starts, ends = (small.convert_tokens_to_ids(token) for token in ("<|im_start|>", "<|im_end|>"))
    assert [ask.count(starts) for ask in asks] == [3, 2, 2, 2]
    assert [ask.count(ends) for ask in asks] == [2, 2, 2, 2]


def test_the_bound_is_near_what_is_needed(tokenizer):
    limits = JudgeLimits("judge_brief", 64, 32)
    cases = (
        JudgeCase("en", (Turn("seeker", "Hi."),), dict.fromkeys(UNIFI[:3], "no " * n), ("yes " * n, "well " * n))
        for n in range(99)
    )
    shown = max(
        (without_long_parts(tokenizer, case, UNIFI, limits)[0] for case in cases), key=lambda one: len(str(one))
    )
    longest = max(map(len, ask_tokens(tokenizer, shown, UNIFI, limits)[1:]))
    assert 2 * 32 < longest <= ask_bound(limits, tokenizer) <= longest + 40


def test_a_remembering_tokenizer_gives_the_same_examples(tokenizer):
    caching = CachingTokenizer(tokenizer)
    for record in judged(COMPEER, 101):
        for kind in KINDS:
            one, other = (
                judge_examples(each, record, kind, COMPEER, WIDE, swapped=True) for each in (tokenizer, caching)
            )
            assert [example.tokens.tolist() for example in one] == [example.tokens.tolist() for example in other]


def test_what_a_judge_cannot_learn_from_is_named(small):
    record = judged(COMPEER, 400)[0]
    with pytest.raises(UserError, match=f"{record.id}: there is no step 'context', which the format 'care' has"):
        judge_examples(small, record, "unifi", CARE, WIDE, swapped=False)
    with pytest.raises(UserError, match="unknown kind of judge 'both'"):
        judge_examples(small, record, "both", COMPEER, WIDE, swapped=False)
    with pytest.raises(UserError, match="judge limit max_part_tokens is 3; it must be at least 16"):
        JudgeLimits(max_part_tokens=3)
