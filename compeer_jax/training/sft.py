"""Supervised fine-tuning on reasoned answers: the start of every policy."""

from collections.abc import Sequence
from pathlib import Path

from compeer_jax.data.chat import Example
from compeer_jax.data.policy_data import encode_examples, load_records
from compeer_jax.data.record import Record
from compeer_jax.training.config import SFTConfig
from compeer_jax.training.policy_card import PolicyCard
from compeer_jax.training.supervised import open_supervised_run, train_supervised


def train_sft(config: SFTConfig) -> Path:
    """Trains a model on the train split; returns the run folder. An interrupted run goes on from its last checkpoint.

    Raises:
        UserError: anything in the settings, the data or the model that would stop the run later.
    """
    run = open_supervised_run(config, "sft")
    run.check_sees(config.data.pictures, "data.pictures")
    records = load_records(config.data)
    run.say(records.summary)
    run.keep_card(PolicyCard.of(config.data, records.train, config.data.max_answer_tokens))

    def examples(split: Sequence[Record], name: str) -> list[list[Example]]:
        encoded = encode_examples(split, run.tokenizer, config.data)
        run.say_left_out(len(split) - len(encoded), len(split), name)
        return [[example] for example in encoded.values()]

    train, valid = examples(records.train, "train"), examples(records.valid, "valid")
    return train_supervised(run, train, valid, longest_setting="data.max_prompt_tokens", pictures=config.data.pictures)
