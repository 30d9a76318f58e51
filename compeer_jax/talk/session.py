"""The state of a terminal chat, and what follows from a line or an output; no input, output or model in here.

    session, effects = on_input(session, "I can't sleep.")   # effects: (Ask(history, draw=0),)
    session, effects = on_output(session, output)            # effects: (ShowReply(output), Save())

Each effect is something for the caller to do: ask the model or the judge, save, show. Only an output whose form is kept
becomes the supporter's turn. Any other is shown for what it is, and the seeker's words go on waiting for a reply.

A reply that says what no output may say, or that misses what danger calls for, is withheld, whatever its form: the
model is asked again, and then the program's own words stand in its place. Danger that was found once stays found,
unless the words that it was found in are taken back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from compeer_jax.dialogue.danger import danger_in_talk
from compeer_jax.dialogue.danger.guard import MISSING, Guard, GuardedReply
from compeer_jax.dialogue.danger.withheld import forbidden
from compeer_jax.dialogue.reasoning import ReasonedTurn
from compeer_jax.dialogue.schema import SURROGATE, Turn
from compeer_jax.errors import UserError, unknown

COMMANDS: Mapping[str, str] = {
    "help": "show these commands",
    "reasoning": "show the reasoning before each reply, or hide it again",
    "judge": "ask the judge about the model's last output",
    "again": "ask for another reply to your last words",
    "image": "/image FILE shows the model a picture with your next words",
    "undo": "take back your last words and what came after them",
    "save": "say where the talk is saved; /save FILE writes a copy there",
    "quit": "leave; so do Ctrl-C and the end of the input",
}

NO_WORDS = "You have not said anything yet."
NO_REPLY = "The model gave no reply. /again asks for one, or say it otherwise."
REASONING_WITHHELD = "The reasoning is withheld: it says what nothing here may say."
SHORTENED = "The talk no longer fits into what the model reads: it does not see the oldest turns any more."


@dataclass(frozen=True)
class Output:
    """Output of the model.

    Attributes:
        text: as it came.
        turn: as the reasoning format reads it.
        truncated: it was cut off.
        shortened: the model did not see the oldest turns.
        guarded: how it became a reply, where danger was found or another reply was withheld; it says whether the words
            are the program's own.
    """

    text: str
    turn: ReasonedTurn
    truncated: bool = False
    shortened: bool = False
    guarded: GuardedReply | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it, one code each; see `ReasonedTurn`."""
        return (*self.turn.problems, *(("truncated",) if self.truncated else ()))

    @property
    def written(self) -> bool:
        """Whether the words are the program's own."""
        return self.guarded is not None and self.guarded.written


@dataclass(frozen=True)
class Ask:
    """The model is to answer `history`; `draw` counts how often it was asked that before, `instructions` are added."""

    history: tuple[Turn, ...]
    draw: int
    instructions: str = ""


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
class ShowWithheld:
    """An output that must not be shown: codes of its faults, and whether the model is asked once more."""

    faults: tuple[str, ...]
    asked_again: bool


@dataclass(frozen=True)
class ShowReasoning:
    """The reasoning of a reply that was shown before."""

    output: Output


@dataclass(frozen=True)
class ShowDanger:
    """Crisis numbers for these kinds of danger are to be shown."""

    kinds: tuple[str, ...]


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


Show = ShowReply | ShowMalformed | ShowWithheld | ShowReasoning | ShowDanger | ShowHelp | Note


@dataclass(frozen=True)
class ShowPicture:
    """The model is to be shown a file's picture with the next words, if it is one and the model sees."""

    path: str


Effect = Ask | AskJudge | Save | SaveCopy | Show | ShowPicture | Quit


@dataclass(frozen=True)
class Session:
    """Where a conversation is.

    Attributes:
        tries: how often the model is asked for a reply before an output that is none stands, or the program's words.
        guard: what replies are held to.
        guards: what they were held to before each of the seeker's turns.
        turns: what was said; two of the seeker's in a row where the model gave no reply between them.
        outputs: what the supporter's turns were taken from, in their order.
        last: the latest output for the last words, reply or not.
        requests: the talks that the model was asked to answer, once for each time.
        faults: of each output that was no reply, or none that may be shown, since the person last wanted something.
        malformed: how many outputs were no replies.
        reasoning: whether reasoning is shown.
        shortened: whether it was said that the model does not see everything.
        pictures: files that go with the next words.
    """

    tries: int = 2
    guard: Guard = field(default_factory=Guard)
    guards: tuple[Guard, ...] = ()
    turns: tuple[Turn, ...] = ()
    outputs: tuple[Output, ...] = ()
    last: Output | None = None
    requests: tuple[tuple[Turn, ...], ...] = ()
    faults: tuple[tuple[str, ...], ...] = ()
    malformed: int = 0
    reasoning: bool = False
    shortened: bool = False
    pictures: tuple[str, ...] = ()


Step = tuple[Session, tuple[Effect, ...]]


def on_input(session: Session, line: str) -> Step:
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
    turns = (*session.turns, Turn("seeker", words, images=session.pictures))
    guard = session.guard.raised(danger_in_talk(turns).kinds)
    warning = (ShowDanger(guard.kinds),) if guard.level > session.guard.level else ()
    guards = (*session.guards, session.guard)
    session, asking = _ask(replace(session, turns=turns, guard=guard, guards=guards, last=None, pictures=()))
    return session, (*warning, Save(), *asking)


def on_output(session: Session, output: Output | None) -> Step:
    """What follows from the model's output; None means that it gave none, and is not asked again by itself."""
    if output is None:
        if session.guard.kinds:  # nobody in danger is left without an answer
            return _in_place(replace(session, faults=(*session.faults, (MISSING,))))
        return session, (Note(NO_REPLY),)
    session = replace(session, last=output)
    notes: tuple[Effect, ...] = ()
    if output.shortened and not session.shortened:
        session, notes = replace(session, shortened=True), (Note(SHORTENED),)
    if not output.turn.whole or output.truncated:
        session = replace(session, malformed=session.malformed + 1)
        faults = forbidden(output.text) or (MISSING,)
    else:
        faults = session.guard.faults(output.turn.response)
    session, effects = _refused(session, output, faults) if faults else _replied(session, output)
    return session, (*notes, *effects)


def _replied(session: Session, output: Output) -> Step:
    """The session with the output as the supporter's turn."""
    response, kinds = output.turn.response, session.guard.kinds
    if kinds or any(codes != (MISSING,) for codes in session.faults):
        output = replace(output, guarded=GuardedReply(response, kinds, session.faults))
    return _with_reply(session, output)


def _refused(session: Session, output: Output, faults: tuple[str, ...]) -> Step:
    """The session whose model is asked again, or whose person is told that there is no reply, or reads ours."""
    session = replace(session, faults=(*session.faults, faults))
    again, malformed = len(session.faults) < session.tries, faults == (MISSING,) and not session.guard.kinds
    shown = ShowMalformed(output, again) if malformed else ShowWithheld(faults, again)
    if again:
        session, following = _ask(session, session.faults)
    elif malformed:
        following = (Save(),)
    else:
        session, following = _in_place(session)
    return session, (shown, *following)


def _in_place(session: Session) -> Step:
    """The session with the program's own words as the supporter's turn."""
    held = session.guard.in_place(session.faults)
    return _with_reply(session, Output(held.text, ReasonedTurn({}, {}, held.text), guarded=held))


def _with_reply(session: Session, output: Output) -> Step:
    reply = Turn("supporter", output.turn.response, output.turn.labels.get("strategy"))
    session = replace(session, turns=(*session.turns, reply), outputs=(*session.outputs, output), last=output)
    reasoning = session.reasoning and not output.written
    fit = reasoning and not forbidden(output.text)
    notes = (Note(REASONING_WITHHELD),) if reasoning and not fit else ()
    return session, (*notes, ShowReply(output, fit), Save())


def _command(session: Session, name: str, argument: str) -> Step:
    if name not in COMMANDS:
        raise unknown("command", f"/{name}", [f"/{command}" for command in COMMANDS])
    if name == "image" and not argument:
        raise UserError("/image needs the picture's file behind it, such as /image face.png.")
    if argument and name not in ("save", "image"):
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
    if name == "image":
        return session, (ShowPicture(argument),)
    if not session.turns:
        raise UserError(NO_WORDS)
    if name == "judge":
        if session.last is None:
            raise UserError("The model has not answered your last words; /again asks it to.")
        if session.last.written:
            raise UserError("The last reply is the program's own, no output to be judged; /again asks the model.")
        return session, (AskJudge(_before_reply(session), session.last),)
    if name == "undo":
        return _undone(session)
    session, asking = _ask(_without_reply(session))
    return session, (Save(), *asking)


def _toggled(session: Session) -> Step:
    session = replace(session, reasoning=not session.reasoning)
    if not session.reasoning:
        return session, (Note("Reasoning is hidden."),)
    shown: tuple[Effect, ...] = ()
    if _answered(session) and not session.outputs[-1].written:
        output = session.outputs[-1]
        shown = (Note(REASONING_WITHHELD) if forbidden(output.text) else ShowReasoning(output),)
    return session, (Note("Reasoning is shown."), *shown)


def _undone(session: Session) -> Step:
    session = _without_reply(session)
    words, turns = session.turns[-1].content, session.turns[:-1]
    *guards, guard = session.guards
    session = replace(session, turns=turns, guard=guard, guards=tuple(guards))
    session = replace(session, last=session.outputs[-1] if _answered(session) else None)
    return session, (Note(f"Taken back: {words}"), Save())


def _ask(session: Session, faults: tuple[tuple[str, ...], ...] = ()) -> Step:
    """The session with its model asked to answer, after outputs with these faults."""
    draw = session.requests.count(session.turns)
    requests = (*session.requests, session.turns)
    named = faults[-1] if faults and (session.guard.kinds or faults[-1] != (MISSING,)) else ()
    instructions = session.guard.instructions(named)
    return replace(session, requests=requests, faults=faults), (Ask(session.turns, draw, instructions),)


def _answered(session: Session) -> bool:
    return bool(session.turns) and session.turns[-1].role == "supporter"


def _before_reply(session: Session) -> tuple[Turn, ...]:
    return session.turns[:-1] if _answered(session) else session.turns


def _without_reply(session: Session) -> Session:
    """The session as it was when the last words waited for their reply."""
    outputs = session.outputs[:-1] if _answered(session) else session.outputs
    return replace(session, turns=_before_reply(session), outputs=outputs, last=None)
