"""`compeer eval pairs`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log
from compeer_jax.people.forms import FOR_ANNOTATORS, KEY_FILE, PairsConfig

DESCRIPTION = "Makes blinded pairs of two systems' replies for people to judge, as a table and for Label Studio."
CONFIG = PairsConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="eval pairs", description=DESCRIPTION)
    show_log()
    from compeer_jax.people.forms import export_pairs

    pairing = export_pairs(config)
    print(
        f"{len(pairing.pairs)} pairs of {pairing.common} records that both reply to; {pairing.same} with the same "
        f"reply from both are left out, and {pairing.only_a + pairing.only_b} that one of them lacks.\n"
        f"Give annotators what lies in {config.output}/{FOR_ANNOTATORS}, and keep {KEY_FILE} back. Then:\n"
        f"compeer eval preferences --pairs {config.output} --imports FILE ..."
    )
