"""Supervised training, of a policy on reasoned answers and of a judge on critiques with verdicts: loop and loss.

What differs is how records become examples: see `sft.py` and `reward.py`.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Int

from compeer_jax.data.batches import TokenBatch, shuffled_batches
from compeer_jax.data.chat import WORDS_ALONE, Example
from compeer_jax.data.example_pictures import ExamplePictures
from compeer_jax.data.pictures import PictureLimits
from compeer_jax.data.policy_data import spread
from compeer_jax.parallel.sharding import check_divides, place_batch
from compeer_jax.training.config import SupervisedConfig
from compeer_jax.training.run import Run, open_run
from compeer_jax.training.supervised_rows import SupervisedRows
from compeer_jax.training.update import make_update

ROWS = "the rows of a batch computed at once"


def open_supervised_run(config: SupervisedConfig, kind: str) -> Run:
    """Opens the run and checks what needs no data.

    Raises:
        UserError: the folder can't be used, the model has no tokenizer, or the mesh doesn't divide the batch.
    """
    run = open_run(config, kind, optimizer_steps=config.steps)
    if not config.row_tokens:
        check_divides({ROWS: (config.batch_size // config.gradient_accumulation,)}, {ROWS: ("batch",)}, run.mesh)
    return run


def train_supervised(
    run: Run,
    train: Sequence[Sequence[Example]],
    valid: Sequence[Sequence[Example]],
    *,
    longest_setting: str,
    pictures: PictureLimits = WORDS_ALONE,
) -> Path:
    """Trains on `train`, measures on `valid`; returns the run folder. An interrupted run goes on where it was saved.

    A batch is of records, however many examples each makes; its loss is the mean over all their trained tokens.

    Args:
        run: from `open_supervised_run`.
        train: the examples of each record; at least one of one.
        valid: the same; `eval_records` of them are used.
        longest_setting: the setting to lower when an example is longer than the model's context.
        pictures: how large those of the examples are seen.

    Raises:
        UserError: an example longer than that, or losses that are not finite in several steps in a row.
    """
    config: SupervisedConfig = run.config
    valid = spread(valid, config.eval_records)
    batches = shuffled_batches(train, batch_size=config.batch_size, seed=config.seed)
    state, first_step = run.start(batches)
    longest = max(len(example.tokens) for record in (*train, *valid) for example in record)
    run.check_context(longest, longest_setting)
    seen = run.open_tower() if pictures.most else None
    shown = None if seen is None else ExamplePictures(seen, pictures)
    rows = SupervisedRows((*train, *valid), config, run.mesh, run.model_config.hidden_size, run.pad_id, shown)
    loss = make_supervised_loss(run.graphdef)
    update = make_update(loss, run.optimizer, microbatches=config.gradient_accumulation, whole=count_trained)
    evaluate = jax.jit(lambda params, batch: loss(params, batch, count_trained(batch))[0])
    at_once = config.batch_size // config.gradient_accumulation  # what training has memory for
    valid_batches = rows.lay_out([valid[start : start + at_once] for start in range(0, len(valid), at_once)])

    def valid_loss(params) -> float:
        """Mean negative log-likelihood a trained token of the valid examples."""
        counts = [int(count_trained(batch)) for batch in valid_batches]
        losses = [float(evaluate(run.whole(params), place_batch(batch, run.mesh))) for batch in valid_batches]
        return float(np.average(losses, weights=counts))

    compiled = set()
    with run.under_way():
        for step in range(first_step, config.steps + 1):
            batch = rows.training_batch(next(batches))
            placed = place_batch(batch, run.mesh)
            if (shape := tuple(leaf.shape for leaf in jax.tree.leaves(batch))) not in compiled:
                compiled.add(shape)
                what = "A step of {} rows of {} tokens".format(*batch.tokens.shape)
                run.check_program(
                    update, f"{what} (shape {len(compiled)} of at most {len(rows.shapes)})", state, placed, run.frozen
                )
            state, metrics = update(state, placed, run.frozen)
            metrics = {name: float(value) for name, value in jax.device_get(metrics).items()}
            metrics["batch_tokens"] = float((batch.segment_ids > 0).sum())
            metrics["padding"] = 1 - metrics["batch_tokens"] / batch.tokens.size
            metrics["shapes"] = float(len(compiled))
            metrics["learning_rate"] = run.learning_rate(int(state.step) - 1)
            last = step == config.steps
            if last or (config.eval_every and step % config.eval_every == 0):
                metrics["eval/loss"] = valid_loss(state.params)
                metrics["eval/perplexity"] = math.exp(min(metrics["eval/loss"], 50))
            run.log(step, metrics, shown=("loss", "eval/loss", "grad_norm"))
            run.save(step, state, batches, metrics, last=last)

    return run.finish(export=config.export)


def make_supervised_loss(graphdef: nnx.GraphDef) -> Callable:
    """Mean negative log-likelihood of trained tokens, with logits at those positions only, as `update.make_update`
    wants it; with `count_trained` for the whole batch."""

    def loss(params, microbatch: TokenBatch, trained_in_batch):
        model = nnx.merge(graphdef, params)
        hidden = model(
            microbatch.tokens,
            positions=microbatch.positions,
            segment_ids=microbatch.segment_ids,
            pictures=microbatch.pictures,
        )
        before = jnp.maximum(microbatch.trained - 1, 0)  # the hidden state of a token predicts the next one
        hidden = jnp.take_along_axis(hidden, before[:, :, None], axis=1)
        targets = jnp.take_along_axis(microbatch.tokens, microbatch.trained, axis=1)
        logps, entropy = model.token_logprobs(hidden, targets)
        share = jnp.where(microbatch.trained > 0, 1 / jnp.maximum(trained_in_batch, 1), 0)
        metrics = {"entropy": jax.lax.stop_gradient((entropy * share).sum())}
        return -(logps * share).sum(), metrics

    return loss


def count_trained(batch: TokenBatch) -> Int[Array, ""]:
    """Trained tokens of the whole batch."""
    return (batch.trained > 0).sum()
