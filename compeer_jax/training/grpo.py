"""GRPO with a judge and redundancy-aware rewards: the loop of the paper's Figure 3, top to bottom."""

from functools import partial
from pathlib import Path

import jax
import numpy as np

from compeer_jax.data.batches import shuffled_batches
from compeer_jax.data.record import Record
from compeer_jax.data.records import encode_prompts, load_records
from compeer_jax.generation.engine import Engine
from compeer_jax.parallel.exchange import is_first
from compeer_jax.parallel.sharding import check_divides
from compeer_jax.rewards.encoders import make_encoder, output_lengths
from compeer_jax.rewards.load import JUDGES, check_gold, load_reward
from compeer_jax.rewards.reward import read_completions, reference_completion
from compeer_jax.rl.reward_shaping import shape_rewards
from compeer_jax.training.config import GRPOConfig
from compeer_jax.training.learner_batch import Layout, learner_batch, shuffled_minibatches
from compeer_jax.training.outputs import outputs_of
from compeer_jax.training.policy_card import PolicyCard
from compeer_jax.training.policy_update import count_whole, make_policy_loss
from compeer_jax.training.profile import Profile
from compeer_jax.training.rollout_ahead import Drawn, Rollouts
from compeer_jax.training.rollout_metrics import Clock, grouped, rollout_metrics
from compeer_jax.training.run import open_run
from compeer_jax.training.samples import log_rollout, write_samples
from compeer_jax.training.update import make_update

ROWS = "the outputs of a minibatch computed at once"


def train_grpo(config: GRPOConfig, *, profile: bool = False) -> Path:
    """Trains a policy; returns the run folder. A run that was interrupted goes on from its last checkpoint.

    Args:
        config: its settings.
        profile: trace a few steps, and tell where their time goes.

    Raises:
        UserError: anything in the settings, the data, the model or the reward that would stop the run later.
    """
    # All that can be wrong is found here, before anything is compiled.
    format = config.data.reasoning
    run = open_run(config, "grpo", optimizer_steps=config.steps * config.epochs_per_rollout * config.minibatches)
    place = {"mesh": run.mesh, "folder": run.folder.path, "base": run.base}
    longest = config.sampling.max_new_tokens
    reward = load_reward(config.reward, format, say=run.say, longest_output=longest, **place)
    outputs = config.prompts_per_step * config.group_size
    rows = outputs // config.minibatches // config.gradient_accumulation
    check_divides({ROWS: (rows,)}, {ROWS: ("batch",)}, run.mesh)
    records = load_records(config.data, "rl")
    check_gold(config.reward, format, records.train)
    run.say(records.summary)
    run.keep_card(PolicyCard.of(config.data, records.train, config.sampling.max_new_tokens))
    run.say(
        f"Each step: {config.prompts_per_step} prompts x {config.group_size} outputs = {outputs} outputs, "
        f"{config.epochs_per_rollout * config.minibatches} update(s) of {outputs // config.minibatches} outputs."
    )
    tokenizer = run.tokenizer
    prompts = encode_prompts(records.train, tokenizer, config.data)
    train = [record for record in records.train if record.id in prompts]
    run.say_left_out(len(records.train) - len(train), len(records.train), "train")
    batches = shuffled_batches(train, batch_size=config.prompts_per_step, seed=config.seed)
    encode = make_encoder(config.reward.encoder, tokenizer=tokenizer, model=config.model, mesh=run.mesh)
    key = jax.random.key(config.seed)
    judge_key = jax.random.fold_in(key, 0)  # steps count from 1
    if config.reward.judge not in JUDGES:  # a function of the user's: what is wrong with it shows on references
        reward([reference_completion(record, format) for record in train[: config.prompts_per_step]], judge_key)

    rollouts = Rollouts(batches, ahead=config.overlap)
    state, first_step = run.start(rollouts)
    graphdef, temperature = run.graphdef, config.sampling.temperature
    read = partial(read_completions, tokenizer=tokenizer, format=format)
    engine = Engine(graphdef, sampling=config.sampling, stop_ids=run.stop_ids, pad_id=run.pad_id, slots=config.slots)
    engine.check(run.whole(state.params), list(prompts.values()))
    layout = Layout(config, run.mesh, run.model_config.hidden_size)
    update = make_update(
        make_policy_loss(graphdef, config.loss, config.sampling),
        run.optimizer,
        parts=layout.parts,
        used=layout.used,
        whole=count_whole,
    )
    logprobs = layout.make_logprobs(graphdef, temperature)
    # When the loss is the mean of the advantages, that is 0, whatever is learnt.
    on_policy = config.epochs_per_rollout * config.minibatches == 1 and config.loss.reduction == "sequence_mean"
    on_policy &= not (config.loss.kl_coefficient or config.loss.mask_truncated or config.loss.importance_cap)

    def prompted(chosen: list[Record], step: int) -> tuple:
        """What an engine draws a step's outputs from."""
        step_prompts = [prompts[record.id] for record in chosen]
        return run.whole(state.params), step_prompts, jax.random.fold_in(key, step), config.group_size

    def roll_out(chosen: list[Record], step: int) -> Drawn:
        return (engine.stream if config.slots else engine.generate)(*prompted(chosen, step))

    profiler = Profile(run, first_step, prompted, on=profile)
    metrics: dict[str, float] = {}
    with run.under_way(), profiler:
        for step in range(first_step, config.steps + 1):
            clock = Clock()
            step_key = jax.random.fold_in(key, step)
            position = rollouts.get_state()

            # A judge may be gone, or a signal come, minutes before the update: the steps before this one are kept then.
            with run.kept(step - 1, state, position, metrics):
                # 1. Roll out: G outputs o_1 … o_G of the policy for each prompt; with slots, prompt by prompt.
                chosen, drawn = rollouts.take(roll_out, step, last=config.steps)
                run.heed_signals()

                # 2. Judge: each reasoning step, the response and the format.
                with outputs_of(drawn, chosen, config.group_size, read=read, mesh=run.mesh) as outputs:
                    rewards = reward(outputs.completions, jax.random.fold_in(judge_key, step))
                clock.lap("rollout", outputs.ended)
                run.heed_signals()
            rollout, completions = outputs.rollout, list(outputs.completions)
            lengths = output_lengths(completions, config.reward.length_unit, tokenizer, of=config.reward.length_of)

            # 3. Reweight by redundancy (Eq. 5-7), then normalise within each group (Eq. 3).
            shaped = shape_rewards(
                grouped(rewards.total, config.group_size),
                *encode(completions, config.group_size),
                grouped(lengths, config.group_size),
                missed=rewards.missed.reshape(-1, config.group_size),
                alpha=config.reward.alpha,
                beta=config.reward.beta,
                sign=config.reward.sign,
                cosine=config.reward.cosine,
                length_mean=config.reward.length_mean,
                reweighting=config.reward.reweighting,
                scale=config.loss.scale,
                epsilon=config.loss.epsilon,
            )
            shaped = jax.device_get(shaped)
            clock.lap("reward")

            # 4. Update the policy (Eq. 2). Old log-probs are taken once, before the first update on these outputs.
            batch_prompts = [prompts[record.id] for record in chosen]
            batch = learner_batch(rollout, batch_prompts, shaped.advantages.reshape(-1), run.pad_id, config)
            if config.epochs_per_rollout * config.minibatches > 1:
                batch = batch._replace(old_logps=logprobs(run.whole(state.params), batch))
            if run.reference_params is not None:
                batch = batch._replace(ref_logps=logprobs(run.reference_params, batch))
            jax.block_until_ready(batch)
            clock.lap("logprobs")
            updates = []
            for minibatch in shuffled_minibatches(batch, step_key, config):
                laid_out, padding = layout.place(minibatch)
                state, metrics = update(state, laid_out, run.frozen)
                updates.append(metrics | {"padding": padding})
            updates = jax.device_get(updates)
            clock.lap("update")

            metrics = {name: float(np.mean([update[name] for update in updates])) for name in updates[0]}
            metrics |= rollout_metrics(rollout, rewards, shaped) | clock.seconds()
            metrics["learning_rate"] = run.learning_rate(int(state.step) - 1)
            run.log(step, metrics, shown=("reward", "rewards/format/mean", "entropy", "grad_norm"))
            if is_first():
                log_rollout(run.folder, step, completions, rewards, shaped, lengths)
                if step == 1 or step % config.samples_every == 0:
                    write_samples(run.folder, every=config.samples_every, last=step)
            if step == first_step and on_policy and metrics["grad_norm"] > 0:
                run.say(
                    f"The loss prints {metrics['loss']:+.1e}: with one update a rollout the ratio is 1 and the "
                    f"advantages average 0, so it always prints about 0. It learns all the same: see grad_norm."
                )
            run.save(step, state, rollouts, metrics, last=step == config.steps)
            profiler.step_done(step, clock, chosen)

    return run.finish(export=config.export)
