"""A small random model and its tokenizer: a start for runs with nothing downloaded."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flax import nnx

from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.data.record import Record
from compeer_jax.data.small_tokenizer import train_tokenizer
from compeer_jax.dialogue.judging import PREFERENCES, judge_reply
from compeer_jax.dialogue.prompts import load_judge_prompt, load_prompt
from compeer_jax.errors import UserError
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Qwen2


@dataclass(frozen=True)
class SmallModelConfig:
    """A Qwen2.5-shaped model with random weights, and a SentencePiece tokenizer trained on the dialogues.

    Args:
        output: directory to write, in Hugging Face's layout.
        data: the dialogues that the tokenizer learns from (their train split).
        vocab_size: tokens.
        hidden_size: width of the model.
        layers: decoder layers.
        heads: query heads.
        kv_heads: key-value heads.
        intermediate_size: width of the MLP.
        context: longest sequence.
        seed: seed of the weights.
    """

    output: str
    data: DataConfig = field(default_factory=lambda: DataConfig(prompt="compeer_brief", silver_quotes=False))
    vocab_size: int = 4096
    hidden_size: int = 128
    layers: int = 3
    heads: int = 2
    kv_heads: int = 2
    intermediate_size: int = 256
    context: int = 1024
    seed: int = 0

    def __post_init__(self):
        if self.hidden_size % self.heads or self.heads % self.kv_heads:
            raise UserError(
                f"heads {self.heads} must divide hidden_size {self.hidden_size}, and kv_heads {self.kv_heads} heads."
            )


def make_small_model(config: SmallModelConfig) -> Path:
    """Writes the model and its tokenizer; returns the directory."""
    records = load_records(config.data).train
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = train_tokenizer(training_texts(records, config.data), folder, vocab_size=config.vocab_size)
        shape = DecoderConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            head_dim=config.hidden_size // config.heads,
            max_position_embeddings=config.context,
            tie_word_embeddings=True,
        )
        Qwen2(shape, rngs=nnx.Rngs(config.seed)).save_pretrained(config.output, tokenizer)
    return Path(config.output)


def training_texts(records: Sequence[Record], data: DataConfig) -> list[str]:
    """All that a model on `records` will read or write, as policy or as judge: prompts, histories once, answers."""
    languages = sorted({record.language for record in records})
    texts = [load_prompt(data.prompt, language).text for language in languages]
    texts += [load_judge_prompt("judge_brief", language).system for language in languages]
    # A judge writes one of these in every round, so they are as frequent as the records.
    texts += [judge_reply("", verdict) for verdict in (True, False, *PREFERENCES)] * len(records)
    longest = {record.id.rpartition("#")[0]: record for record in records}  # the last record holds the whole history
    texts += [turn.content for record in longest.values() for turn in record.history]
    texts += [data.reasoning.render(record.reference, record.language) for record in records]
    return texts
