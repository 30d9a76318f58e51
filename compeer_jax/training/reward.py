"""Training of a generative judge (Eq. 4): it learns to write the critiques and verdicts of its records, all its turns.

UnifiReward, PRM and ORM differ only in which rounds make a conversation; see `dialogue/judging.py`.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from compeer_jax.data.cer_folder import cer_folder, view_file
from compeer_jax.data.chat import CachingTokenizer, Example
from compeer_jax.data.danger.review import for_training
from compeer_jax.data.danger.talks import record_talk
from compeer_jax.data.judge_chat import JudgeLimits, judge_examples, reply_tokens, without_long_parts
from compeer_jax.data.judge_record import JudgeRecord, check_labelled, read_judge_records
from compeer_jax.data.policy_data import in_language, load_records, pictured, spread
from compeer_jax.data.silver.judging import class_balance, preference_shares
from compeer_jax.dialogue.reasoning import ReasoningFormat
from compeer_jax.errors import UserError
from compeer_jax.rewards.judge_card import JudgeCard
from compeer_jax.training.reward_config import RewardTrainConfig
from compeer_jax.training.supervised import open_supervised_run, train_supervised

log = logging.getLogger(__name__)

HELD_OUT = 0.2  # of the records, where no valid records are given: the paper's share, see `cer.split.PAPER_SHARE`


def train_reward(config: RewardTrainConfig) -> Path:
    """Trains a judge; returns the run folder. An interrupted run goes on from its last checkpoint.

    Raises:
        UserError: anything in the settings, the records or the model that would stop the run later.
    """
    run = open_supervised_run(config, "reward")
    run.check_sees(config.limits.pictures, "limits.pictures")
    card = JudgeCard(config.kind, config.data.format, config.limits, config.max_new_tokens, config.prm_calls)
    if run.folder.resumed:
        JudgeCard.read(run.folder.base)  # refuses to go on under another version of the prompt
    train, valid = load_judge_records(config)
    generator = np.random.default_rng(config.seed)

    def examples(records: Sequence[JudgeRecord], name: str) -> list[list[Example]]:
        encoded = encode_conversations(records, run.tokenizer, card, generator)
        left_out = len(records) - len(encoded)
        run.say(f"{name}: {len(encoded)} records, {sum(map(len, encoded))} conversations; {balance_line(records)}.")
        if left_out:
            run.say(
                f"{left_out} of {len(records)} {name} records have a reply longer than max_new_tokens, or a step or an "
                "answer longer than limits.max_part_tokens: left out."
            )
        return encoded

    encoded = examples(train, "train"), examples(valid, "valid")
    card.write(run.folder.base)
    longest_setting = "limits.max_history_tokens or limits.max_part_tokens"
    return train_supervised(run, *encoded, longest_setting=longest_setting, pictures=config.limits.pictures)


def load_judge_records(config: RewardTrainConfig) -> tuple[list[JudgeRecord], list[JudgeRecord]]:
    """Records to learn from and to measure on. Of dialogues with danger, a person has looked at the first.

    Raises:
        UserError: a file that can't be read or has a malformed record, records of another reasoning format, or one
            that lacks what this kind of judge learns from; `for_training` too.
    """
    format = config.data.reasoning
    cer = None if config.records else cer_folder(config.data.path)
    if cer is not None:
        view = config.kind if config.view == "own" else "unifi"
        paths = [view_file(cer, view, split, config.data.variant) for split in ("train", "valid")]
        config = replace(config, records=str(paths[0]), valid_records=str(paths[1]))
    if not config.records:
        splits = load_records(replace(config.data, pictures=config.limits.pictures))
        log.info(splits.summary)
        train, valid = (config.silver.make(part, config.data) for part in (splits.train, splits.valid))
        return train * config.silver.copies, valid
    train = read_judge_records(config.records)
    valid = read_judge_records(config.valid_records) if config.valid_records else []
    train, valid = (in_language(part, config.data.language) for part in (train, valid))
    if config.limits.pictures.most:
        train = pictured(train, cer or Path(config.records).expanduser().parent)
        valid = pictured(valid, cer or Path(config.valid_records).expanduser().parent)
    tags = {step.tag for step in format.steps}
    for record in (*train, *valid):
        if record.steps.keys() != tags:
            raise UserError(
                f"record {record.id!r} has the steps {', '.join(record.steps)}, which are not those of data.format "
                f"{format.name!r}; set data.format, or keep one format's records to a file."
            )
        check_labelled(record, config.kind)
    if not valid:
        train, valid = hold_out(train, HELD_OUT, config.seed)
    train, left_out = for_training(train, record_talk, config.data, str(cer or config.records))
    if left_out:
        log.info(left_out)
    if cer is not None:
        train, valid = spread(train, config.data.limit), spread(valid, config.data.limit)
    return train, valid


def hold_out(records: Sequence[JudgeRecord], share: float, seed: int) -> tuple[list[JudgeRecord], list[JudgeRecord]]:
    """The records without, and those with, the talks held out: about `share` of all records.

    No talk is in both parts. A talk is known by its first turn, so talks that open alike stay together.

    Raises:
        UserError: all records open alike.
    """
    sizes = Counter(record.history[0].content for record in records)
    if len(sizes) < 2:
        raise UserError("all records are of one talk, so none can be held out; give valid_records.")
    talks, room = sorted(sizes), max(share * len(records), min(sizes.values()))
    held = set()
    for index in np.random.default_rng(seed).permutation(len(talks)):
        if sizes[talks[index]] <= room:
            held.add(talks[index])
            room -= sizes[talks[index]]
    parts = [], []
    for record in records:
        parts[record.history[0].content in held].append(record)
    return parts


def encode_conversations(
    records: Sequence[JudgeRecord], tokenizer, card: JudgeCard, generator: np.random.Generator
) -> list[list[Example]]:
    """The conversations of each record, without the records that have a reply longer than `card.max_new_tokens`, or a
    step or an answer that a judge would not be shown, see `JudgeLimits`.

    Which answer of a record is shown first is drawn from `generator`, one draw a record. Neither that nor which records
    are left out depends on the kind of judge.

    Raises:
        UserError: none is left, or a record lacks what the kind learns from.
    """
    tokenizer = CachingTokenizer(tokenizer)
    settings = (card.kind, card.reasoning, card.limits)
    encoded = []
    for record, swapped in zip(records, (generator.random(len(records)) < 0.5).tolist(), strict=True):
        examples = judge_examples(tokenizer, record, *settings, swapped=swapped, prm_calls=card.prm_calls)
        short = longest_reply(tokenizer, record, card.reasoning, swapped) <= card.max_new_tokens
        if short and shown_whole(tokenizer, record, card.reasoning, card.limits):
            encoded.append(examples)
    if not encoded:
        raise UserError(
            f"No record has replies of at most max_new_tokens = {card.max_new_tokens}, and steps and answers of at "
            f"most limits.max_part_tokens = {card.limits.max_part_tokens}; raise them."
        )
    return encoded


def longest_reply(tokenizer, record: JudgeRecord, format: ReasoningFormat, swapped: bool) -> int:
    """Tokens of the longest reply to a round whose verdict is known, of any kind of judge."""
    known = [tag for tag in format.tags if record.verdict(tag) is not None]
    return max(len(reply_tokens(tokenizer, record, tag, swapped=swapped)) for tag in known)


def shown_whole(tokenizer, record: JudgeRecord, format: ReasoningFormat, limits: JudgeLimits) -> bool:
    """Whether a judge is shown all that the record has, whichever kind of judge asks."""
    case = record.case()
    return without_long_parts(tokenizer, case, format.tags, limits)[0] == case


def balance_line(records: Sequence[JudgeRecord]) -> str:
    """Shares of False a step and of each preference, as far as they are known, for the log."""
    parts = {"False": class_balance(records)}
    if any(record.preference for record in records):
        parts["preferred"] = preference_shares(records)
    shares = {name: ", ".join(f"{key} {share:.0%}" for key, share in part.items()) for name, part in parts.items()}
    return "; ".join(f"{name}: {text}" for name, text in shares.items() if text)
