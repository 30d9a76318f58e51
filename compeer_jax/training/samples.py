"""What the policy wrote, for people and for later analysis.

`rollouts/step_000012.jsonl` holds every output of a step with its reward parts; `samples.md` shows one group of some
steps. The second is made anew from the first, so that a run that was killed leaves no gap and nothing twice.
"""

from collections.abc import Sequence
from pathlib import Path

from compeer_jax.data.jsonl import read_jsonl, write_jsonl
from compeer_jax.rewards.reward import Completion, Rewards
from compeer_jax.rl.reward_shaping import ShapedRewards
from compeer_jax.training.run_folder import RunFolder, replacing


def log_rollout(
    folder: RunFolder, step: int, completions: Sequence[Completion], rewards: Rewards, shaped: ShapedRewards
) -> None:
    """Writes the outputs of a step, with all numbers that its advantages were made of."""
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
                "s_in": float(shaped.s_in[group, member]),
                "s_hi": float(shaped.s_hi[group, member]),
                "tau": float(shaped.tau[group]),
                "reweighted": float(shaped.rewards[group, member]),
                "advantage": float(shaped.advantages[group, member]),
            }
        )
        if member == 0:
            rows[-1]["history"] = [{"role": turn.role, "content": turn.content} for turn in completion.record.history]
    write_jsonl(rollout_path(folder, step), rows)


def rollout_path(folder: RunFolder, step: int) -> Path:
    """Where the outputs of a step lie."""
    return folder.rollouts / f"step_{step:06d}.jsonl"


def write_samples(folder: RunFolder, *, every: int, last: int) -> None:
    """Makes samples.md: the first group of every `every`-th step up to `last`, the newest first."""
    steps = [step for step in range(last, 0, -1) if step % every == 0 or step == 1]
    sections = ["# Samples\n\nThe first prompt of some steps, and all outputs of its group. Newest first.\n"]
    sections += [_section(step, rollout_path(folder, step)) for step in steps if rollout_path(folder, step).exists()]
    with replacing(folder.samples) as temporary:
        temporary.write_text("\n".join(sections), encoding="utf-8")


def _section(step: int, path: Path) -> str:
    rows = [row for _, row in read_jsonl(path)]
    group = rows[: next((index for index, row in enumerate(rows) if index and row["member"] == 0), len(rows))]
    lines = [f"## Step {step}: `{group[0]['id']}`\n"]
    lines += [f"> **{turn['role']}:** {_one_line(turn['content'])}  " for turn in group[0]["history"]]
    for row in group:
        parts = ", ".join(f"{name} {value:+g}" for name, value in row["parts"].items())
        ending = " (cut off)" if row["truncated"] else ""
        lines += [
            f"\n**Output {row['member'] + 1}**{ending}: reward {row['reward']:+.2f} ({parts}); "
            f"redundancy {row['s_in']:.2f} in group, {row['s_hi']:.2f} with history; "
            f"reweighted {row['reweighted']:+.2f}; advantage {row['advantage']:+.2f}\n",
            _fenced(row["text"]),
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
