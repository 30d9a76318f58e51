"""Commands of studies by people: pairs to judge, and what was preferred."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compeer_jax.report.table import print_tables
from compeer_jax.report.terminal_text import wide_console

if TYPE_CHECKING:
    from compeer_jax.people.preferences import PreferencesConfig
    from compeer_jax.people.study import StudyConfig
    from compeer_jax.people.tasks import PairsConfig


def pairs(config: PairsConfig) -> None:
    from compeer_jax.people.tasks import export_pairs

    pairing = export_pairs(config)
    print(
        f"{len(pairing.pairs)} pairs of {pairing.common} records that both reply to; {pairing.same} with the same "
        f"reply from both are left out, and {pairing.only_a + pairing.only_b} that one of them lacks."
    )
    _print_next_step(config.output)


def study(config: StudyConfig) -> None:
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
    _print_next_step(config.output)


def _print_next_step(output: str) -> None:
    from compeer_jax.people.tasks import FOR_ANNOTATORS, KEY_FILE

    print(
        f"Give annotators what lies in {output}/{FOR_ANNOTATORS}, and keep {KEY_FILE} back. Then:\n"
        f"compeer eval preferences --pairs {output} --imports FILE ..."
    )


def preferences(config: PreferencesConfig) -> None:
    from compeer_jax.people.tasks import read_key

    console = wide_console()
    if read_key(Path(config.pairs).expanduser()).others:
        from compeer_jax.people.study_results import CHART, count_study

        print_tables([count_study(config).table], console)
        console.print(f"The chart is {Path(config.output or config.pairs) / CHART}.", highlight=False)
    else:
        from compeer_jax.people.preferences import count_preferences

        print_tables([count_preferences(config).table], console)
