"""The compiled programs of a GRPO step, on shapes: the functions are those that a run compiles."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import AbstractMesh

from compeer_jax.errors import UserError
from compeer_jax.generation.conversation import converse, default_schedule
from compeer_jax.generation.padding import bucket
from compeer_jax.generation.rollout import Rollout, rollout
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.config import DecoderConfig
from compeer_jax.parallel.mesh import AXES, MeshConfig, make_mesh
from compeer_jax.parallel.sharding import check_divides
from compeer_jax.planning.abstract_run import (
    AnyMesh,
    Weights,
    abstract_state,
    abstract_weights,
    device_bytes,
    rows,
    whole,
)
from compeer_jax.planning.shapes import model_shape
from compeer_jax.planning.tower import TowerPlan, tower_plan
from compeer_jax.rewards.in_process import WIDTH
from compeer_jax.rewards.judge_card import CARD, JudgeCard
from compeer_jax.training.config import GRPOConfig
from compeer_jax.training.learner_batch import Layout, learner_batch, shuffled_minibatches
from compeer_jax.training.optimizer import make_optimizer
from compeer_jax.training.policy_update import PackedBatch, PolicyBatch
from compeer_jax.training.step import GRPOStep
from compeer_jax.training.update import OPTIMIZER

STOP, PAD = (1,), 0  # any ids serve: they change no shape
QUESTION = 96  # tokens that stand around a step or answer in a judge's ask, about


@dataclass(frozen=True)
class Planned:
    """A program that is yet to be compiled.

    Attributes:
        name: what it does in a step.
        lower: traces it, under `mesh`.
        mesh: where it runs.
        runs: how often it runs in a step.
        loops: the phases that its loops make, and how often they run, as `counts.count` takes them.
        rest: the phase of all that is in none of these loops.
        holds: what it is given of that which lies in memory all the time, by name.
    """

    name: str
    lower: Callable[[], jax.stages.Lowered]
    mesh: AnyMesh
    runs: float
    holds: frozenset[str]
    loops: Mapping[str, float] = field(default_factory=dict)
    rest: str = ""


@dataclass(frozen=True)
class Step:
    """A step of GRPO.

    Attributes:
        programs: in their order.
        resident: what lies in each device's memory all the time, in bytes, by name.
        params: the policy's weights, each with its axes and its place.
        notes: where shapes were taken from, and what was assumed.
        tower: what pictures add, which is not compiled; None where no prompt shows any.
    """

    programs: tuple[Planned, ...]
    resident: Mapping[str, int]
    params: nnx.State
    notes: tuple[str, ...]
    tower: TowerPlan | None = None


def grpo_step(config: GRPOConfig, mesh: AnyMesh) -> Step:
    """The programs of a step with these settings on this mesh, all prompts and outputs at their full length.

    Raises:
        UserError: the mesh divides the weights or the outputs not; no shape of the model or the judge can be found.
    """
    shape, source = model_shape(config.model.path, "model.path")
    notes = [f"model: {source}"]
    weights = abstract_weights(shape, config.model, mesh)
    check_outputs(config, mesh)
    updates = config.epochs_per_rollout * config.minibatches
    optimizer = make_optimizer(config.optimizer, config.steps * updates)
    state = abstract_state(weights.trained, optimizer, mesh)
    resident = {"policy": device_bytes(weights.trained), "optimizer": device_bytes(state.opt_state)}
    policy = {"policy"}
    if weights.frozen is not None:
        resident["base"] = device_bytes(weights.frozen)
        policy.add("base")
    if config.loss.kl_coefficient:
        resident["reference"] = resident["policy"]
    judges = list(_judges(config, mesh, weights, notes))
    resident |= {judge.name: judge.bytes for judge in judges}
    tower = _tower(config, shape, mesh)
    if tower is not None:
        resident |= tower.resident
        notes.append(tower.note)

    width = shape.hidden_size
    grpo = GRPOStep(config, weights.graphdef, optimizer, mesh, hidden_size=width, stop_ids=STOP, pad_id=PAD)
    layout = grpo.layout
    batch = _batch(config)
    minibatch = next(iter(shuffled_minibatches(batch, jax.random.key(0), config)))
    programs = [_rollout(config, weights, mesh, policy)]
    programs += [judge.program for judge in judges]

    def scoring(name: str, holds: set[str]) -> Planned:
        laid_out = rows(_laid_out(layout, batch, mesh, layout.times), mesh)
        return Planned(name, lambda: grpo.compiled_logprobs.lower(weights.whole, laid_out), mesh, 1, frozenset(holds))

    if updates > 1:
        programs.append(scoring("old log-probs", policy))
        minibatch = minibatch._replace(old_logps=minibatch.sampler_logps)
    if config.loss.kl_coefficient:
        programs.append(scoring("reference log-probs", (policy - {"policy"}) | {"reference"}))
        minibatch = minibatch._replace(ref_logps=minibatch.sampler_logps)
    laid_out = _laid_out(layout, minibatch, mesh)
    loops = {"": layout.microbatches(laid_out), OPTIMIZER: 1}  # of which those that hold nothing are skipped
    given = (state, rows(laid_out, mesh), weights.frozen)
    held = frozenset(policy | {"optimizer"})
    programs.append(Planned("update", lambda: grpo.compiled_update.lower(*given), mesh, updates, held, loops))
    return Step(tuple(programs), resident, weights.whole, tuple(notes), tower)


def _tower(config: GRPOConfig, shape: DecoderConfig, mesh: AnyMesh) -> TowerPlan | None:
    """What pictures add; UserError where there are to be some and the model sees none."""
    if not config.data.pictures.most:
        return None
    if shape.vision is None:
        raise UserError(
            f"data.pictures.most is {config.data.pictures.most}, but the model {config.model.path!r} reads text "
            "alone; name one that sees, such as Qwen2.5-VL-7B, or set it to 0."
        )
    return tower_plan(config, shape.vision, MeshConfig(*(mesh.shape[axis] for axis in AXES)))


def _laid_out(layout: Layout, batch: PolicyBatch, mesh: AnyMesh, times: int = 1) -> PackedBatch:
    """A batch in the rows that it has on this mesh's kind of machine."""
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        return layout.lay_out(batch, times)[0]


def check_outputs(config: GRPOConfig, mesh: AnyMesh) -> None:
    """Raises UserError when the mesh does not divide the outputs that are computed at once."""
    part = config.prompts_per_step * config.group_size // config.minibatches // config.gradient_accumulation
    what = f"the {part} outputs that gradient_accumulation {config.gradient_accumulation} computes at once"
    check_divides({what: (part,)}, {what: ("batch",)}, mesh)


def _batch(config: GRPOConfig) -> Any:
    """What the learner gets of a rollout in which nothing is short."""
    outputs, length = config.prompts_per_step * config.group_size, config.sampling.max_new_tokens
    full = Rollout(
        tokens=np.zeros((outputs, length), np.int32),
        mask=np.ones((outputs, length), bool),
        logps=np.zeros((outputs, length), np.float32),
        finished=np.ones(outputs, bool),
    )
    prompts = [[PAD] * config.data.max_prompt_tokens] * config.prompts_per_step
    return learner_batch(full, prompts, np.zeros(outputs, np.float32), PAD, config)


def _key(mesh: AnyMesh) -> jax.ShapeDtypeStruct:
    key = jax.eval_shape(lambda: jax.random.key(0))
    return whole(key.shape, key.dtype, mesh)


def _rollout(config: GRPOConfig, weights: Weights, mesh: AnyMesh, holds: set[str]) -> Planned:
    def draw(params, prompts, mask, key):
        return rollout(
            nnx.merge(weights.graphdef, params),
            prompts,
            mask,
            key,
            group_size=config.group_size,
            sampling=config.sampling,
            stop_ids=STOP,
            pad_id=PAD,
        )

    prompts = (config.prompts_per_step, bucket(config.data.max_prompt_tokens))
    given = (weights.whole, whole(prompts, jnp.int32, mesh), whole(prompts, jnp.bool_, mesh), _key(mesh))
    loops = {"decode": config.sampling.max_new_tokens}
    return Planned("rollout", lambda: jax.jit(draw).lower(*given), mesh, 1, frozenset(holds), loops, rest="prefill")


def _last(mesh: AnyMesh, devices: int) -> AnyMesh:
    """A mesh of the last devices of another, as `compeer_jax.rewards.in_process.last_devices` makes it."""
    if devices > mesh.size:
        raise UserError(f"reward.models.devices is {devices} and the mesh has {mesh.size}; take at most those.")
    if isinstance(mesh, AbstractMesh):
        return AbstractMesh((1, devices, 1), AXES, axis_types=mesh.axis_types)
    return make_mesh(MeshConfig(fsdp=devices), list(mesh.devices.flat)[-devices:])


def judge_cards(config: GRPOConfig) -> dict[str, tuple[str, JudgeCard, bool]]:
    """The judges that live in the run's memory: kind -> directory, card, and whether the card was found there.

    Raises:
        UserError: a judge that the settings need has no directory, or a card there that is malformed.
    """
    kinds = {"unifi": ("unifi",), "prm_orm": ("prm", "orm")}.get(config.reward.judge, ())
    found = {}
    for kind in kinds:
        path = getattr(config.reward.models, kind)
        if not path:
            raise UserError(f"reward.judge {config.reward.judge!r} needs reward.models.{kind}: a judge's directory.")
        has_card = (Path(path).expanduser() / CARD).is_file()
        card = JudgeCard.read(path) if has_card else JudgeCard(kind=kind, format=config.data.reasoning.name)
        found[kind] = (path, card, has_card)
    return found


def asked_tokens(card: JudgeCard) -> int:
    """What a conversation reads after its prefix, all rounds; the last of steps and response shows two answers."""
    return bucket((max(map(len, card.conversations)) + 1) * (card.limits.max_part_tokens + QUESTION), WIDTH)


def prefix_tokens(card: JudgeCard) -> int:
    """What the conversations about a prompt begin with."""
    return bucket(card.limits.max_history_tokens + QUESTION, WIDTH)


@dataclass(frozen=True)
class _Judge:
    name: str
    bytes: int
    program: Planned


def _judges(config: GRPOConfig, mesh: AnyMesh, policy: Weights, notes: list[str]) -> Iterator[_Judge]:
    """The judges that live in the run's memory."""
    models = config.reward.models
    for kind, (path, card, has_card) in judge_cards(config).items():
        name = f"judge {kind}"
        shape, source = model_shape(path, f"reward.models.{kind}")
        if not has_card:
            notes.append(f"{name}: no {CARD} in {path}, so its limits are the defaults")
        if policy.frozen is not None and not models.devices and not (Path(path).expanduser() / "config.json").is_file():
            notes.append(f"{name}: adapters on the policy's own base, as the policy has them")
            size, holds, weights, place = device_bytes(policy.trained), frozenset({name, "base"}), policy, mesh
        else:
            notes.append(f"{name}: {source}")
            place = _last(mesh, models.devices) if models.devices else mesh
            weights = abstract_weights(shape, models.model(path), place, quantize=models.quantize)
            size, holds = device_bytes(weights.whole), frozenset({name})
        yield _Judge(name, size, _rounds(name, config, card, weights, place, holds))


def _rounds(
    name: str,
    config: GRPOConfig,
    card: JudgeCard,
    weights: Weights,
    mesh: AnyMesh,
    holds: frozenset[str],
) -> Planned:
    """All conversations with one judge about the outputs of a step."""
    at_once = min(config.reward.models.batch_prompts or config.prompts_per_step, config.prompts_per_step)
    conversations = at_once * config.group_size * len(card.conversations)
    rounds = max(map(len, card.conversations))
    part = card.limits.max_part_tokens + QUESTION
    asked, prefix = asked_tokens(card), prefix_tokens(card)
    sampling = SamplingConfig(max_new_tokens=card.max_new_tokens, temperature=config.reward.models.temperature)

    def hold(params, *given):
        return converse(nnx.merge(weights.graphdef, params), *given, sampling=sampling, stop_ids=STOP, pad_id=PAD)

    shapes = ((at_once, prefix), (at_once,), (conversations, asked), (conversations, rounds))
    given = (weights.whole, *(whole(shape, jnp.int32, mesh) for shape in shapes), _key(mesh))
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        schedule = default_schedule(conversations)
    # Each of the stages in which the cache grows takes its share of the rounds; in a round all read, then all write.
    pieces = -(-part // schedule.read_chunk) * (rounds + 1) / rounds
    loops = {"": rounds / schedule.stages, "read": pieces, "write": card.max_new_tokens - 1}
    runs = -(-config.prompts_per_step // at_once)
    return Planned(name, lambda: jax.jit(hold).lower(*given), mesh, runs, holds, loops, rest="prefill")
