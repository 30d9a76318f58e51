"""Suite of several models on both benchmarks: each run in a folder of its own, then one table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from compeer_jax.benchmarks.config import EscEvalConfig
from compeer_jax.benchmarks.dialogues import FILE
from compeer_jax.benchmarks.esc_eval.cards import read_cards
from compeer_jax.benchmarks.esc_eval.prompts import EscPrompts
from compeer_jax.benchmarks.results import BenchmarkResults, benchmark_figures, read_run, write_results
from compeer_jax.benchmarks.run import SETTINGS
from compeer_jax.benchmarks.sage.config import SageConfig
from compeer_jax.benchmarks.sage.profiles import read_profiles
from compeer_jax.benchmarks.sage.prompts import SagePrompts
from compeer_jax.benchmarks.suite_config import SuiteConfig
from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.chat.models import open_chat_model
from compeer_jax.errors import UserError, unknown

Wanted = EscEvalConfig | SageConfig


def run_suite(config: SuiteConfig, *, say: Callable[[str], None]) -> list[BenchmarkResults]:
    """Makes the runs that aren't there yet, goes on with those that were stopped, and writes the tables.

    Args:
        config: what is tested on what.
        say: told a line for the person who waits.

    Raises:
        UserError: anything in the settings or the files that does not fit, something that isn't there, or a model that
            can't be asked.
    """
    from compeer_jax.benchmarks.esc_eval.run import run_esc_eval
    from compeer_jax.benchmarks.sage.run import run_sage

    published = benchmark_figures(config.published)
    beside = [read_run(folder) for folder in config.runs]
    runs = config.runs_to_make()
    now = [run for run in runs if not config.only or run.label in config.only]
    _check_against(config, [run.name for run in beside], now, runs)
    require_there(now)
    for run in now:
        _check_files(run)
    for number, run in enumerate(now, start=1):
        say(f"{number} of {len(now)}: {run.name}, in {run.output}")
        (run_esc_eval if isinstance(run, EscEvalConfig) else run_sage)(run, say=say)
    made = [read_run(run.output) for run in runs if run in now or _begun(run, FILE)]
    return write_results(
        [*made, *beside],
        Path(config.output).expanduser(),
        against=config.against,
        published=published,
        resamples=config.resamples,
        seed=config.seed,
    )


def _check_against(config: SuiteConfig, beside: Sequence[str], now: Sequence[Wanted], runs: Sequence[Wanted]) -> None:
    """UserError, before anything is asked, where the row that others are compared with will not be in the tables."""
    rows = dict.fromkeys([*(run.label for run in runs if run in now or _begun(run, FILE)), *beside])
    if config.against and config.against not in rows:
        if config.against in config.tested:
            raise UserError(
                f"against: {config.against!r} is not among the rows to be made ({', '.join(rows)}), nor was it made "
                "before; name it in only too, or another row in against."
            )
        raise unknown("model", config.against, rows, "against")


def require_there(runs: Iterable[Wanted]) -> None:
    """Makes sure that all is there that runs need which have not begun: files, directories, servers.

    Raises:
        UserError: naming everything that is not.
    """
    new = [run for run in runs if not _begun(run, SETTINGS)]
    files = [path for run in new for path in _files(run)]
    absent = [f"{path} is no file" for path in dict.fromkeys(files) if not Path(path).expanduser().is_file()]
    asked = {name: run.models[name] for run in new for name in run.models if name in _named(run)}
    absent += absent_models(asked)
    if absent:
        raise UserError(
            f"what the runs need is not all there: {'; '.join(absent)}. Nothing was asked; mend these, or name in only "
            "the rows that can be run."
        )


def _begun(run: Wanted, file: str) -> bool:
    return (Path(run.output).expanduser() / file).is_file()


def _files(run: Wanted) -> list[str]:
    """The files that the run reads."""
    if isinstance(run, SageConfig):
        return [run.profiles, *run.role_prompts, *run.planner_prompts]
    return [*run.cards, *run.role_prompts, *(path for paths in run.scorer_prompts.values() for path in paths)]


def _named(run: Wanted) -> set[str]:
    """The models that the run may ask."""
    if isinstance(run, SageConfig):
        return {run.tested, run.role, run.planner or run.role}
    adapters = {name for name in run.models for scorer in run.scorers if name.startswith(f"{scorer}/")}
    return {run.tested, run.role, *run.scorers, *adapters}


def absent_models(models: Mapping[str, ChatModelConfig]) -> list[str]:
    """What is wrong with models' directories and servers, a phrase for each that is named with its models."""
    found: dict[str, list[str]] = {}
    away: dict[str, str] = {}  # servers that nobody need wait for again
    for name, model in models.items():
        wrong = away.get(model.server.url, "") if not model.path else ""
        try:
            if model.path and not Path(model.path).expanduser().exists() and model.path.count("/") != 1:
                wrong = f"{model.path} is no directory"  # with one stroke it may be a hub id, which is fetched later
            elif not model.path and not wrong:
                open_chat_model(name, model, folder=None, say=lambda line: None).check()
        except UserError as error:
            wrong = str(error).partition(";")[0].rstrip(".")
            if "can't be reached" in wrong:
                away[model.server.url] = wrong
        if wrong:
            found.setdefault(wrong, []).append(name)
    return [f"{wrong} ({', '.join(names)})" for wrong, names in found.items()]


def _check_files(run: Wanted) -> None:
    """Reads what a run will read, so that a bad file is told of before any other run begins."""
    if isinstance(run, EscEvalConfig):
        read_cards(run.cards, run.languages)
        EscPrompts.of(run)
    else:
        read_profiles(run.profiles)
        SagePrompts.of(run)
