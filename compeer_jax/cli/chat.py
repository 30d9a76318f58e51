"""`compeer chat`: a conversation with a model at the terminal."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any

from compeer_jax.dialogue.danger import danger_notice, opening_notice
from compeer_jax.dialogue.reasoning import ReasoningFormat
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.report.terminal_text import printable, safe_console
from compeer_jax.talk.config import ChatConfig

PROMPT = "you> "
OWN_WORDS = "reply of the program, not of the model"


def chat(config: ChatConfig) -> None:
    from compeer_jax.talk.chat import check_picture, converse
    from compeer_jax.talk.judge import open_judge
    from compeer_jax.talk.speakers import open_speaker
    from compeer_jax.talk.transcript import Transcript

    screen = Screen(safe_console(highlight=False), config.data.reasoning, config.language, config.country)
    judge = open_judge(config)
    transcript = Transcript(config.output or None, config.language)
    try:
        with screen.waiting("Loading"):
            speaker = open_speaker(config, say=screen.note)
        with closing(speaker):
            for path in config.image:
                check_picture(path, speaker)
            screen.open()
            converse(
                config,
                screen.lines(),
                speaker=speaker,
                judge=judge,
                transcript=transcript,
                show=screen.show,
                waiting=screen.waiting,
            )
    except KeyboardInterrupt:
        screen.blank()
    kept = transcript.path is not None and transcript.path.exists()
    screen.note(f"Goodbye. The talk is in {transcript.path}." if kept else "Goodbye. Nothing of the talk was kept.")


class Screen:
    """What a person sees and types. Where there is no terminal, lines come from standard input, without a prompt.

    Args:
        console: rich's; no words of a talk are read as its markup.
        format: of the reasoning, for the order of its steps.
        language: of the notices.
        country: whose numbers they name; "" where it is not known.
    """

    def __init__(self, console: Any, format: ReasoningFormat, language: Language, country: str = ""):
        self.console, self.format, self.language, self.country = console, format, language, country
        self.at_terminal = sys.stdin.isatty() and console.is_terminal

    def open(self) -> None:
        """What stands above the talk."""
        self._panel(opening_notice(self.language, self.country), "Please read this first", "yellow")
        self.note("/help lists the commands.")

    def lines(self) -> Iterator[str]:
        """What is typed, until there is no more."""
        if self.at_terminal:
            import readline  # noqa: F401  lets a line be edited, and the lines before be fetched back
        elif hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        while True:
            if self.at_terminal:
                try:
                    yield input(PROMPT)
                except EOFError:
                    self.blank()
                    return
            else:
                line = sys.stdin.readline()
                if not line:
                    return
                yield line

    def waiting(self, what: str) -> AbstractContextManager[Any]:
        """Says that somebody is waited for, as long as it lasts; nothing where there is no terminal."""
        return self.console.status(f"{what} …") if self.at_terminal else nullcontext()

    def note(self, text: str) -> None:
        self._print(text, "dim")

    def blank(self) -> None:
        self.console.print()

    def show(self, shown: Any) -> None:
        """Shows one thing that happened."""
        getattr(self, f"_{type(shown).__name__.lower()}")(shown)

    def _showreply(self, shown) -> None:
        if shown.reasoning:
            self._steps(shown.output.turn)
        title = OWN_WORDS if shown.output.written else "reply"
        self._panel(shown.output.turn.response, title, "green")

    def _showreasoning(self, shown) -> None:
        self._steps(shown.output.turn)

    def _showmalformed(self, shown) -> None:
        problems = ", ".join(shown.output.problems)
        if shown.asked_again:
            self._print(f"The model's output was malformed ({problems}); it is asked once more.", "yellow")
            return
        title = f"malformed output, no reply ({problems})"
        self._panel(shown.output.text.strip() or "(nothing)", title, "red")
        self.note("It is not part of the talk. /again asks anew, or say it otherwise.")

    def _showwithheld(self, shown) -> None:
        # What was wrong with it stands in the transcript: it is nothing to read for somebody in danger.
        then = "it is asked once more" if shown.asked_again else "the program answers in its place"
        self.note(f"The model's output is not fit to be shown; {then}.")

    def _showfindings(self, shown) -> None:
        for finding in shown.findings:
            style = {"right": "green", "wrong": "red"}.get(finding.verdict, "yellow")
            critique = " ".join(finding.critique.split())
            self._print(f"{finding.part}: {finding.verdict}{f' ({critique})' if critique else ''}", style)

    def _showdanger(self, shown) -> None:
        self._panel(danger_notice(self.language, shown.kinds, self.country), "Where to call", "bold red")

    def _showhelp(self, shown) -> None:
        from compeer_jax.talk.session import COMMANDS

        width = max(map(len, COMMANDS))
        for name, summary in COMMANDS.items():
            self.note(f"/{name.ljust(width)}  {summary}")
        self.note("A line that begins with // is words that begin with /.")

    def _note(self, shown) -> None:
        self.note(shown.text)

    def _trouble(self, shown) -> None:
        self._print(shown.text, "red")

    def _steps(self, turn) -> None:
        for tag in self.format.tags[:-1]:
            section = self.format.section(turn, tag, self.language)
            if section:
                self._panel(section, tag, "dim")

    def _print(self, text: str, style: str) -> None:
        self.console.print(plain(text), style=style, markup=False, soft_wrap=not self.at_terminal)

    def _panel(self, text: str, title: str, style: str) -> None:
        if self.at_terminal:
            self.console.print(_framed(text, title, style))
        else:
            self.console.print(f"[{plain(title)}]\n{plain(text)}\n", markup=False, soft_wrap=True)


def _framed(text: str, title: str, style: str) -> Any:
    """Text in a frame."""
    from rich.panel import Panel
    from rich.text import Text

    return Panel(Text(plain(text)), title=Text(plain(title)), title_align="left", border_style=style)


def plain(text: str) -> str:
    """`text` without control characters, which could move the cursor and write over what was said."""
    return printable(text.replace("\r\n", "\n"))
