"""The settings of `compeer reward train`."""

from dataclasses import dataclass, field

from compeer_jax.data.judge_chat import JudgeLimits
from compeer_jax.dialogue.judging import JudgeKind
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.training.config import SupervisedConfig


@dataclass(frozen=True)
class SilverJudgeConfig:
    """How silver judge records are made, where there are no others.

    Args:
        false_share: how many of each step are made wrong (paper: 23 % in CER).
        per_record: judge records from each supporter turn.
    """

    false_share: float = 0.23
    per_record: int = 1

    def __post_init__(self):
        require_at_least(1, self, "silver.", "per_record")
        if not 0 < self.false_share < 1:
            raise UserError(f"silver.false_share is {self.false_share}; it must be between 0 and 1.")


@dataclass(frozen=True)
class RewardTrainConfig(SupervisedConfig):
    """Training of a generative judge on records of right and wrong steps, and of better and worse answers (Eq. 4).

    Args:
        kind: "unifi" rates the steps, then the response, in one conversation; "prm" each step apart; "orm" the
            response alone.
        records: JSONL in CER's format, to learn from; without it, the view of this kind is read where `data.path` is a
            CER dataset, and silver records are made from `data` elsewhere. Its prompt and lengths don't count here.
        valid_records: the same to measure on; without it, some of the talks in `records` are held out.
        limits: the judge's prompt, and where histories and steps are cut.
        silver: how silver records are made.
        max_new_tokens: the judge's longest reply; records with longer ones are left out and counted.
    """

    kind: JudgeKind = "unifi"
    records: str = ""
    valid_records: str = ""
    limits: JudgeLimits = field(default_factory=JudgeLimits)
    silver: SilverJudgeConfig = field(default_factory=SilverJudgeConfig)
    max_new_tokens: int = 128

    def __post_init__(self):
        super().__post_init__()
        require_at_least(1, self, "", "max_new_tokens")
        if self.valid_records and not self.records:
            raise UserError("valid_records is given without records; give both, or neither for silver records.")
