"""What ends a command early: a mistake that the user can mend, or a signal. One clear sentence, not a traceback."""

import difflib
from collections.abc import Iterable, Sequence

FEW = 24


class UserError(Exception):
    """A mistake in what the user gave us. Its text is one sentence that names the thing and the mend."""


class StopAsked(Exception):
    """The machine asked a run to stop, and the run has saved what it had. Its text is one sentence that says so."""


def unknown(
    kind: str, name: object, options: Iterable[str], where: str = "", near: Sequence[str] | None = None
) -> UserError:
    """The error for a name that is none of `options`; it names the nearest one, and lists them if they are few.

    Args:
        kind: what the name stands for, e.g. "strategy" or "config key".
        name: what was given.
        options: what could have been given.
        where: the place it was found, e.g. "line 12 of a.jsonl".
        near: those of `options` that may be meant (None: the one that is spelled most like it).
    """
    options = [str(option) for option in options]
    if near is None:
        near = difflib.get_close_matches(str(name), options, n=1, cutoff=0.5)
    place = f"{where}: " if where else ""
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    choice = f"it can be one of: {', '.join(options)}." if len(options) <= FEW else f"--help lists all {len(options)}."
    return UserError(f"{place}unknown {kind} {name!r}; {hint}{choice}")


def require_at_least(least: float, config: object, prefix: str, *names: str) -> None:
    """Raises UserError when a field of `config`, called `prefix` + its name in the settings, is below `least`."""
    for name in names:
        if not getattr(config, name) >= least:
            raise UserError(f"{prefix}{name} is {getattr(config, name)}; it must be at least {least}.")
