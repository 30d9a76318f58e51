"""The settings that benchmarks share, and those of `compeer eval esc-eval`."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.chat.types import Spent
from compeer_jax.dialogue.prompts import ABLATED, PROMPTS
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError, require_at_least, unknown

Prompted = Literal["default", "plain", "ours", "own"]
Malformed = Literal["response", "text", "empty"]
Flavour = Literal["strict", "official"]
Reading = Literal["strict", "number", "official"]


@dataclass(frozen=True)
class BudgetConfig:
    """Budget of a run, earlier sittings included. It can be overdrawn by the answers of one chunk.

    Args:
        max_tokens: tokens that all models read and write (0: no limit).
        max_cost: cost by the prices of the models, in their currency (0: no limit).
    """

    max_tokens: int = 0
    max_cost: float = 0.0

    def __post_init__(self):
        require_at_least(0, self, "budget.", "max_tokens", "max_cost")

    def used_up(self, spent: Spent) -> str:
        """Which of the limits is reached, in a few words; "" while none is."""
        tokens = spent.prompt_tokens + spent.completion_tokens
        if self.max_tokens and tokens >= self.max_tokens:
            return f"{tokens:,} tokens of budget.max_tokens {self.max_tokens:,} are used"
        if self.max_cost and spent.cost >= self.max_cost:
            return f"{spent.cost:.4g} of budget.max_cost {self.max_cost:g} is spent"
        return ""


@dataclass(frozen=True)
class BenchConfig:
    """Settings of every benchmark.

    Args:
        output: folder of the run; a run that was stopped goes on when it is started again with the same settings.
        models: chat models by names of your own.
        tested: name of the model that is tested.
        prompt: its system prompt: "default", no system message at all, so that its chat template's own default holds;
            "plain", a short text of ours that asks for support in a few sentences of plain talk; "ours", that of the
            reasoning format, with which the reasoning is parsed off; "own", the words of `system`.
        format_prompt: name of the prompt of "ours"; its format is the one that is read.
        system: language -> words of a prompt of your own. With the prompt "ours" they stand before it, as for models
            that are asked for deep reasoning by a system text.
        malformed: what a reply in broken format is worth: "response", what stands between its response tags; "text",
            all of it; "empty", nothing.
        label: what tables call the tested model (default: its name, and its prompt).
        limit: use at most this many scenarios of each language, drawn by the seed (0: all).
        seed: of that draw.
        chunk: most requests that are one call to a model.
        budget: what the run may cost.
        published: figures to print beside: "paper" for the paper's Tables 2 and 3, or a YAML file of yours; see
            `compeer eval benchmarks`. Figures of a row of the label's name stand below it.
    """

    OF_THE_CARD: ClassVar = ("format_prompt",)

    output: str = ""
    models: dict[str, ChatModelConfig] = field(default_factory=dict)
    tested: str = ""
    prompt: Prompted = "default"
    format_prompt: str = "compeer"
    system: dict[str, str] = field(default_factory=dict)
    malformed: Malformed = "response"
    label: str = ""
    limit: int = 0
    seed: int = 0
    chunk: int = 128
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    published: str = ""

    def __post_init__(self):
        require_at_least(0, self, "", "limit", "seed")
        require_at_least(1, self, "", "chunk")
        if not self.output:
            raise UserError("output names no folder; name the one that the run shall be kept in.")
        if self.format_prompt not in PROMPTS + ABLATED:
            raise unknown("prompt", self.format_prompt, PROMPTS + ABLATED, "format_prompt")
        for language in self.system:
            if language not in LANGUAGES:
                raise unknown("language", language, LANGUAGES, "system")
        if self.prompt == "own" and not self.system:
            raise UserError("prompt is own, but system is empty; give the words for each language.")
        if self.system and self.prompt not in ("own", "ours"):
            raise UserError(
                f"prompt is {self.prompt}, which shows no words of system; set it to own or ours, or leave system out."
            )
        self.require_model("tested", self.tested)

    def require_model(self, setting: str, name: str) -> None:
        """Raises UserError unless `setting` names one of the models."""
        if not name:
            raise UserError(f"{setting} names no model; name one of models.")
        if name not in self.models:
            raise unknown("chat model", name, self.models or ["(models is empty)"], setting)

    @property
    def name(self) -> str:
        """What tables call the tested model."""
        prompt = {"default": "", "ours": f" + {self.format_prompt} prompt"}.get(self.prompt, f" + {self.prompt} prompt")
        return self.label or self.tested + prompt


@dataclass(frozen=True)
class EscEvalPart:
    """Settings of ESC-Eval alone: cards, role-player and scorers.

    Args:
        cards: JSON or JSONL files of role cards; in a suite, without any ESC-Eval is left out.
        languages: of the cards that are used.
        role: name of the model that plays the cards.
        rounds: exchanges of a dialogue, each a message of the seeker and the reply to it.
        scorers: names of the models that score. Where models holds NAME/DIMENSION/LANGUAGE or NAME/DIMENSION, that one
            is asked instead of NAME, as ESC-Rank has an adapter for each.
        flavour: how scores are read: "strict", from a last line "Score: N", asked once more and then missing;
            "official", as the released code does, the smallest digit from 0 to 4 anywhere, -1 for none.
        readings: scorer -> how its scores are read, where that is not the flavour: strict, official, or "number", for
            a reply that is one digit from 0 to 4 and nothing else.
        role_prompts: prompt files of the role-player, such as ESC-Role's own; see docs/guides/benchmarks.md
            (default: ours).
        scorer_prompts: scorer -> its prompt files, such as ESC-Rank's own (default: ours).
    """

    cards: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=lambda: list(LANGUAGES))
    role: str = ""
    rounds: int = 5
    scorers: list[str] = field(default_factory=list)
    flavour: Flavour = "strict"
    readings: dict[str, Reading] = field(default_factory=dict)
    role_prompts: list[str] = field(default_factory=list)
    scorer_prompts: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class EscEvalConfig(EscEvalPart, BenchConfig):
    """ESC-Eval: role cards played to the tested model, and dialogues scored on seven dimensions."""

    def __post_init__(self):
        super().__post_init__()
        require_at_least(1, self, "", "rounds")
        if not self.cards:
            raise UserError("cards names no file; name the files of the role cards.")
        if not self.languages:
            raise UserError(f"languages is empty; name some of {', '.join(LANGUAGES)}.")
        for language in self.languages:
            if language not in LANGUAGES:
                raise unknown("language", language, LANGUAGES, "languages")
            if self.system and language not in self.system:
                raise UserError(f"system has no words for {language}; give them, or leave {language} out of languages.")
        self.require_model("role", self.role)
        for scorer in self.scorers:
            if not any(name == scorer or name.startswith(f"{scorer}/") for name in self.models):
                raise unknown("chat model", scorer, self.models, "scorers")
        if len(set(self.scorers)) < len(self.scorers):
            raise UserError("scorers names one model twice; leave one of them out.")
        for setting in ("readings", "scorer_prompts"):
            for scorer in getattr(self, setting):
                if scorer not in self.scorers:
                    raise unknown("scorer", scorer, self.scorers or ["(scorers is empty)"], setting)

    def reading(self, scorer: str) -> Reading:
        """How a scorer's replies are read."""
        return self.readings.get(scorer, self.flavour)
