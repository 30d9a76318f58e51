"""A conversation with a model as a state and what happens to it; no input, output or model in here.

    session, effects = typed(session, "I can't sleep.")     # effects: (Ask(history, draw=0),)
    session, effects = heard(session, output)               # effects: (ShowReply(output), Save())

Each effect is something for the caller to do: ask the model or the judge, save, show. Only an output whose form is kept
becomes the supporter's turn. Any other is shown for what it is, and the seeker's words go on waiting for a reply.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from compeer_jax.dialogue.danger import suggests_danger
from compeer_jax.dialogue.reasoning import ReasonedTurn
from compeer_jax.dialogue.schema import SURROGATE, Turn
from compeer_jax.errors import UserError, unknown

COMMANDS: Mapping[str, str] = {
    "help": "show these commands",
    "reasoning": "show the reasoning before each reply, or hide it again",
    "judge": "ask the judge about the model's last output",
    "again": "ask for another reply to your last words",
    "undo": "take back your last words and what came after them",
    "save": "say where the talk is saved; /save FILE writes a copy there",
    "quit": "leave; so do Ctrl-C and the end of the input",
}

NO_WORDS = "You have not said anything yet."
NO_REPLY = "The model gave no reply. /again asks for one, or say it otherwise."
SHORTENED = "The talk no longer fits into what the model reads: it does not see the oldest turns any more."


@dataclass(frozen=True)
class Output:
    """What the model wrote.

    Attributes:
        text: as it came.
        turn: as the reasoning format reads it.
        truncated: it was cut off.
        shortened: the model did not see the oldest turns.
    """

    text: str
    turn: ReasonedTurn
    truncated: bool = False
    shortened: bool = False

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it, one code each; see `ReasonedTurn`."""
        return (*self.turn.problems, *(("truncated",) if self.truncated else ()))


@dataclass(frozen=True)
class Ask:
    """The model is to answer `history`; `draw` counts how often it was asked that before."""

    history: tuple[Turn, ...]
    draw: int


@dataclass(frozen=True)
class AskJudge:
    """The judge is to rate an output after `history`."""

    history: tuple[Turn, ...]
    output: Output


@dataclass(frozen=True)
class Save:
    """The talk has changed and is to be saved."""


@dataclass(frozen=True)
class SaveCopy:
    """The talk is to be written to `path` too; "" asks where it is saved."""

    path: str


@dataclass(frozen=True)
class ShowReply:
    """The supporter's reply, with or without the reasoning that led to it."""

    output: Output
    reasoning: bool


@dataclass(frozen=True)
class ShowMalformed:
    """An output that is no reply, and whether the model is asked once more."""

    output: Output
    asked_again: bool


@dataclass(frozen=True)
class ShowReasoning:
    """The reasoning of a reply that was shown before."""

    output: Output


@dataclass(frozen=True)
class ShowDanger:
    """Crisis numbers are to be shown."""


@dataclass(frozen=True)
class ShowHelp:
    """The commands are to be shown."""


@dataclass(frozen=True)
class Note:
    """A line about the program, not of the talk."""

    text: str


@dataclass(frozen=True)
class Quit:
    """The person leaves."""


Show = ShowReply | ShowMalformed | ShowReasoning | ShowDanger | ShowHelp | Note
Effect = Ask | AskJudge | Save | SaveCopy | Show | Quit


@dataclass(frozen=True)
class Session:
    """Where a conversation is.

    Attributes:
        tries: how often the model is asked for a reply before an output that is none stands.
        turns: what was said; two of the seeker's in a row where the model gave no reply between them.
        outputs: what the supporter's turns were taken from, in their order.
        last: the latest output for the last words, reply or not.
        asked: what the model was asked about, once for each time.
        attempt: how often it was asked since the person last wanted something.
        malformed: how many outputs were no replies.
        reasoning: whether reasoning is shown.
        warned: whether crisis numbers were shown because of what was said.
        shortened: whether it was said that the model does not see everything.
    """

    tries: int = 2
    turns: tuple[Turn, ...] = ()
    outputs: tuple[Output, ...] = ()
    last: Output | None = None
    asked: tuple[tuple[Turn, ...], ...] = ()
    attempt: int = 0
    malformed: int = 0
    reasoning: bool = False
    warned: bool = False
    shortened: bool = False


Step = tuple[Session, tuple[Effect, ...]]


def typed(session: Session, line: str) -> Step:
    """What follows from a line that the person typed: words for the model, or a command that begins with "/".

    A line that begins with "//" is words that begin with "/". Nothing follows from an empty one.

    Raises:
        UserError: there is no such command, or it can't be done now. The session is what it was.
    """
    line = SURROGATE.sub("\ufffd", line).strip()
    if line.startswith("/") and not line.startswith("//"):
        name, _, argument = line[1:].partition(" ")
        return _command(session, name.lower(), argument.strip())
    words = line.removeprefix("/")
    if not words:
        return session, ()
    session = replace(session, turns=(*session.turns, Turn("seeker", words)), last=None)
    warning: tuple[Effect, ...] = ()
    if suggests_danger(words) and not session.warned:
        session, warning = replace(session, warned=True), (ShowDanger(),)
    session, asking = _ask(session)
    return session, (*warning, Save(), *asking)


def heard(session: Session, output: Output | None) -> Step:
    """What follows from the model's output; None means that it gave none."""
    if output is None:
        return session, (Note(NO_REPLY),)
    session = replace(session, last=output)
    notes: tuple[Effect, ...] = ()
    if output.shortened and not session.shortened:
        session, notes = replace(session, shortened=True), (Note(SHORTENED),)
    if not output.turn.whole or output.truncated:
        session = replace(session, malformed=session.malformed + 1)
        if session.attempt < session.tries:
            session, asking = _ask(session, attempt=session.attempt + 1)
            return session, (*notes, ShowMalformed(output, True), *asking)
        return session, (*notes, ShowMalformed(output, False), Save())
    reply = Turn("supporter", output.turn.response, output.turn.labels.get("strategy"))
    session = replace(session, turns=(*session.turns, reply), outputs=(*session.outputs, output))
    return session, (*notes, ShowReply(output, session.reasoning), Save())


def _command(session: Session, name: str, argument: str) -> Step:
    if name not in COMMANDS:
        raise unknown("command", f"/{name}", [f"/{command}" for command in COMMANDS])
    if argument and name != "save":
        raise UserError(f"/{name} takes nothing behind it; to say these words, begin the line with //.")
    if name == "help":
        return session, (ShowHelp(),)
    if name == "quit":
        return session, (Quit(),)
    if name == "save":
        if not session.turns:
            raise UserError(f"{NO_WORDS} There is nothing to save.")
        return session, (SaveCopy(argument),)
    if name == "reasoning":
        return _toggled(session)
    if not session.turns:
        raise UserError(NO_WORDS)
    if name == "judge":
        if session.last is None:
            raise UserError("The model has not answered your last words; /again asks it to.")
        return session, (AskJudge(_before_reply(session), session.last),)
    if name == "undo":
        return _undone(session)
    session, asking = _ask(_without_reply(session))
    return session, (Save(), *asking)


def _toggled(session: Session) -> Step:
    session = replace(session, reasoning=not session.reasoning)
    if not session.reasoning:
        return session, (Note("Reasoning is hidden."),)
    shown = (ShowReasoning(session.outputs[-1]),) if _answered(session) else ()
    return session, (Note("Reasoning is shown."), *shown)


def _undone(session: Session) -> Step:
    session = _without_reply(session)
    words, turns = session.turns[-1].content, session.turns[:-1]
    session = replace(session, turns=turns)
    session = replace(session, last=session.outputs[-1] if _answered(session) else None)
    return session, (Note(f"Taken back: {words}"), Save())


def _ask(session: Session, attempt: int = 1) -> Step:
    """The session with its model asked to answer."""
    draw = session.asked.count(session.turns)
    asked = (*session.asked, session.turns)
    return replace(session, asked=asked, attempt=attempt), (Ask(session.turns, draw),)


def _answered(session: Session) -> bool:
    return bool(session.turns) and session.turns[-1].role == "supporter"


def _before_reply(session: Session) -> tuple[Turn, ...]:
    return session.turns[:-1] if _answered(session) else session.turns


def _without_reply(session: Session) -> Session:
    """The session as it was when the last words waited for their reply."""
    outputs = session.outputs[:-1] if _answered(session) else session.outputs
    return replace(session, turns=_before_reply(session), outputs=outputs, last=None)
