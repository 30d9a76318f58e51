"""The judge card, judge.json: what a directory of weights must say of itself to be used as a judge.

A judge only works when it is asked as it was trained: the same rounds, the same prompt, histories and steps cut at the
same lengths. The card holds that; `compeer reward train` writes it, and everything that asks a judge reads it.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compeer_jax.data.judge_chat import JudgeLimits
from compeer_jax.data.pictures import PictureLimits
from compeer_jax.dialogue.judging import JUDGE_KINDS, PRM_CALLS, JudgeKind, PRMCalls, conversations
from compeer_jax.dialogue.prompts import JUDGE_PROMPTS, load_judge_prompt
from compeer_jax.dialogue.reasoning import FORMATS, ReasoningFormat
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError, unknown
from compeer_jax.files import read_json
from compeer_jax.models.source import model_shape
from compeer_jax.structure import structured

CARD = "judge.json"


@dataclass(frozen=True)
class JudgeCard:
    """Card of a judge: how it is asked.

    Attributes:
        kind: "unifi" (the steps, then the response, in one conversation), "prm" (the steps) or "orm" (the response
            alone).
        format: name of the reasoning format whose steps it rates.
        limits: its prompt, and where histories and steps are cut.
        max_new_tokens: the longest reply that it was taught, in tokens.
        prm_calls: whether a "prm" rates each step in a conversation of its own ("apart"; so do cards that don't say),
            or all of them in one ("together").
    """

    kind: JudgeKind = "unifi"
    format: str = "compeer"
    limits: JudgeLimits = field(default_factory=JudgeLimits)
    max_new_tokens: int = 128
    prm_calls: PRMCalls = "apart"

    def __post_init__(self):
        if self.format not in FORMATS:
            raise UserError(
                f"no judge rates outputs of the format {self.format!r}; set data.format to {' or '.join(FORMATS)}."
            )

    @property
    def reasoning(self) -> ReasoningFormat:
        """The format by its name."""
        return FORMATS[self.format]

    @property
    def conversations(self) -> tuple[tuple[str, ...], ...]:
        """The rounds of each conversation with this judge, by the tag of what is rated."""
        return conversations(self.kind, self.reasoning, self.prm_calls)

    @property
    def prompt_version(self) -> dict[str, int]:
        """The version of its prompt here, by language."""
        return {language: load_judge_prompt(self.limits.prompt, language).version for language in LANGUAGES}

    def write(self, directory: str | Path) -> None:
        """Writes the card, with the version of the prompt; the directory is made when absent."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        card = {**dataclasses.asdict(self), "prompt_version": self.prompt_version}
        (directory / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: str | Path) -> "JudgeCard":
        """The card of a judge's directory.

        Raises:
            UserError: no card there, a malformed one, or one for a prompt that is not the one we have.
        """
        path = Path(directory).expanduser() / CARD
        if not path.is_file():
            raise UserError(f"{directory} is no judge: it has no {CARD}; train one with `compeer reward train`.")
        card = {"prm_calls": "apart"} | read_json(path, "the card", dict, mend="copy it anew from the judge's run")
        _fields(card, path, {"kind", "format", "limits", "max_new_tokens", "prm_calls", "prompt_version"})
        names = {limit.name for limit in dataclasses.fields(JudgeLimits)}
        limits = card["limits"]
        if isinstance(limits, dict):  # those of earlier versions say nothing of pictures
            limits = {"pictures": dataclasses.asdict(PictureLimits())} | limits
        limits = _fields(limits, path, names, "limits")
        pictures = structured(PictureLimits, limits.pop("pictures"), f"{path}: limits.pictures")
        for name, known in (("kind", JUDGE_KINDS), ("format", tuple(FORMATS)), ("prm_calls", PRM_CALLS)):
            if card[name] not in known:
                raise unknown(name, card[name], known, where=str(path))
        for name, value in {**limits, "prompt": 1, "max_new_tokens": card["max_new_tokens"]}.items():
            if type(value) is not int or value < 1:
                raise UserError(f"{path}: {name} is {value!r}; it must be a whole number above 0.")
        if limits["prompt"] not in JUDGE_PROMPTS:
            raise unknown("prompt", limits["prompt"], JUDGE_PROMPTS, where=str(path))
        try:
            read = cls(
                card["kind"],
                card["format"],
                JudgeLimits(**limits, pictures=pictures),
                card["max_new_tokens"],
                card["prm_calls"],
            )
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        if read.prompt_version != card["prompt_version"]:
            raise UserError(
                f"{path}: the judge learnt with version {card['prompt_version']} of the prompt {read.limits.prompt!r}, "
                f"but here is version {read.prompt_version}; train it anew, or take the compeer_jax that trained it."
            )
        return read


def check_tokenizer(directory: str | Path, tokenizer: Any) -> None:
    """Raises UserError when the tokenizer beside a judge's weights has ids that the weights have no rows for."""
    size = model_shape(Path(directory).expanduser()).vocab_size
    if len(tokenizer) > size:
        raise UserError(
            f"the tokenizer in {directory} has {len(tokenizer)} tokens, but vocab_size in its config.json is {size}: "
            "they belong to different models; copy both from the judge's run."
        )


def _fields(value: Any, path: Path, names: set[str], what: str = "the card") -> dict:
    """`value` if it is an object with these fields and no others."""
    if not isinstance(value, dict):
        raise UserError(f"{path}: {what} must be a JSON object; copy the file anew from the judge's run.")
    for name in sorted(names - value.keys()):
        raise UserError(f"{path}: {what} lacks {name!r}; copy the file anew from the judge's run.")
    for name in value.keys() - names:
        raise unknown("field", name, sorted(names), where=str(path))
    return value
