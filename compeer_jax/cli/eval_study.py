"""`compeer eval study`."""

from collections.abc import Sequence

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import show_log
from compeer_jax.people.forms import FOR_ANNOTATORS, KEY_FILE
from compeer_jax.people.study import StudyConfig

DESCRIPTION = (
    "Makes blinded pairs of one system's replies with those of several others, on the same dialogues, for people to "
    "judge, as tables and for Label Studio."
)
CONFIG = StudyConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="eval study", description=DESCRIPTION)
    show_log()
    from compeer_jax.people.study import export_study

    study = export_study(config)
    fewer = f", fewer than the {config.count} asked for" if len(study.dialogues) < config.count else ""
    print(
        f"{len(study.pairs)} pairs of {len(study.dialogues)} dialogues that all {len(config.systems)} systems "
        f"answer{fewer}."
    )
    for name, count in study.left_out.items():
        if count:
            print(f"{name}: {count} records that another system lacks are left out.")
    for name, count in study.empty.items():
        if count:
            print(f"{name}: no reply to {count} of the dialogues; shown as such.")
    for name, ids in study.same.items():
        if ids:
            print(f"{name}: says what {config.name} says to {len(ids)} of them: ties that nobody is asked about.")
    print(
        f"Give annotators what lies in {config.output}/{FOR_ANNOTATORS}, and keep {KEY_FILE} back. Then:\n"
        f"compeer eval preferences --pairs {config.output} --imports FILE ..."
    )
