"""Judges that Table 1 has rows for: by name, trained ones and general models, checked before any is asked."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax

from compeer_jax.data.judge_chat import JudgeLimits
from compeer_jax.dialogue.judging import JudgeKind
from compeer_jax.dialogue.reasoning import ReasoningFormat
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.models.fingerprint import fingerprint
from compeer_jax.models.source import model_directory
from compeer_jax.rewards.config import JudgeLoadConfig, RemoteJudgeConfig
from compeer_jax.rewards.conversation import JudgeModel
from compeer_jax.rewards.in_process import InProcessJudge, judge_files
from compeer_jax.rewards.judge_card import CARD, JudgeCard
from compeer_jax.rewards.remote_judge import RemoteJudge

GENERAL = "general"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RatedJudgeConfig:
    """A judge to rate: one that `compeer reward train` made, or a general model as it comes.

    Args:
        kind: what the judge in `directory` was trained for, "unifi", "prm" or "orm"; or "general" for a model that was
            not, in `directory` or behind `server`. That is asked about steps and response in one conversation, as a
            UnifiReward is.
        directory: of its weights and tokenizer; for a trained judge with its judge.json, which says how it is asked.
        server: of a general model: give server.url and server.model.
        limits: how a general model in a directory is asked.
        max_new_tokens: longest reply of a general model in a directory.
    """

    kind: Literal["unifi", "prm", "orm", "general"]
    directory: str = ""
    server: RemoteJudgeConfig = field(default_factory=RemoteJudgeConfig)
    limits: JudgeLimits = field(default_factory=JudgeLimits)
    max_new_tokens: int = 512

    def __post_init__(self):
        require_at_least(1, self, "a judge's ", "max_new_tokens")
        if self.kind == GENERAL:
            if bool(self.directory) == bool(self.server.model):
                raise UserError(
                    "a judge of kind 'general' is a model in a directory or behind a server; give directory, or "
                    "server.url and server.model, one of the two."
                )
        elif not self.directory:
            raise UserError(f"a judge of kind {self.kind!r} needs a directory: one that `compeer reward train` made.")
        elif self.server.model:
            raise UserError(
                f"a judge of kind {self.kind!r} is in a directory, not behind a server; leave server out, or take kind "
                f"{GENERAL!r} for a server's model."
            )


class Candidate(NamedTuple):
    """A judge to be rated, not loaded yet.

    Attributes:
        name: its row's.
        kind: how it is asked, where it has no card.
        load: makes it.
        identity: what its verdicts depend on, as plain values; None where they needn't be kept, as for a server's
            model, whose answers are kept as they come.
    """

    name: str
    kind: JudgeKind
    load: Callable[[], JudgeModel]
    identity: Mapping[str, Any] | None


def candidates(
    judges: Mapping[str, RatedJudgeConfig],
    format: ReasoningFormat,
    models: JudgeLoadConfig,
    mesh: jax.sharding.Mesh,
    answers: Path | None,
) -> list[Candidate]:
    """The judges in the order given.

    Each is loaded when its turn comes, so that one at a time takes memory; what can be checked is checked now.

    Args:
        judges: by the names of their rows.
        format: of what they rate.
        models: how those with weights here are loaded.
        mesh: where they live.
        answers: folder for the answers of servers; None where nothing is kept.

    Raises:
        UserError: none is named, a directory holds no judge or one of another kind or format, a server is not there.
    """
    if not judges:
        raise UserError(
            "name a judge to rate, such as judges: {UnifiReward: {kind: unifi, directory: runs/tiny/reward/model}}."
        )
    return [_candidate(name, judge, format, models, mesh, answers) for name, judge in judges.items()]


def _candidate(
    name: str,
    judge: RatedJudgeConfig,
    format: ReasoningFormat,
    models: JudgeLoadConfig,
    mesh: jax.sharding.Mesh,
    answers: Path | None,
) -> Candidate:
    if judge.server.model:
        remote = RemoteJudge(judge.server, say=log.warning, folder=answers)
        remote.check()
        return Candidate(name, "unifi", lambda: remote, None)
    kind: JudgeKind = "unifi" if judge.kind == GENERAL else judge.kind
    directory, card = Path(judge.directory).expanduser(), None
    if judge.kind == GENERAL:
        directory = model_directory(judge.directory)
        if (directory / CARD).is_file():
            raise UserError(
                f"judges.{name}: {judge.directory} holds a trained judge; give kind "
                f"{JudgeCard.read(directory).kind!r} instead of {GENERAL!r}."
            )
        card = JudgeCard("unifi", format.name, judge.limits, judge.max_new_tokens)
    card_there = judge_files(directory, kind, format, card).card
    identity = None
    if answers is not None:
        identity = {"weights": fingerprint(directory), "card": asdict(card_there), "models": asdict(models)}
    return Candidate(name, kind, partial(InProcessJudge, directory, kind, format, models, mesh, card=card), identity)
