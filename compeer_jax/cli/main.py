"""The `compeer` command. What a subcommand needs is imported only when it is asked for."""

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from compeer_jax import __version__
from compeer_jax.cli.commands import COMMANDS, CONFIG_SUMMARY, Command, Group, commands, find
from compeer_jax.cli.configure import merged_yaml, parse_config
from compeer_jax.cli.process import keep_compiled_programs, keep_freed_memory, show_log
from compeer_jax.errors import StopAsked, UserError, unknown
from compeer_jax.parallel.libtpu import calm
from compeer_jax.parallel.processes import give_up, leave
from compeer_jax.report.terminal_text import printable

STOPPED = 75
"""What sysexits.h calls EX_TEMPFAIL. A launcher can tell from it that the same command should be given again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status.

    That is 0, or 2 after a mistake of the user's, 75 (EX_TEMPFAIL: try again) when a signal stopped a run that saved
    first, or 130 when interrupted at the keyboard.
    """
    try:
        return leave(_status(list(sys.argv[1:] if arguments is None else arguments)))
    except Exception:
        give_up()
        raise


def _status(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    try:
        try:
            _run(arguments)
        finally:
            sys.stdout.flush()
    except UserError as error:
        print(printable(f"compeer {name}: {error}"), file=sys.stderr)
        return 2
    except StopAsked as stop:
        print(f"compeer {name}: {stop}", file=sys.stderr)
        return STOPPED
    except KeyboardInterrupt:
        resumes = "; the same command goes on from what is saved" if _resumes(arguments) else ""
        print(f"\ncompeer {name}: interrupted{resumes}.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except RuntimeError as error:
        if not str(error).startswith("Could not determine home directory"):  # of Path.expanduser
            raise
        named = "a path begins with '~' and a name that no user here has; write the path out"
        print(f"compeer {name}: {named}.", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"compeer {name}: {str(error) or 'no memory is left'}; ask for less at once.", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder taken away
        what = f"{error.strerror or error} ({error.filename or 'while writing'})"
        print(printable(f"compeer {name}: {what}; mend that and give the command again."), file=sys.stderr)
        return 2
    return 0


def _run(arguments: list[str]) -> None:
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        print(overview())
    elif name == "--version":
        print(f"compeer_jax {__version__}")
    elif name == "config":
        show_config(arguments[1:])
    elif name not in COMMANDS:
        raise unknown("command", name, [*COMMANDS, "config"])
    elif arguments[1:2] in (["-h"], ["--help"]) and _has_to_name_an_action(name):
        print(actions_overview(name))
    else:
        calm()
        keep_compiled_programs()
        keep_freed_memory()
        command, config, flags = parsed(arguments)
        show_log()
        command.call(config, **flags)


def parsed(arguments: Sequence[str]) -> tuple[Command, Any, dict[str, bool]]:
    """The command that is named, its settings, and its flags.

    Raises:
        UserError: there is no such command, or a setting is wrong.
    """
    name, command, rest = find(arguments)
    config = parse_config(
        command.config_class(),
        [argument for argument in rest if argument not in command.flags],
        command=name,
        description=command.description,
        positional=command.positional,
    )
    return command, config, {keyword: True for flag, keyword in command.flags.items() if flag in rest}


def _resumes(arguments: list[str]) -> bool:
    with contextlib.suppress(UserError, IndexError):
        return find(arguments)[1].resumes
    return False


def _has_to_name_an_action(name: str) -> bool:
    entry = COMMANDS.get(name)
    return isinstance(entry, Group) and not entry.default


def overview() -> str:
    """The text of `compeer --help`."""
    summaries = {name: entry.summary for name, entry in COMMANDS.items()}
    return "\n".join(
        [
            "usage: compeer COMMAND [--config FILE.yaml] [--key value ...]",
            "",
            "COMPEER for JAX: a language model that reasons in psychological steps and supports people in distress.",
            "",
            "commands:",
            *_listed(summaries | {"config": CONFIG_SUMMARY}),
            "",
            "`compeer COMMAND --help` lists a command's settings. Start with `compeer quickstart`.",
        ]
    )


def actions_overview(name: str) -> str:
    """The text of `compeer COMMAND --help` of a command that has actions."""
    entry = COMMANDS[name]
    assert isinstance(entry, Group)
    return "\n".join(
        [
            f"usage: compeer {name} ACTION [--config FILE.yaml] [--key value ...]",
            "",
            "actions:",
            *_listed({action: command.summary for action, command in entry.actions.items()}),
            "",
            f"`compeer {name} ACTION --help` lists an action's settings.",
        ]
    )


def _listed(summaries: dict[str, str]) -> list[str]:
    width = max(map(len, summaries))
    return [f"  {name.ljust(width)}  {summary}" for name, summary in summaries.items()]


def show_config(arguments: Sequence[str]) -> None:
    """`compeer config show COMMAND ...`: the merged settings, as YAML that `--config` takes."""
    from compeer_jax.chat.config import without_login

    names = [name for name, _ in commands()]
    usage = f"usage: compeer config show {{{','.join(names)}}} [--config FILE.yaml] [--key value ...]"
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"{usage}\n\nPrints the settings a command would run with: defaults, then files, then the command line.")
        return
    if arguments[0] != "show":
        raise unknown("config action", arguments[0], ["show"])
    if len(arguments) < 2:
        raise UserError(f"name a command: {usage}")
    name, command, rest = find(arguments[1:])
    text = merged_yaml(
        command.config_class(),
        [argument for argument in rest if argument not in command.flags],
        command=name,
        description=command.description,
        positional=command.positional,
    )
    print(without_login(text))


if __name__ == "__main__":
    sys.exit(main())
