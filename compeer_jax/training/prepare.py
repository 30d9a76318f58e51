"""Set-up of a GRPO run: all that can be wrong is found here, before anything is compiled."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax

from compeer_jax.data.batches import shuffled_batches
from compeer_jax.data.policy_data import encode_prompts, load_records
from compeer_jax.data.record import Record
from compeer_jax.generation.sight import PromptPictures
from compeer_jax.parallel.sharding import check_divides
from compeer_jax.rewards.encoders import EncodedTurns, make_encoder, output_lengths
from compeer_jax.rewards.load import JUDGES, check_gold, check_pictures, load_reward
from compeer_jax.rewards.reward import Completion, RewardFunction, read_completions, reference_completion
from compeer_jax.training.config import GRPOConfig
from compeer_jax.training.policy_card import PolicyCard
from compeer_jax.training.run import Run, open_run
from compeer_jax.training.sampler import Drawn, Sampler
from compeer_jax.training.step import GRPOStep
from compeer_jax.training.update import TrainState

ROWS = "the outputs of a minibatch computed at once"


class Prepared(NamedTuple):
    """All that the loop uses.

    Attributes:
        run: folder, checkpoints, metrics, signals.
        grpo: the computations.
        sampler: the outputs of each step.
        prompts: token ids by the record's id.
        see: the pictures of records' prompts; None where none of a run's prompts shows any.
        judge: rewards of outputs.
        encode: vectors of outputs and of what was said before (Eq. 6).
        lengths: of outputs, in the unit of `reward.beta` (Eq. 7).
        state: what the first step starts from.
        first_step: its number.
    """

    run: Run
    grpo: GRPOStep
    sampler: Sampler
    prompts: Mapping[str, list[int]]
    see: Callable[[Sequence[Record]], PromptPictures | None]
    judge: RewardFunction
    encode: Callable[[Sequence[Completion]], EncodedTurns]
    lengths: Callable[[Sequence[Completion]], Sequence[int]]
    state: TrainState
    first_step: int


def prepare(config: GRPOConfig) -> Prepared:
    """Opens the run, finds data, judge, encoder and model, and goes back to the last checkpoint, if there is one.

    Raises:
        UserError: anything in the settings, the data, the model or the reward that would stop the run later.
    """
    format, reward = config.data.reasoning, config.reward
    check_pictures(reward, config.data)
    run = open_run(config, "grpo", optimizer_steps=config.steps * config.epochs_per_rollout * config.minibatches)
    run.check_sees(config.data.pictures, "data.pictures")
    tokenizer, key = run.tokenizer, jax.random.key(config.seed)
    longest, place = config.sampling.max_new_tokens, {"mesh": run.mesh, "folder": run.folder.path, "base": run.base}
    judge = load_reward(reward, format, say=run.say, longest_output=longest, **place)
    outputs = config.prompts_per_step * config.group_size
    rows = outputs // config.minibatches // config.gradient_accumulation
    check_divides({ROWS: (rows,)}, {ROWS: ("batch",)}, run.mesh)

    records = load_records(config.data, "rl")
    check_gold(reward, format, records.train)
    run.say(records.summary)
    run.keep_card(PolicyCard.of(config.data, records.train, longest))
    run.say(
        f"Each step: {config.prompts_per_step} prompts x {config.group_size} outputs = {outputs} outputs, "
        f"{config.epochs_per_rollout * config.minibatches} update(s) of {outputs // config.minibatches} outputs."
    )
    encoded = encode_prompts(records.train, tokenizer, config.data)
    prompts = {id: prompt.tokens for id, prompt in encoded.items()}
    train = [record for record in records.train if record.id in prompts]
    run.say_left_out(len(records.train) - len(train), len(records.train), "train")
    batches = shuffled_batches(train, batch_size=config.prompts_per_step, seed=config.seed)
    encode = make_encoder(reward.encoder, tokenizer=tokenizer, model=config.model, mesh=run.mesh)
    if reward.judge not in JUDGES:  # a function of the user's: what is wrong with it shows on references
        judge(
            [reference_completion(record, format) for record in train[: config.prompts_per_step]],
            jax.random.fold_in(key, 0),
        )

    tower = run.open_tower() if any(prompt.pictures for prompt in encoded.values()) else None

    def see(records: Sequence[Record]) -> PromptPictures | None:
        shown = [encoded[record.id].pictures for record in records]
        return None if tower is None else tower.of_each(shown, config.data.pictures)

    def roll_out(state: TrainState, records: list[Record], step: int) -> Drawn:
        step_prompts = [prompts[record.id] for record in records]
        return grpo.roll_out(state.params, step_prompts, jax.random.fold_in(key, step), see(records))

    sampler = Sampler(
        batches,
        roll_out,
        read=partial(read_completions, tokenizer=tokenizer, format=format),
        group_size=config.group_size,
        mesh=run.mesh,
        overlap=config.overlap,
        last_step=config.steps,
    )
    state, first_step = run.start(sampler)
    grpo = GRPOStep(
        config,
        run.graphdef,
        run.optimizer,
        run.mesh,
        hidden_size=run.model_config.hidden_size,
        stop_ids=run.stop_ids,
        pad_id=run.pad_id,
        frozen=run.frozen,
        reference=run.reference_params,
    )
    unseen = tower and [tower.unseen(encoded[id].pictures, config.data.pictures) for id in prompts]
    grpo.engine.check(run.whole(state.params), list(prompts.values()), unseen)
    return Prepared(
        run,
        grpo,
        sampler,
        prompts,
        see,
        judge,
        encode=lambda completions: encode(completions, config.group_size),
        lengths=partial(output_lengths, unit=reward.length_unit, tokenizer=tokenizer, of=reward.length_of),
        state=state,
        first_step=first_step,
    )
