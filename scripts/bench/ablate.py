"""How long a sweep over settings of the reward takes: one compiled call, against loops over settings in Python.

    python scripts/bench/ablate.py [--settings 1000] [--steps 125] [--prompts 8] [--group 8] [--size 256] [--repeats 5]

Three jobs, each for all settings; every loop is in float32, without a step that the job does not need:

- `whole`: from verdicts, embeddings and lengths to rewards and advantages, and those summed up in the eight numbers a
  setting that `compeer ablate` shows. The loops call one function with everything in it a setting, Eq. 6 included, as
  a reward function is usually written; they are timed on a tenth of the settings, times ten;
- `hoisted`: the same, Eq. 6 taken out of the loops by hand;
- `arrays`: hoisted, and instead of being summed up, the rewards and advantages of every output are kept. At 1,000 x
  1,000 that is 64 MB, and for everybody a good part of the time is the touching of that much new memory.

Results are asserted equal before anything is timed. The contestants take turns, with a pause between them in which the
idle threads of the last one go to sleep; PyTorch gets the number of threads that suits it best. Medians are shown.
"""

import argparse
import os
import platform
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import torch

from compeer_jax.rl.advantages import SCALES
from compeer_jax.rl.redundancy import cosine_redundancy
from compeer_jax.rl.reward_shaping import RewardSettings
from compeer_jax.rl.reward_sweep import TIE, sweep_rewards, sweep_summaries

PARTS = 5
UTTERANCES = 8
EPSILON = 1e-4


def make_outputs(shape, size, seed=0):
    """Random verdicts, embeddings and lengths of [M, B, G] outputs."""
    rng = np.random.default_rng(seed)
    steps, prompts, _ = shape
    return {
        "verdicts": rng.choice([-1, 0, 1], (*shape, PARTS), p=[0.5, 0.05, 0.45]).astype(np.float32),
        "outputs": rng.poisson(0.1, (*shape, size)).astype(np.float32),
        "history": rng.poisson(0.1, (steps, prompts, UTTERANCES, size)).astype(np.float32),
        "mask": rng.random((steps, prompts, UTTERANCES)) < 0.7,
        "lengths": rng.integers(1, 60, shape).astype(np.float32),
    }


def make_settings(count, seed=1):
    rng = np.random.default_rng(seed)
    return RewardSettings(
        reweighting=np.ones(count, bool),
        alpha=rng.uniform(0.05, 2, count).astype(np.float32),
        beta=rng.uniform(0, 50, count).astype(np.float32),
        aware=rng.random(count) < 0.5,
        weights=rng.uniform(0, 2, (count, PARTS)).astype(np.float32),
        scale=rng.integers(0, len(SCALES), count).astype(np.int32),
    )


# NumPy


def numpy_redundancy(data):
    def unit(vectors):
        norm = np.sqrt((vectors**2).sum(axis=-1, keepdims=True))
        return vectors / np.where(norm > 0, norm, 1)

    outputs, history = unit(data["outputs"]), unit(data["history"] * data["mask"][..., None])
    group = outputs.shape[2]
    siblings = outputs @ outputs.swapaxes(-1, -2)
    siblings[..., np.arange(group), np.arange(group)] = 0
    s_hi = (outputs @ history.swapaxes(-1, -2)).sum(axis=-1)
    return siblings.sum(axis=-1) / (group - 1), s_hi / np.maximum(data["mask"].sum(axis=-1), 1)[..., None]


def numpy_one(setting, data, redundancy, mean_lengths):
    """Judged and reweighted rewards, and advantages, of one setting."""
    _, alpha, beta, aware, weights, scale = setting
    judged = data["verdicts"] @ weights
    s_in, s_hi = redundancy
    tau = (1 / (1 + np.exp(-alpha * (mean_lengths - beta))))[..., None]
    penalty = (1 + tau * s_in) * (1 + tau * s_hi)
    rewards = np.where(judged < 0, judged * penalty, judged / penalty) if aware else judged / penalty
    advantages = rewards - rewards.mean(axis=-1, keepdims=True)
    if scale < 2:
        spread = rewards.std(axis=-1 if scale == 0 else (-2, -1), ddof=1, keepdims=True)
        advantages = advantages / (spread + np.float32(EPSILON))
    return judged, rewards, advantages


def numpy_arrays(settings, data):
    redundancy, mean_lengths = numpy_redundancy(data), data["lengths"].mean(axis=-1)
    rewards = np.empty((len(settings.alpha), *data["lengths"].shape), np.float32)
    advantages = np.empty_like(rewards)
    for index, setting in enumerate(zip(*settings, strict=True)):
        _, rewards[index], advantages[index] = numpy_one(setting, data, redundancy, mean_lengths)
    return rewards, advantages


def numpy_summaries(settings, base, data, *, hoisted):
    redundancy, mean_lengths = numpy_redundancy(data), data["lengths"].mean(axis=-1)
    shaped = numpy_one(base, data, redundancy, mean_lengths)
    lines = []
    for setting in zip(*settings, strict=True):
        if not hoisted:
            redundancy, mean_lengths = numpy_redundancy(data), data["lengths"].mean(axis=-1)
        lines.append(numpy_summary(*numpy_one(setting, data, redundancy, mean_lengths), redundancy, *shaped[1:]))
    return np.array(lines).T


def numpy_summary(judged, rewards, advantages, redundancy, base_rewards, base_advantages):
    redundancy = sum(redundancy)

    def centred(values, mask):
        count = np.maximum(mask.sum(axis=-1, keepdims=True), 1)
        return mask * (values - (values * mask).sum(axis=-1, keepdims=True) / count)

    def correlation(left, right):
        norm = np.sqrt((left**2).sum() * (right**2).sum())
        return (left * right).sum() / norm if norm > TIE else 0.0

    rejected, size = judged < 0, np.abs(advantages)
    highest = rewards.max(axis=-1, keepdims=True)
    base_best = base_rewards >= base_rewards.max(axis=-1, keepdims=True) - TIE
    turned = (advantages * base_advantages < 0) & (np.minimum(size, np.abs(base_advantages)) > TIE)
    return (
        rewards.mean(),
        (highest[..., 0] - rewards.min(axis=-1) <= TIE).mean(),
        size.mean(),
        correlation(advantages, redundancy - redundancy.mean(axis=-1, keepdims=True)),
        correlation(centred(advantages, rejected), centred(redundancy, rejected)),
        correlation(advantages, base_advantages),
        1 - ((rewards >= highest - TIE) & base_best).any(axis=-1).mean(),
        turned.mean(),
    )


# PyTorch


def torch_redundancy(data):
    outputs = torch.nn.functional.normalize(data["outputs"], dim=-1)
    history = torch.nn.functional.normalize(data["history"] * data["mask"][..., None], dim=-1)
    group = outputs.shape[2]
    siblings = (outputs @ outputs.mT) * (1 - torch.eye(group))
    s_hi = (outputs @ history.mT).sum(dim=-1)
    return siblings.sum(dim=-1) / (group - 1), s_hi / data["mask"].sum(dim=-1).clamp(min=1)[..., None]


def torch_one(setting, data, redundancy, mean_lengths):
    _, alpha, beta, aware, weights, scale = setting
    judged = data["verdicts"] @ weights
    s_in, s_hi = redundancy
    tau = torch.sigmoid(alpha * (mean_lengths - beta))[..., None]
    penalty = (1 + tau * s_in) * (1 + tau * s_hi)
    rewards = torch.where(judged < 0, judged * penalty, judged / penalty) if aware else judged / penalty
    advantages = rewards - rewards.mean(dim=-1, keepdim=True)
    if scale < 2:
        spread = rewards.std(dim=-1 if scale == 0 else (-2, -1), correction=1, keepdim=True)
        advantages = advantages / (spread + EPSILON)
    return judged, rewards, advantages


def torch_settings(settings):
    scalars = (array.tolist() for array in settings[:4])
    return zip(*scalars, torch.from_numpy(settings.weights), settings.scale.tolist(), strict=True)


@torch.no_grad()
def torch_arrays(settings, data):
    redundancy, mean_lengths = torch_redundancy(data), data["lengths"].mean(dim=-1)
    rewards = torch.empty((len(settings.alpha), *data["lengths"].shape))
    advantages = torch.empty_like(rewards)
    for index, setting in enumerate(torch_settings(settings)):
        _, rewards[index], advantages[index] = torch_one(setting, data, redundancy, mean_lengths)
    return rewards, advantages


@torch.no_grad()
def torch_summaries(settings, base, data, *, hoisted):
    redundancy, mean_lengths = torch_redundancy(data), data["lengths"].mean(dim=-1)
    shaped = torch_one((*base[:4], torch.from_numpy(base.weights), base.scale), data, redundancy, mean_lengths)
    lines = []
    for setting in torch_settings(settings):
        if not hoisted:
            redundancy, mean_lengths = torch_redundancy(data), data["lengths"].mean(dim=-1)
        lines.append(torch_summary(*torch_one(setting, data, redundancy, mean_lengths), redundancy, *shaped[1:]))
    return torch.stack(lines).T


def torch_summary(judged, rewards, advantages, redundancy, base_rewards, base_advantages):
    redundancy = sum(redundancy)

    def centred(values, mask):
        count = mask.sum(dim=-1, keepdim=True).clamp(min=1)
        return mask * (values - (values * mask).sum(dim=-1, keepdim=True) / count)

    def correlation(left, right):
        norm = torch.sqrt((left**2).sum() * (right**2).sum())
        return torch.where(norm > TIE, (left * right).sum() / norm, 0.0)

    rejected, size = judged < 0, advantages.abs()
    highest = rewards.amax(dim=-1, keepdim=True)
    base_best = base_rewards >= base_rewards.amax(dim=-1, keepdim=True) - TIE
    turned = (advantages * base_advantages < 0) & (torch.minimum(size, base_advantages.abs()) > TIE)
    numbers = (
        rewards.mean(),
        (highest[..., 0] - rewards.amin(dim=-1) <= TIE).float().mean(),
        size.mean(),
        correlation(advantages, redundancy - redundancy.mean(dim=-1, keepdim=True)),
        correlation(centred(advantages, rejected), centred(redundancy, rejected)),
        correlation(advantages, base_advantages),
        1 - ((rewards >= highest - TIE) & base_best).any(dim=-1).float().mean(),
        turned.float().mean(),
    )
    return torch.stack(numbers)


# Ours


@jax.jit
def our_arrays(settings, data):
    s_in, s_hi = jax.vmap(cosine_redundancy)(data["outputs"], data["history"], data["mask"])
    return sweep_rewards(settings, data["verdicts"], s_in, s_hi, data["lengths"], epsilon=EPSILON)


@jax.jit
def our_summaries(settings, base, data):
    s_in, s_hi = jax.vmap(cosine_redundancy)(data["outputs"], data["history"], data["mask"])
    return jnp.stack(sweep_summaries(settings, base, data["verdicts"], s_in, s_hi, data["lengths"], epsilon=EPSILON))


def choose_torch_threads(call) -> None:
    """Sets the number of threads, one or all, that PyTorch is quicker with."""
    times = {}
    for threads in {1, torch.get_num_threads()}:
        torch.set_num_threads(threads)
        times[threads] = min(seconds(call) for _ in range(3))
    torch.set_num_threads(min(times, key=times.get))


def seconds(call) -> float:
    time.sleep(0.5)
    began = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("settings", 1000),
        ("steps", 125),
        ("prompts", 8),
        ("group", 8),
        ("size", 256),
        ("repeats", 5),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    data = make_outputs((args.steps, args.prompts, args.group), args.size)
    settings = make_settings(args.settings)
    base = jax.tree.map(lambda array: array[0], settings)
    torch_data = {name: torch.from_numpy(array) for name, array in data.items()}
    device_data, device_settings, device_base = jax.device_put((data, settings, base))

    def few(count):
        return jax.tree.map(lambda array: array[:count], settings)

    choose_torch_threads(lambda: torch_summaries(few(5), base, torch_data, hoisted=False))
    compiling = seconds(lambda: our_summaries(device_settings, device_base, device_data))
    summaries = np.asarray(our_summaries(device_settings, device_base, device_data))
    for theirs in (
        numpy_summaries(settings, base, data, hoisted=True),
        torch_summaries(settings, base, torch_data, hoisted=True),
        numpy_summaries(few(5), base, data, hoisted=False),
        torch_summaries(few(5), base, torch_data, hoisted=False),
    ):
        np.testing.assert_allclose(summaries[:, : theirs.shape[1]], np.asarray(theirs), atol=2e-3)
    arrays = our_arrays(device_settings, device_data)
    for theirs in (numpy_arrays(settings, data), torch_arrays(settings, torch_data)):
        for our_array, their_array in zip(arrays, theirs, strict=True):
            np.testing.assert_allclose(our_array, np.asarray(their_array), rtol=1e-3, atol=1e-4)
    del arrays, theirs
    outputs = data["lengths"].size
    print(f"Equal in NumPy, PyTorch and JAX: {args.settings:,} settings x {outputs:,} outputs, summaries and arrays.\n")

    tenth = few(max(args.settings // 10, 1))
    tenfold = args.settings / len(tenth.alpha)
    ours = (lambda: our_summaries(device_settings, device_base, device_data), 1)
    contests = {
        "whole": {
            "NumPy loop": (lambda: numpy_summaries(tenth, base, data, hoisted=False), tenfold),
            "PyTorch loop": (lambda: torch_summaries(tenth, base, torch_data, hoisted=False), tenfold),
            "compeer_jax": ours,
        },
        "hoisted": {
            "NumPy loop": (lambda: numpy_summaries(settings, base, data, hoisted=True), 1),
            "PyTorch loop": (lambda: torch_summaries(settings, base, torch_data, hoisted=True), 1),
            "compeer_jax": ours,
        },
        "arrays": {
            "NumPy loop": (lambda: numpy_arrays(settings, data), 1),
            "PyTorch loop": (lambda: torch_arrays(settings, torch_data), 1),
            "compeer_jax": (lambda: our_arrays(device_settings, device_data), 1),
        },
    }
    print(machine())
    groups = args.steps * args.prompts
    print(
        f"{args.settings:,} settings; {args.steps} steps x {args.prompts} prompts = {groups:,} groups of {args.group};"
    )
    print(f"embeddings of {args.size}; medians of {args.repeats}; our first call took {compiling:.2f} s\n")
    print("| job | contestant | seconds | least | most | ours is faster by |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for job, contestants in contests.items():
        times = {name: [] for name in contestants}
        for _ in range(args.repeats):
            for name, (call, factor) in contestants.items():
                times[name].append(seconds(call) * factor)
        medians = {name: statistics.median(values) for name, values in times.items()}
        for name, values in times.items():
            factor = "" if name == "compeer_jax" else f"{medians[name] / medians['compeer_jax']:,.1f} x"
            cells = f"{medians[name]:.3f} | {min(values):.3f} | {max(values):.3f}"
            print(f"| {job} | {name} | {cells} | {factor} |", flush=True)


def machine() -> str:
    device = jax.devices()[0]
    versions = f"jax {jax.__version__}, numpy {np.__version__}, torch {torch.__version__}"
    threads = f"{len(os.sched_getaffinity(0))} CPU cores, torch threads {torch.get_num_threads()}"
    return f"{platform.processor() or platform.machine()}, {threads}; JAX on {device.device_kind}; {versions}"


if __name__ == "__main__":
    main()
