"""Judges with weights in this process: they say what plain re-reading says, on one device, on eight and on a slice."""

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from gold_records import completion
from small_judges import CARD, ITEMS, KEY, LIMITS, MODELS, asked

from compeer_jax.chat.types import Answer
from compeer_jax.data.judge_chat import SLACK, ask_tokens
from compeer_jax.dialogue.reasoning import CARE, COMPEER, RESPONSE
from compeer_jax.errors import UserError
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.tokenizer import load_tokenizer
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.rewards.config import JudgeModelsConfig, RewardConfig
from compeer_jax.rewards.conversation import Conversation
from compeer_jax.rewards.generative_judge import case_of
from compeer_jax.rewards.in_process import InProcessJudge
from compeer_jax.rewards.judge_card import JudgeCard
from compeer_jax.rewards.load import load_reward
from compeer_jax.rewards.streaming import Stream


def one_device():
    return make_mesh(MeshConfig(), jax.devices()[:1])


def judge(directory, config=MODELS, mesh=None, kind="unifi") -> InProcessJudge:
    return InProcessJudge(directory, kind, COMPEER, config, mesh or one_device())


@pytest.fixture(scope="module")
def halting(untrained, tmp_path_factory) -> Path:
    """A judge of larger random weights that has the choice of a few tokens, the end of a reply among them.

    What it says depends on what it reads, and some replies are whole.
    """
    directory = tmp_path_factory.mktemp("judges") / "halting"
    shutil.copytree(untrained, directory)
    tokenizer = load_tokenizer(untrained)
    model = Qwen2(replace(DecoderConfig.from_json(untrained), tie_word_embeddings=False), rngs=nnx.Rngs(1))
    nnx.update(model, jax.tree.map(lambda weight: weight * 8, nnx.state(model, nnx.Param)))
    chosen = np.zeros(len(tokenizer))
    chosen[tokenizer("I hear you<|im_end|>", add_special_tokens=False)["input_ids"]] = 1
    model.output[...] = model.output[...] * chosen
    model.save_pretrained(directory, tokenizer)
    CARD.write(directory)
    return directory


@pytest.fixture(scope="module")
def rambler(halting) -> InProcessJudge:
    return judge(halting)


@pytest.fixture(scope="module")
def rambled(rambler) -> list[tuple[Answer, ...]]:
    """What it says of `ITEMS`."""
    return rambler(asked(*ITEMS), KEY, group_size=2)


def read_anew(directory: Path, conversation: Conversation) -> list[tuple[str, str]]:
    """The likeliest replies and how they end, by reading everything from the start before each token."""
    model = Qwen2.from_pretrained(directory)
    tokenizer = load_tokenizer(directory)
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    read = jax.jit(lambda tokens, length: model.logits(model(tokens)[0, length - 1]).argmax())
    talk, replies = [], []
    for ask in ask_tokens(tokenizer, conversation.case, conversation.rounds, LIMITS):
        talk += ask
        reply, ended = [], "cut"
        while len(reply) < CARD.max_new_tokens:
            tokens = np.zeros((1, 640), np.int32)
            tokens[0, : len(talk)] = talk
            token = int(read(tokens, len(talk)))
            if token == stop or len(reply) == CARD.max_new_tokens - 1:  # the last of a reply that is cut off gives way
                ended = "whole" if token == stop else "cut"
                break
            reply.append(token)
            talk.append(token)
        replies.append((tokenizer.decode(reply), ended))
    return replies


def test_its_replies_are_those_of_reading_everything_anew_before_each_token(halting, rambled):
    assert [len(replies) for replies in rambled] == [4] * 4
    for replies, conversation in list(zip(rambled, asked(*ITEMS), strict=True))[1:3]:
        assert [(reply.written, reply.ended) for reply in replies] == read_anew(halting, conversation)
    assert {reply.ended for replies in rambled for reply in replies} == {"whole", "cut"}


@pytest.fixture(scope="module")
def in_both_orders(rambler) -> list[tuple[Answer, ...]]:
    """What it says of `ITEMS` and their responses in the other order."""
    return rambler([one._replace(both_orders=True) for one in asked(*ITEMS)], KEY, group_size=2)


def test_the_other_order_is_asked_after_the_same_steps_and_changes_no_other_reply(
    untrained, rambler, rambled, in_both_orders
):
    assert [replies[:4] for replies in in_both_orders] == rambled
    exchanged = [one._replace(case=one.case.swapped()) for one in asked(*ITEMS)]
    assert [replies[4] for replies in in_both_orders] == [
        replies[3] for replies in rambler(exchanged, KEY, group_size=2)
    ]
    tokenizer = load_tokenizer(untrained)
    for one, other in zip(asked(*ITEMS), exchanged, strict=True):
        there, last = (ask_tokens(tokenizer, case.case, case.rounds, LIMITS) for case in (one, other))
        asks = rambler._asks(tokenizer, one._replace(both_orders=True))
        assert [ask.tokens for ask in asks] == [*there, last[-1]]


def test_a_judge_of_responses_alone_is_asked_in_both_orders_from_the_history_on(rambler):
    alone = [Conversation(case_of(item, COMPEER), (RESPONSE,)) for item in ITEMS]
    exchanged = [one._replace(case=one.case.swapped()) for one in alone]
    one, other = ([reply for (reply,) in rambler(asked, KEY, group_size=2)] for asked in (alone, exchanged))
    both = rambler([one._replace(both_orders=True) for one in alone], KEY, group_size=2)
    assert both == list(zip(one, other, strict=True))


def test_steps_of_a_second_try_are_drawn_alike_in_one_order_and_in_both(rambler):
    one, both = (
        rambler([one._replace(both_orders=both) for one in asked(*ITEMS)], KEY, group_size=1, retry=True)
        for both in (False, True)
    )
    assert [replies[:4] for replies in both] == one


def test_prompts_judged_a_few_at_once_are_judged_the_same(halting, rambled):
    assert judge(halting, replace(MODELS, batch_prompts=1))(asked(*ITEMS), KEY, group_size=2) == rambled


def test_a_second_try_draws_other_words_and_the_same_with_the_same_key(rambler, rambled):
    keys = map(jax.random.key, (1, 1, 2))
    one, same, other = (rambler(asked(*ITEMS), key, group_size=2, retry=True) for key in keys)
    assert one == same
    assert rambled != one != other


@pytest.mark.long
def test_eight_devices_or_a_slice_of_them_say_what_one_says(halting, rambled, in_both_orders):
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    questions = [one._replace(both_orders=True) for one in asked(*ITEMS)]
    with jax.set_mesh(mesh):
        assert judge(halting, mesh=mesh)(questions, KEY, group_size=2) == in_both_orders
        half = make_mesh(MeshConfig(fsdp=4), jax.devices()[:4])
        sliced = judge(halting, replace(MODELS, devices=4, batch_prompts=1), mesh=half)
        coming = Stream.of(len(ITEMS), group_size=2)  # where the run's devices are others, conversations may be to come
        giving = threading.Thread(target=lambda: [coming.put(*one) for one in enumerate(asked(*ITEMS))])
        giving.start()
        assert sliced(coming, KEY, group_size=2) == rambled
        giving.join()
    assert list(sliced.mesh.devices.flat) == jax.devices()[-4:]
    for weight in jax.tree.leaves(sliced._params):
        assert weight.devices() == set(jax.devices()[-4:])


@pytest.mark.long
def test_a_judge_in_8_bits_is_split_over_eight_devices_and_says_what_one_says(halting):
    config, mesh = replace(MODELS, quantize="int8", decode_cache="int8"), make_mesh(MeshConfig(fsdp=2, tensor=4))
    with jax.set_mesh(mesh):
        many = judge(halting, config, mesh)
        said = many(asked(*ITEMS), KEY, group_size=2)
    assert said == judge(halting, config)(asked(*ITEMS), KEY, group_size=2)
    codes = [weight for weight in jax.tree.leaves(many._params) if weight.dtype == np.int8]
    assert [len(weight.addressable_shards[0].data.ravel()) for weight in codes] == [weight.size / 8 for weight in codes]
    assert len(codes) == 7


def test_a_judge_of_both_orders_is_what_the_config_asks_for(parrots):
    config = RewardConfig(judge="prm_orm", models=replace(MODELS, **parrots), both_orders=True)
    rewards = load_reward(config, mesh=one_device())(ITEMS, KEY)
    assert rewards.total.tolist() == [5, 5, 2 + 1 - 1 - 1, 5]
    assert rewards.diagnostics["judge/order_agreement"] == 1


@pytest.mark.parametrize("name", ["rules", "hierarchical", "math.sqrt"])
def test_both_orders_of_what_compares_no_answers_is_one_sentence(name):
    with pytest.raises(UserError, match=rf"reward\.judge '{name}' is none, so leave it out, or take one of unifi"):
        load_reward(RewardConfig(judge=name, both_orders=True))


def test_prm_and_orm_give_the_reward_that_follows_from_what_they_always_say(parrots):
    reward = load_reward(RewardConfig(judge="prm_orm", models=replace(MODELS, **parrots)), mesh=one_device())
    rewards = reward([*ITEMS, completion(prompt="c#1", missing=[RESPONSE])], KEY)
    assert rewards.total.tolist() == [5, 5, 2 + 1 - 1 - 1, 5, 3 - 1 - 1]
    assert rewards.diagnostics["judge/unparsed"] == 0


def test_a_judge_that_never_answers_the_question_counts_nothing_and_is_asked_twice(parrots):
    reward = load_reward(RewardConfig(judge="unifi", models=replace(MODELS, **parrots)), mesh=one_device())
    rewards = reward(ITEMS[:2], KEY)
    assert rewards.parts["response"].tolist() == [0, 0]
    assert rewards.total.tolist() == [4, 4]
    none = dict.fromkeys(("cut", "refused", "silent", "thinking", "too_long"), 0)
    assert rewards.diagnostics == {f"judge/{cause}": count for cause, count in none.items()} | {
        "judge/unparsed": 2,
        "judge/unparsed_share": 2 / 8,
        "judge/retried": 2,
        "judge/true_share": 1,
        "format/strict": 1,
        "format/paper": 1,
        "safety/in_danger": 0,
        "safety/missed": 0,
    }


LONG = "What would help you tonight? " * 40


@pytest.mark.parametrize("part", ["history", RESPONSE])
def test_a_part_of_an_output_that_can_not_be_shown_whole_is_wrong_whatever_the_judge_says(parrots, part):
    """Not its two ends, with who knows what between them."""
    text = completion().text.replace(f"<{part}>\n", f"<{part}>\n{LONG}")
    long = replace(completion(), text=text, turn=COMPEER.parse(text))
    assert long.format_ok
    reward = load_reward(RewardConfig(judge="prm_orm", models=replace(MODELS, **parrots)), mesh=one_device())
    rewards = reward([completion(), long], KEY)
    assert rewards.total.tolist() == [5, 3]
    assert rewards.parts[part].tolist() == [1, -1]
    assert (rewards.diagnostics["judge/too_long"], rewards.diagnostics["judge/unparsed"]) == (1, 0)


def test_a_response_beside_a_reference_that_can_not_be_shown_whole_has_no_verdict(parrots):
    short = completion()
    reference = replace(short.record.reference, response=LONG)
    item = replace(short, record=replace(short.record, reference=reference))
    reward = load_reward(RewardConfig(judge="prm_orm", models=replace(MODELS, **parrots)), mesh=one_device())
    rewards = reward([short, item], KEY)
    assert rewards.parts[RESPONSE].tolist() == [1, 0]
    assert rewards.diagnostics["judge/too_long"] == 1


def test_it_is_said_that_an_output_may_have_parts_that_the_judge_is_not_shown(parrots):
    lines = []
    config = RewardConfig(judge="prm_orm", models=replace(MODELS, **parrots))
    load_reward(config, mesh=one_device(), say=lines.append, longest_output=48)
    assert lines == []
    load_reward(config, mesh=one_device(), say=lines.append, longest_output=49)
    assert len(lines) == 2
    assert "reads steps and answers of up to 48 tokens, and an output may have 49: a longer step or answer" in lines[0]


def test_of_a_conversation_longer_than_the_context_the_longest_parts_are_not_shown(untrained, tmp_path):
    (long,) = asked(completion(response="exam Friday sleep worry " * 60, stage="action"))
    card = replace(CARD, limits=replace(LIMITS, max_part_tokens=1000))
    tokenizer = load_tokenizer(untrained)
    needed = sum(map(len, ask_tokens(tokenizer, long.case, long.rounds, card.limits))) + 4 * card.max_new_tokens
    for context, fits in ((needed + SLACK, True), (needed + SLACK - 1, False)):
        folder = tmp_path / str(context)
        short = broken(untrained, folder, change_config(max_position_embeddings=context))
        card.write(short)
        one = judge(short)
        shown = one.fitted(long.case)
        assert shown == (long.case if fits else replace(long.case, responses=("", "")))
        (replies,) = one([long._replace(case=shown, both_orders=True)], KEY, group_size=1)
        assert len(replies) == 5


def test_a_judge_that_never_comes_to_an_end_has_no_verdict_and_a_step_without_any_is_a_sentence(parrots, tmp_path):
    """Its replies end in the middle of a verdict's line, or behind it."""
    folder = tmp_path / "cut"
    shutil.copytree(parrots["unifi"], folder)
    card = JudgeCard.read(folder)
    replace(card, max_new_tokens=card.max_new_tokens - 2).write(folder)
    reward = load_reward(RewardConfig(judge="unifi", models=replace(MODELS, unifi=str(folder))), mesh=one_device())
    sentence = r"^the judge gave no verdict on any of 8 parts \(8 cut off\); let it write more"
    with pytest.raises(UserError, match=sentence):
        reward(ITEMS[:2], KEY)
    nothing = completion(missing=[*COMPEER.tags])
    assert reward([nothing], KEY).total.tolist() == [-5]  # no part is there, so it had nothing to say


# Directories that are no judge, said before any work


def broken(untrained: Path, folder: Path, change) -> Path:
    directory = folder / "judge"
    shutil.copytree(untrained, directory)
    change(directory)
    return directory


def change_config(**values):
    def change(directory: Path):
        path = directory / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda folder: (folder / "judge.json").unlink(), r"is no judge: it has no judge\.json"),
        (lambda folder: (folder / "judge.json").write_text("{"), r"judge\.json is not JSON"),
        (replace(CARD, kind="prm").write, r"is a judge of kind 'prm', not 'unifi'; name it as what it is, or train"),
        (replace(CARD, format="care").write, r"reads 'care' outputs, not 'compeer'"),
        (change_config(vocab_size=100), r"the model has embeddings for 100 \(vocab_size in .*config\.json\)"),
        (change_config(hidden_size=64), r"has shape .*config\.json asks for"),
        (change_config(max_position_embeddings=200), r"may be shown \d+ tokens .*more than its context of 200"),
        (lambda folder: (folder / "tokenizer.json").unlink(), r"tokenizer"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"holds neither model\.safetensors"),
    ],
)
def test_a_directory_that_is_no_such_judge_is_one_sentence(untrained, tmp_path, change, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        judge(broken(untrained, tmp_path, change))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "config, sentence",
    [
        (RewardConfig(judge="unifi"), r"needs reward\.models\.unifi: the directory of a judge"),
        (RewardConfig(judge="prm_orm"), r"needs reward\.models\.prm"),
        (RewardConfig(judge="unifi", models=JudgeModelsConfig(unifi="nowhere")), r"nowhere is no judge"),
    ],
)
def test_a_judge_that_is_not_named_or_not_there_is_one_sentence(config, sentence):
    with pytest.raises(UserError, match=sentence):
        load_reward(config)


def test_outputs_of_another_format_are_refused(untrained):
    with pytest.raises(UserError, match="reads 'compeer' outputs, not 'care'"):
        load_reward(RewardConfig(judge="unifi", models=replace(MODELS, unifi=str(untrained))), CARE)


def test_more_devices_than_there_are_is_one_sentence(untrained):
    with pytest.raises(UserError, match=r"reward\.models\.devices is 9 and there are 8 devices"):
        judge(untrained, replace(MODELS, devices=9))
