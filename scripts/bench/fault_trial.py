"""Kills runs at random moments, lets each go on until it is done, and compares it with one that nothing disturbed.

    python scripts/bench/fault_trial.py --runs 50 --folder runs/fault_trial

The stages take turns: SFT, GRPO with a judge that is a model, and a data build against a scripted chat server (on the
bundled dialogues, with a model of a few thousand weights). A run is killed with SIGKILL up to --kills times. Then it
must have the very bits of the undisturbed one: weights, optimiser, every metric of every step once, every output. More
rows ask a run to stop with SIGTERM and SIGUSR1, fill its disk, and make its folder read-only (these two need Linux's
`unshare`, and are left out without it). Ends with status 1 when anything differs.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import yaml
from flax import nnx

from compeer_jax.cli.main import STOPPED
from compeer_jax.data.judge_chat import JudgeLimits
from compeer_jax.data.policy_data import DataConfig
from compeer_jax.models.chat_template import ANSWER_HEADER, TURN_END
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.tokenizer import load_tokenizer
from compeer_jax.rewards.judge_card import JudgeCard
from compeer_jax.runs.checkpoints import StoredTensor
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.training.small_model import SmallModelConfig, make_small_model

ROOT = Path(__file__).parents[2]
COMPEER = [sys.executable, "-m", "compeer_jax.cli.main"]
DATA = {"path": "sample", "prompt": "compeer_brief", "max_prompt_tokens": 192, "max_answer_tokens": 192, "limit": 4}
SFT = {
    "data": DATA,
    "optimizer": {"learning_rate": 2.0e-2},
    "checkpoint": {"every": 7},
    "steps": 40,
    "batch_size": 2,
    "eval_every": 20,
    "eval_records": 2,
}
GRPO = {
    "data": DATA,
    "optimizer": {"learning_rate": 1.0e-3},
    "checkpoint": {"every": 3},
    "sampling": {"max_new_tokens": 160},
    "steps": 10,
    "prompts_per_step": 4,
    "group_size": 2,
    "samples_every": 2,
}


@dataclass(frozen=True)
class Stage:
    """A command to disturb.

    Attributes:
        name: of the stage.
        command: all but its output folder.
        done: how far a folder is, in steps or the like; it rises to `total`.
        total: of a run that is complete.
        differs: what in a folder differs from the undisturbed one; "" when nothing does.
    """

    name: str
    command: list[str]
    done: Callable[[Path], int]
    total: int
    differs: Callable[[Path, Path], str]

    def launch(self, folder: Path, *before: str) -> subprocess.Popen:
        command = [*before, *COMPEER, *self.command, "--output", str(folder)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@dataclass
class Outcome:
    """What became of the runs of one row of the table."""

    runs: int = 0
    faults: int = 0
    at: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    note: str = ""


def main() -> int:
    arguments = parse_arguments()
    work = arguments.folder.absolute()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(work / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    began = time.monotonic()
    table: dict[str, Outcome] = {}
    with stages_in(work, arguments.stages) as stages:
        seconds = {stage.name: undisturbed(stage, work) for stage in stages}
        for number in range(arguments.runs):
            if time.monotonic() - began > arguments.minutes * 60:
                print(f"{arguments.minutes} minutes are over after {number} of {arguments.runs} runs.")
                break
            stage = stages[number % len(stages)]
            outcome = table.setdefault(f"{stage.name}, SIGKILL", Outcome())
            generator = random.Random(f"{arguments.seed} {number}")
            kill_and_resume(stage, work, number, generator, arguments.kills, seconds[stage.name], outcome)
        if not arguments.kills_only:
            for stage in stages:
                if stage.name != "data":
                    for asked in (signal.SIGTERM, signal.SIGUSR1):
                        table[f"{stage.name}, {asked.name}"] = ask_to_stop(stage, work, asked)
                    if shutil.which("unshare"):
                        table[f"{stage.name}, disk full"] = mounted(stage, work, "full", FULL_DISK)
                        table[f"{stage.name}, read-only"] = mounted(stage, work, "read-only", READ_ONLY)
    show(table, time.monotonic() - began)
    return int(any(outcome.wrong for outcome in table.values()))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50, help="runs to kill, over all stages")
    parser.add_argument("--kills", type=int, default=3, help="how often one run is killed at most")
    parser.add_argument("--minutes", type=float, default=60, help="begin no further run after so long")
    parser.add_argument("--stages", nargs="+", choices=("sft", "grpo", "data"), default=["sft", "grpo", "data"])
    parser.add_argument("--kills-only", action="store_true", help="leave out signals, full disk and read-only folder")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--folder", type=Path, required=True, help="emptied first; all runs are in it")
    return parser.parse_args()


# What is disturbed


@contextmanager
def stages_in(work: Path, names: list[str]) -> Iterator[list[Stage]]:
    """The stages with all that they start from; a GRPO run starts from what SFT made."""
    start = make_start(work / "start")
    judge = make_judge(work / "judge", start)
    settings = {name: work / f"{name}.yaml" for name in ("sft", "grpo")}
    settings["sft"].write_text(yaml.safe_dump({"model": {"path": str(start), "dtype": "float32"}} | SFT))
    # Random outputs are alike to the judge; what a run learns from is how they repeat one another.
    reward = {"judge": "unifi", "models": {"unifi": str(judge), "dtype": "float32"}, "encoder": {"compares": "output"}}
    policy = {"path": str(work / "sft-undisturbed" / "model"), "dtype": "float32"}
    settings["grpo"].write_text(yaml.safe_dump({"model": policy, "reward": reward} | GRPO))
    sft, grpo = (
        Stage(name, [name, "--config", str(settings[name])], steps_done, plan["steps"], training_differs)
        for name, plan in (("sft", SFT), ("grpo", GRPO))
    )
    if "grpo" in names and "sft" not in names:
        undisturbed(sft, work)
    made = {"sft": sft, "grpo": grpo}
    if "data" not in names:
        yield [made[name] for name in names]
        return
    script = [sys.executable, str(ROOT / "scripts" / "scripted_chat_server.py"), "--port", "0", "--delay", "0.004"]
    server = subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        made["data"] = data_stage(server.stdout.readline().split()[-1])
        yield [made[name] for name in names]
    finally:
        server.kill()


def make_start(directory: Path) -> Path:
    """A model of random weights."""
    shape = {"hidden_size": 32, "layers": 1, "heads": 4, "kv_heads": 4, "intermediate_size": 32, "context": 1024}
    make_small_model(SmallModelConfig(output=str(directory), data=DataConfig(**DATA), vocab_size=2048, **shape))
    return directory


def make_judge(directory: Path, start: Path) -> Path:
    """A judge that says "Verdict: True" whatever it is shown: each of its tokens is followed by one other."""
    tokenizer = load_tokenizer(start)
    said = [*tokenizer.encode(ANSWER_HEADER)[-1:], *tokenizer.encode("Verdict: True" + TURN_END)]
    model = Qwen2(replace(DecoderConfig.from_json(start), tie_word_embeddings=False), rngs=nnx.Rngs(0))
    nnx.update(model, jax.tree.map(jnp.zeros_like, nnx.state(model, nnx.Param)))
    for place, (last, following) in enumerate(pairwise(said)):
        model.embedding[...] = model.embedding[...].at[last, place].set(1)
        model.output[...] = model.output[...].at[place, following].set(9)
    model.norm.scale[...] = jnp.ones_like(model.norm.scale[...])
    model.save_pretrained(directory, tokenizer)
    limits = JudgeLimits("judge_brief", max_history_tokens=64, max_part_tokens=48)
    JudgeCard("unifi", "compeer", limits, max_new_tokens=12).write(directory)
    return directory


def data_stage(url: str) -> Stage:
    """`compeer data build` on a part of the bundled dialogues."""
    names = ("scripted-a", "scripted-b", "scripted-c")
    models = {name: {"server": {"url": url, "concurrency": 4, "patience": 30, "model": name}} for name in names}
    few = ["--corpora", "[{path: sample, limit: 44}]", "--rounds.per_dialogue", "1"]
    config = ["--config", str(ROOT / "configs" / "scripted_data.yaml")]
    return Stage("data", ["data", "build", *config, "--models", json.dumps(models), *few], files_done, 8, files_differ)


def steps_done(folder: Path) -> int:
    """Steps of a training run that have their line of metrics."""
    metrics = folder / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.exists() else 0


def files_done(folder: Path) -> int:
    """Stages of a data build that are complete."""
    return len(list(folder.glob("*/stage.json")))


def training_differs(folder: Path, whole: Path) -> str:
    """Compares weights and optimiser bit for bit, metrics but for times, and all outputs."""
    rows, expected = (read_metrics(one / "metrics.jsonl") for one in (folder, whole))
    if [row["step"] for row in rows] != [row["step"] for row in expected]:
        return f"steps {[row['step'] for row in rows]}"
    for row, other in zip(rows, expected, strict=True):
        for name in {*row, *other}:
            same = np.array_equal(row.get(name, "absent"), other.get(name, "absent"), equal_nan=True)
            if not same and not name.startswith("time/"):
                return f"{name} of step {row['step']}: {row.get(name)} and {other.get(name)}"
    last = rows[-1]["step"]
    state, wanted = (checkpoint(one / "checkpoints" / str(last)) for one in (folder, whole))
    for name in {*state, *wanted}:
        if name not in state or name not in wanted or state[name].tobytes() != wanted[name].tobytes():
            return f"tensor {name}"
    texts = [path.relative_to(whole) for path in (*whole.glob("rollouts/*"), *whole.glob("samples.md"))]
    return next((str(path) for path in texts if (folder / path).read_bytes() != (whole / path).read_bytes()), "")


def checkpoint(directory: Path) -> dict[str, np.ndarray]:
    """All tensors of a checkpoint: weights, moments, counters."""
    described = json.loads((directory / "state" / "_METADATA").read_text(encoding="utf-8"))["tree_metadata"]
    names = [tensor["key_metadata"][0]["key"] for tensor in described.values()]
    return {name: np.asarray(StoredTensor.open(directory, name)) for name in names}


def files_differ(folder: Path, whole: Path) -> str:
    """Compares all that a data build wrote but the kept answers, which come in the order of a race."""
    one, other = (
        {path.relative_to(base): path.read_bytes() for path in base.rglob("*") if is_result(path)}
        for base in (folder, whole)
    )
    return next((str(path) for path in sorted({*one, *other}) if one.get(path) != other.get(path)), "")


def is_result(path: Path) -> bool:
    return path.is_file() and "answers" not in path.parts and not path.name.startswith(".lock")


# How it is disturbed


def undisturbed(stage: Stage, work: Path) -> float:
    """Runs the stage with nothing in its way; returns how long a step takes, starting included (s)."""
    began = time.monotonic()
    finish(stage.launch(work / f"{stage.name}-undisturbed"), stage)
    return (time.monotonic() - began) / stage.total


def finish(process: subprocess.Popen, stage: Stage) -> None:
    _, errors = process.communicate()
    if process.returncode:
        sys.exit(f"{stage.name} ended with status {process.returncode}:\n{errors[-4000:]}")


def reaches(process: subprocess.Popen, stage: Stage, folder: Path, done: int, more: float = 0.0) -> bool:
    """Waits until a run has `done` steps, and `more` seconds; False when it ended before."""
    while stage.done(folder) < done:
        if ends_within(process, 0.005):
            return False
    return not ends_within(process, more)


def ends_within(process: subprocess.Popen, seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def kill_and_resume(
    stage: Stage, work: Path, number: int, generator: random.Random, kills: int, seconds: float, outcome: Outcome
) -> None:
    """Kills a run at random moments, a random part of a step after a random step, and lets it end."""
    folder = work / f"{stage.name}-{number}"
    for _ in range(kills):
        process = stage.launch(folder)
        due = generator.randint(min(stage.done(folder), stage.total - 1), stage.total - 1)
        if not reaches(process, stage, folder, due, generator.uniform(0, seconds)):
            finish(process, stage)
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        outcome.faults += 1
        outcome.at.append(stage.done(folder))
    finish(stage.launch(folder), stage)
    compare(stage, folder, work, outcome)


def ask_to_stop(stage: Stage, work: Path, asked: signal.Signals) -> Outcome:
    """Sends a signal that asks for a stop, and expects the status that says so; then lets the run end."""
    outcome, folder = Outcome(), work / f"{stage.name}-{asked.name}"
    process = stage.launch(folder)
    if reaches(process, stage, folder, stage.total // 2):
        process.send_signal(asked)
        began = time.monotonic()
        process.communicate()
        outcome.note = f"saved and gone {time.monotonic() - began:.1f} s after it"
        outcome.faults, outcome.at = 1, [stage.done(folder)]
    if process.returncode != STOPPED:
        outcome.wrong.append(f"status {process.returncode} instead of {STOPPED}")
    finish(stage.launch(folder), stage)
    compare(stage, folder, work, outcome)
    return outcome


FULL_DISK = ('mount -t tmpfs -o size={size} none "$0"', 'mount -o remount,size=1g "$0"')
READ_ONLY = ('mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"', 'mount -o remount,bind,rw "$0"')
"""Shell commands that spoil a folder, and that mend it, in a name space of mounts that is the run's own."""


def mounted(stage: Stage, work: Path, name: str, commands: tuple[str, str]) -> Outcome:
    """Runs a stage in a folder that can't be written (any more), mends the folder, and lets the run end."""
    outcome, folder = Outcome(), work / f"{stage.name}-{name}"
    inside = work / f"{folder.name}-mounted"
    inside.mkdir()
    whole = work / f"{stage.name}-undisturbed"
    size = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file() and "model" not in path.parts) // 2
    spoil, mend = (command.format(size=size) for command in commands)
    script = f'{spoil} && {{ "$@"; echo "status $?" >&2; {mend} && "$@"; cp -r "$0" {folder}; }}'
    _, errors = stage.launch(inside, "unshare", "-rm", "sh", "-c", script, str(inside)).communicate()
    first, reported, _ = errors.partition("status ")
    if not reported:
        outcome.note = "left out: this machine lets nobody mount"
        return outcome
    outcome.faults, outcome.note = 1, first.strip().splitlines()[-1].replace(str(inside), "FOLDER")[:110]
    if not errors[len(first) :].startswith("status 2\n"):
        outcome.wrong.append(errors[len(first) :].splitlines()[0])
    compare(stage, folder, work, outcome)
    return outcome


def compare(stage: Stage, folder: Path, work: Path, outcome: Outcome) -> None:
    """Notes what differs from the undisturbed run; a folder that is the same is removed."""
    outcome.runs += 1
    difference = stage.differs(folder, work / f"{stage.name}-undisturbed")
    if difference:
        outcome.wrong.append(f"{folder.name}: {difference}")
    else:
        shutil.rmtree(folder)
    print(f"{folder.name}: {difference or 'the same'}", flush=True)


def show(table: dict[str, Outcome], seconds: float) -> None:
    print("\n| stage and fault | runs | faults | at (steps done, median and range) | same in the end | |")
    print("| --- | ---: | ---: | --- | ---: | --- |")
    for name, row in table.items():
        at = f"{np.median(row.at):.0f} ({min(row.at)}-{max(row.at)})" if row.at else ""
        print(f"| {name} | {row.runs} | {row.faults} | {at} | {row.runs - len(row.wrong)} | {row.note} |")
    for row in table.values():
        print(*row.wrong, sep="\n", end="\n" if row.wrong else "")
    print(f"{sum(row.faults for row in table.values())} faults in {seconds / 60:.1f} minutes.")


if __name__ == "__main__":
    sys.exit(main())
