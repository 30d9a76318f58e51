"""`compeer plan`: programs are compiled for a machine that is not here, on this one's CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compeer_jax.cli.terminal import wide_console

if TYPE_CHECKING:
    from compeer_jax.planning.config import PlanConfig


def plan(config: PlanConfig) -> None:
    import jax

    jax.config.update("jax_platforms", "cpu")  # before jax looks for a TPU, which the compiler alone makes it expect
    from compeer_jax.planning.answer import answer

    answer(config, wide_console())
