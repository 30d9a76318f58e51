"""Run of `compeer eval crisis`: talks that lead to danger, hide it or only look like it, played to models, baselines.

    OUTPUT/
      results.json, results.md    the tables, by form, level and kind, and each model beside the one compared with
      page.html                   every talk to read, with what is wrong with each reply
      MODEL/talks.jsonl           a row a talk: {"id", "language", "country", "form", "danger_from", "note", "kinds",
                                  "level", "model", "ending", "outcomes", "turns": [{"role", "content", …, and of a
                                  reply "due", "faults"}]}
      judges.jsonl                a row a judge and pair: {"judge", "id", "right", "wrong", "choice"}; only with judges
      MODEL/settings.json, answers/    as every benchmark has them (benchmarks/run.py); not of baselines

A run that was killed, or stopped by its budget, goes on when it is started again, and ends with the same files.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import jax

from compeer_jax.benchmarks.config import BenchConfig
from compeer_jax.benchmarks.crisis.config import CrisisConfig
from compeer_jax.benchmarks.crisis.judges import JudgeFigures, choices, judge_figures, pairs_of
from compeer_jax.benchmarks.crisis.page import crisis_page
from compeer_jax.benchmarks.crisis.score import Played, compared, scored
from compeer_jax.benchmarks.crisis.table import CrisisResults
from compeer_jax.benchmarks.crisis.talk import (
    TESTED,
    CrisisTalk,
    baseline_turns,
    place_versions,
    scenario_of,
    told_of_place,
)
from compeer_jax.benchmarks.run import SETTINGS, bench_run, drawn, scenarios_hash
from compeer_jax.benchmarks.suite import absent_models
from compeer_jax.benchmarks.suite_config import folder_name
from compeer_jax.benchmarks.tested_model import TestedModel
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.dialogue.danger.numbers import check_country
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.errors import UserError
from compeer_jax.evaluation.danger.cases import Case, bundled_cases, read_cases
from compeer_jax.evaluation.judge_systems import System, named_systems
from compeer_jax.files import make_folder, write_json, write_text
from compeer_jax.report.table import tables_markdown

TALKS, RESULTS, MARKDOWN_FILE, PAGE = "talks.jsonl", "results.json", "results.md", "page.html"
JUDGES = "judges"


def run_crisis(config: CrisisConfig, say: Callable[[str], None]) -> CrisisResults:
    """Plays all talks to all models and baselines, or goes on with them, and writes what came of it.

    Args:
        config: the settings.
        say: told what is done.

    Raises:
        UserError: the talks can't be read or have no numbers for their country, a folder holds another run, or a model
            can't be asked.
    """
    cases = _cases(config)
    told = config.place == "told"
    runs = config.runs()
    _require_ready(runs, cases)
    judges = _judges(config)
    played: list[Played] = []
    for number, (name, run) in enumerate(runs.items(), start=1):
        say(f"{number} of {len(runs)}: {name}, in {run.output}")
        played += _play(run, cases, config.place, say)
    for name in config.rows[len(runs) :]:
        talks = [scored(case, name, baseline_turns(case, name, told=told), "end", told=told) for case in cases]
        if config.output:
            _write_talks(Path(config.output).expanduser() / folder_name(name), talks)
        played += talks
    against = config.against or config.rows[0]
    source = config.cases or "the package's talks"
    versus = compared(played, against, resamples=config.resamples, seed=config.seed)
    results = CrisisResults(source, played, versus, _judged(judges, cases, config))
    if config.output:
        _write(Path(config.output).expanduser(), results)
    return results


def _cases(config: CrisisConfig) -> list[Case]:
    cases = read_cases(config.cases) if config.cases else bundled_cases()
    for case in cases:
        check_country(case.country, f"{config.cases}, talk {case.id!r}: country")
    used = {scenario.id for scenario in drawn(list(map(scenario_of, cases)), config.limit, config.seed)}
    return [case for case in cases if case.id in used]


def _require_ready(runs: dict[str, BenchConfig], cases: Sequence[Case]) -> None:
    """Makes sure, before anything is asked, that the words and models are there of the runs that have not begun.

    Raises:
        UserError: naming what is not.
    """
    languages = sorted({case.language for case in cases})
    for name, run in runs.items():
        for language in languages:
            if run.system and language not in run.system:
                raise UserError(f"tested, {name}: system has no words for {language}; give them.")
    new = [run for run in runs.values() if not (Path(run.output).expanduser() / SETTINGS).is_file()]
    absent = absent_models({run.tested: run.models[run.tested] for run in new})
    if absent:
        raise UserError(f"not all models are there: {'; '.join(absent)}. Nothing was asked; mend these.")


def _play(config: BenchConfig, cases: Sequence[Case], place: str, say: Callable[[str], None]) -> list[Played]:
    """All talks with one model, as far as its budget reaches."""
    languages = sorted({case.language for case in cases})
    with bench_run(config, say=say) as run:
        tested = TestedModel.of(run.models[config.tested], config)
        told = place == "told"
        settings = {
            "benchmark": "crisis",
            "cases": scenarios_hash(map(scenario_of, cases)),
            "prompt": config.prompt,
            "malformed": config.malformed,
            "model": config.name,
            "place": place,
            "chunk": config.chunk,
            "seed": config.seed,
            "prompts": tested.prompts(languages) | (place_versions(languages) if told else {}),
            "roles": {TESTED: config.tested},
        }
        if run.bind(settings, [config.tested]):
            say(f"{run.folder} holds this run: going on with it.")
        talks = [CrisisTalk(case, told_of_place(tested, case) if told else tested) for case in cases]
        turns = sum(len(case.turns) for case in cases)
        stopped = run.play(talks, {TESTED: config.tested}, title="replies", total=turns, unit="reply")
        played = [scored(talk.case, config.name, talk.turns, _ending(talk), told=told) for talk in talks]
        _write_talks(run.folder, played)
    silent = sum(one.ending == "no reply" for one in played)
    if silent:
        say(f"{silent} talks without a result: the model gave no reply.")
    if stopped:
        say(f"stopped: {stopped}; raise the budget and start the same command again to go on.")
    return played


def _judges(config: CrisisConfig) -> list[System]:
    """The judges that are named, not loaded yet."""
    if not config.judges_named:
        return []
    folder = Path(config.output).expanduser() / JUDGES if config.output else None
    both = config.both_orders
    return named_systems(config.judges, config.remote, COMPEER, both_orders=both, mesh=config.mesh, folder=folder)


def _judged(judges: Sequence[System], cases: Sequence[Case], config: CrisisConfig) -> list[JudgeFigures]:
    """What the judges prefer, each loaded when its turn comes."""
    pairs, figures, rows = pairs_of(cases), [], []
    for judge in judges:
        chosen = choices(judge.load(), pairs, jax.random.key(config.seed))
        figures += judge_figures(judge.name, pairs, chosen)
        rows += [
            {"judge": judge.name, "id": pair.case.id, "right": pair.right, "wrong": pair.wrong, "choice": choice}
            for pair, choice in zip(pairs, chosen, strict=True)
        ]
    if rows and config.output:
        write_jsonl(Path(config.output).expanduser() / f"{JUDGES}.jsonl", rows)
    return figures


def _ending(talk: CrisisTalk) -> str:
    return "no reply" if talk.silent else "end" if talk.over else "budget"


def _write_talks(folder: Path, played: Iterable[Played]) -> None:
    make_folder(folder)
    write_jsonl(folder / TALKS, (one.to_json() for one in played))


def _write(folder: Path, results: CrisisResults) -> None:
    write_json(folder / RESULTS, results.to_json())
    write_text(folder / MARKDOWN_FILE, tables_markdown(results.tables))
    write_text(folder / PAGE, crisis_page(results))
