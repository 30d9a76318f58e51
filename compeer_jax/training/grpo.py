"""GRPO with a judge and redundancy-aware rewards: the loop of the paper's Figure 3, top to bottom."""

from pathlib import Path

import jax

from compeer_jax.training.config import GRPOConfig
from compeer_jax.training.prepare import prepare
from compeer_jax.training.profile import Profile
from compeer_jax.training.rollout_metrics import Clock, record_step


def train_grpo(config: GRPOConfig, *, profile: bool = False) -> Path:
    """Trains a policy; returns the run folder. A run that was interrupted goes on from its last checkpoint.

    Args:
        config: its settings.
        profile: trace a few steps, and tell where their time goes.

    Raises:
        UserError: anything in the settings, the data, the model or the reward that would stop the run later.
    """
    ready = prepare(config)
    run, grpo, sampler, state = ready.run, ready.grpo, ready.sampler, ready.state
    key = jax.random.key(config.seed)
    judge_key = jax.random.fold_in(key, 0)  # steps count from 1
    metrics: dict[str, float] = {}
    with run.under_way(), Profile(run, ready.first_step, on=profile) as profiler:
        for step in range(ready.first_step, config.steps + 1):
            clock = Clock()

            # A judge may be gone, or a signal come, minutes before the update: the steps before this one are kept then.
            with run.saved_on_error(step - 1, state, sampler.get_state(), metrics):
                # 1. Roll out: G outputs o_1 … o_G of the policy for each prompt.
                sampled = sampler.sample(state, step)
                run.raise_if_stopped()

                # 2. Judge: each reasoning step, the response and the format; with slots, while others are drawn.
                with sampled:
                    rewards = ready.judge(sampled.completions, jax.random.fold_in(judge_key, step))
                clock.lap("rollout", sampled.ended)
                run.raise_if_stopped()

            # 3. Reweight by redundancy (Eq. 5-7), then normalise within each group (Eq. 3).
            lengths = ready.lengths(sampled.completions)
            shaped = grpo.shape(rewards, ready.encode(sampled.completions), lengths)
            clock.lap("reward")

            # 4. Update the policy (Eq. 2).
            prompts = [ready.prompts[record.id] for record in sampled.records]
            pictures = ready.see(sampled.records)
            batch = grpo.batch(state.params, sampled.rollout, prompts, shaped.advantages, pictures)
            clock.lap("logprobs")
            state, metrics = grpo.learn(state, batch, jax.random.fold_in(key, step))
            clock.lap("update")

            metrics |= {"learning_rate": run.learning_rate(int(state.step) - 1)} | clock.seconds()
            metrics |= record_step(run, step, metrics, sampled, rewards, shaped, lengths)
            run.save(step, state, sampler, metrics, last=step == config.steps)
            profiler.step_done(step, clock, state.params, prompts, pictures)
    return run.finish(export=config.export)
