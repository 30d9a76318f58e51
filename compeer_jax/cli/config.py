"""`compeer config show COMMAND ...`: the merged settings, as YAML that `--config` takes."""

import importlib
from collections.abc import Sequence

from compeer_jax.cli.configure import merged_yaml
from compeer_jax.cli.eval import ACTIONS as EVAL_ACTIONS
from compeer_jax.cli.reward import ACTIONS as REWARD_ACTIONS
from compeer_jax.errors import UserError, unknown

CONFIGURED = (
    *("init", "data", "sft", "grpo", "eval", "quickstart", "ablate"),
    *(f"reward {action}" for action in REWARD_ACTIONS),
    *(f"eval {action}" for action in EVAL_ACTIONS),
)

USAGE = f"usage: compeer config show {{{','.join(CONFIGURED)}}} [--config FILE.yaml] [--key value ...]"


def run(arguments: Sequence[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"{USAGE}\n\nPrints the settings a command would run with: defaults, then files, then the command line.")
        return
    if arguments[0] != "show":
        raise unknown("config action", arguments[0], ["show"])
    if len(arguments) < 2:
        raise UserError(f"name a command: {USAGE}")
    has_action = arguments[1] == "reward" or (arguments[1] == "eval" and not "".join(arguments[2:3]).startswith("-"))
    words = 2 if has_action else 1
    command, rest = " ".join(arguments[1 : 1 + words]), arguments[1 + words :]
    if command not in CONFIGURED:
        raise unknown("command", command, CONFIGURED)
    name = "eval_policy" if command == "eval" else command.replace(" ", "_")
    module = importlib.import_module(f"compeer_jax.cli.{name}")
    print(merged_yaml(module.CONFIG, rest, command=command, description=module.DESCRIPTION))
