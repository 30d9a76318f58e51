"""Who answers in a conversation: a model in this process, or one behind a server."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from compeer_jax.dialogue.prompts import chat_messages, load_prompt
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError
from compeer_jax.talk.config import ChatConfig
from compeer_jax.talk.session import Output

WIDTH = 256  # prompts are padded to multiples of it, so that a talk needs few programs


class Speaker(Protocol):
    """Answers a talk in the format that it was trained to write.

    Attributes:
        provenance: who it is and how it was asked, as the transcript says it.
    """

    provenance: Mapping[str, Any]

    def answer(self, history: Sequence[Turn], draw: int, instructions: str = "") -> Output | None:
        """What it writes after `history`; another `draw`, another output. None where there is no answer to be had.

        Args:
            history: the talk so far.
            draw: how often it was asked before.
            instructions: for this answer, added to the system prompt.

        Raises:
            UserError: the talk can't be answered, or the model not be asked.
        """

    def close(self) -> None:
        """Gives back what it holds."""


def open_speaker(config: ChatConfig, say: Callable[[str], None]) -> Speaker:
    """The speaker that a config names, ready to be asked.

    Args:
        config: names it.
        say: told a line when its server goes away or comes back.

    Raises:
        UserError: there is no such model or server, or it can't be used with these settings.
    """
    return _ServedSpeaker(config, say) if config.server.model else _LocalSpeaker(config)


class _LocalSpeaker:
    """A directory's model. What it writes follows from the seed, the length of the talk and the draw."""

    def __init__(self, config: ChatConfig):
        import jax
        from flax import nnx

        from compeer_jax.generation.engine import Engine
        from compeer_jax.models.fingerprint import fingerprint
        from compeer_jax.models.source import load_model, model_directory
        from compeer_jax.models.tokenizer import chat_ids, load_tokenizer
        from compeer_jax.parallel.mesh import make_mesh

        self._config, self._mesh = config, make_mesh(config.mesh)
        directory = model_directory(config.model.path)
        weights = fingerprint(directory)
        self._tokenizer = load_tokenizer(directory)
        model = load_model(config.model, self._mesh)
        room = model.config.max_position_embeddings - config.sampling.max_new_tokens
        if room < 1:
            raise UserError(
                f"sampling.max_new_tokens is {config.sampling.max_new_tokens}, but the model's context is "
                f"{model.config.max_position_embeddings} tokens; lower it, so that a prompt has room."
            )
        self._most = min(config.data.max_prompt_tokens, room)
        graphdef, self._params = nnx.split(model, nnx.Param)
        stop_ids, pad_id = chat_ids(self._tokenizer)
        self._engine = Engine(
            graphdef, sampling=config.sampling, stop_ids=stop_ids, pad_id=pad_id, prompt_multiple=WIDTH
        )
        self._key = jax.random.key(config.seed)
        self._prompt([Turn("seeker", "?")])  # says now if not even that fits
        sampling = {name: getattr(config.sampling, name) for name in ("temperature", "top_k", "top_p")}
        drawn = {"sampling": sampling, "seed": config.seed}
        self.provenance = _provenance(config, Path(config.model.path).name) | {"weights": weights} | drawn

    def answer(self, history: Sequence[Turn], draw: int, instructions: str = "") -> Output | None:
        import jax

        prompt, shortened = self._prompt(history, instructions)
        key = jax.random.fold_in(jax.random.fold_in(self._key, len(history)), draw)
        with jax.set_mesh(self._mesh):
            ((_, drawn),) = self._engine.stream(self._params, [prompt], key)
        written, finished = drawn.tokens[0][drawn.mask[0]].tolist(), bool(drawn.finished[0])
        text = self._tokenizer.decode(written[:-1] if finished else written, skip_special_tokens=False)
        return Output(text, self._config.data.reasoning.parse(text), not finished, shortened)

    def close(self) -> None:
        self._params = None

    def _prompt(self, history: Sequence[Turn], instructions: str = "") -> tuple[list[int], bool]:
        """The prompt's ids, and whether the oldest turns had to be left out."""
        from compeer_jax.data.chat import DoesNotFit, prompt_tokens

        settings = {"prompt": self._config.data.prompt, "language": self._config.language, "max_tokens": self._most}
        settings["instructions"] = instructions
        try:
            return prompt_tokens(self._tokenizer, history, overlong="error", **settings), False
        except DoesNotFit:
            return prompt_tokens(self._tokenizer, history, overlong="drop_oldest", **settings), True


class _ServedSpeaker:
    """A server's model, asked with the same prompt; its own settings say how it draws."""

    def __init__(self, config: ChatConfig, say: Callable[[str], None]):
        from compeer_jax.chat.models import ChatModelConfig, open_chat_model

        self._config = config
        name = config.server.model
        self._model = open_chat_model(name, ChatModelConfig(server=config.server), folder=None, say=say)
        self._model.check()
        sampling = {"temperature": config.server.temperature, **config.server.extra}
        self.provenance = _provenance(config, name) | {"sampling": sampling, "seed": config.server.seed}

    def answer(self, history: Sequence[Turn], draw: int, instructions: str = "") -> Output | None:
        from compeer_jax.chat.models import ChatRequest

        data, language = self._config.data, self._config.language
        messages = chat_messages(history, prompt=data.prompt, language=language, instructions=instructions)
        for again in range(2):
            (answer,) = self._model.answer([ChatRequest(messages, 2 * draw + again)])
            if answer is not None and answer.whole:
                break
        if answer is None or answer.ending not in ("whole", "cut"):
            return None
        return Output(answer.text, data.reasoning.parse(answer.text), answer.ending == "cut")

    def close(self) -> None:
        self._model.close()


def _provenance(config: ChatConfig, model: str) -> dict[str, Any]:
    prompt = load_prompt(config.data.prompt, config.language)
    named = f"{prompt.name} v{prompt.version}"
    return {"stage": "chat", "model": model, "prompt": named, "format": config.data.format}
