"""`compeer data danger`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log
from compeer_jax.data.danger.review import DangerSheetConfig

DESCRIPTION = (
    "Lists the dialogues in which somebody is in danger, for a person to decide what may be learned from: "
    "`compeer data danger DATA --output sheet.jsonl`."
)
CONFIG = DangerSheetConfig


def run(arguments: Sequence[str]) -> None:
    named = bool(arguments) and not arguments[0].startswith("-")
    given = [f"--data={arguments[0]}", *arguments[1:]] if named else arguments
    config = parse_config(CONFIG, given, command="data danger", description=DESCRIPTION)
    show_log()
    from compeer_jax.data.danger.review import make_sheet

    print(make_sheet(config))
