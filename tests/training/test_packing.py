"""Packed rows: the same loss, gradients and log-probabilities as one completion a row, and little padding."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from tiny import tiny_model

from compeer_jax.data.chat import Example
from compeer_jax.errors import UserError
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.parameters import param_axes
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.sharding import place_batch, shardings
from compeer_jax.training.config import GRPOConfig, LossConfig, SFTConfig
from compeer_jax.training.learner_batch import Layout, filled_microbatches
from compeer_jax.training.packing import choose_length, one_a_row, pack, plan_rows, rows_per_microbatch
from compeer_jax.training.policy_update import PolicyBatch, count_whole, make_logprobs, make_policy_loss
from compeer_jax.training.supervised import count_trained, make_supervised_loss
from compeer_jax.training.supervised_rows import SupervisedRows
from compeer_jax.training.update import deal, init_state, make_update

SAMPLING = SamplingConfig(max_new_tokens=16, temperature=0.7)


def groups(prompts=4, group=4, prompt=9, length=16, seed=0) -> PolicyBatch:
    """Random prompts and completions of uneven lengths, `group` of each prompt; two prompts are the same."""
    rng = np.random.default_rng(seed)
    rows = prompts * group
    lengths = rng.integers(1, length + 1, rows)
    mask = np.arange(length) < lengths[:, None]
    tokens = rng.integers(0, 64, (prompts, prompt)).astype(np.int32)
    real = np.arange(prompt) >= rng.integers(0, prompt - 1, prompts)[:, None]
    tokens[1], real[1] = tokens[0], real[0]
    return PolicyBatch(
        prompts=tokens.repeat(group, axis=0),
        prompt_mask=real.repeat(group, axis=0),
        completions=rng.integers(0, 64, (rows, length)).astype(np.int32),
        mask=mask,
        trained=mask & (rng.random(rows) < 0.8)[:, None],
        advantages=rng.normal(size=rows).astype(np.float32),
        sampler_logps=-rng.random((rows, length)).astype(np.float32) * mask,
        old_logps=(-4 + 0.3 * rng.normal(size=(rows, length))).astype(np.float32),
        ref_logps=(-4 + 0.3 * rng.normal(size=(rows, length))).astype(np.float32),
    )


MODES = [
    {"reduction": "sequence_mean"},
    {"reduction": "token_mean"},
    {"reduction": "fixed_length"},
    {"reduction": "sequence_mean", "ratio": "sequence"},
    {"reduction": "token_mean", "ratio": "sequence", "kl_coefficient": 0.1},
]


@pytest.mark.parametrize("settings", MODES, ids=lambda settings: "-".join(map(str, settings.values())))
def test_loss_metrics_and_gradients_are_those_of_one_completion_a_row(settings):
    graphdef, params = nnx.split(tiny_model(), nnx.Param)
    loss = make_policy_loss(graphdef, LossConfig(**settings), SAMPLING)

    @jax.jit
    def evaluate(params, batch):
        return jax.value_and_grad(loss, has_aux=True)(params, batch, count_whole(batch))

    batch = groups()
    (expected, plain), wanted = evaluate(params, one_a_row(batch)[0])
    for shared in (True, False) if settings == MODES[0] else (True,):
        packed, _ = pack(batch, pack_length=64, shared=shared)
        assert packed.tokens.shape[0] < len(batch.mask)
        (value, metrics), grads = evaluate(params, packed)
        np.testing.assert_allclose(value, expected, rtol=2e-5)
        assert metrics.keys() == plain.keys()
        for name in metrics:
            np.testing.assert_allclose(metrics[name], plain[name], rtol=2e-4, atol=1e-6, err_msg=name)
        for grad, want in zip(jax.tree.leaves(grads), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(grad, want, atol=2e-6)


def test_log_probs_come_back_to_the_completions_they_are_of():
    """Packed, and one a row, they are those of each prompt and completion alone, from all of its logits."""
    model = tiny_model()
    graphdef, params = nnx.split(model, nnx.Param)
    batch = groups()
    dense = np.zeros(batch.mask.shape)
    for row, real in enumerate(batch.mask):
        prompt, completion = batch.prompts[row][batch.prompt_mask[row]], batch.completions[row][real]
        logits = model.logits(model(jnp.asarray([*prompt, *completion])[None]))[0, len(prompt) - 1 : -1]
        logps = np.asarray(jax.nn.log_softmax(logits / 0.7))
        dense[row, real] = logps[np.arange(len(completion)), completion]
    for (rows, slots), parts in ((pack(batch, pack_length=64, multiple=2), 2), (one_a_row(batch), 1)):
        logps = np.asarray(make_logprobs(graphdef, 0.7, microbatches=parts)(params, rows))
        logps = logps.reshape(-1, logps.shape[-1])[slots]
        np.testing.assert_allclose(np.where(batch.mask, logps, 0), dense, atol=2e-5)


def updated(batch, *, microbatches=1, filled=None, mesh=None):
    """Weights and metrics after two updates."""
    graphdef, params = nnx.split(tiny_model(), nnx.Param)
    mesh = make_mesh(mesh or MeshConfig())
    params = jax.device_put(params, shardings(param_axes(params), mesh))
    optimizer = optax.sgd(0.1, momentum=0.9)
    loss = make_policy_loss(graphdef, LossConfig(reduction="token_mean", kl_coefficient=0.1), SAMPLING)
    update = make_update(loss, optimizer, microbatches=microbatches, filled=filled, whole=count_whole)
    with jax.set_mesh(mesh):
        state = init_state(params, optimizer, mesh)
        for _ in range(2):
            state, metrics = update(state, place_batch(batch, mesh))
    return jax.device_get(state.params), jax.device_get(metrics)


def test_any_budget_of_tokens_on_any_mesh_gives_the_same_update():
    batch = groups()
    params, metrics = updated(one_a_row(batch)[0])
    for multiple, budget, mesh in [(1, 64, MeshConfig()), (4, 100, MeshConfig(data=2, fsdp=2))]:
        packed, _ = pack(batch, pack_length=32, multiple=multiple, tokens_per_microbatch=budget)
        at_once = rows_per_microbatch(packed.tokens.shape[1], budget, multiple)
        parts = len(packed.tokens) // at_once
        assert (len(packed.tokens) % at_once, parts > 1) == (0, True)
        ours, reported = updated(packed, microbatches=parts, filled=filled_microbatches, mesh=mesh)
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(params), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5)
        for name in metrics:
            np.testing.assert_allclose(reported[name], metrics[name], rtol=2e-4, atol=2e-6, err_msg=name)


def test_every_completion_is_in_one_row_behind_its_prompt_and_no_row_is_too_long():
    rng = np.random.default_rng(0)
    prompt_sizes = rng.integers(5, 60, 12).tolist()
    prompt_of = np.repeat(np.arange(12), 4).tolist()
    sizes = rng.integers(1, 100, 48).tolist()
    for length in (160, 200, 512):
        for shared in (True, False):
            rows = plan_rows(prompt_of, prompt_sizes, sizes, length, shared=shared)
            placed = [index for row in rows for block in row for index in block.completions]
            assert sorted(placed) == list(range(48))
            for row in rows:
                assert sum(block.size for block in row) <= length
                for block in row:
                    assert {prompt_of[index] for index in block.completions} == {block.prompt}
                    assert block.size == prompt_sizes[block.prompt] + sum(sizes[i] for i in block.completions)
                    assert shared or len(block.completions) == 1


def uneven(rng, prompts=32, group=4):
    """Lengths as of talks and answers: log-normal, the longest several times the median."""
    prompt_sizes = np.clip(rng.lognormal(5.3, 0.5, prompts), 20, 900).astype(int).tolist()
    sizes = np.clip(rng.lognormal(5, 0.6, prompts * group), 8, 600).astype(int).tolist()
    return np.repeat(np.arange(prompts), group).tolist(), prompt_sizes, sizes


@pytest.mark.parametrize(
    "settings, most",
    [
        ({}, 0.13),
        ({"reach": 64 * 1.75}, 0.19),  # the smaller the model, the more long rows cost, whatever they hold
        ({"reach": 3584 * 12, "shared": False, "width": 128}, 0.09),
        ({"reach": 3584 * 12, "shared": False, "width": 128, "multiple": 8}, 0.12),
    ],
    ids=["plain", "small", "kernel", "sharded"],
)
def test_less_than_a_tenth_is_padding_and_few_shapes_are_compiled(settings, most):
    rng = np.random.default_rng(1)
    shapes, shares, saved = set(), [], []
    for _ in range(40):
        prompt_of, prompt_sizes, sizes = uneven(rng)
        shape, rows = choose_length(prompt_of, prompt_sizes, sizes, pack_length=4096, **settings)
        real = sum(block.size for row in rows for block in row)
        shapes.add(shape)
        shares.append(1 - real / (shape.rows * shape.length))
        apart = (max(prompt_sizes) + max(sizes)) * len(sizes)
        saved.append(apart / (shape.rows * shape.length))
    assert np.mean(shares) < 0.1
    assert max(shares) < most
    assert len(shapes) <= 10
    assert {shape.length % settings.get("width", 32) for shape in shapes} == {0}
    # Times the tokens of a batch that is padded to its longest prompt and completion.
    assert np.mean(saved) > (4 if settings.get("shared", True) else 2.3)


def test_rows_of_the_longest_prompts_and_completions_hold_no_padding():
    shape, _ = choose_length([0, 1, 2, 3], [2048] * 4, [1024] * 4, pack_length=4096, shared=False, width=128)
    assert shape == (4, 3072)


def test_a_completion_longer_than_the_rows_asked_for_has_a_row_to_itself():
    shape, rows = choose_length([0, 0, 1], [40, 8], [500, 10, 10], pack_length=64)
    assert shape.length >= 540
    assert sorted(index for row in rows for block in row for index in block.completions) == [0, 1, 2]


def test_the_share_of_padding_counts_what_is_computed():
    batch = groups()
    config = GRPOConfig(output="", prompts_per_step=4, tokens_per_microbatch=64, row_tokens=32)
    mesh = make_mesh(MeshConfig())
    layout = Layout(config, mesh, 32)
    placed, _ = layout.lay_out(batch)
    share = layout.padding(placed)
    used = np.asarray(placed.segments).reshape(2, -1, 32).any(axis=(0, 2))
    real = (np.asarray(placed.segments) != 0).sum()
    assert share == pytest.approx(1 - real / (used.sum() * 2 * 32))
    plain = batch.prompt_mask.sum() + batch.mask.sum()
    layout = Layout(GRPOConfig(output="", prompts_per_step=4, row_tokens=0), mesh, 32)
    share = layout.padding(layout.lay_out(batch)[0])
    assert share == pytest.approx(1 - plain / (16 * 25))


@pytest.mark.parametrize("settings", [{"gradient_accumulation": 2}, {"row_tokens": 0}], ids=str)
def test_a_budget_of_tokens_takes_packed_rows_and_no_other_parts(settings):
    with pytest.raises(UserError, match=r"^tokens_per_microbatch divides a minibatch of packed rows by itself; take"):
        GRPOConfig(output="", tokens_per_microbatch=1024, **settings)


def supervised_examples(sizes, vocabulary: int = 30000) -> list[Example]:
    rng = np.random.default_rng(0)
    ids = [rng.integers(1, vocabulary, size).astype(np.int32) for size in sizes]
    return [Example(tokens, np.arange(len(tokens)) >= len(tokens) // 2) for tokens in ids]


@pytest.mark.parametrize("mesh, parts", [(MeshConfig(), 1), (MeshConfig(data=2, fsdp=2), 2)], ids=str)
def test_supervised_examples_of_uneven_lengths_share_rows(mesh, parts):
    examples = supervised_examples(np.clip(np.random.default_rng(0).lognormal(5, 0.6, 128), 8, 900).astype(int))
    config = SFTConfig(output="", batch_size=64, gradient_accumulation=parts)
    records = [[example] for example in examples]
    rows = SupervisedRows(records, config, make_mesh(mesh), 896, pad_id=0)
    batches = rows.lay_out([records[:64], records[64:]], parts)
    assert batches[0].tokens.shape == batches[1].tokens.shape
    assert batches[0].tokens.shape[0] % (parts * np.prod(list(make_mesh(mesh).shape.values()))) == 0
    assert np.mean([(batch.segment_ids == 0).mean() for batch in batches]) < 0.15
    found = []
    for tokens, segments, trained in (row for batch in batches for row in zip(*batch[:3], strict=True)):
        for segment in range(1, segments.max() + 1):
            (columns,) = np.nonzero(segments == segment)
            assert columns.tolist() == list(range(columns[0], columns[-1] + 1))
            found.append((tokens[columns].tolist(), np.intersect1d(columns, trained[trained > 0]) - columns[0]))
    assert len(found) == len(examples)
    trained_of = {tuple(tokens): columns.tolist() for tokens, columns in found}
    assert trained_of == {tuple(each.tokens): np.flatnonzero(each.loss_mask).tolist() for each in examples}


@pytest.mark.parametrize("parts", [1, 2])
def test_supervised_batches_come_in_at_most_four_shapes(parts):
    rng = np.random.default_rng(5)
    records = [[example] for example in supervised_examples(rng.integers(20, 400, 300))]
    config = SFTConfig(output="", batch_size=8, row_tokens=1024, gradient_accumulation=parts)
    rows = SupervisedRows(records, config, make_mesh(MeshConfig()), 896, pad_id=0)
    assert rows.packed
    longest = sorted(records, key=lambda record: -len(record[0].tokens))[:8]
    drawn = [[records[index] for index in rng.choice(300, 8)] for _ in range(200)]
    batches = [rows.training_batch(batch) for batch in [*drawn, longest]]
    assert 1 < len({batch.tokens.shape + batch.trained.shape for batch in batches}) <= 4
    for batch, laid_out in zip([*drawn, longest], batches, strict=True):
        assert laid_out.tokens.shape[0] % parts == 0
        assert (laid_out.segment_ids > 0).sum() == sum(len(record[0].tokens) for record in batch)
        assert (laid_out.trained > 0).sum() == sum(record[0].loss_mask[1:].sum() for record in batch)


@pytest.mark.parametrize("sizes, row_tokens", [([100] * 64, 4096), ([20, 100] * 32, 0)], ids=["even", "unpacked"])
def test_supervised_examples_that_would_not_gain_have_a_row_each(sizes, row_tokens):
    config = SFTConfig(output="", batch_size=8, row_tokens=row_tokens)
    records = [[example] for example in supervised_examples(sizes)]
    rows = SupervisedRows(records, config, make_mesh(MeshConfig()), 32, pad_id=0)
    (batch,) = rows.lay_out([records[:8]])
    assert batch.tokens.shape == (8, 128)
    assert (batch.segment_ids != 0).sum(axis=1).tolist() == sizes[:8]


@pytest.mark.parametrize("row_tokens", [4096, 0])
def test_a_batch_is_of_records_whatever_each_makes_and_its_loss_the_mean_over_their_tokens(row_tokens):
    """Records of one to three conversations, laid out in few parts or many: against NumPy in float64."""
    graphdef, params = nnx.split(tiny_model(), nnx.Param)
    examples = supervised_examples(np.random.default_rng(3).integers(8, 90, 64), vocabulary=64)
    sizes = np.resize([3, 1, 2, 3], 20)
    edges = np.cumsum([0, *sizes])
    records = [examples[start:end] for start, end in itertools.pairwise(edges)]
    config = SFTConfig(output="", batch_size=4, row_tokens=row_tokens)
    rows = SupervisedRows(records, config, make_mesh(MeshConfig()), 32, pad_id=0)
    batches = rows.lay_out([records[:4], records[4:8]])
    assert batches[0].tokens.shape == batches[1].tokens.shape
    loss, losses = make_supervised_loss(graphdef), []
    for parts in (1, 2):
        (batch,) = (jax.tree.map(jnp.asarray, batch) for batch in rows.lay_out([records[:4]], parts))
        dealt = jax.tree.map(lambda array, parts=parts: deal(array, parts), batch)
        whole = count_trained(batch)
        shares = [loss(params, jax.tree.map(lambda array, i=i: array[i], dealt), whole)[0] for i in range(parts)]
        losses.append(float(sum(shares)))
    model, logps = nnx.merge(graphdef, params), []
    for example in examples[: edges[4]]:
        logits = np.asarray(model.logits(model(jnp.asarray(example.tokens[None]))))[0].astype(np.float64)
        logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        logps += logits[np.arange(len(example.tokens) - 1), example.tokens[1:]][example.loss_mask[1:]].tolist()
    np.testing.assert_allclose(losses, -np.mean(logps), rtol=1e-5)
