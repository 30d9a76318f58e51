"""Rewards that a user might bring, named in settings by their dotted path."""

import signal

import numpy as np

from compeer_jax.errors import UserError
from compeer_jax.rewards.reward import Rewards


class Calls:
    """Counts the calls of the rewards below that do something else at their `last` one (never, if None)."""

    made, last = 0, None


def is_last() -> bool:
    Calls.made += 1
    return Calls.made == Calls.last


def brevity(completions):
    return [-float(len(completion.text)) for completion in completions]


def length(completions):
    return [len(completion.turn.response) for completion in completions]


def constant(completions):
    return [1.0] * len(completions)


def not_a_number(completions):
    return [float("nan")] * len(completions)


def likes_everything(completions):
    """Knows nothing of danger."""
    return Rewards(np.full(len(completions), 7.0), {"kind": np.ones(len(completions))})


def boundless(completions):
    """Too large to square, once."""
    scale = 1e30 if is_last() else 1.0
    return [scale * value for value in brevity(completions)]


def gives_out(completions):
    if is_last():
        raise UserError("the judge is gone.")
    return brevity(completions)


def asks_to_stop(completions):
    if is_last():
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)  # a second one hurries nothing
    return brevity(completions)


def presses_ctrl_c(completions):
    if is_last():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    return brevity(completions)
