"""Search over meshes, microbatches, remat policies and ways to generate: all by estimate, the best compiled, ranked."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

from compeer_jax.errors import UserError
from compeer_jax.parallel.mesh import MeshConfig
from compeer_jax.parallel.topologies import Topology
from compeer_jax.planning.config import PlanConfig
from compeer_jax.planning.estimate import abstract_step, estimate
from compeer_jax.planning.plan import Plan, plan_tpu

HOPE = 1.25  # an estimate may be so far above the memory there is, and be compiled all the same


def search(config: PlanConfig, topology: Topology, say: Callable[[str], None] = lambda line: None) -> list[Plan]:
    """Plans with other meshes, micro-batches, `remat` and `gather`, those that fit first, by their step's time.

    Every choice that divides weights and outputs is estimated. For a TPU the fastest that seem to fit are compiled, at
    most `search_compiles` and as long as `search_minutes` last, the first in any case; the others are left out.

    Raises:
        UserError: no choice divides weights and outputs; the TPU compiler is missing.
    """
    start = time.monotonic()
    estimates = list(_estimates(config, topology))
    if not estimates:
        raise UserError(
            f"No mesh of {topology.devices} chips divides both the weights and the outputs of a step; choose another "
            "topology, or another prompts_per_step or group_size."
        )
    hopeful = [plan for plan in estimates if plan.highest <= HOPE * topology.chip.hbm]
    say(f"{len(estimates)} choices estimated in {time.monotonic() - start:.0f} s; {len(hopeful)} may fit")
    ranked = sorted(hopeful, key=lambda plan: plan.step_seconds) or [min(estimates, key=lambda plan: plan.highest)]
    if topology.chip.kind != "tpu" or not config.search_compiles:
        return sorted(ranked, key=_rank)
    compiled: list[Plan] = []
    for plan in ranked[: config.search_compiles]:
        if compiled and time.monotonic() - start > 60 * config.search_minutes:
            say(f"search_minutes {config.search_minutes:g} are over after {len(compiled)} of {len(ranked)}")
            break
        settings = f"mesh {plan.mesh}, parts {plan.config.gradient_accumulation}, remat {plan.config.model.remat}"
        settings += ", gathered" if plan.config.model.gather else ""
        found = plan_tpu(plan.config, topology)
        compiled.append(found)
        say(f"{settings}: {'fits' if found.fits else 'does not fit'}, compiled in {found.seconds:.0f} s")
    return sorted(compiled, key=_rank)


def _rank(plan: Plan) -> tuple[bool, float]:
    return not plan.fits, plan.step_seconds if plan.fits else plan.highest


def _estimates(config: PlanConfig, topology: Topology) -> Iterator[Plan]:
    outputs = config.prompts_per_step * config.group_size // config.minibatches
    for mesh in meshes(topology.devices):
        whole = replace(config, mesh=mesh, gradient_accumulation=1)
        try:
            step = abstract_step(whole, topology)
        except UserError:  # this mesh does not divide something, and in parts it would not either
            continue
        parts = divisors(outputs // (mesh.data * mesh.fsdp))
        for part, remat, gather in product(
            parts, ("none", "dots", "full"), (False, True) if mesh.fsdp > 1 else (False,)
        ):
            reward = replace(config.reward, models=replace(config.reward.models, gather=gather))
            model = replace(config.model, remat=remat, gather=gather)
            yield estimate(replace(whole, gradient_accumulation=part, model=model, reward=reward), topology, step)


def meshes(devices: int) -> Iterator[MeshConfig]:
    """Every mesh of so many devices."""
    for tensor in divisors(devices):
        for fsdp in divisors(devices // tensor):
            yield MeshConfig(devices // tensor // fsdp, fsdp, tensor)


def divisors(number: int) -> list[int]:
    """All of them, in order."""
    return [part for part in range(1, number + 1) if number % part == 0]
