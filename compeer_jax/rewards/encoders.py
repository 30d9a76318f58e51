"""Encoders of Eq. 6: vectors of the responses (or of whole outputs) and of the utterances before them.

Three encoders, chosen by config:

- `token_counts`: two texts are alike as far as they share words. Deterministic, no model, milliseconds a step.
- `hidden_states`: mean of the start policy's last hidden states. Costs a second copy of its weights and one forward
  pass over the texts. A language model's hidden states all point much the same way, so unrelated texts have high
  cosines too: compare redundancies within an encoder, never between two.
- `sentence`: a model trained so that cosines mean likeness of meaning, paraphrases included.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float, Int

from compeer_jax.models.source import ModelConfig
from compeer_jax.rewards.config import Compared, EncoderConfig
from compeer_jax.rewards.reward import Completion
from compeer_jax.rewards.rules import word_list


class EncodedTurns(NamedTuple):
    """Vectors of B groups of G outputs and of their histories, D being the same for both."""

    outputs: Float[np.ndarray, "B G D"]
    history: Float[np.ndarray, "B U D"]
    history_mask: Bool[np.ndarray, "B U"]


Encoder = Callable[[Sequence[Completion], int], EncodedTurns]
"""From N = B·G completions, those of one prompt standing together, and G."""

TextEmbedder = Callable[[Sequence[str]], Float[np.ndarray, "M D"]]
"""From M distinct texts, none of them empty, to one vector each."""


def make_encoder(config: EncoderConfig, *, tokenizer: Any, model: ModelConfig, mesh: Mesh) -> Encoder:
    """The encoder that a config names; one with a model loads it now.

    Args:
        config: which, and its settings.
        tokenizer: of the policy; token counts and hidden states read texts with it.
        model: what the policy starts from; hidden states are those of this model, frozen.
        mesh: where a model's weights and rows live.

    Raises:
        UserError: the encoder's model cannot be read.
    """
    if config.kind == "token_counts":
        return lambda completions, group_size: encode_token_counts(
            completions, group_size, tokenizer, of=config.compares
        )
    from compeer_jax.rewards.text_models import hidden_state_embedder, sentence_embedder

    limits = {"max_tokens": config.max_tokens, "batch_size": config.batch_size}
    if config.kind == "hidden_states":
        embed = hidden_state_embedder(model, tokenizer=tokenizer, mesh=mesh, **limits)
    else:
        embed = sentence_embedder(config.path, mesh=mesh, dtype=config.dtype, scan_layers=model.scan_layers, **limits)
    return lambda completions, group_size: encode_texts(completions, group_size, embed, of=config.compares)


def compared_text(completion: Completion, of: Compared) -> str:
    """Text of an output that Eq. 6 and 7 compare: its response, or the whole of it."""
    return completion.turn.response if of == "response" else completion.text


def encode_texts(
    completions: Sequence[Completion], group_size: int, embed: TextEmbedder, *, of: Compared = "response"
) -> EncodedTurns:
    """Each distinct text embedded once, and laid out by group; an empty text is the zero vector.

    U is rounded up to a power of two, so that a compiled consumer sees few shapes.

    Args:
        completions: N = B·G completions, those of one prompt standing together.
        group_size: G.
        embed: gives the vectors.
        of: what is compared.
    """
    groups = [completions[start : start + group_size] for start in range(0, len(completions), group_size)]
    outputs = [[compared_text(completion, of) for completion in group] for group in groups]
    histories = [[turn.content for turn in group[0].record.history] for group in groups]
    texts = dict.fromkeys(text for group in outputs + histories for text in group if text.strip())
    vectors = np.asarray(embed(list(texts)))
    vectors = np.concatenate([vectors, np.zeros_like(vectors, shape=(1, vectors.shape[1]))])
    rows = {text: row for row, text in enumerate(texts)}

    def places(groups: Sequence[Sequence[str]], width: int) -> Int[np.ndarray, "B W"]:
        """Where each text's vector stands; the last row, of zeros, for empty texts and for padding."""
        return np.array([[rows.get(text, -1) for text in group] + [-1] * (width - len(group)) for group in groups])

    utterances = _power_of_two(max(map(len, histories)))
    mask = np.array([np.arange(utterances) < len(group) for group in histories])
    return EncodedTurns(vectors[places(outputs, group_size)], vectors[places(histories, utterances)], mask)


def encode_token_counts(
    completions: Sequence[Completion], group_size: int, tokenizer: Any, *, of: Compared = "response"
) -> EncodedTurns:
    """Bag-of-token vectors: deterministic, no model.

    D is the number of distinct tokens in the batch, not of the vocabulary: the cosines are the same and the vectors
    are small. D and U are rounded up to powers of two, so that a compiled consumer sees few shapes.

    Args:
        completions: N = B·G completions, those of one prompt standing together.
        group_size: G.
        tokenizer: anything with `encode(text, add_special_tokens=False)`.
        of: what is compared.
    """

    def count(texts: Sequence[str]) -> Float[np.ndarray, "M D"]:
        ids = [_ids(tokenizer, text) for text in texts]
        vocabulary, columns = np.unique(np.concatenate([*ids, np.zeros(0, np.int64)]), return_inverse=True)
        counts = np.zeros((len(texts), _power_of_two(len(vocabulary))), np.float32)
        np.add.at(counts, (np.repeat(np.arange(len(texts)), [len(row) for row in ids]), columns), 1)
        return counts

    return encode_texts(completions, group_size, count, of=of)


def output_lengths(
    completions: Sequence[Completion], unit: str, tokenizer: Any, *, of: Compared = "response"
) -> Int[np.ndarray, " N"]:
    """Length of each response, or whole output, in `unit`: "tokens", "words" (one a Chinese character) or "characters"
    (Eq. 7)."""
    measure = {
        "tokens": lambda text: len(_ids(tokenizer, text)),
        "words": lambda text: len(word_list(text)),
        "characters": len,
    }[unit]
    return np.array([measure(compared_text(completion, of)) for completion in completions], np.int32)


def _ids(tokenizer: Any, text: str) -> np.ndarray:
    return np.asarray(tokenizer.encode(text, add_special_tokens=False), np.int64)


def _power_of_two(size: int) -> int:
    return 1 << max(size - 1, 0).bit_length()
