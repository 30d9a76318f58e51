"""Chat models as the stages ask them, and what cards and provenance say of that."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from compeer_jax.chat.models import Parsed, SetAside, ask_each
from compeer_jax.chat.types import ChatModel, Message
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.stage import Workspace
from compeer_jax.dialogue.judging import JudgeCase
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.dialogue.taxonomy import LANGUAGES

Item = TypeVar("Item")
Value = TypeVar("Value")


class StageModel:
    """A chat model that a stage asks; UserError at once if it can't be asked.

    Args:
        work: of the pipeline, which shows how much is answered.
        stage: that asks.
        name: of the model in the settings.
        tries: most times that it is asked about one item.

    Attributes:
        model: itself.
        settings_sha: digest of its settings.
        set_aside: reason -> items of which no try gave what was asked for.
        asked_again: items whose first answer wasn't.
    """

    def __init__(self, work: Workspace, stage: str, name: str, *, tries: int):
        self.model: ChatModel = work.models[name]
        self.model.check()
        self.settings_sha = settings_digest(self.model)
        self.set_aside: Counter[str] = Counter()
        self.asked_again = 0
        self._work, self._stage, self._tries, self._before = work, stage, tries, self.model.spent

    def ask(
        self,
        items: Iterable[Item],
        messages: Callable[[Item], Sequence[Message]],
        parse: Callable[[Item, str], Value],
        *,
        title: str,
        total: int,
    ) -> Iterator[tuple[Item, Parsed[Value] | SetAside]]:
        """What the model says of each item, in their order; see `ask_each`.

        Args:
            parse: what an answer to an item says; raises Malformed for an answer that is not what was asked for.
            title: of the progress shown.
            total: about how many items there are.
        """
        progress = self._work.progress(title, total)
        for item, answer in ask_each(self.model, items, messages, parse, tries=self._tries, progress=progress):
            if isinstance(answer, SetAside):
                self.set_aside[answer.reason] += 1
            else:
                self.asked_again += answer.draw > 0
            yield item, answer

    def pictured(self, case: JudgeCase, where: str) -> JudgeCase:
        """A case with the pictures of its talk as files to be opened; see `Workspace.pictured`."""
        return replace(case, history=self._work.pictured(case.history, where))

    def provenance(self, prompt: str = "", draw: int | None = None) -> dict[str, Any]:
        """What a row's provenance says of an answer of this model, as far as it is given."""
        entry = {"stage": self._stage, "model": self.model.name, "settings_sha": self.settings_sha}
        return entry | ({"prompt": prompt} if prompt else {}) | ({} if draw is None else {"draw": draw})

    def counts(self) -> dict[str, Any]:
        """What the stage's card says of this model: why items were set aside, its settings, and what it cost."""
        return {"set_aside": dict(sorted(self.set_aside.items())), **self.cost()}

    def cost(self) -> dict[str, Any]:
        """The model's settings, and what its answers cost so far."""
        spent = self.model.spent - self._before
        return {
            "settings": dict(self.model.settings),
            "settings_sha": self.settings_sha,
            "spent": {**asdict(spent), "cost": round(spent.cost, 6)},
        }


def answer_settings(config: BuildConfig, name: str) -> dict[str, Any]:
    """What the answers of chat model `name` depend on, as far as the pipeline's settings say, and their prices: no
    waiting times, nothing of how many requests go at once.
    """
    model = config.models[name]
    prices = {"prompt_price": model.prompt_price, "completion_price": model.completion_price}
    if model.path:
        return {"path": model.path, **asdict(model.local), **prices}
    kept = ("model", "temperature", "max_tokens", "seed", "extra")
    url = urlsplit(model.server.url)
    address = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()  # a login is nothing to keep
    shown = {"pictures": asdict(model.server.pictures)} if model.server.pictures.most else {}
    return {name: getattr(model.server, name) for name in kept} | {"url": address} | shown | prices


def settings_digest(model: ChatModel) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of a model's settings, for provenance."""
    text = json.dumps(dict(model.settings), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def task_prompt(name: str, language: str) -> str:
    """A task's prompt with its version, for provenance: "coherence v1"."""
    return f"{name} v{load_task_prompt(name, language).version}"


def task_prompt_versions(name: str) -> dict[str, int]:
    """Language -> version of a task's prompt, for the settings of a stage."""
    return {language: load_task_prompt(name, language).version for language in LANGUAGES}
