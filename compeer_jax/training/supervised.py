"""The loop of all supervised training, of a policy on reasoned answers and of a judge on critiques with verdicts.

What differs is how records become examples: see `sft.py` and `reward.py`.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from compeer_jax.data.batches import pad_examples, sft_batches
from compeer_jax.data.chat import Example
from compeer_jax.data.records import spread
from compeer_jax.parallel.sharding import check_divides, place_batch
from compeer_jax.training.config import SupervisedConfig
from compeer_jax.training.run import Run, open_run
from compeer_jax.training.supervised_loss import count_trained, make_supervised_loss
from compeer_jax.training.update import make_update

LENGTH_MULTIPLE = 32

ROWS = "the rows of a batch computed at once"


def open_supervised_run(config: SupervisedConfig, kind: str) -> Run:
    """Opens the run and checks what needs no data.

    Raises:
        UserError: the folder can't be used, the model has no tokenizer, or the mesh doesn't divide the batch.
    """
    run = open_run(config, kind, optimizer_steps=config.steps)
    check_divides({ROWS: (config.batch_size // config.gradient_accumulation,)}, {ROWS: ("batch",)}, run.mesh)
    return run


def train_supervised(run: Run, train: Sequence[Example], valid: Sequence[Example], *, longest_setting: str) -> Path:
    """Trains on `train`, measures on `valid`; returns the run folder. An interrupted run goes on where it was saved.

    Args:
        run: from `open_supervised_run`.
        train: at least one example.
        valid: at least one; `eval_records` of them are used.
        longest_setting: the setting to lower when an example is longer than the model's context.

    Raises:
        UserError: an example longer than that, or losses that are not finite in several steps in a row.
    """
    config: SupervisedConfig = run.config
    valid = spread(valid, config.eval_records)
    answer_length = round_up(max(int(example.loss_mask.sum()) for example in (*train, *valid)))
    longest = max(len(example.tokens) for example in (*train, *valid))
    length = round_up(longest)
    batches = sft_batches(train, batch_size=config.batch_size, length=length, pad_id=run.pad_id, seed=config.seed)

    state, first_step = run.start(batches)
    run.check_context(longest, longest_setting)
    loss = make_supervised_loss(run.graphdef, answer_length)
    update = make_update(loss, run.optimizer, parts=config.gradient_accumulation, whole=count_trained)
    evaluate = jax.jit(lambda params, batch: loss(params, batch, count_trained(batch))[0])

    def valid_loss(params) -> float:
        """Mean negative log-likelihood a trained token of the valid examples."""
        total = tokens = 0.0
        at_once = config.batch_size // config.gradient_accumulation  # what training has memory for
        for start in range(0, len(valid), at_once):
            rows = valid[start : start + at_once]
            padding = [Example(np.array([run.pad_id]), np.array([False]))] * (at_once - len(rows))
            batch = pad_examples(rows + padding, length=length, pad_id=run.pad_id)
            count = int(batch.loss_mask.sum())
            total += float(evaluate(run.whole(params), place_batch(batch, run.mesh))) * count
            tokens += count
        return total / tokens

    with run.under_way():
        for step in range(first_step, config.steps + 1):
            batch = next(batches)
            state, metrics = update(state, place_batch(batch, run.mesh), run.frozen)
            metrics = {name: float(value) for name, value in jax.device_get(metrics).items()}
            metrics["batch_tokens"] = float(batch.segment_ids.sum())
            metrics["learning_rate"] = run.learning_rate(int(state.step) - 1)
            last = step == config.steps
            if last or (config.eval_every and step % config.eval_every == 0):
                metrics["eval/loss"] = valid_loss(state.params)
                metrics["eval/perplexity"] = math.exp(min(metrics["eval/loss"], 50))
            run.log(step, metrics, shown=("loss", "eval/loss", "grad_norm"))
            run.save(step, state, batches, metrics, last=last)

    return run.finish(export=config.export)


def round_up(length: int, multiple: int = LENGTH_MULTIPLE) -> int:
    """The next multiple."""
    return -(-length // multiple) * multiple
