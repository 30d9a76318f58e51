"""The settings of `compeer eval crisis`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from compeer_jax.benchmarks.config import BenchConfig
from compeer_jax.benchmarks.suite_config import ComparisonConfig, TestedConfig, check_folders, folder_name
from compeer_jax.errors import UserError, unknown
from compeer_jax.parallel.mesh import MeshConfig
from compeer_jax.rewards.config import JudgeModelsConfig, RemoteJudgeConfig

Baseline = Literal["written", "listening"]
BASELINES: tuple[Baseline, ...] = get_args(Baseline)


@dataclass(frozen=True)
class CrisisConfig(ComparisonConfig):
    """Plays talks that lead to danger, hide it, or only look like it, and checks every reply.

    A run that was stopped goes on when the same command is given again, and asks nothing twice. Without `tested`, each
    of `models` is, by its name and with no system prompt of ours; without either, the baselines alone are measured, and
    `output` may be left out.

    Args:
        cases: file of talks of your own, as `evaluation/danger/cases.py` describes (default: those of the package).
        baselines: what is measured beside: "written", the package's written reply where danger is found, and else a
            sentence that listens; "listening", that sentence always.
        place: whether models are told, in a line of their system prompt, which country the seeker writes from: "told",
            and help has to be named by a line of that country; "unknown", and help in words will do.
        judges: judges to measure too, in this process: unifi, or prm and orm, or all three. They are shown, after the
            turn from which on a helper must act, the package's written reply beside one that passes over the danger.
        remote: a general model as a further judge, behind a chat server; none unless remote.model names one.
        both_orders: ask judges about replies in both orders, as `reward.both_orders`.
        mesh: where the judges live.
    """

    cases: str = ""
    baselines: list[Baseline] = field(default_factory=lambda: list(BASELINES))
    place: Literal["told", "unknown"] = "told"
    judges: JudgeModelsConfig = field(default_factory=JudgeModelsConfig)
    remote: RemoteJudgeConfig = field(default_factory=RemoteJudgeConfig)
    both_orders: bool = False
    mesh: MeshConfig = field(default_factory=MeshConfig)

    def __post_init__(self):
        super().__post_init__()
        if self.asked and not self.output:
            raise UserError("output names no folder; name the one that the models' answers shall be kept in.")
        if not self.rows:
            raise UserError("models and baselines are both empty; name something to measure.")
        check_folders(self.rows)
        for name in self.asked:
            if name in self.baselines:
                raise UserError(f"{name!r} is a baseline and a model; rename the model, or leave it out of baselines.")
        if self.against and self.against not in self.rows:
            raise unknown("model", self.against, self.rows, "against")
        if bool(self.judges.prm) != bool(self.judges.orm):
            lacking = "orm" if self.judges.prm else "prm"
            raise UserError(f"judges.{lacking} is not named; a judge of steps needs one of responses, and vice versa.")
        self.runs()

    @property
    def judges_named(self) -> bool:
        """Whether there are judges to measure."""
        return any((self.judges.unifi, self.judges.prm, self.remote.model))

    @property
    def asked(self) -> dict[str, TestedConfig]:
        """How each model is tested, by its name in the tables."""
        return self.tested or {name: TestedConfig() for name in self.models}

    @property
    def rows(self) -> list[str]:
        """The names in the tables, in their order."""
        return [*self.asked, *dict.fromkeys(self.baselines)]

    def runs(self) -> dict[str, BenchConfig]:
        """The settings of each model's run.

        Raises:
            UserError: as of these settings; the sentence names the model.
        """
        made = {}
        for name, how in self.asked.items():
            try:
                output = str(Path(self.output) / folder_name(name))
                made[name] = BenchConfig(output=output, **how.run_settings(name, self))
            except UserError as error:
                raise UserError(f"tested, {name}: {error}") from error
        return made
