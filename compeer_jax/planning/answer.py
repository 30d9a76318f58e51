"""The command `compeer plan`: plans as its settings say, prints that, and raises a sentence when nothing fits."""

import json
import logging
from typing import Any

import jax

from compeer_jax.errors import UserError
from compeer_jax.parallel.topologies import Topology, parse_topology
from compeer_jax.planning.config import PlanConfig
from compeer_jax.planning.estimate import estimate
from compeer_jax.planning.explain import Place, explain
from compeer_jax.planning.plan import Plan, plan_tpu
from compeer_jax.planning.report import GIB, as_json, show, show_places, show_ranking
from compeer_jax.planning.search import search
from compeer_jax.report.terminal_text import wide_console

log = logging.getLogger(__name__)


def answer(config: PlanConfig) -> None:
    """Plans and prints; programs are compiled for a machine that is not here, on this one's CPU.

    Raises:
        UserError: nothing that was tried fits the machine, or what `plan_tpu` and `estimate` raise.
    """
    jax.config.update("jax_platforms", "cpu")  # before JAX looks for a TPU, which the compiler alone makes it expect
    topology = parse_topology(config.topology)
    plans = search(config, topology, log.info) if config.search else [_plan(config, topology)]
    best = plans[0]
    places = explain(best.params) if config.explain else []
    if config.json:
        ranking = {"ranking": [as_json(plan) for plan in plans]} if config.search else {}
        print(json.dumps(as_json(best, places) | ranking, indent=2))
    else:
        _print(plans, places, wide_console(), ranked=config.search)
    if not best.fits:
        raise UserError(_sentence(best, len(plans), searched=config.search))


def _plan(config: PlanConfig, topology: Topology) -> Plan:
    if topology.chip.kind == "tpu":
        return plan_tpu(config, topology, log.info)
    return estimate(config, topology)


def _print(plans: list[Plan], places: list[Place], console: Any, *, ranked: bool) -> None:
    if ranked:
        show_ranking(plans, console)
    show(plans[0], console)
    if places:
        show_places(places, console)


def _sentence(plan: Plan, tried: int, *, searched: bool) -> str:
    index = max(range(len(plan.programs)), key=plan.peak)
    needs = f"{plan.programs[index].name} needs {plan.peak(index) / GIB:.1f} of {plan.topology.chip.hbm / GIB:.2f} GiB"
    if searched:
        return f"nothing of the {tried} choices tried fits {plan.topology.name} (in the nearest, {needs} a chip)."
    return (
        f"the run does not fit {plan.topology.name}: {needs} a chip; --search tries other meshes, micro-batches and "
        "remat policies."
    )
