"""Commands that have actions of their own, such as `compeer reward train`: each action is a module `COMMAND_ACTION`."""

import importlib
from collections.abc import Mapping, Sequence
from types import ModuleType

from compeer_jax.errors import UserError, unknown


def run_action(command: str, actions: Mapping[str, str], arguments: Sequence[str], *, default: str = "") -> None:
    """Runs the action that the first argument names, or shows what actions there are.

    Args:
        command: e.g. "reward".
        actions: action -> what it does.
        arguments: of the command.
        default: the action that is meant where none is named ("": one has to be).

    Raises:
        UserError: no action is named, or an unknown one.
    """
    if not default and not arguments:
        raise UserError(f"name an action: {', '.join(actions)}.")
    if not default and arguments[0] in ("-h", "--help"):
        print(overview(command, actions))
        return
    action, rest = default, arguments
    if not default or (arguments and not arguments[0].startswith("-")):
        action, rest = arguments[0], arguments[1:]
        if action not in actions:
            raise unknown(f"{command} action", action, actions)
    module_of(command, action).run(rest)


def module_of(command: str, action: str) -> ModuleType:
    """The module of an action."""
    return importlib.import_module(f"compeer_jax.cli.{command}_{action.replace('-', '_')}")


def overview(command: str, actions: Mapping[str, str]) -> str:
    """The text of `compeer COMMAND --help`."""
    width = max(map(len, actions))
    lines = [f"  {name.ljust(width)}  {summary}" for name, summary in actions.items()]
    usage = f"usage: compeer {command} ACTION [--config FILE.yaml] [--key value ...]"
    more = f"`compeer {command} ACTION --help` lists an action's settings."
    return "\n".join([usage, "", "actions:", *lines, "", more])
