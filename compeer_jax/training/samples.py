"""Logs of rollouts: what the policy wrote, for people and for later analysis.

`rollouts/step_000012.jsonl` holds every output of a step with its reward parts; `samples.md` shows one group of some
steps. The second is made anew from the first, so that a run that was killed leaves no gap and nothing twice.
`read_rollouts` gives the numbers back as arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from compeer_jax.data.jsonl import read_jsonl, write_jsonl
from compeer_jax.dialogue.danger.withheld import shown
from compeer_jax.errors import UserError
from compeer_jax.files import replacing
from compeer_jax.parallel.exchange import is_first
from compeer_jax.rewards.reward import Completion, Rewards
from compeer_jax.rl.reward_shaping import ShapedRewards
from compeer_jax.runs.folder import RunFolder

NUMBERS = ("reward", "s_in", "s_hi", "length", "tau", "reweighted", "advantage")
"""Fields of a logged output that are numbers."""


def log_rollout(
    folder: RunFolder,
    step: int,
    completions: Sequence[Completion],
    rewards: Rewards,
    shaped: ShapedRewards,
    lengths: Sequence[int] | np.ndarray,
    *,
    every: int = 0,
) -> None:
    """Writes the outputs of a step, with all numbers that its advantages were made of; process 0 does.

    Args:
        folder: of the run.
        step: its number.
        completions: N = B·G outputs, those of one prompt standing together.
        rewards: of each.
        shaped: of B groups of G.
        lengths: of each output, by the run's `reward.length_of` and `reward.length_unit`; what τ was made of.
        every: samples.md is made anew every so many steps, and after the first (0: never).
    """
    if not is_first():
        return
    group_size = shaped.rewards.shape[1]
    rows = []
    for index, completion in enumerate(completions):
        group, member = divmod(index, group_size)
        rows.append(
            {
                "step": step,
                "id": completion.record.id,
                "member": member,
                "text": completion.text,
                "response": completion.turn.response,
                "truncated": completion.truncated,
                "problems": list(completion.turn.problems),
                "parts": {name: float(values[index]) for name, values in rewards.parts.items()},
                "reward": float(rewards.total[index]),
                "missed_danger": rewards.missed is not None and bool(rewards.missed[index]),
                "s_in": float(shaped.s_in[group, member]),
                "s_hi": float(shaped.s_hi[group, member]),
                "length": int(lengths[index]),
                "tau": float(shaped.tau[group]),
                "reweighted": float(shaped.rewards[group, member]),
                "advantage": float(shaped.advantages[group, member]),
            }
        )
        if member == 0:
            rows[-1]["history"] = [{"role": turn.role, "content": turn.content} for turn in completion.record.history]
    write_jsonl(rollout_path(folder, step), rows)
    if every and (step == 1 or step % every == 0):
        write_samples(folder, every=every, last=step)


def rollout_path(folder: RunFolder, step: int) -> Path:
    """Where the outputs of a step lie."""
    return folder.rollouts / f"step_{step:06d}.jsonl"


@dataclass(frozen=True)
class LoggedRollouts:
    """The outputs of M steps of a run: B prompts a step, G outputs a prompt, K parts of the reward.

    Attributes:
        steps: their numbers, rising.
        part_names: of the K parts.
        parts: what the reward is the weighted sum of, before reweighting.
        rewards: that sum.
        s_in, s_hi: redundancy (Eq. 6).
        lengths: of the outputs, in the run's unit.
        reweighted: rewards after Eq. 5.
        advantages: after Eq. 3.
        missed: the outputs that passed over a danger.
        rows: the logged lines as they are, M·B·G of them; the first of a group holds its "history".
    """

    steps: tuple[int, ...]
    part_names: tuple[str, ...]
    parts: Float[np.ndarray, "M B G K"]
    rewards: Float[np.ndarray, "M B G"]
    s_in: Float[np.ndarray, "M B G"]
    s_hi: Float[np.ndarray, "M B G"]
    lengths: Float[np.ndarray, "M B G"]
    reweighted: Float[np.ndarray, "M B G"]
    advantages: Float[np.ndarray, "M B G"]
    missed: Bool[np.ndarray, "M B G"]
    rows: list[dict[str, Any]]


def read_rollouts(folder: RunFolder, steps: Sequence[int] | None = None, *, last: int = 0) -> LoggedRollouts:
    """The logged outputs of a GRPO run.

    Args:
        folder: of the run.
        steps: which steps; None for all there are.
        last: the last so many of them only; 0 for all.

    Raises:
        UserError: no rollouts there, or not of these steps; a line that lacks a number (it is named); steps of
            different sizes.
    """
    logged = {int(path.stem.removeprefix("step_")): path for path in folder.rollouts.glob("step_*.jsonl")}
    if not logged:
        raise UserError(f"{folder.path} has no logged rollouts; name the folder of a `compeer grpo` run.")
    missing = sorted(set(steps or ()) - set(logged))
    if missing:
        raise UserError(
            f"{folder.path} has no rollout of step {missing[0]}; its steps are {min(logged)}-{max(logged)}."
        )
    steps = tuple(sorted(logged if steps is None else set(steps)))[-last:]
    rows = [[_checked(row, where) for where, row in read_jsonl(logged[step])] for step in steps]
    shape = (len(steps), *_group_shape(rows[0], logged[steps[0]]))
    for step, of_step in zip(steps, rows, strict=True):
        if (len(steps), *_group_shape(of_step, logged[step])) != shape:
            raise UserError(
                f"{logged[step]} has not the {shape[1]} x {shape[2]} outputs of step {steps[0]}; remove it."
            )
    rows = [row for of_step in rows for row in of_step]
    names = tuple(rows[0]["parts"])
    if any(tuple(row["parts"]) != names for row in rows):
        raise UserError(f"The rollouts of {folder.path} do not all have the reward parts {', '.join(names)}.")

    def numbers(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows], np.float32).reshape(shape)

    parts = np.array([list(row["parts"].values()) for row in rows], np.float32).reshape(*shape, len(names))
    reward, s_in, s_hi, lengths, _, reweighted, advantage = map(numbers, NUMBERS)
    missed = np.array([row.get("missed_danger", False) for row in rows], bool).reshape(shape)  # older ones lack it
    return LoggedRollouts(steps, names, parts, reward, s_in, s_hi, lengths, reweighted, advantage, missed, rows)


def _checked(row: dict, where: str) -> dict:
    for name in NUMBERS:
        if not isinstance(row.get(name), int | float):
            raise UserError(f"{where}: {name!r} is missing or no number; is this a rollout of `compeer grpo`?")
    if not isinstance(row.get("parts"), Mapping):
        raise UserError(f"{where}: 'parts' of the reward are missing; is this a rollout of `compeer grpo`?")
    return row


def _group_shape(rows: Sequence[Mapping], path: Path) -> tuple[int, int]:
    """(B, G) of the outputs of a step."""
    members = [row.get("member") for row in rows]
    group = max((member for member in members if isinstance(member, int)), default=0) + 1
    if members != [index % group for index in range(len(rows))] or len(rows) % group:
        raise UserError(f"{path} does not hold whole groups of {group} outputs; remove it, or let the run go on.")
    return len(rows) // group, group


def write_samples(folder: RunFolder, *, every: int, last: int) -> None:
    """Makes samples.md: the first group of every `every`-th step up to `last`, the newest first.

    An output that says what none may, a method of suicide among it, is named and not shown; the rollouts keep all.
    """
    steps = [step for step in range(last, 0, -1) if step % every == 0 or step == 1]
    sections = ["# Samples\n\nThe first prompt of some steps, and all outputs of its group. Newest first.\n"]
    sections += [_section(step, rollout_path(folder, step)) for step in steps if rollout_path(folder, step).exists()]
    with replacing(folder.samples) as temporary:
        temporary.write_text("\n".join(sections), encoding="utf-8")


def _section(step: int, path: Path) -> str:
    rows = [row for _, row in read_jsonl(path)]
    group = rows[: next((index for index, row in enumerate(rows) if index and row["member"] == 0), len(rows))]
    lines = [f"## Step {step}: `{group[0]['id']}`\n"]
    here = f"{group[0]['id']}, rollouts/{path.name}"
    for number, turn in enumerate(group[0]["history"], start=1):
        said = turn["content"] if turn["role"] == "seeker" else shown(turn["content"], f"{here}, turn {number}")
        lines.append(f"> **{turn['role']}:** {_one_line(said)}  ")
    for row in group:
        parts = ", ".join(f"{name} {value:+g}" for name, value in row["parts"].items())
        ending = " (cut off)" if row["truncated"] else ""
        lines += [
            f"\n**Output {row['member'] + 1}**{ending}: reward {row['reward']:+.2f} ({parts}); "
            f"redundancy {row['s_in']:.2f} in group, {row['s_hi']:.2f} with history; "
            f"reweighted {row['reweighted']:+.2f}; advantage {row['advantage']:+.2f}\n",
            _fenced(shown(row["text"], f"{here}, output {row['member'] + 1}")),
        ]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fenced(text: str) -> str:
    """A code block that the text can't break out of."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}"
