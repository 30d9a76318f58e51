"""`compeer config show COMMAND ...`: the merged settings, as YAML that `--config` takes."""

import importlib
from collections.abc import Sequence

from compeer_jax.chat.config import without_login
from compeer_jax.cli.actions import module_of
from compeer_jax.cli.configure import merged_yaml
from compeer_jax.cli.data import ACTIONS as DATA_ACTIONS
from compeer_jax.cli.eval import ACTIONS as EVAL_ACTIONS
from compeer_jax.cli.eval import DEFAULT
from compeer_jax.cli.reward import ACTIONS as REWARD_ACTIONS
from compeer_jax.curation.pipeline import STAGES
from compeer_jax.errors import UserError, unknown

ACTIONS = {
    "data": [action for action in DATA_ACTIONS if action not in STAGES],  # the stages have the settings of "build"
    "reward": list(REWARD_ACTIONS),
    "eval": list(EVAL_ACTIONS),
}
COMMANDS = ("init", "sft", "grpo", "eval", "chat", "quickstart", "ablate", "plan")
CONFIGURED = (*COMMANDS, *(f"{command} {action}" for command, actions in ACTIONS.items() for action in actions))

USAGE = f"usage: compeer config show {{{','.join(CONFIGURED)}}} [--config FILE.yaml] [--key value ...]"


def run(arguments: Sequence[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"{USAGE}\n\nPrints the settings a command would run with: defaults, then files, then the command line.")
        return
    if arguments[0] != "show":
        raise unknown("config action", arguments[0], ["show"])
    if len(arguments) < 2:
        raise UserError(f"name a command: {USAGE}")
    command, rest = arguments[1], arguments[2:]
    action = rest[0] if command in ACTIONS and rest and not rest[0].startswith("-") else ""
    name = f"{command} {action}".strip()
    if name not in CONFIGURED:
        raise unknown("command", name, CONFIGURED)
    if command in ACTIONS:
        module = module_of(command, action or DEFAULT)
    else:
        module = importlib.import_module(f"compeer_jax.cli.{command}")
    text = merged_yaml(module.CONFIG, rest[bool(action) :], command=name, description=module.DESCRIPTION)
    print(without_login(text))
