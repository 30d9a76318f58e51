"""Folder of a benchmark's run: one process at a time, one set of settings, and what models have answered.

OUTPUT/
  settings.json      all that results depend on: scenarios, models and how they draw, prompts with their versions
  answers/           what models said, as they said it; a run that is started again asks nothing twice
  dialogues.jsonl    a row a scenario (benchmarks/dialogues.py)
  rejected.jsonl     scenarios that could not be used: {"where", "reason", "row"}
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compeer_jax.benchmarks.config import BenchConfig
from compeer_jax.benchmarks.dialogues import Rejected, Scenario
from compeer_jax.benchmarks.lockstep import Player, play
from compeer_jax.chat.models import ChatModels
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.errors import UserError
from compeer_jax.files import read_json, write_json
from compeer_jax.progress import Progress
from compeer_jax.runs.binding import check_same, short_json
from compeer_jax.runs.model_folder import models_in

SETTINGS, REJECTED = "settings.json", "rejected.jsonl"
MOST_TOLD = 20  # lines about single rows

OF_THE_MODEL = ("model", "tested", "prompt", "malformed", "chunk")
"""Settings of the tested model, and one that says only how many are asked at once."""

OF_THE_SCENARIOS = ("cards", "profiles")
"""Which scenarios were played: comparisons take only those that are the same in both runs."""


@dataclass(frozen=True)
class BenchRun:
    """A run that is this process's alone.

    Attributes:
        config: its settings.
        folder: where its files are.
        models: the chat models by name.
        say: told a line for the person who waits.
    """

    config: BenchConfig
    folder: Path
    models: ChatModels
    say: Callable[[str], None]

    def bind(self, settings: Mapping[str, Any], used: Iterable[str]) -> bool:
        """Holds the run to its settings; returns whether it has begun before.

        A run that begins first makes sure that its models can be asked.

        Args:
            settings: what results depend on, beside the models, as plain values.
            used: names of the models that are asked.

        Raises:
            UserError: the folder holds a run with other settings, or a model can't be asked.
        """
        used = list(dict.fromkeys(used))
        models = {name: dict(self.models[name].settings) for name in used}
        now = json.loads(json.dumps({**settings, "models": models}))
        path = self.folder / SETTINGS
        if path.exists():
            check_same(self.folder, _read(path), now, choose="choose another output", shown=short_json)
            return True
        for name in used:
            self.models[name].check()
        write_json(path, now)
        return False

    def leave_out(self, rejected: Sequence[Rejected]) -> None:
        """Keeps the rows that are no scenarios, and says a line of each, up to a number that can be read."""
        write_jsonl(self.folder / REJECTED, (one._asdict() for one in rejected))
        for one in rejected[:MOST_TOLD]:
            self.say(f"left out: {one.where}: {one.reason}")
        if len(rejected) > MOST_TOLD:
            self.say(f"left out: {len(rejected) - MOST_TOLD} more; see {self.folder / REJECTED}")

    def play(
        self,
        players: Sequence[Player],
        names: Mapping[str, str],
        *,
        title: str,
        total: int,
        unit: str,
        done: Callable[[int], int] = lambda answers: answers,
    ) -> str:
        """Plays all, a round of requests at a time, and shows how far they are.

        Args:
            players: the dialogues.
            names: whom they ask -> name of that model.
            title, total, unit: of the progress.
            done: how much of `total` is done after so many answers.

        Returns:
            Which budget is used up, in a few words; "" when all have ended.
        """
        total = max(total, 1)
        with Progress(total, title, unit=unit) as bar:
            return play(
                players,
                {who: self.models[name] for who, name in names.items()},
                chunk=self.config.chunk,
                budget=self.config.budget,
                spent=self.models.spent,
                progress=lambda answers: bar.update(min(done(answers), total), {}),
            )


@contextlib.contextmanager
def bench_run(config: BenchConfig, *, say: Callable[[str], None]) -> Iterator[BenchRun]:
    """The run in `config.output`, until the block ends.

    Raises:
        UserError: the folder can't be written, or another process is at work in it.
    """
    with models_in(config.output, config.models, say=say) as (folder, models):
        yield BenchRun(config, folder, models, say)


def drawn(scenarios: Sequence[Scenario], limit: int, seed: int) -> list[Scenario]:
    """At most `limit` scenarios of each language (0: all), drawn by the seed, in the order they came.

    A larger limit draws the same ones and more.
    """
    if not limit:
        return list(scenarios)
    rank = sorted(scenarios, key=lambda one: hashlib.sha256(f"{seed}/{one.id}".encode()).digest())
    taken, count = set(), {}
    for one in rank:
        count[one.language] = count.get(one.language, 0) + 1
        if count[one.language] <= limit:
            taken.add(one.id)
    return [one for one in scenarios if one.id in taken]


def scenarios_hash(scenarios: Iterable[Scenario]) -> str:
    """SHA-256 of the scenarios, wherever they were read from."""
    digest = hashlib.sha256()
    for one in scenarios:
        digest.update(json.dumps([one.id, one.language, dict(one.card)], sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def read_settings(folder: str | Path) -> dict[str, Any]:
    """The settings of the run in a folder; empty where they are not known."""
    try:
        return read_json(Path(folder).expanduser() / SETTINGS, "the settings", dict)
    except UserError:
        return {}


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names of the conditions in which two runs differ; none where those of one are not known."""
    if not one or not other:
        return []
    first, second = conditions(one), conditions(other)
    prompts = {name for name in first["prompts"] if name in second["prompts"] and not name.startswith("own.")}
    for made in (first, second):
        made["prompts"] = {name: made["prompts"][name] for name in prompts}
    return [name for name in sorted({*first, *second}) if first.get(name) != second.get(name)]


def conditions(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What concerns everybody but the tested model: rounds, prompts, and who plays and scores, with what settings."""
    roles = {name: settings[name] for name in ("role", "scorers") if name in settings} | settings.get("roles", {})
    tested = settings.get("tested", roles.pop("tested", None))
    names = {name for value in roles.values() for name in ([value] if isinstance(value, str) else value)}
    left_out = (*OF_THE_MODEL, *OF_THE_SCENARIOS, "roles", "role", "scorers", "models")
    models = settings.get("models", {})
    return {
        **{name: value for name, value in settings.items() if name not in left_out},
        **roles,
        "prompts": settings.get("prompts", {}),
        "models": {name: model for name, model in models.items() if name != tested or name in names},
    }


def _read(path: Path) -> dict:
    return read_json(path, "the settings", dict, mend="remove it, or choose another output")
