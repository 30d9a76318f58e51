"""`compeer plan`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log, wide_console
from compeer_jax.planning.config import PlanConfig

DESCRIPTION = (
    "Says whether a run of `compeer grpo` fits a machine that is not here, and what bounds its speed there. For TPUs "
    "it compiles the run's own programs with the TPU compiler; nothing is computed, and no weights are needed."
)
CONFIG = PlanConfig

FLAGS = ("--explain", "--search", "--json")


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, with_flags(arguments), command="plan", description=DESCRIPTION)
    show_log()
    import jax

    jax.config.update("jax_platforms", "cpu")  # before jax looks for a TPU, which the compiler alone makes it expect
    from compeer_jax.planning.answer import answer

    answer(config, wide_console())


def with_flags(arguments: Sequence[str]) -> list[str]:
    """The arguments, with a flag that stands alone meaning true."""
    given = list(arguments)
    return [
        f"{argument}=true" if argument in FLAGS and given[at + 1 : at + 2] not in (["true"], ["false"]) else argument
        for at, argument in enumerate(given)
    ]
