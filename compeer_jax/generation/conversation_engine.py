"""Conversations as lists of token lists: shared prefixes found, padded to buckets, compiled once a bucket, held."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Int, Key

from compeer_jax.errors import UserError
from compeer_jax.generation.conversation import Schedule, converse
from compeer_jax.generation.padding import bucket
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.generation.sight import PromptPictures, check_pictures, pad_sight
from compeer_jax.models.config import DecoderConfig
from compeer_jax.parallel.exchange import fetch

Conversation = Sequence[Sequence[int]]
"""The asks of a conversation's rounds, each the token ids that lead up to a reply."""


class Reply(NamedTuple):
    """One round's reply.

    Attributes:
        tokens: its ids, without the stop token.
        finished: False where it was cut off at `max_new_tokens`.
    """

    tokens: list[int]
    finished: bool


class ConversationEngine:
    """Holds conversations of many rounds with one model graph and whatever weights each call brings.

    Args:
        graphdef: from `nnx.split(model)` or `compeer_jax.models.decoder.abstract`.
        sampling: how tokens are drawn, and how many at most a round.
        stop_ids: tokens that end a reply.
        pad_id: what fills arrays where there is no token.
        multiple: prefixes and asks are padded to a `bucket` of at least this width.
        schedule: when rows read and when they write; None for the `default_schedule`.

    Raises:
        UserError: a `repetition_penalty`, which would count what a judge was asked as repeated.
    """

    def __init__(
        self,
        graphdef: nnx.GraphDef,
        *,
        sampling: SamplingConfig,
        stop_ids: Sequence[int],
        pad_id: int,
        multiple: int = 32,
        schedule: Schedule | None = None,
    ):
        if sampling.needs_seen:
            raise UserError("sampling.repetition_penalty is not for conversations of many rounds; take 1.0.")
        self.sampling = sampling
        self.pad_id = pad_id
        self.multiple = multiple
        self.graphdef = graphdef
        hold = partial(converse, sampling=sampling, stop_ids=tuple(stop_ids), pad_id=pad_id, schedule=schedule)
        self._converse = jax.jit(
            lambda params, *inputs, **shape: hold(nnx.merge(graphdef, params), *inputs, **shape),
            static_argnames=("alternatives", "longest_path"),
        )

    def reply(
        self,
        params: nnx.State,
        conversations: Sequence[Conversation],
        key: Key[Array, ""],
        group_size: int = 1,
        *,
        alternatives: int = 1,
        pictures: PromptPictures | None = None,
    ) -> list[list[Reply]]:
        """Every conversation's replies, one a round. See `converse`.

        What the conversations of a group begin with alike is read once a group.

        Args:
            params: the weights, from `nnx.split(model)`.
            conversations: the asks of each. From the second round on an ask begins with the token that closes the reply
                before it. Conversations of a prompt stand side by side.
            key: a fresh one for every call: the same key draws the same replies.
            group_size: conversations a prompt.
            alternatives: so many of each conversation's last asks are alternatives: none sees another, each follows
                what was said before the first of them, which is read once.
            pictures: those of each prompt, for a model that sees; they stand in what its conversations begin with
                alike.

        Raises:
            UserError: no conversation, an empty one, an empty ask, or more tokens than the model's context holds;
                pictures that the model can't see, or that what a group shares has no places for.
        """
        config = self.check(params, conversations, alternatives)
        if len(conversations) % group_size:
            raise ValueError(f"{len(conversations)} conversations are no whole number of groups of {group_size}")
        groups = [conversations[at : at + group_size] for at in range(0, len(conversations), group_size)]
        inputs, path = _pack(groups, self.pad_id, self.multiple, alternatives)
        prefixes = [row[:length] for row, length in zip(inputs.prefixes, inputs.prefix_lengths, strict=True)]
        check_pictures(prefixes[: len(groups)], pictures, config, whole=False)
        check_pictures(list(inputs.asks), None, config, whole=False)  # what is read row by row has none
        sight = pad_sight(prefixes, pictures, config, inputs.prefixes.shape[1], left=False)
        replies = fetch(self._converse(params, *inputs, key, sight, alternatives=alternatives, longest_path=path))
        return [
            [
                Reply(tokens[: length - 1].tolist(), bool(finished))
                for tokens, length, finished, _ in zip(*row, conversation, strict=False)
            ]
            for *row, conversation in zip(*replies, conversations, strict=False)
        ]

    def check(self, params: nnx.State, conversations: Sequence[Conversation], alternatives: int = 1) -> DecoderConfig:
        """Makes sure that `reply` can take these conversations; returns the model's shape.

        Raises:
            UserError: no conversation, an empty one, an empty ask, or more tokens than the model's context holds.
        """
        config = nnx.merge(self.graphdef, params).config
        context = config.max_position_embeddings
        if len(conversations) == 0:
            raise UserError("There is no conversation to hold; give at least one.")
        for index, conversation in enumerate(conversations):
            if not conversation or not all(conversation):
                raise UserError(f"Conversation {index} has an empty round; give each round at least one token.")
            asked, replies = path_length(conversation, alternatives), max(1, len(conversation) - alternatives + 1)
            if asked + replies * self.sampling.max_new_tokens > context:
                raise UserError(
                    f"Conversation {index} asks {asked} tokens, which with {replies} replies of up to "
                    f"max_new_tokens = {self.sampling.max_new_tokens} exceed the model's context of {context} "
                    "(max_position_embeddings); shorten what is asked or lower max_new_tokens."
                )
        return config

    @property
    def compilations(self) -> int:
        """Number of programs compiled so far."""
        return self._converse._cache_size()


class _Inputs(NamedTuple):
    """The arrays that `converse` takes."""

    prefixes: Int[np.ndarray, "B P"]
    prefix_lengths: Int[np.ndarray, " B"]
    asks: Int[np.ndarray, "N A"]
    ask_ends: Int[np.ndarray, "N R"]


def _pack(
    groups: Sequence[Sequence[Conversation]], pad_id: int, multiple: int, alternatives: int
) -> tuple[_Inputs, int]:
    """Groups of conversations as arrays, padded to buckets in every direction; and `longest_path`, in buckets too."""
    prefixes = [shared_prefix(group, alternatives) for group in groups]
    asks = []
    for prefix, group in zip(prefixes, groups, strict=True):
        for conversation in group:
            firsts = _first_asks(conversation, alternatives)
            asks.append([*(ask[len(prefix) :] for ask in firsts), *conversation[len(firsts) :]])
    prompts = _prompt_bucket(len(groups))
    rows = prompts * len(groups[0])
    inputs = _Inputs(
        prefixes=np.full((prompts, bucket(max(1, *map(len, prefixes), 1), multiple)), pad_id, np.int32),
        prefix_lengths=np.zeros(prompts, np.int32),
        asks=np.full((rows, bucket(max(sum(map(len, ask)) for ask in asks), multiple)), pad_id, np.int32),
        ask_ends=np.zeros((rows, max(map(len, asks))), np.int32),
    )
    for row, prefix in enumerate(prefixes):
        inputs.prefixes[row, : len(prefix)] = prefix
        inputs.prefix_lengths[row] = len(prefix)
    for row, ask in enumerate(asks):
        flat = [token for part in ask for token in part]
        inputs.asks[row, : len(flat)] = flat
        ends = np.cumsum([len(part) for part in ask])
        inputs.ask_ends[row] = np.pad(ends, (0, inputs.ask_ends.shape[1] - len(ends)), mode="edge")
    return inputs, bucket(max(path_length(ask, alternatives) for ask in asks), multiple)


def path_length(conversation: Conversation, alternatives: int = 1) -> int:
    """The most tokens of asks that are read one after another, when so many of the last are alternatives."""
    sizes = [len(ask) for ask in conversation]
    return sum(sizes[:-alternatives]) + max(sizes[-alternatives:])


def shared_prefix(group: Sequence[Conversation], alternatives: int = 1) -> Sequence[int]:
    """What all first asks of a group begin with, leaving each at least one token to read on its own."""
    firsts = [ask for conversation in group for ask in _first_asks(conversation, alternatives)]
    first, last = list(min(firsts)), list(max(firsts))  # in the order of lists, whatever these two share all share
    longest = min(map(len, firsts)) - 1
    return next((first[:at] for at in range(longest) if first[at] != last[at]), first[:longest])


def _first_asks(conversation: Conversation, alternatives: int) -> Conversation:
    """The asks that nothing comes before: several where all that is asked is alternatives."""
    return conversation[:1] if len(conversation) > alternatives else conversation


def _prompt_bucket(prompts: int) -> int:
    """The next power of two, or the middle between two of them from 8 on."""
    return (
        bucket(prompts, 1 << max((prompts - 1).bit_length() - 2, 0)) if prompts > 8 else 1 << (prompts - 1).bit_length()
    )
