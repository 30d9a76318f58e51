"""Speakers, the models that answer in a terminal chat: in this process, or behind a server."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from compeer_jax.data.pictures import pictures_of
from compeer_jax.dialogue.danger.kinds import KINDS
from compeer_jax.dialogue.danger.wording import reply_instructions
from compeer_jax.dialogue.prompts import load_prompt
from compeer_jax.dialogue.schema import Turn, merge_adjacent
from compeer_jax.dialogue.talk import chat_messages
from compeer_jax.errors import UserError
from compeer_jax.talk.config import ChatConfig
from compeer_jax.talk.session import Output

if TYPE_CHECKING:
    from compeer_jax.data.chat import Overlong, Prompt

WIDTH = 256  # prompts are padded to multiples of it, so that a talk needs few programs


class Speaker(Protocol):
    """Answers a talk in the format that it was trained to write.

    Attributes:
        provenance: who it is and how it was asked, as the transcript says it.
        sees: whether it is shown pictures.
    """

    provenance: Mapping[str, Any]
    sees: bool

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
        say: called with a line when its server goes away or comes back, or when it can't be told how to answer danger.

    Raises:
        UserError: there is no such model or server, or it can't be used with these settings.
    """
    return _ServedSpeaker(config, say) if config.server.model else _LocalSpeaker(config, say)


class _LocalSpeaker:
    """A directory's model. What it writes follows from the seed, the length of the talk and the draw."""

    def __init__(self, config: ChatConfig, say: Callable[[str], None]):
        import jax

        from compeer_jax.chat.local_model import LocalModel
        from compeer_jax.models.fingerprint import fingerprint
        from compeer_jax.parallel.mesh import make_mesh

        self._config = config
        # A slot is decoded a few tokens at a time, so that Ctrl-C is heeded in the midst of an answer.
        self._model = LocalModel(config.model, make_mesh(config.mesh), prompt_multiple=WIDTH, slots=1)
        weights = fingerprint(self._model.directory)
        room = self._model.context - config.sampling.max_new_tokens
        if room < 1:
            raise UserError(
                f"sampling.max_new_tokens is {config.sampling.max_new_tokens}, but the model's context is "
                f"{self._model.context} tokens; lower it, so that a prompt has room."
            )
        self._longest_prompt = min(config.data.max_prompt_tokens, room)
        self._key = jax.random.key(config.seed)
        self._prompt([Turn("seeker", "?")])  # says now if not even that fits
        if self._is_too_small_for_danger():
            say(
                f"The model reads {self._longest_prompt} tokens, too few to be told how to answer somebody in danger: "
                "the program answers in its place then. A model with a longer context, or a higher "
                "data.max_prompt_tokens, can answer itself."
            )
        self._model.graph_and_weights  # noqa: B018  so that they are there when the first answer is wanted
        self.sees = config.data.pictures.most > 0
        sampling = {name: getattr(config.sampling, name) for name in ("temperature", "top_k", "top_p")}
        drawn = {"sampling": sampling, "seed": config.seed}
        self.provenance = _provenance(config, Path(config.model.path).name) | {"weights": weights} | drawn

    def answer(self, history: Sequence[Turn], draw: int, instructions: str = "") -> Output | None:
        import jax

        prompt, shortened = self._prompt(history, instructions)
        key = jax.random.fold_in(jax.random.fold_in(self._key, len(history)), draw)
        pictures = self._model.see([prompt.pictures], self._config.data.pictures)
        (answer,) = self._model.answers([prompt.tokens], key, self._config.sampling, pictures)
        return Output(
            answer.written, self._config.data.reasoning.parse(answer.written), answer.ended == "cut", shortened
        )

    def close(self) -> None:
        self._model.close()

    def _prompt(self, history: Sequence[Turn], instructions: str = "") -> tuple["Prompt", bool]:
        """The prompt, and whether the oldest turns had to be left out."""
        from compeer_jax.data.chat import DoesNotFit

        try:
            return self._read(history, instructions, "error"), False
        except DoesNotFit:
            pass
        try:
            return self._read(history, instructions, "drop_oldest"), True
        except DoesNotFit as error:
            last_words = merge_adjacent(history)[0][-1:]
            if len(pictures_of(last_words)) > self._config.data.pictures.most > 0:
                raise
            count = len(self._read(last_words, instructions, "error", most=sys.maxsize).tokens)
            if instructions:  # to a person in danger, who is answered by the program itself
                sentence = "the model can't be told how to answer this: that takes {count} tokens, and it reads {most}."
            else:
                sentence = (
                    "the prompt with the last words alone has {count} tokens, more than the {most} that the model "
                    "reads; say it in fewer words, raise data.max_prompt_tokens, or take a model with a longer context."
                )
            raise UserError(sentence.format(count=count, most=self._longest_prompt)) from error

    def _read(self, history: Sequence[Turn], instructions: str, overlong: "Overlong", most: int = 0) -> "Prompt":
        from compeer_jax.data.chat import read_prompt

        return read_prompt(
            self._model.tokenizer,
            history,
            prompt=self._config.data.prompt,
            language=self._config.language,
            max_tokens=most or self._longest_prompt,
            overlong=overlong,
            instructions=instructions,
            pictures=self._config.data.pictures,
        )

    def _is_too_small_for_danger(self) -> bool:
        """Whether there is no room for what the model is told where somebody is in danger, be it of one kind alone."""
        from compeer_jax.data.chat import DoesNotFit

        config = self._config
        try:
            for kind in KINDS:
                told = reply_instructions([kind], config.language, config.country or None)
                self._read([Turn("seeker", "?")], told, "error")
        except DoesNotFit:
            return True
        return False


class _ServedSpeaker:
    """A server's model, asked with the same prompt; its own settings say how it draws."""

    def __init__(self, config: ChatConfig, say: Callable[[str], None]):
        from compeer_jax.chat.config import ChatModelConfig
        from compeer_jax.chat.models import open_chat_model

        self._config = config
        name = config.server.model
        self._model = open_chat_model(name, ChatModelConfig(server=config.server), folder=None, say=say)
        self._model.check()
        self.sees = config.server.pictures.most > 0
        sampling = {"temperature": config.server.temperature, **config.server.extra}
        self.provenance = _provenance(config, name) | {"sampling": sampling, "seed": config.server.seed}

    def answer(self, history: Sequence[Turn], draw: int, instructions: str = "") -> Output | None:
        from compeer_jax.chat.types import ChatRequest

        data, language = self._config.data, self._config.language
        shown = {"prompt": data.prompt, "language": language, "instructions": instructions, "pictures": True}
        messages = chat_messages(history, **shown)
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
