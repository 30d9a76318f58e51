"""The policy card, policy.json: prompt, format and lengths that a model was trained with, beside its weights.

A policy only answers well when it is asked as it was trained: the same system prompt and format, histories cut at the
same length. Commands that ask the model take these settings from the card where nobody gives others.
"""

import dataclasses
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from compeer_jax.data.pictures import PictureLimits
from compeer_jax.data.policy_data import DataConfig
from compeer_jax.data.record import Record
from compeer_jax.dialogue.prompts import check_prompt, load_prompt
from compeer_jax.dialogue.reasoning import OUTPUT_FORMATS
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import unknown
from compeer_jax.files import read_json, write_json
from compeer_jax.structure import Check, at_least, structured

CARD = "policy.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PolicyCard:
    """Card of a policy: how it was asked in training.

    Attributes:
        format: name of the reasoning format of its outputs.
        prompt: name of its system prompt.
        prompt_version: of that prompt, by language.
        max_prompt_tokens: longest prompt.
        max_answer_tokens: longest answer that it was taught, or drew.
        languages: of its training records, most frequent first.
        pictures: how many its prompts showed, and how large.
    """

    format: str
    prompt: str
    prompt_version: dict[str, int]
    max_prompt_tokens: Annotated[int, Check(at_least(1))]
    max_answer_tokens: Annotated[int, Check(at_least(1))]
    languages: list[str]
    pictures: PictureLimits = field(default_factory=PictureLimits)

    @classmethod
    def of(cls, data: DataConfig, records: Iterable[Record], max_answer_tokens: int) -> "PolicyCard":
        """The card of a model trained on `records`, as `data` makes prompts of them."""
        languages = [record.language for record in records]
        names = sorted(set(languages), key=lambda name: (-languages.count(name), name))
        versions = {name: load_prompt(data.prompt, name).version for name in LANGUAGES}
        return cls(data.format, data.prompt, versions, data.max_prompt_tokens, max_answer_tokens, names, data.pictures)

    def write(self, directory: Path) -> None:
        """Writes the card."""
        write_json(directory / CARD, dataclasses.asdict(self))

    @classmethod
    def read(cls, directory: str | Path) -> "PolicyCard | None":
        """The card in a model's directory; None where there is none. Another version of the prompt is logged.

        Raises:
            UserError: the card is malformed, or names a format or a prompt that we don't have.
        """
        path = Path(directory).expanduser() / CARD
        if not path.is_file():
            return None
        values = read_json(path, "the card", dict, mend="copy it anew from the model's run, or remove it")
        card = structured(cls, values, str(path))
        if card.format not in OUTPUT_FORMATS:
            raise unknown("format", card.format, OUTPUT_FORMATS, str(path))
        check_prompt(card.prompt, card.format, str(path))
        here = {name: load_prompt(card.prompt, name).version for name in LANGUAGES}
        if here != card.prompt_version:
            log.warning(
                "%s: the model learnt with version %s of the prompt %r, and here is version %s.",
                path,
                card.prompt_version,
                card.prompt,
                here,
            )
        return card

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that commands give to ask it so."""
        seen = {f"data.pictures.{name}": value for name, value in dataclasses.asdict(self.pictures).items()}
        one = {"language": self.languages[0]} if len(self.languages) == 1 and self.languages[0] in LANGUAGES else {}
        return {
            "data.format": self.format,
            "data.prompt": self.prompt,
            "data.max_prompt_tokens": self.max_prompt_tokens,
            "sampling.max_new_tokens": self.max_answer_tokens,
            "format_prompt": self.prompt,
            **(seen if self.pictures.most else {}),
            **one,
        }
