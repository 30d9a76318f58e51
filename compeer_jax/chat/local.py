"""A chat model in this process: a Hugging Face directory and the engine, answers stored a batch at a time.

A run that was killed and is started again gets the same answers as one that never was:

- What is drawn for a request follows from the seed and the request alone.
- Batches follow from the list of requests alone, whatever of it was answered before: numbers that are rounded otherwise
  in a batch of another shape can turn a choice between two tokens that are almost equally likely.
- A batch's answers are kept all together or not at all, each with how it ended: a cut one is no answer, but whoever
  asked for it would get the same again.

On GPUs, XLA picks its kernels by timing them, in each process anew, and other kernels round otherwise: what has been
kept stays as it is, but for the rest to be the same as well, set `XLA_FLAGS=--xla_gpu_deterministic_ops=true`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from compeer_jax.chat.answers import AnswerStore
from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.chat.pictures import filed, shown_messages
from compeer_jax.chat.types import RETRY_TEMPERATURE, Answer, ChatRequest, Spent
from compeer_jax.data.chat import Prompt, joined_prompt, read_messages
from compeer_jax.dialogue.picture_parts import with_last_pictures
from compeer_jax.models.fingerprint import fingerprint

if TYPE_CHECKING:
    from compeer_jax.generation.sampling import SamplingConfig

WIDTH = 128  # prompts are padded to multiples of it, so that few programs are compiled


class _Asked(NamedTuple):
    """A request to be computed: what its answer is filed under, and its prompt."""

    key: str
    prompt: Prompt


class LocalChat:
    """A `ChatModel` on the default device. Its weights are loaded when the first answer has to be computed.

    For every length to which prompts are padded one program is compiled, and as many more as lists of requests come in
    sizes of 1, 4, 16, … below `batch_size`.

    Args:
        name: what provenance calls it.
        config: the directory (or hub id), how it answers, and its prices.
        folder: where answers are stored; None: in memory.
        say: called with a line when a request is too long for the model.

    Attributes:
        store: the answers on disk.
        too_long: how many requests had no answer because they left no room for one in the model's context.

    Raises:
        UserError: there is no such directory, or the folder can't be written.
    """

    def __init__(self, name: str, config: ChatModelConfig, *, folder: str | Path | None, say: Callable[[str], None]):
        from compeer_jax.chat.local_model import LocalModel
        from compeer_jax.models.source import ModelConfig

        self.name, self.config, self.spent = name, config, Spent()
        self.store, self.too_long, self._say = AnswerStore(folder), 0, say
        local = config.local
        load = ModelConfig(config.path, dtype=local.dtype, param_dtype=local.dtype, scan_layers=local.scan_layers)
        self._model: LocalModel = LocalModel(load, prompt_multiple=WIDTH)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The directory's name, the SHA-256 of what is in it, and how the model draws."""
        local = self.config.local
        return {
            "model": Path(self.config.path).name,
            "weights": self._fingerprint,
            "dtype": local.dtype,
            "temperature": local.temperature,
            "top_p": local.top_p,
            "max_tokens": local.max_tokens,
            "seed": local.seed,
            **({"pictures": asdict(local.pictures)} if local.pictures.most else {}),
        }

    def check(self) -> None:
        """Loads the model; UserError when its directory doesn't hold one that can be used."""
        self._model.tokenizer  # noqa: B018  first: it is quick
        self._model.context  # noqa: B018
        self._model.graph_and_weights  # noqa: B018

    def answer(self, requests: Sequence[ChatRequest]) -> list[Answer | None]:
        """The answer to each request, in their order; None for one that leaves no room for an answer in the context.

        A model that takes the likeliest token would say the same again, so its further draws are at temperature
        `RETRY_TEMPERATURE`.

        Raises:
            UserError: the model can't be read, or answers can't be kept.
        """
        keys = [self._key(request) for request in requests]
        answers = {key: self.store.get(key) for key in keys}
        if None in answers.values():
            by_key = dict(zip(keys, requests, strict=True))
            greedy = self.config.local.temperature == 0
            for again in (False, True):
                part = {key: request for key, request in by_key.items() if (greedy and request.draw > 0) == again}
                for batch in self._batches(part):
                    if any(answers[asked.key] is None for asked in batch):
                        new = {key: answer for key, answer in self._answer(batch, again) if answers[key] is None}
                        self.store.put_all(new, self.name)
                        answers |= new
        given = [answers[key] for key in keys]
        self.spent += Spent.on(given, self.config)
        return given

    def close(self) -> None:
        """Closes the file of answers, and lets go of the weights."""
        self.store.close()
        self._model.close()

    def _batches(self, requests: Mapping[str, ChatRequest]) -> list[list[_Asked]]:
        """The requests that have room for an answer, those of similar lengths together, the longest first.

        All batches have the same number of rows, the last one filled up with a request of its own.
        """
        room = self._model.context - self.config.local.max_tokens
        asked = []
        for key, request in requests.items():
            prompt = self._prompt(request)
            if len(prompt.tokens) <= room:
                asked.append(_Asked(key, prompt))
                continue
            if not self.too_long:
                self._say(
                    f"{self.name}: a prompt of {len(prompt.tokens)} tokens leaves no room for "
                    f"{self.config.local.max_tokens} more in the model's context of {self._model.context}; it, and "
                    "others like it, count as no reply."
                )
            self.too_long += 1
        asked.sort(key=lambda one: (-len(one.prompt.tokens), one.key))
        rows = _rows(len(asked), self.config.local.batch_size)
        batches = [asked[start : start + rows] for start in range(0, len(asked), rows)]
        return [batch + batch[-1:] * (rows - len(batch)) for batch in batches]

    def _answer(self, batch: Sequence[_Asked], again: bool) -> list[tuple[str, Answer]]:
        """Each request's key and answer, computed in one go."""
        prompts, keys = [asked.prompt.tokens for asked in batch], [asked.key for asked in batch]
        pictures = self._model.see([asked.prompt.pictures for asked in batch], self.config.local.pictures)
        answers = self._model.answers(prompts, _keys(keys), self._sampling(again), pictures)
        return list(zip(keys, answers, strict=True))

    def _sampling(self, again: bool) -> "SamplingConfig":
        """How answers are drawn, or further ones from a model that takes the likeliest token."""
        from compeer_jax.generation.sampling import SamplingConfig

        local = self.config.local
        sampling = SamplingConfig(local.max_tokens, local.temperature, top_p=local.top_p)
        return replace(sampling, temperature=RETRY_TEMPERATURE) if again else sampling

    def _prompt(self, request: ChatRequest) -> Prompt:
        limits = self.config.local.pictures
        messages = with_last_pictures(request.messages, limits.most)
        return joined_prompt(read_messages(self._model.tokenizer, messages, limits, self.name, answer_next=True))

    def _key(self, request: ChatRequest) -> str:
        """What the answer is filed under: SHA-256 of all that it depends on."""
        settings = {name: value for name, value in self.settings.items() if name != "model"}
        messages = shown_messages(request.messages, self.config.local.pictures)
        parts = [settings, filed({"messages": messages})["messages"], request.draw]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self._model.directory)


def _rows(count: int, batch_size: int) -> int:
    """The rows of batches for `count` requests: the least power of four that holds all, at most `batch_size`."""
    return min(batch_size, 4 ** -(-max(count - 1, 0).bit_length() // 2))


def _keys(digests: Sequence[str]):
    """A key of JAX's for each SHA-256, from its first 64 bits."""
    import jax
    import numpy as np

    words = np.array([[int(digest[:8], 16), int(digest[8:16], 16)] for digest in digests], np.uint32)
    return jax.vmap(lambda first, second: jax.random.fold_in(jax.random.key(first), second))(words[:, 0], words[:, 1])
