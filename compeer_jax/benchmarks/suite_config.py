"""The settings of `compeer eval benchmarks`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compeer_jax.benchmarks.config import BudgetConfig, EscEvalConfig, EscEvalPart, Malformed, Prompted
from compeer_jax.benchmarks.sage.config import SageConfig, SagePart
from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.errors import UserError, require_at_least, unknown


@dataclass(frozen=True)
class TestedConfig:
    """Settings of one tested model.

    Args:
        model: name of one of models (default: the name that it has here).
        prompt: its system prompt, as of `compeer eval esc-eval`: default (none of ours at all), plain, ours or own.
        format_prompt: name of the prompt of "ours".
        system: language -> words of a prompt of your own, or words that stand before ours.
        malformed: what a reply in broken format is worth: response, text or empty.
    """

    __test__ = False  # no class of tests, whatever pytest takes its name for

    model: str = ""
    prompt: Prompted = "default"
    format_prompt: str = "compeer"
    system: dict[str, str] = field(default_factory=dict)
    malformed: Malformed = "response"

    def run_settings(self, name: str, suite: Any) -> dict[str, Any]:
        """What `BenchConfig` takes for the model called `name` in the tables of `suite`, but for the output."""
        how = {key: value for key, value in vars(self).items() if key != "model"}
        shared = {key: getattr(suite, key) for key in ("models", "seed", "chunk", "budget")}
        return how | shared | {"label": name, "tested": self.model or name}


@dataclass(frozen=True)
class ComparisonConfig:
    """Several models that are tested side by side.

    Args:
        output: folder of the tables and pictures; each model's runs lie in a folder of its name there.
        models: chat models by names of your own: those that are tested, and those that a benchmark needs beside.
        tested: name in the tables -> how the model is tested, for example {COMPEER: {model: policy, prompt: ours}}.
        against: name in the tables of what the others are compared with (default: the first).
        resamples: of the bootstrap over scenarios, for the intervals of differences.
        limit: use at most this many scenarios of each language, drawn by the seed (0: all).
        seed: of that draw, and of the bootstrap.
        chunk: most requests that are one call to a model.
        budget: what each run, one model on one benchmark, may cost.
    """

    output: str = ""
    models: dict[str, ChatModelConfig] = field(default_factory=dict)
    tested: dict[str, TestedConfig] = field(default_factory=dict)
    against: str = ""
    resamples: int = 2000
    limit: int = 0
    seed: int = 0
    chunk: int = 64
    budget: BudgetConfig = field(default_factory=BudgetConfig)

    def __post_init__(self):
        require_at_least(1, self, "", "resamples", "chunk")
        require_at_least(0, self, "", "limit", "seed")


@dataclass(frozen=True)
class SuiteConfig(ComparisonConfig):
    """Tests several models on ESC-Eval, SAGE or both, and lays the results side by side.

    A suite that was stopped goes on when the same command is given again, and asks nothing twice.

    Args:
        only: names of tested that are run now (default: all). The tables show these, and those of the others whose runs
            are there.
        esc_eval: cards, role-player and scorers of ESC-Eval.
        sage: profiles, seeker and planner of SAGE.
        runs: folders of runs of `compeer eval esc-eval` or `compeer eval sage` that are shown beside, as they are.
        published: figures to print beside: "paper" for the paper's Tables 2 and 3, or a YAML file of yours in the units
            of the tables: row -> metric -> figure, as in
            {Theirs: {fluency: 75.0, average: 70.0, emotion: 60.0, success: 30}}. Metrics of ESC-Eval are fluency,
            diversity, empathy, suggestion, tech, human, overall and average, with en_ or zh_ before them for one
            language; of SAGE: emotion, success and failure. Figures of a model that is here stand below its row,
            matched by its name to the letter; the others come first.
    """

    only: list[str] = field(default_factory=list)
    esc_eval: EscEvalPart = field(default_factory=EscEvalPart)
    sage: SagePart = field(default_factory=SagePart)
    runs: list[str] = field(default_factory=list)
    published: str = ""

    def __post_init__(self):
        super().__post_init__()
        if not self.output:
            raise UserError("output names no folder; name the one that the tables shall be kept in.")
        if not self.tested and not self.runs:
            raise UserError("tested and runs are both empty; name models to test, or folders of runs to show.")
        if self.tested and not self.esc_eval.cards and not self.sage.profiles:
            raise UserError("no benchmark is asked for; name esc_eval.cards, or sage.profiles, or both.")
        for name in self.only:
            if name not in self.tested:
                raise unknown("name", name, self.tested, "only")
        check_folders(self.tested)

    def runs_to_make(self) -> list[EscEvalConfig | SageConfig]:
        """The settings of each run, model by model.

        Raises:
            UserError: as of these settings; the sentence names the part.
        """
        return [
            self._run(name, kind, section, part, benchmark)
            for name in self.tested
            for benchmark, kind, section, part, wanted in (
                ("esc-eval", EscEvalConfig, "esc_eval", self.esc_eval, self.esc_eval.cards),
                ("sage", SageConfig, "sage", self.sage, self.sage.profiles),
            )
            if wanted
        ]

    def _run(self, name: str, kind: type, section: str, part: Any, benchmark: str) -> EscEvalConfig | SageConfig:
        try:
            output = str(Path(self.output) / folder_name(name) / benchmark)
            return kind(output=output, limit=self.limit, **self.tested[name].run_settings(name, self), **vars(part))
        except UserError as error:
            raise UserError(f"{section}, for {name}: {error}") from error


def folder_name(name: str) -> str:
    """The folder of a model of that name in the tables."""
    return re.sub(r"[^\w.+-]+", "_", name).strip("._") or "_"


def check_folders(names: Iterable[str]) -> None:
    """UserError where two names in the tables would be one folder."""
    folders: dict[str, str] = {}
    for name in names:
        if (other := folders.setdefault(folder_name(name), name)) != name:
            raise UserError(f"tested: {other!r} and {name!r} would be one folder, {folder_name(name)}; rename one.")
