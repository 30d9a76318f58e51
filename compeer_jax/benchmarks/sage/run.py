"""Run of `compeer eval sage`: seekers whose emotion each reply moves talk with the tested model.

    OUTPUT/
      settings.json, answers/, rejected.jsonl    as every benchmark has them (benchmarks/run.py)
      dialogues.jsonl                            a row a profile, in their order
      counts.json                                what could not be read, broken formats, endings, and the cost
      results.json, results.md, *.png            mean final emotion, successes, failures; trajectories

A run that was killed, or stopped by its budget, goes on when it is started again, and ends with the same files.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from compeer_jax.benchmarks.dialogues import BenchDialogue, Rejected, Scenario, counted, reply_counts, write_dialogues
from compeer_jax.benchmarks.run import BenchRun, bench_run, drawn, scenarios_hash
from compeer_jax.benchmarks.sage.agent import SageRules, SageTalk
from compeer_jax.benchmarks.sage.config import SageConfig
from compeer_jax.benchmarks.sage.profiles import read_profiles
from compeer_jax.benchmarks.sage.prompts import SagePrompts
from compeer_jax.benchmarks.tested_model import TestedModel
from compeer_jax.files import write_json

COUNTS = "counts.json"


def run_sage(config: SageConfig, say: Callable[[str], None]) -> Path:
    """Plays all profiles, or goes on with them, and writes what came of it; returns the run's folder.

    Args:
        config: the settings.
        say: told what is done.

    Raises:
        UserError: the profiles can't be read, the folder holds another run, or a model can't be asked any more.
    """
    from compeer_jax.benchmarks.results import benchmark_figures, write_run_results

    published = benchmark_figures(config.published)
    profiles, rejected = read_profiles(config.profiles)
    if config.flavour != "official":
        profiles = [replace(profile, first_talk="") for profile in profiles]  # the seeker's model speaks first
    scenarios = [Scenario(profile.id, config.language, profile.to_json()) for profile in profiles]
    scenarios = drawn(scenarios, config.limit, config.seed)
    told = SagePrompts.of(config)
    used = {scenario.id for scenario in scenarios}
    profiles = [profile for profile in profiles if profile.id in used]
    with bench_run(config, say=say) as run:
        names = {"role": config.role, "tested": config.tested, "planner": config.planner or config.role}
        tested = TestedModel.of(run.models[config.tested], config)
        prompts = tested.prompts([config.language]) | told.versions()
        if told.tested is not None:
            tested = replace(tested, prompt="own", system={config.language: told.tested.system})
            prompts = told.versions()
        settings = _settings(config, scenarios) | {"prompts": prompts, "roles": names}
        if run.bind(settings, names.values()):
            say(f"{run.folder} holds this run: going on with it.")
        run.leave_out(rejected)
        rules = SageRules(config.language, config.most_rounds, config.flavour, told)
        talks = [SageTalk(profile, tested, rules) for profile in profiles]
        stopped = _play(talks, names, run)
        provenance = {"models": names, "prompts": prompts, "flavour": config.flavour, "seed": config.seed}
        rows = [dialogue_of(talk, config, provenance) for talk in talks]
        write_dialogues(run.folder, rows)
        counts = counts_of(talks, rejected) | {"spent": vars(run.models.spent())}
        write_json(run.folder / COUNTS, counts)
        write_run_results(run.folder, published, seed=config.seed)
        _tell(rows, counts, stopped, say)
    return run.folder


def dialogue_of(talk: SageTalk, config: SageConfig, provenance: Mapping[str, Any]) -> BenchDialogue:
    """The row of a talk. One that did not end by itself has no final emotion."""
    ending = talk.ending or "budget"
    return BenchDialogue(
        benchmark="sage",
        id=talk.profile.id,
        language=config.language,
        model=config.name,
        card=talk.profile.to_json(),
        turns=tuple(talk.turns),
        ending=ending,
        emotion=None if ending in ("no reply", "budget") else talk.emotion,
        missing={talk.missing[0]: {"emotion": talk.missing[1]}} if talk.missing else {},
        provenance=provenance,
    )


def counts_of(talks: Sequence[SageTalk], rejected: Sequence[Rejected]) -> dict[str, Any]:
    """What went how often: endings, replies, broken formats, and what could not be read at first and for good."""
    return {
        "profiles": len(talks),
        "rejected": counted(one.reason for one in rejected),
        "endings": counted(talk.ending or "budget" for talk in talks),
        **reply_counts(turn for talk in talks for turn in talk.turns),
        "asked again": counted(fault for talk in talks for fault in talk.faults.elements()),
        "missing": counted(": ".join(talk.missing) for talk in talks if talk.missing),
    }


def _settings(config: SageConfig, scenarios: Sequence[Scenario]) -> dict[str, Any]:
    """What results depend on beside the models and their prompts."""
    return {
        "benchmark": "sage",
        "profiles": scenarios_hash(scenarios),
        "language": config.language,
        "prompt": config.prompt,
        "malformed": config.malformed,
        "model": config.name,
        "rounds": config.most_rounds,
        "flavour": config.flavour,
        "chunk": config.chunk,
        "seed": config.seed,
    }


def _play(talks: Sequence[SageTalk], names: Mapping[str, str], run: BenchRun) -> str:
    """Plays the talks; returns which budget is used up, "" for none."""
    most = run.config.most_rounds

    def rounds(answers: int) -> int:
        return sum(most if talk.ending else talk.rounds for talk in talks)

    return run.play(talks, names, title="rounds", total=most * len(talks), unit="round", done=rounds)


def _tell(rows: Sequence[BenchDialogue], counts: Mapping, stopped: str, say: Callable[[str], None]) -> None:
    endings = ", ".join(f"{count} {ending}" for ending, count in counts["endings"].items())
    say(f"{len(rows)} talks: {endings}.")
    if counts["broken format"]:
        say(f"{counts['broken format']} of {counts['replies']} replies are in broken format.")
    for fault, count in counts["missing"].items():
        say(f"missing: {count} talks without a result ({fault}).")
    if stopped:
        say(f"stopped: {stopped}; raise the budget and start the same command again to go on.")
