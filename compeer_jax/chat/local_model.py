"""A language model in this process, ready to write: tokenizer, weights, and engines that draw with them."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any

from compeer_jax.chat.types import Answer
from compeer_jax.errors import UserError
from compeer_jax.models.source import ModelConfig, load_model, model_directory, model_shape
from compeer_jax.models.tokenizer import chat_ids, load_tokenizer

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from compeer_jax.data.pictures import Picture, PictureLimits
    from compeer_jax.data.seen_pictures import SeenPictures
    from compeer_jax.generation.engine import Engine
    from compeer_jax.generation.rollout import Rollout
    from compeer_jax.generation.sampling import SamplingConfig
    from compeer_jax.generation.sight import PromptPictures


class LocalModel:
    """A model of a directory. Its tokenizer and its weights are read when they are first needed.

    Args:
        config: which model, and how it is loaded.
        mesh: where it lies; None: on the default device.
        engine: further settings of its engines, such as `slots`.

    Attributes:
        directory: where the model is.

    Raises:
        UserError: there is no such directory.
    """

    def __init__(self, config: ModelConfig, mesh: "Mesh | None" = None, **engine: Any):
        self.config, self.mesh, self.directory = config, mesh, model_directory(config.path)
        self._settings, self._engines = engine, {}

    @cached_property
    def tokenizer(self) -> Any:
        """Its own; UserError where there is none that chats can be written with."""
        return load_tokenizer(self.directory)

    @cached_property
    def context(self) -> int:
        """The most tokens of a prompt and what is written after it."""
        return model_shape(self.directory).max_position_embeddings

    @cached_property
    def graph_and_weights(self) -> tuple:
        """Of flax, as `nnx.split` gives them; UserError where the directory holds no weights that can be read."""
        from flax import nnx

        return nnx.split(load_model(self.config, self.mesh), nnx.Param)

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return "graph_and_weights" in vars(self)

    @cached_property
    def _sight(self) -> "SeenPictures":
        """The model's vision tower, and what it gave so far; UserError where it has none."""
        import jax

        from compeer_jax.data.seen_pictures import SeenPictures
        from compeer_jax.parallel.mesh import MeshConfig, make_mesh

        mesh = self.mesh or make_mesh(MeshConfig(fsdp=1), jax.devices()[:1])
        return SeenPictures.from_pretrained(self.directory, mesh=mesh, dtype=self.config.dtype)

    def see(self, pictures: Sequence[Sequence["Picture"]], limits: "PictureLimits") -> "PromptPictures | None":
        """The pictures of each prompt as its engines take them; None where there are none.

        Raises:
            UserError: the model reads text alone, or a picture can't be used.
        """
        if not any(pictures):
            return None
        if model_shape(self.directory).vision is None:
            raise UserError(
                f"the prompts have pictures, but the model in {self.directory} reads text alone; give one that sees, "
                "such as Qwen2.5-VL, or set pictures.most to 0."
            )
        return self._sight.of_each(pictures, limits)

    def engine(self, sampling: "SamplingConfig") -> "Engine":
        """What draws in this way; the same one each time, so that nothing is compiled twice."""
        if sampling not in self._engines:
            from compeer_jax.generation.engine import Engine

            stop_ids, pad_id = chat_ids(self.tokenizer)
            graph, _ = self.graph_and_weights
            self._engines[sampling] = Engine(
                graph, sampling=sampling, stop_ids=stop_ids, pad_id=pad_id, **self._settings
            )
        return self._engines[sampling]

    def check(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: "SamplingConfig",
        pictures: "PromptPictures | None" = None,
    ) -> None:
        """UserError where one of the prompts leaves no room in the context for what may be written."""
        self.engine(sampling).check(self.graph_and_weights[1], prompts, pictures)

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        key: Any,
        sampling: "SamplingConfig",
        group_size: int = 1,
        pictures: "PromptPictures | None" = None,
    ) -> "Rollout":
        """What the model writes after each prompt, see `Engine.generate`; pictures as of `see`."""
        import jax

        engine, (_, weights) = self.engine(sampling), self.graph_and_weights
        with jax.set_mesh(self.mesh) if self.mesh is not None else nullcontext():
            return engine.generate(weights, prompts, key, group_size, pictures=pictures)

    def answers(
        self,
        prompts: Sequence[Sequence[int]],
        key: Any,
        sampling: "SamplingConfig",
        pictures: "PromptPictures | None" = None,
    ) -> list[Answer]:
        """The same as text, one answer a prompt."""
        import jax

        drawn = jax.device_get(self.generate(prompts, key, sampling, pictures=pictures))
        return [
            self._answer(len(prompt), tokens[mask].tolist(), bool(finished))
            for prompt, tokens, mask, finished in zip(prompts, drawn.tokens, drawn.mask, drawn.finished, strict=True)
        ]

    def close(self) -> None:
        """Lets go of the weights."""
        self._engines.clear()
        vars(self).pop("graph_and_weights", None)
        vars(self).pop("_sight", None)

    def _answer(self, prompt_tokens: int, written: list[int], finished: bool) -> Answer:
        text = self.tokenizer.decode(written[:-1] if finished else written, skip_special_tokens=False)
        return Answer(text, prompt_tokens, len(written), "whole" if finished else "cut")
