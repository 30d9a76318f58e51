"""Conversations against a reference that reads everything anew for every token, and what the compiled program does."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from tiny import DECISIVE, PASSES, CountingQwen2
from tiny_decoder import same_model, torch_model

from compeer_jax.errors import UserError
from compeer_jax.generation.conversation import Schedule, converse
from compeer_jax.generation.conversation_engine import ConversationEngine, shared_prefix
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.decoder import Qwen2, abstract
from compeer_jax.models.parameters import param_axes
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.sharding import shardings

STOPS = tuple(range(40, 60))
LONGEST = 6
GREEDY = SamplingConfig(max_new_tokens=LONGEST, temperature=0.0)
SAMPLED = SamplingConfig(max_new_tokens=LONGEST)


def make_conversations(prompts: int, group_size: int, seed: int = 0, vocabulary: int = 160):
    """Ragged ones of three rounds: prompts of 1 to 30 shared tokens, then asks of 1 to 12."""
    rng = np.random.default_rng(seed)

    def tokens(low, high):
        return rng.integers(0, vocabulary, rng.integers(low, high + 1)).tolist()

    conversations = []
    for _ in range(prompts):
        shared = tokens(1, 30)
        for _ in range(group_size):
            asks = [tokens(1, 12) for _ in range(3)]
            conversations.append([shared + asks[0], *asks[1:]])
    return conversations


@pytest.fixture(scope="module")
def weights():
    return nnx.split(nnx.jit(lambda: Qwen2(DECISIVE, rngs=nnx.Rngs(0)))())


@functools.cache
def engine_of(graphdef, sampling=SAMPLED, stop_ids=STOPS, schedule=None):
    return ConversationEngine(graphdef, sampling=sampling, stop_ids=stop_ids, pad_id=0, multiple=64, schedule=schedule)


def reply(weights, conversations, key=0, group_size=4, alternatives=1, **options):
    graphdef, params = weights
    engine = engine_of(graphdef, **options)
    return engine.reply(params, conversations, jax.random.key(key), group_size, alternatives=alternatives)


# ---- equal to a reference


def reference_replies(next_token, conversation, stop_ids, alternatives=1):
    """Greedy replies, everything read anew for every token: (reply without its stop token, whether it stopped)."""
    text, replies = [], []
    for ask in conversation:
        text = text + ask
        reply, finished = [], False
        while not finished and len(reply) < LONGEST:
            token = next_token(text + reply)
            finished = token in stop_ids
            reply.append(token)
        replies.append((reply[:-1], finished))
        text = text + reply[:-1]
        if len(replies) > len(conversation) - alternatives:  # the next begins where this one began
            text = text[: len(text) - len(ask) - len(reply[:-1])]
    return replies


def test_greedy_replies_equal_transformers_reading_everything_anew_for_every_token(tmp_path):
    reference = torch_model(max_position_embeddings=256)

    def next_token(tokens):
        with torch.no_grad():
            return int(reference(torch.tensor([tokens])).logits[0, -1].argmax())

    conversations = make_conversations(3, 4, vocabulary=64)
    conversations[5] = conversations[5][:1]  # fewer rounds than the others
    stop_ids = (5, 9, 11, 20, 33, 41)
    expected = [reference_replies(next_token, conversation, stop_ids) for conversation in conversations]
    finished = [finished for row in expected for _, finished in row]
    assert 0 < sum(finished) < len(finished)
    assert len({len(tokens) for row in expected for tokens, _ in row}) > 3
    for scan_layers, schedule in [(True, Schedule(5, 4)), (False, Schedule(None, 4, 1))]:
        model = same_model(reference, tmp_path, scan_layers=scan_layers)
        got = reply(nnx.split(model), conversations, sampling=GREEDY, stop_ids=stop_ids, schedule=schedule)
        assert got == expected


@pytest.mark.parametrize("alternatives, schedule", [(2, Schedule(4, 4)), (3, Schedule(None, 4, 1))])
def test_alternatives_follow_what_stands_before_the_first_of_them(tmp_path, alternatives, schedule):
    reference = torch_model(max_position_embeddings=256)

    def next_token(tokens):
        with torch.no_grad():
            return int(reference(torch.tensor([tokens])).logits[0, -1].argmax())

    conversations = make_conversations(2, 3, vocabulary=64)
    if alternatives == 3:  # all there is: the history stands before each
        conversations = [[first, *(first[:2] + ask for ask in others)] for first, *others in conversations]
    stop_ids = (5, 9, 11, 20, 33, 41)
    expected = [reference_replies(next_token, one, stop_ids, alternatives) for one in conversations]
    model = nnx.split(same_model(reference, tmp_path, scan_layers=False))
    options = {"sampling": GREEDY, "stop_ids": stop_ids, "schedule": schedule}
    assert reply(model, conversations, group_size=3, alternatives=alternatives, **options) == expected


# ---- noise


@pytest.fixture(scope="module")
def drawn(weights):
    return reply(weights, make_conversations(3, 4))


def test_no_schedule_changes_what_is_drawn(weights, drawn):
    assert reply(weights, make_conversations(3, 4), schedule=Schedule(None, 32, 1)) == drawn


def test_a_last_alternative_changes_nothing_of_what_was_drawn_before_it(weights, drawn):
    conversations = [[*one, one[-1][::-1]] for one in make_conversations(3, 4)]
    got = reply(weights, conversations, alternatives=2)
    assert [row[:3] for row in got] == drawn
    assert [row[3] for row in got] != [row[2] for row in got]


def test_the_same_key_draws_the_same_and_another_key_draws_anew(weights, drawn):
    assert reply(weights, make_conversations(3, 4)) == drawn
    other = reply(weights, make_conversations(3, 4), key=1)
    assert np.mean([a != b for one, two in zip(drawn, other, strict=True) for a, b in zip(one, two, strict=True)]) > 0.8


def test_equal_conversations_of_a_group_and_equal_rounds_draw_different_replies(weights):
    got = reply(weights, [[[7, 8, 9]] * 3] * 12)
    firsts = {(reply.tokens or [None])[0] for row in got for reply in row}
    assert len(firsts) > 10


def test_a_conversation_does_not_depend_on_the_others(weights, drawn):
    others = make_conversations(3, 4, seed=1)
    mixed = others[:4] + make_conversations(3, 4)[4:8] + others[8:]
    got = reply(weights, mixed)
    assert got[4:8] == drawn[4:8]
    assert got[:4] != drawn[:4]


def test_a_reply_cut_off_lacks_its_last_token_and_says_so(weights, drawn):
    replies = [reply for row in drawn for reply in row]
    assert any(reply.finished for reply in replies)
    assert any(not reply.finished for reply in replies)
    for tokens, finished in replies:
        assert not set(tokens) & set(STOPS)
        assert len(tokens) < LONGEST if finished else len(tokens) == LONGEST - 1


# ---- what the program does


@pytest.mark.parametrize("alternatives", [1, 2])
def test_every_token_is_read_once_and_a_prefix_once_a_prompt(weights, alternatives):
    conversations = make_conversations(4, 4)
    PASSES.clear()
    counting = nnx.split(nnx.eval_shape(lambda: CountingQwen2(DECISIVE, rngs=nnx.Rngs(0))))[0]
    schedule = Schedule(3, 8, 1)
    replies = reply((counting, weights[1]), conversations, schedule=schedule, alternatives=alternatives)
    jax.effects_barrier()
    prefixes = [len(shared_prefix(conversations[at : at + 4])) for at in range(0, 16, 4)]
    asked = sum(len(ask) for conversation in conversations for ask in conversation) - 4 * sum(prefixes)
    written = sum(len(reply.tokens) for row in replies for reply in row)
    assert (PASSES[0].rows, PASSES[0].real) == (4, sum(prefixes))
    assert sum(one.real for one in PASSES) == sum(prefixes) + asked + written


@pytest.mark.parametrize("scan_layers", [False, True])
def test_the_loop_updates_the_cache_in_place(scan_layers):
    graphdef, params = abstract(DECISIVE, scan_layers=scan_layers)

    def run(params, key):
        return converse(
            nnx.merge(graphdef, params),
            jnp.ones((3, 24), jnp.int32),
            jnp.array([24, 5, 9]),
            jnp.ones((12, 40), jnp.int32),
            jnp.tile(jnp.array([10, 25, 40]), (12, 1)),
            key,
            sampling=SAMPLED,
            stop_ids=STOPS,
            pad_id=0,
            schedule=Schedule(4, 5, 1),
        )

    text = jax.jit(run).lower(params, jax.random.key(0)).compile().as_text()
    text = text[: text.index("ENTRY")]  # the loops; what comes before them may copy zeros
    layers = "2," if scan_layers else ""
    for cache in (f"f32[{layers}12,2,8,60]", f"f32[{layers}12,2,60,8]"):  # 40 + 3 · (6 - 1) + 5 slots
        assert f"= {cache}" in text
        assert not re.findall(re.escape(f"= {cache}") + r"\{[\d,]*\} copy\(", text)


# ---- the engine


def test_one_program_serves_all_lengths_and_numbers_of_prompts_in_a_bucket(weights):
    counts = []
    for prompts, seed in [(4, 0), (3, 1), (4, 2)]:
        reply(weights, make_conversations(prompts, 4, seed))
        counts.append(engine_of(weights[0]).compilations)
    assert len(set(counts)) == 1


def test_a_mesh_of_eight_devices_writes_what_one_device_writes(weights, drawn):
    graphdef, params = weights
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    spread = jax.device_put(params, shardings(param_axes(params), mesh))
    with jax.set_mesh(mesh):
        engine = ConversationEngine(graphdef, sampling=SAMPLED, stop_ids=STOPS, pad_id=0, multiple=64)
        assert engine.reply(spread, make_conversations(3, 4), jax.random.key(0), 4) == drawn


def test_the_shared_prefix_is_the_longest_that_leaves_each_first_ask_a_token():
    assert shared_prefix([[[1, 2, 3, 4]], [[1, 2, 5]]]) == [1, 2]
    assert shared_prefix([[[1, 2]], [[1, 2, 3]]]) == [1]
    assert shared_prefix([[[1, 2], [9]], [[1, 2], [8]]]) == [1]
    assert shared_prefix([[[4, 5, 6]]]) == [4, 5]
    assert shared_prefix([[[4]], [[5, 6]]]) == []
    assert shared_prefix([[[7, 1, 9]], [[7, 2, 9]], [[7, 1, 9]]]) == [7]


@pytest.mark.parametrize(
    "conversations, sentence",
    [
        ([], "There is no conversation"),
        ([[[1]], []], "Conversation 1 has an empty round"),
        ([[[1], []]], "Conversation 0 has an empty round"),
        (
            [[[1]], [[1] * 100, [1] * 17]],
            "Conversation 1 asks 117 tokens, which with 2 replies of up to max_new_tokens = 6 exceed the model's "
            "context of 128",
        ),
    ],
)
def test_conversations_that_cannot_be_held_are_refused_by_number(weights, conversations, sentence):
    with pytest.raises(UserError, match=sentence):
        reply(weights, conversations, group_size=1)
