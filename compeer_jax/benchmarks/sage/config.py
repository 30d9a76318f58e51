"""The settings of `compeer eval sage`."""

from dataclasses import dataclass, field

from compeer_jax.benchmarks.config import BenchConfig, Flavour
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import UserError, require_at_least

ROUNDS = {"strict": 20, "official": 10}  # the paper's, and the released code's


@dataclass(frozen=True)
class SagePart:
    """Settings of SAGE alone: profiles, seeker and planner.

    Args:
        profiles: JSONL file of the seekers' profiles; in a suite, without one SAGE is left out.
        language: of the prompts and the talks; the released profiles are Chinese.
        role: name of the model that speaks for the seekers.
        planner: name of the model that says how a reply changes their emotion ("": role).
        rounds: replies after which a talk ends (0: 20 as in the paper, or 10 where the flavour is official).
        flavour: "strict", where a goodbye is one that is said; "official", as the released code has it: its prompts,
            also that of the tested model by default, in Chinese; the profiles' first_talk; its way of reading replies;
            再见 or 拜拜 ends the talk wherever it stands, and the last reply is not judged.
        role_prompts: prompt files of who speaks for the seekers; see docs/guides/benchmarks.md
            (default: of the flavour).
        planner_prompts: those of who says how a reply changes their emotion.
    """

    profiles: str = ""
    language: Language = "zh"
    role: str = ""
    planner: str = ""
    rounds: int = 0
    flavour: Flavour = "strict"
    role_prompts: list[str] = field(default_factory=list)
    planner_prompts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SageConfig(SagePart, BenchConfig):
    """SAGE: seekers whose emotion each reply moves talk with the tested model."""

    def __post_init__(self):
        super().__post_init__()
        require_at_least(0, self, "", "rounds")
        if not self.profiles:
            raise UserError("profiles names no file; name the file of the seekers' profiles.")
        if self.system and self.language not in self.system:
            raise UserError(f"system has no words for {self.language}; give them.")
        self.require_model("role", self.role)
        if self.planner:
            self.require_model("planner", self.planner)

    @property
    def most_rounds(self) -> int:
        """Replies after which a talk ends."""
        return self.rounds or ROUNDS[self.flavour]
