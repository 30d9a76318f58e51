"""The folder of a benchmark's run: one process at a time, one set of settings, and what models have answered.

OUTPUT/
  settings.json      all that results depend on: scenarios, models and how they draw, prompts with their versions
  answers/           what models said, as they said it; a run that is started again asks nothing twice
  dialogues.jsonl    a row a scenario (benchmarks/rows.py)
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
from compeer_jax.benchmarks.rows import Scenario
from compeer_jax.chat.models import ChatModels
from compeer_jax.chat.types import ChatModel
from compeer_jax.files import read_json, write_json
from compeer_jax.progress import Progress
from compeer_jax.runs.binding import check_same, short_json
from compeer_jax.runs.model_folder import models_in

SETTINGS = "settings.json"


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

    def asked(self, names: Mapping[str, str]) -> dict[str, ChatModel]:
        """The models that players ask by other names: their name -> that of the model."""
        return {who: self.models[name] for who, name in names.items()}

    @contextlib.contextmanager
    def progress(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        """Shows how much of `total` is done; gives the function to tell it."""
        with Progress(max(total, 1), title, unit=unit) as progress:
            yield lambda done: progress.update(min(done, max(total, 1)), {})


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


def _read(path: Path) -> dict:
    return read_json(path, "the settings", dict, mend="remove it, or choose another output")
