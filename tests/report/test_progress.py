"""Progress: a bar at a terminal, lines in a log, nothing when quiet."""

import io

import pytest
from rich.console import Console

from compeer_jax.progress import Progress, duration


def shown(*, terminal=False, steps=range(1, 6), **options):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=200)
    with Progress(5, "grpo", console=console, **options) as progress:
        progress.say("a line with [brackets] and 支持")
        for step in steps:
            progress.update(step, {"reward": 1.23456, "kl": 2e-7})
    return stream.getvalue()


def test_a_log_gets_the_first_and_the_last_step_and_those_far_enough_apart():
    assert len(shown(interval=0).splitlines()) == 1 + 5
    said, first, last = shown(interval=1e9).splitlines()
    assert said == "a line with [brackets] and 支持"
    assert first.startswith("grpo 1/5  ")
    assert last.startswith("grpo 5/5  ")
    assert first.endswith("reward 1.235  kl 2e-07")
    assert " in all" in last


def test_a_terminal_gets_a_bar():
    text = shown(terminal=True)
    assert "a line with [brackets] and 支持" in text
    assert "5/5" in text
    assert "reward 1.235" in text
    assert "━" in text


def test_a_step_can_have_another_name():
    assert "items/s" in shown(interval=0, unit="item")


def test_quiet_shows_only_what_is_said():
    assert shown(quiet=True) == "a line with [brackets] and 支持\n"
    assert "━" not in shown(quiet=True, terminal=True)


def test_a_run_that_goes_on_counts_from_where_it_was():
    assert "grpo 4/5" in shown(done=3, steps=[4, 5], interval=0)
    assert shown(done=5, steps=[]) == "a line with [brackets] and 支持\n"


@pytest.mark.parametrize(
    "seconds, words",
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273_600, "3 d 4 h")],
)
def test_durations_are_told_in_two_units(seconds, words):
    assert duration(seconds) == words
