"""Settings of a judge's training, `compeer reward train`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from compeer_jax.data.judge_chat import JudgeLimits
from compeer_jax.data.judge_record import JudgeRecord
from compeer_jax.data.policy_data import DataConfig
from compeer_jax.data.record import Record
from compeer_jax.data.silver.judging import silver_judge_records
from compeer_jax.dialogue.judging import JudgeKind, PRMCalls
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.training.config import SupervisedConfig


@dataclass(frozen=True)
class SilverJudgeConfig:
    """Settings of silver judge records, where there are no others.

    Args:
        false_share: how many of each step are made wrong (paper: 23 % in CER).
        per_record: judge records from each supporter turn.
        copies: how often each record is there to learn from; 2 are the duplicates of the paper's UnifiReward-D.
    """

    false_share: float = 0.23
    per_record: int = 1
    copies: int = 1

    def __post_init__(self):
        require_at_least(1, self, "silver.", "per_record", "copies")
        if not 0 < self.false_share < 1:
            raise UserError(f"silver.false_share is {self.false_share}; it must be between 0 and 1.")

    def make(self, records: Sequence[Record], data: DataConfig) -> list[JudgeRecord]:
        """Judge records from silver records of `data`, one copy of each."""
        made = {"false_share": self.false_share, "per_record": self.per_record}
        return silver_judge_records(records, data.reasoning, seed=data.silver_seed, **made)


@dataclass(frozen=True)
class RewardTrainConfig(SupervisedConfig):
    """Training of a generative judge on records of right and wrong steps, and of better and worse answers (Eq. 4).

    Args:
        kind: "unifi" rates the steps, then the response, in one conversation; "prm" the steps; "orm" the response
            alone.
        prm_calls: whether a "prm" rates each step in a conversation of its own ("apart") or all of them in one
            ("together"); the paper doesn't say.
        records: JSONL in CER's format, to learn from; without it, a view is read where `data.path` is a CER dataset,
            and silver records are made from `data` elsewhere. Its prompt and lengths don't count here.
        view: of a CER dataset: "unifi" for all kinds, the records in which everything is labelled, so that PRM and ORM
            learn from the same data as UnifiReward (paper); or the kind's "own", which for prm and orm has records that
            lack labels for the other, too.
        valid_records: the same to measure on; without it, some of the talks in `records` are held out.
        limits: the judge's prompt, where histories are cut, and the longest steps and answers that it is shown.
        silver: how silver records are made.
        max_new_tokens: the judge's longest reply; records with a longer one in any round, asked by this kind or not,
            are left out and counted, so that all kinds learn from the same. So are those with a step or an answer
            longer than `limits.max_part_tokens`.
    """

    kind: JudgeKind = "unifi"
    prm_calls: PRMCalls = field(default="apart", metadata={"absent": "counted conversations, not records"})
    records: str = ""
    valid_records: str = ""
    view: Literal["unifi", "own"] = "unifi"
    limits: JudgeLimits = field(default_factory=JudgeLimits)
    silver: SilverJudgeConfig = field(default_factory=SilverJudgeConfig)
    max_new_tokens: int = 128

    def __post_init__(self):
        super().__post_init__()
        require_at_least(1, self, "", "max_new_tokens")
        if self.valid_records and not self.records:
            raise UserError("valid_records is given without records; give both, or neither for silver records.")
