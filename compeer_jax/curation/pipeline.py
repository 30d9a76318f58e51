"""The stages in their order, and how they are run: one, or all."""

import contextlib
import importlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from compeer_jax.curation import STAGES
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.stage import REJECTED, Stage, Workspace, read_card, run_stage
from compeer_jax.errors import UserError
from compeer_jax.runs.model_folder import models_in

NEEDED = ("datasketch", "openai", "sklearn", "statsmodels", "tenacity")  # of the extra "data"


def build(
    config: BuildConfig, *, say: Callable[[str], None], stages: Sequence[str] = tuple(STAGES), again: bool = False
) -> Path:
    """Runs the stages whose cards don't hold any more; returns the folder.

    Args:
        stages: which, in the pipeline's order.

    Raises:
        UserError: whatever a stage finds wrong, or another process is at work in the folder.
    """
    with workspace(config, say=say) as work:
        for name in stages:
            run_and_tell(_load(name), work, again=again)
    return work.folder


@contextlib.contextmanager
def workspace(config: BuildConfig, *, say: Callable[[str], None]) -> Iterator[Workspace]:
    """The pipeline's folder, which is this process's alone until the block ends, and its chat models.

    Raises:
        UserError: a package is missing, the folder can't be made, or another process is at work in it.
    """
    for package in NEEDED:
        if importlib.util.find_spec(package) is None:
            raise UserError(f'building data needs the {package} package; run pip install "compeer_jax[data]".')
    with models_in(config.output, config.models, say=say) as (folder, models):
        yield Workspace(config, folder, models, say)


def run_and_tell(stage: Stage, work: Workspace, *, again: bool = False) -> None:
    """Runs a stage unless its card holds, and says what it has given."""
    ran = run_stage(stage, work, again=again)
    card = read_card(work.folder / stage.name) or {}
    rows = [
        f"{file} {output['rows']:,}"
        for file, output in card.get("outputs", {}).items()
        if "rows" in output and file != REJECTED
    ]
    left_out = sum(card.get("rejected", {}).values())
    rows += [f"{left_out:,} left out"] if left_out else []
    work.say(f"{stage.name}: {', '.join(rows)}{'' if ran else ' (as before)'}")


def _load(name: str) -> Stage:
    return importlib.import_module(f"compeer_jax.curation.{name}.stage").STAGE
