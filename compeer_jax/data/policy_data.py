"""Data of a policy: its settings, and dialogues read, split and turned into prompts with reference answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from compeer_jax.data.cer_folder import SFT, TRAIN, Variant, View, cer_folder, policy_view, read_policy_records
from compeer_jax.data.chat import (
    CachingTokenizer,
    DoesNotFit,
    Example,
    Overlong,
    Prompt,
    answer_tokens,
    example_tokens,
    read_prompt,
)
from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.corpora.places import corpus_folder
from compeer_jax.data.danger.review import for_training
from compeer_jax.data.danger.talks import dialogue_talk, record_talk
from compeer_jax.data.judge_record import JudgeRecord
from compeer_jax.data.pictures import Picture, PictureLimits, beside, pictures_of
from compeer_jax.data.record import Record
from compeer_jax.data.silver.records import silver_records
from compeer_jax.data.splits import SPLITS, read_split, split_dialogues
from compeer_jax.dialogue.prompts import check_prompt
from compeer_jax.dialogue.reasoning import OUTPUT_FORMATS, ReasoningFormat
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.parallel.exchange import by_share

T = TypeVar("T")
AnyRecord = TypeVar("AnyRecord", Record, JudgeRecord)
Spoken = TypeVar("Spoken", Dialogue, Record, JudgeRecord)
FormatName = Literal[
    "compeer", "care", "care_no_context", "care_no_cognition", "care_no_emotion", "care_no_plan", "plain"
]  # OUTPUT_FORMATS

ASKED = (
    "data.format",
    "data.prompt",
    "data.max_prompt_tokens",
    "data.pictures.most",
    "data.pictures.max_tokens",
    "data.pictures.min_tokens",
)
"""Settings of how a policy is asked, which its card gives (`training/policy_card.py`)."""


@dataclass(frozen=True)
class DataConfig:
    """The dialogues, and how they become prompts and answers.

    Args:
        path: "sample" for the bundled dialogues, "sample_faces" for these with drawn faces of the seekers; a file that
            `compeer` reads: ESConv.json or dialogues in JSONL; or a CER dataset, which has its own splits:
            then there is no `split`, and seeds do not count.
        variant: of a CER dataset's train, for judge and policy alike: "none" is train as it is; "p" adds its dialogues
            rewritten to another personality, as the paper does, "r" as many rewritten without one, "d" as many
            duplicates.
        roles: whose turns are those of a role, beside the usual names: {helper: supporter, note: none}.
        language: learn from and measure on this language alone, for models that know no other ("": all).
        split: JSON file with row numbers of train, valid and test; without one the dialogues are split by `split_seed`.
        split_seed: seed of the split by dialogue (70 % train, 15 % valid, 15 % test).
        silver_seed: seed of the templates in silver records.
        silver_quotes: whether silver reasoning quotes the seeker; without, it is shorter, for very small models.
        format: reasoning format of the outputs; "care_no_emotion" and so on leave out one node of "care"; "plain"
            is the reply alone, for which a dialogue needs no annotations.
        prompt: name of the system prompt; "compeer_brief", "care_brief" and "plain_brief" are for small models with a
            short context. A prompt of care names its nodes: one goes with each such format ("care_brief_no_emotion").
        max_prompt_tokens: longest prompt, pictures included; see `overlong`.
        pictures: how many of the seeker's pictures a prompt shows, and how large; only a model that sees can have any.
        max_answer_tokens: longest answer to learn from (sft); longer ones are left out and counted.
        overlong: a history that is too long loses its oldest turns ("drop_oldest"; the run stops with the record's name
            if the last exchange alone is too long), or stops the run ("error"), or loses its oldest turns and is left
            out and counted if that isn't enough ("leave_out").
        limit: use at most this many records of each split, spread over it (0: all).
        danger: dialogues in which the seeker is in danger are left out of train until a person has looked at them
            ("review"), or are learned from like any other ("train"). Valid and test keep them: they measure.
        reviewed: the sheet on which people have decided about them, see `compeer data danger` ("": nobody has).
    """

    path: str = "sample"
    variant: Variant = "none"
    roles: dict[str, str] = field(default_factory=dict)
    language: Literal["", "en", "zh"] = ""
    split: str = ""
    split_seed: int = 13
    silver_seed: int = 0
    silver_quotes: bool = True
    format: FormatName = "compeer"
    prompt: str = "compeer"
    max_prompt_tokens: int = 2048
    pictures: PictureLimits = field(default_factory=PictureLimits)
    max_answer_tokens: int = 1024
    overlong: Literal["drop_oldest", "error", "leave_out"] = "drop_oldest"
    limit: int = 0
    danger: Literal["review", "train"] = "review"
    reviewed: str = ""

    def __post_init__(self):
        require_at_least(0, self, "data.", "limit")
        require_at_least(1, self, "data.", "max_prompt_tokens", "max_answer_tokens")
        if self.reviewed and self.danger != "review":
            raise UserError(
                f"data.reviewed is {self.reviewed!r}, which data.danger: {self.danger} doesn't heed; set data.danger "
                "to review, or leave data.reviewed out."
            )

    @property
    def reasoning(self) -> ReasoningFormat:
        """The format by its name."""
        return OUTPUT_FORMATS[self.format]


@dataclass(frozen=True)
class Splits:
    """Records of each split, silver ones or CER's; no dialogue is in two of them."""

    train: Sequence[Record]
    valid: Sequence[Record]
    test: Sequence[Record]
    summary: str  # a line for the log


def load_records(config: DataConfig, view: View = SFT) -> Splits:
    """Reads, splits and annotates the dialogues that `config` names; of a CER dataset, reads the records.

    Args:
        config: names them.
        view: what they are for. Of CER, "sft" is answers with right steps, and "rl" each sampled round once, with the
            reply that was really given and the labels that are known, if any. Silver records are both.

    Raises:
        UserError: the file is missing or malformed, leaves a split without records, or is of another reasoning format;
            `for_training` too.
    """
    folder = cer_folder(config.path)
    if folder is not None:
        return _with_pictures(_cer_records(folder, policy_view(folder, view), config), config, folder)
    if config.variant != "none":
        raise UserError(
            f"data.variant is {config.variant!r}, but {config.path} is no CER dataset, which has rewritten dialogues; "
            "name the folder that `compeer data build` made, or set data.variant to none."
        )
    dialogues, report = read_corpus(config.path, roles=config.roles)
    splits = read_split(config.split, dialogues) if config.split else split_dialogues(dialogues, seed=config.split_seed)
    splits = splits._make(in_language(part, config.language) for part in splits)
    learned, left_out = for_training(splits.train, dialogue_talk, config, config.path)
    splits = splits._replace(train=learned)
    records = []
    for name, part in zip(SPLITS, splits, strict=True):
        made = silver_records(part, format=config.reasoning, seed=config.silver_seed, quotes=config.silver_quotes)
        if not made:
            kind, needs = "record", "supporter turns"
            if config.reasoning.steps:
                kind, needs = "silver record", "an emotion_type, and supporter turns with a strategy"
            where = f"{config.path} in data.language {config.language!r}" if config.language else config.path
            raise UserError(
                f"The {name} split of {where} gives no {kind}; its dialogues need {needs} after a seeker's turn."
            )
        records.append(spread(made, config.limit))
    counts = " / ".join(str(len(part)) for part in records)
    kind = "Silver records" if config.reasoning.steps else "Replies"
    splits = Splits(*records, summary=f"{report}. {kind}, train / valid / test: {counts}. {left_out}".rstrip())
    return _with_pictures(splits, config, corpus_folder(config.path))


def _with_pictures(splits: Splits, config: DataConfig, folder: Path) -> Splits:
    """The records with their pictures, which lie beside the dialogues, as files to be opened, if any are shown."""
    shown = [len(pictures_of(record.history)) for record in splits.train]
    if not any(shown):
        return splits
    if not config.pictures.most:
        unseen = f"Pictures in {sum(map(bool, shown))} prompts of train are not shown (data.pictures.most: 0)."
        return replace(splits, summary=f"{splits.summary} {unseen}")
    parts = (pictured(part, folder) for part in (splits.train, splits.valid, splits.test))
    return Splits(*parts, summary=splits.summary)


def pictured(records: Sequence[AnyRecord], folder: Path) -> list[AnyRecord]:
    """The records with their pictures, which are told from `folder`, as files to be opened; errors as `beside`."""
    return [replace(record, history=beside(record.history, folder, record.id)) for record in records]


def _cer_records(folder: Path, view: View, config: DataConfig) -> Splits:
    if config.split:
        raise UserError(f"data.split is {config.split!r}, but {folder} has splits of its own; leave data.split out.")
    tags = {step.tag for step in config.reasoning.steps}
    records, left_out = [], ""
    for name in SPLITS:
        made = in_language(read_policy_records(folder, view, name, config.variant), config.language)
        for record in made:
            steps = record.reference.steps.keys()
            if tags and steps and steps != tags:  # a reply alone can be had of any, and a prompt has no steps
                raise UserError(
                    f"record {record.id!r} of {folder} has the steps {', '.join(record.reference.steps)}, which are "
                    f"not those of data.format {config.format!r}; set data.format as the dataset's."
                )
        if name == TRAIN:
            made, left_out = for_training(made, record_talk, config, str(folder))
        records.append(spread(made, config.limit))
    counts = " / ".join(str(len(part)) for part in records)
    what = "records to fine-tune on" if view == SFT else "prompts"
    train = TRAIN if config.variant == "none" else f"{TRAIN}_{config.variant}"
    return Splits(*records, summary=f"{folder}: {what}, {train} / valid / test: {counts}. {left_out}".rstrip())


def in_language(items: Sequence[Spoken], language: str) -> list[Spoken]:
    """The dialogues, or records, in a language; all of them without one."""
    return [item for item in items if language in ("", item.language)]


def spread(items: Sequence[T], count: int) -> list[T]:
    """`count` of the items at even distances, so that every part of them is seen; all of them if 0 or too many."""
    if not count or count >= len(items):
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]


def encode_prompts(records: Sequence[Record], tokenizer, config: DataConfig) -> dict[str, Prompt]:
    """The prompt of each record by its id, as `config` wants prompts; see `chat.read_prompt`.

    With `overlong: leave_out`, records that don't fit are absent. Of several processes, each encodes its share.

    Raises:
        UserError: a prompt of another format; naming the record that doesn't fit; or none does.
    """
    check_prompt(config.prompt, config.format, "data")
    tokenizer = CachingTokenizer(tokenizer)
    settings = {"prompt": config.prompt, "max_tokens": config.max_prompt_tokens, "pictures": config.pictures}

    def encode(record: Record, way: Overlong) -> Prompt:
        return read_prompt(tokenizer, record, overlong=way, **settings)

    return _each_fitting(records, config, encode, unpack=unpack_prompt)


def encode_examples(records: Sequence[Record], tokenizer, config: DataConfig) -> dict[str, Example]:
    """Prompt and reference answer of each record by its id; see `chat.example_tokens`.

    Records whose answer is longer than `max_answer_tokens` are absent; for prompts, and several processes, see
    `encode_prompts`.

    Raises:
        UserError: a prompt of another format; naming the record that doesn't fit; or none does.
    """
    check_prompt(config.prompt, config.format, "data")
    tokenizer = CachingTokenizer(tokenizer)
    format, most = config.reasoning, config.max_answer_tokens
    lengths = {"max_tokens": config.max_prompt_tokens + most, "max_prompt_tokens": config.max_prompt_tokens}
    settings = {"format": format, "prompt": config.prompt, "pictures": config.pictures, **lengths}

    def encode(record: Record, way: Overlong) -> Example | None:
        if len(answer_tokens(tokenizer, record, format)) > most:
            return None
        return example_tokens(tokenizer, record, overlong=way, **settings)

    return _each_fitting(records, config, encode, pack=pack_example, unpack=unpack_example)


def unpack_prompt(packed: list | None) -> Prompt | None:
    """The prompt that JSON holds."""
    return packed and Prompt(packed[0], _pictures(packed[1]))


def pack_example(example: Example | None) -> list | None:
    """What JSON can hold of an example."""
    return example and [example.tokens.tolist(), example.loss_mask.tolist(), example.pictures]


def unpack_example(packed: list | None) -> Example | None:
    """The example that `pack_example` packed."""
    return packed and Example(np.array(packed[0], np.int32), np.array(packed[1], bool), _pictures(packed[2]))


def _pictures(packed: Sequence[list]) -> tuple[Picture, ...]:
    return tuple(Picture(*picture) for picture in packed)


def _each_fitting(
    records: Sequence[Record], config: DataConfig, encode: Callable[[Record, Overlong], T | None], **packing: Callable
) -> dict[str, T]:
    way = "error" if config.overlong == "error" else "drop_oldest"

    def fitting(record: Record) -> T | None:
        try:
            return encode(record, way)
        except DoesNotFit:
            if config.overlong != "leave_out":
                raise
            return None

    each = by_share(lambda share: [fitting(record) for record in share], records, **packing)
    encoded = {record.id: tokens for record, tokens in zip(records, each, strict=True) if tokens is not None}
    if not encoded:
        raise UserError(
            f"No record fits data.max_prompt_tokens = {config.max_prompt_tokens} and data.max_answer_tokens = "
            f"{config.max_answer_tokens}; raise them."
        )
    return encoded
