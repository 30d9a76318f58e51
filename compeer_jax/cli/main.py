"""The `compeer` command. Each subcommand is a small module, imported only when it is asked for."""

import importlib
import os
import sys
from collections.abc import Sequence

from compeer_jax import __version__
from compeer_jax.cli.compiled_programs import keep_compiled_programs
from compeer_jax.cli.freed_memory import keep_freed_memory
from compeer_jax.errors import StopAsked, UserError, unknown
from compeer_jax.parallel.libtpu import calm
from compeer_jax.parallel.processes import give_up, leave
from compeer_jax.report.terminal_text import printable

COMMANDS = {
    "quickstart": "train a small model on the bundled dialogues, SFT then GRPO, and print what it learned",
    "init": "make a small random Qwen2.5-shaped model and a tokenizer from dialogues",
    "data": "build a dataset from corpora, with whatever chat models you have",
    "sft": "supervised fine-tuning on reasoned answers",
    "grpo": "reinforcement learning with a judge and redundancy-aware rewards",
    "reward": "train a judge, and see how often it is right",
    "eval": "rate a model on held-out dialogues",
    "chat": "talk with a model at the terminal",
    "ablate": "sweep reward settings over a run's logged rollouts",
    "plan": "say whether a run fits a TPU slice that is not here, and what bounds its speed there",
    "export": "write a run's model as a Hugging Face directory",
    "config": "show the merged settings of a command",
}

RESUMABLE = ("quickstart", "sft", "grpo", "reward train", "data", "eval esc-eval", "eval sage", "eval benchmarks")

STOPPED = 75
"""What sysexits.h calls EX_TEMPFAIL. A launcher can tell from it that the same command should be given again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status.

    That is 0, or 2 after a mistake of the user's, 75 (EX_TEMPFAIL: try again) when a signal stopped a run that saved
    first, or 130 when interrupted at the keyboard.
    """
    try:
        return leave(_run(arguments))
    except Exception:
        give_up()
        raise


def _run(arguments: Sequence[str] | None) -> int:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0
    if arguments[0] == "--version":
        print(f"compeer_jax {__version__}")
        return 0
    name, rest = arguments[0], arguments[1:]
    try:
        if name not in COMMANDS:
            raise unknown("command", name, COMMANDS)
        calm()
        keep_compiled_programs()
        keep_freed_memory()
        command = importlib.import_module(f"compeer_jax.cli.{name}")
        command.run(rest)
        sys.stdout.flush()
    except UserError as error:
        print(printable(f"compeer {name}: {error}"), file=sys.stderr)
        return 2
    except StopAsked as stop:
        print(f"compeer {name}: {stop}", file=sys.stderr)
        return STOPPED
    except KeyboardInterrupt:
        resumable = " ".join(arguments[:2]).startswith(RESUMABLE)
        resumes = "; the same command goes on from what is saved" if resumable else ""
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
    except OSError as error:  # a full disk, a folder taken away
        what = f"{error.strerror or error} ({error.filename or 'while writing'})"
        print(printable(f"compeer {name}: {what}; mend that and give the command again."), file=sys.stderr)
        return 2
    return 0


def overview() -> str:
    """The text of `compeer --help`."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(width)}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "usage: compeer COMMAND [--config FILE.yaml] [--key value ...]",
            "",
            "COMPEER for JAX: a language model that reasons in psychological steps and supports people in distress.",
            "",
            "commands:",
            *lines,
            "",
            "`compeer COMMAND --help` lists a command's settings. Start with `compeer quickstart`.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
