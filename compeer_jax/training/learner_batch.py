"""From a rollout to what the learner wants: arrays of one shape, in minibatches."""

import jax

from compeer_jax.generation.engine import bucket, pad_left
from compeer_jax.training.config import GRPOConfig
from compeer_jax.training.policy_update import PolicyBatch


def learner_batch(rollout, prompts, advantages, pad_id: int, config: GRPOConfig) -> PolicyBatch:
    """The rollout as the learner wants it: prompts repeated for each output, completions cut to the longest."""
    tokens, mask = pad_left(prompts, pad_id, bucket(max(map(len, prompts))))
    longest = int(rollout.mask.sum(axis=1).max())
    columns = slice(0, min(bucket(longest), rollout.mask.shape[1]))
    trained = rollout.mask & rollout.finished[:, None] if config.loss.mask_truncated else rollout.mask
    return PolicyBatch(
        prompts=tokens.repeat(config.group_size, axis=0),
        prompt_mask=mask.repeat(config.group_size, axis=0),
        completions=rollout.tokens[:, columns],
        mask=rollout.mask[:, columns],
        trained=trained[:, columns],
        advantages=advantages,
        sampler_logps=rollout.logps[:, columns],
    )


def shuffled_minibatches(batch: PolicyBatch, key, config: GRPOConfig):
    """Yields the minibatches of every epoch; one minibatch is the batch itself, in its order."""
    if config.minibatches == 1:
        yield from [batch] * config.epochs_per_rollout
        return
    rows = batch.mask.shape[0]
    for epoch in range(config.epochs_per_rollout):
        order = jax.random.permutation(jax.random.fold_in(key, rows + epoch), rows)  # 0 … rows - 1 drew the outputs
        for part in order.reshape(config.minibatches, -1):
            yield jax.tree.map(lambda array, part=part: array[part], batch)
