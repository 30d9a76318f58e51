"""The records of a run: dialogues read, split by dialogue, turned into prompts with reference answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from compeer_jax.data.chat import prompt_tokens
from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.record import Record
from compeer_jax.data.remembering_tokenizer import RememberingTokenizer
from compeer_jax.data.silver import silver_records
from compeer_jax.data.splits import DialogueSplits, read_split, split_dialogues
from compeer_jax.dialogue.reasoning import FORMATS, ReasoningFormat
from compeer_jax.errors import UserError


@dataclass(frozen=True)
class DataConfig:
    """The dialogues, and how they become prompts and answers.

    Args:
        path: "sample" for the bundled dialogues, or a file that `compeer` reads: ESConv.json or dialogues in JSONL.
        split: JSON file with row numbers of train, valid and test; without one the dialogues are split by `split_seed`.
        split_seed: seed of the split by dialogue (70 % train, 15 % valid, 15 % test).
        silver_seed: seed of the templates in silver records.
        format: reasoning format of the outputs.
        prompt: name of the system prompt; "compeer_brief" is for small models with a short context.
        max_prompt_tokens: longest prompt; see `overlong`.
        max_answer_tokens: longest answer to learn from (sft); longer ones are left out and counted.
        overlong: a longer history loses its oldest turns, or stops the run with the record's name.
        limit: use at most this many records of each split (0: all).
    """

    path: str = "sample"
    split: str = ""
    split_seed: int = 13
    silver_seed: int = 0
    format: Literal["compeer", "care"] = "compeer"
    prompt: str = "compeer"
    max_prompt_tokens: int = 2048
    max_answer_tokens: int = 1024
    overlong: Literal["drop_oldest", "error"] = "drop_oldest"
    limit: int = 0

    @property
    def reasoning(self) -> ReasoningFormat:
        """The format by its name."""
        return FORMATS[self.format]


@dataclass(frozen=True)
class Splits:
    """Silver records of each split; no dialogue is in two of them."""

    train: Sequence[Record]
    valid: Sequence[Record]
    test: Sequence[Record]
    summary: str  # a line for the log


def load_records(config: DataConfig) -> Splits:
    """Reads, splits and annotates the dialogues that `config` names.

    Raises:
        UserError: the file is missing or malformed, or leaves a split without records.
    """
    dialogues, report = read_corpus(config.path)
    splits = read_split(config.split, dialogues) if config.split else split_dialogues(dialogues, seed=config.split_seed)
    records = []
    for name, part in zip(DialogueSplits._fields, splits, strict=True):
        made = silver_records(part, format=config.reasoning, seed=config.silver_seed)
        if not made:
            raise UserError(
                f"The {name} split of {config.path} gives no silver record; its dialogues need an emotion_type, and "
                "supporter turns with a strategy after a seeker's turn."
            )
        records.append(made[: config.limit or None])
    counts = " / ".join(str(len(part)) for part in records)
    return Splits(*records, summary=f"{report}. Silver records, train / valid / test: {counts}.")


def encode_prompts(records: Sequence[Record], tokenizer, config: DataConfig) -> dict[str, list[int]]:
    """The prompt of each record by its id, as `config` wants prompts; see `chat.prompt_tokens`."""
    settings = {"prompt": config.prompt, "max_tokens": config.max_prompt_tokens, "overlong": config.overlong}
    tokenizer = RememberingTokenizer(tokenizer)
    return {record.id: prompt_tokens(tokenizer, record, **settings) for record in records}
