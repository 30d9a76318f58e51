"""Commands that have actions of their own, such as `compeer reward train`."""

from collections.abc import Mapping


def overview(command: str, actions: Mapping[str, str]) -> str:
    """The text of `compeer COMMAND --help`."""
    width = max(map(len, actions))
    lines = [f"  {name.ljust(width)}  {summary}" for name, summary in actions.items()]
    usage = f"usage: compeer {command} ACTION [--config FILE.yaml] [--key value ...]"
    more = f"`compeer {command} ACTION --help` lists an action's settings."
    return "\n".join([usage, "", "actions:", *lines, "", more])
