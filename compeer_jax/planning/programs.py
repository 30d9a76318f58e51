"""The compiled programs of a GRPO step, on shapes: the functions are those that a run compiles."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import AbstractMesh, Mesh

from compeer_jax.errors import UserError
from compeer_jax.generation.conversation import converse
from compeer_jax.generation.conversation_schedule import default_schedule
from compeer_jax.generation.engine import bucket
from compeer_jax.generation.rollout import Rollout, rollout
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.parallel.mesh import AXES, MeshConfig, make_mesh
from compeer_jax.parallel.sharding import check_divides
from compeer_jax.planning.abstract_run import abstract_model, abstract_state, device_bytes, rows, whole
from compeer_jax.planning.shapes import model_shape
from compeer_jax.rewards.in_process import WIDTH
from compeer_jax.rewards.judge_card import CARD, JudgeCard
from compeer_jax.training.config import GRPOConfig
from compeer_jax.training.learner_batch import learner_batch, shuffled_minibatches
from compeer_jax.training.optimizer import make_optimizer
from compeer_jax.training.policy_update import count_whole, make_logprobs, make_policy_loss
from compeer_jax.training.update import make_update

STOP, PAD = (1,), 0  # any ids serve: they change no shape
AnyMesh = Mesh | AbstractMesh  # an abstract one serves for sizes, not for lowering
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
    """

    programs: tuple[Planned, ...]
    resident: Mapping[str, int]
    params: nnx.State
    notes: tuple[str, ...]


def grpo_step(config: GRPOConfig, mesh: AnyMesh) -> Step:
    """The programs of a step with these settings on this mesh, all prompts and outputs at their full length.

    Raises:
        UserError: the mesh divides the weights or the outputs not; no shape of the model or the judge can be found.
    """
    shape, source = model_shape(config.model.path, "model.path")
    notes = [f"model: {source}"]
    graphdef, params = abstract_model(
        shape,
        mesh,
        dtype=jnp.dtype(config.model.dtype),
        param_dtype=jnp.dtype(config.model.param_dtype),
        scan_layers=config.model.scan_layers,
        remat=config.model.remat,
    )
    check_outputs(config, mesh)
    optimizer = make_optimizer(config.optimizer, config.steps * config.epochs_per_rollout * config.minibatches)
    state = abstract_state(params, optimizer, mesh)
    resident = {"policy": device_bytes(params), "optimizer": device_bytes(state.opt_state)}
    if config.loss.kl_coefficient:
        resident["reference"] = resident["policy"]

    judges = list(_judges(config, mesh, notes))
    resident |= {judge.name: judge.bytes for judge in judges}
    batch = _batch(config)
    minibatch = rows(next(iter(shuffled_minibatches(batch, jax.random.key(0), config))), mesh)
    batch = rows(batch, mesh)
    updates = config.epochs_per_rollout * config.minibatches
    parts = config.gradient_accumulation

    update = make_update(
        make_policy_loss(graphdef, config.loss, config.sampling), optimizer, parts=parts, whole=count_whole
    )
    logprobs = make_logprobs(graphdef, config.sampling.temperature, config.minibatches * parts)
    programs = [_rollout(config, graphdef, params, mesh)]
    programs += [judge.program for judge in judges]
    if updates > 1:
        held = frozenset({"policy"})
        programs.append(Planned("old log-probs", lambda: logprobs.lower(params, batch), mesh, 1, held))
        minibatch = minibatch._replace(old_logps=minibatch.sampler_logps)
    if config.loss.kl_coefficient:
        held = frozenset({"reference"})
        programs.append(Planned("reference log-probs", lambda: logprobs.lower(params, batch), mesh, 1, held))
        minibatch = minibatch._replace(ref_logps=minibatch.sampler_logps)
    held = frozenset({"policy", "optimizer"})
    programs.append(Planned("update", lambda: update.lower(state, minibatch), mesh, updates, held))
    return Step(tuple(programs), resident, params, tuple(notes))


def check_outputs(config: GRPOConfig, mesh: AnyMesh) -> None:
    """Raises UserError when the mesh does not divide the outputs that are computed at once."""
    part = config.prompts_per_step * config.group_size // config.minibatches // config.gradient_accumulation
    what = f"the {part} outputs that gradient_accumulation {config.gradient_accumulation} computes at once"
    check_divides({what: (part,)}, {what: ("batch",)}, mesh)


def _prompt_length(config: GRPOConfig) -> int:
    return bucket(config.data.max_prompt_tokens)


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


def _rollout(config: GRPOConfig, graphdef: nnx.GraphDef, params: nnx.State, mesh: AnyMesh) -> Planned:
    def draw(params, prompts, mask, key):
        return rollout(
            nnx.merge(graphdef, params),
            prompts,
            mask,
            key,
            group_size=config.group_size,
            sampling=config.sampling,
            stop_ids=STOP,
            pad_id=PAD,
        )

    prompts = (config.prompts_per_step, _prompt_length(config))
    given = (params, whole(prompts, jnp.int32, mesh), whole(prompts, jnp.bool_, mesh), _key(mesh))
    loops = {"decode": config.sampling.max_new_tokens - 1}
    held = frozenset({"policy"})
    return Planned("rollout", lambda: jax.jit(draw).lower(*given), mesh, 1, held, loops, rest="prefill")


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


def _judges(config: GRPOConfig, mesh: AnyMesh, notes: list[str]) -> Iterator[_Judge]:
    """The judges that live in the run's memory."""
    models = config.reward.models
    for kind, (path, card, has_card) in judge_cards(config).items():
        shape, source = model_shape(path, f"reward.models.{kind}")
        notes.append(f"judge {kind}: {source}")
        if not has_card:
            notes.append(f"judge {kind}: no {CARD} in {path}, so its limits are the defaults")
        place = mesh
        if models.devices:
            place = _last(mesh, models.devices)
        dtype = jnp.dtype(models.dtype)
        graphdef, params = abstract_model(shape, place, dtype=dtype, param_dtype=dtype, scan_layers=models.scan_layers)
        name = f"judge {kind}"
        yield _Judge(name, device_bytes(params), _rounds(name, config, card, graphdef, params, place))


def _rounds(
    name: str,
    config: GRPOConfig,
    card: JudgeCard,
    graphdef: nnx.GraphDef,
    params: nnx.State,
    mesh: AnyMesh,
) -> Planned:
    """All conversations with one judge about the outputs of a step."""
    at_once = min(config.reward.models.batch_prompts or config.prompts_per_step, config.prompts_per_step)
    conversations = at_once * config.group_size * len(card.conversations)
    rounds = max(map(len, card.conversations))
    part = card.limits.max_part_tokens + QUESTION
    asked, prefix = asked_tokens(card), prefix_tokens(card)
    sampling = SamplingConfig(max_new_tokens=card.max_new_tokens, temperature=config.reward.models.temperature)

    def hold(params, *given):
        return converse(nnx.merge(graphdef, params), *given, sampling=sampling, stop_ids=STOP, pad_id=PAD)

    shapes = ((at_once, prefix), (at_once,), (conversations, asked), (conversations, rounds))
    given = (params, *(whole(shape, jnp.int32, mesh) for shape in shapes), _key(mesh))
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        schedule = default_schedule(conversations)
    # Each of the stages in which the cache grows takes its share of the rounds; in a round all read, then all write.
    pieces = -(-part // schedule.read_chunk) * (rounds + 1) / rounds
    loops = {"": rounds / schedule.stages, "read": pieces, "write": card.max_new_tokens - 1}
    runs = -(-config.prompts_per_step // at_once)
    held = frozenset({name})
    return Planned(name, lambda: jax.jit(hold).lower(*given), mesh, runs, held, loops, rest="prefill")
