"""Times one judge of four rounds (UnifiReward) against a step judge and an answer judge (PRM + ORM): same outputs, same
batch, same replies, warm.

python scripts/bench/judge.py [--shape small|0.5b] [--prompts 8] [--group 8] [--repeats 5] [--dtype float32]

Weights are random. The model is made to count down: after token k comes token k - 1, and 0 ends the reply, so that a
reply is as long as the number that its ask ends with. All ways thus write the same replies, whose lengths are
asserted, while every matrix is multiplied as usual. The three judges' weights are apart, as they are in training.

What a judge of four rounds saves is reading: the history once a prompt, not once a conversation, and never again.
PRM + ORM may share prefixes as well, so the last rows give them all that ours has. "On its own" is prompts of one
conversation each through the policy's sampler, whose cache has another layout, slower on CPU; the row after it does the
same reading through the conversations' cache, so that the layout's share can be told apart.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from compeer_jax.generation.conversation_engine import ConversationEngine
from compeer_jax.generation.engine import Engine
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Qwen2

SHAPES = {
    "small": DecoderConfig(8192, 256, 1024, 8, 8, 2, tie_word_embeddings=True),  # 9.7 M parameters
    "0.5b": DecoderConfig(151936, 896, 4864, 24, 14, 2, rope_theta=1e6, tie_word_embeddings=True),  # Qwen2.5-0.5B
}
# Tokens, least and most, evenly spread. Histories are as ESConv's; an ask shows a step, or two answers.
SYSTEM, HISTORY = 80, (100, 400)
STEP, ANSWERS, REPLY = (30, 80), (60, 130), (10, 40)
HEADER = 5  # what closes a reply and opens the next message
STOP, PAD = 0, 1


class Countdown(Qwen2):
    """After token k it finds token k - 1 the most probable."""

    def logits(self, hidden):
        return jnp.roll(super().logits(hidden), -1, axis=-1)


class Case(NamedTuple):
    """One output to be judged: what all of its prompt share, then what each of four asks shows, in tokens."""

    shared: list[int]
    asks: list[list[int]]


class Way(NamedTuple):
    """One way to judge a batch; `run` returns the replies' lengths, [case][round]."""

    name: str
    run: Callable[[], list[list[int]]]


def make_cases(rng: np.random.Generator, prompts: int, group: int, vocabulary: int) -> list[Case]:
    """Cases of a prompt side by side. An ask's last token says how long its reply is."""

    def tokens(least: int, most: int) -> list[int]:
        return rng.integers(REPLY[1] + 1, vocabulary, rng.integers(least, most + 1)).tolist()

    cases = []
    for _ in range(prompts):
        shared = tokens(SYSTEM, SYSTEM) + tokens(*HISTORY)
        for _ in range(group):
            asks = [[*tokens(*size), int(rng.integers(REPLY[0], REPLY[1] + 1))] for size in (STEP, STEP, STEP, ANSWERS)]
            cases.append(Case(shared, asks))
    return cases


def make_model(config: DecoderConfig, dtype: str, seed: int) -> tuple[nnx.GraphDef, nnx.State]:
    """Embeddings outweigh what the layers add, so that what comes next depends on the latest token alone."""

    options = {"dtype": dtype, "param_dtype": dtype}

    @jax.jit
    def build():
        model = Countdown(config, rngs=nnx.Rngs(seed), **options)
        model.embedding[...] = model.embedding[...] * 100
        return nnx.split(model)[1]

    graphdef = nnx.split(nnx.eval_shape(lambda: Countdown(config, rngs=nnx.Rngs(0), **options)))[0]
    return graphdef, build()


def make_ways(cases: list[Case], group: int, config: DecoderConfig, dtype: str) -> list[Way]:
    graphdef, unifi = make_model(config, dtype, 0)
    prm, orm = make_model(config, dtype, 1)[1], make_model(config, dtype, 2)[1]
    options = {"sampling": SamplingConfig(REPLY[1] + 2, temperature=0.0), "stop_ids": (STOP,), "pad_id": PAD}
    conversations, prompts = ConversationEngine(graphdef, **options), Engine(graphdef, **options)
    key = jax.random.key(0)
    header = [PAD] * HEADER
    models = (prm, prm, prm, orm)

    def hold(params, held, size):
        return [[len(reply.tokens) + 1 for reply in row] for row in conversations.reply(params, held, key, size)]

    def complete(params, texts):
        rolled = jax.device_get(prompts.generate(params, texts, key))
        return [tokens[mask].tolist() for tokens, mask in zip(rolled.tokens, rolled.mask, strict=True)]

    def one_round(case: Case, turn: int) -> list[list[int]]:
        return [case.shared + case.asks[turn]]

    def unifi_carried():
        held = [[case.shared + case.asks[0], *(header + ask for ask in case.asks[1:])] for case in cases]
        return hold(unifi, held, group)

    def unifi_again():
        texts, lengths = [case.shared for case in cases], []
        for turn in range(4):
            texts = [text + case.asks[turn] for text, case in zip(texts, cases, strict=True)]
            replies = complete(unifi, texts)
            texts = [text + reply[:-1] + header for text, reply in zip(texts, replies, strict=True)]
            lengths.append(list(map(len, replies)))
        return [list(row) for row in zip(*lengths, strict=True)]

    def apart_usual():
        lengths = [
            list(map(len, complete(models[turn], [one_round(case, turn)[0] for case in cases]))) for turn in range(4)
        ]
        return [list(row) for row in zip(*lengths, strict=True)]

    def apart_held(size: int):
        rounds = [hold(models[turn], [one_round(case, turn) for case in cases], size) for turn in range(4)]
        return [[row[0] for row in rows] for rows in zip(*rounds, strict=True)]

    def apart_wide():
        steps = hold(prm, [one_round(case, turn) for case in cases for turn in range(3)], 3 * group)
        answers = hold(orm, [one_round(case, 3) for case in cases], group)
        return [[steps[3 * n + turn][0] for turn in range(3)] + answers[n] for n in range(len(cases))]

    return [
        Way("UnifiReward: shared prefix, cache carried", unifi_carried),
        Way("UnifiReward: everything read again each round", unifi_again),
        Way("PRM + ORM: each conversation read on its own", apart_usual),
        Way("PRM + ORM: the same, through the conversations' cache", partial(apart_held, 1)),
        Way("PRM + ORM: shared prefix, batches of N", partial(apart_held, group)),
        Way("PRM + ORM: shared prefix, the three steps in a batch of 3N", apart_wide),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", default="float32")
    args = parser.parse_args()

    config = SHAPES[args.shape]
    cases = make_cases(np.random.default_rng(0), args.prompts, args.group, config.vocab_size)
    ways = make_ways(cases, args.group, config, args.dtype)
    expected = [[ask[-1] for ask in case.asks] for case in cases]
    for way in ways:
        assert way.run() == expected, f"{way.name} wrote other replies"
    seconds = {way.name: [] for way in ways}
    for _ in range(args.repeats):
        for way in ways:
            start = time.perf_counter()
            way.run()
            seconds[way.name].append(time.perf_counter() - start)

    medians = {name: statistics.median(times) for name, times in seconds.items()}
    usual = medians[ways[2].name]
    print(f"{args.shape}, {args.dtype}; {args.prompts} prompts x {args.group} outputs = {len(cases)} conversations")
    print(
        f"{jax.devices()[0].device_kind} x {jax.device_count()}, {platform.machine()} with {os.cpu_count()} cores, "
        f"load {os.getloadavg()[1]:.1f}, jax {jax.__version__}; medians of {args.repeats}, interleaved"
    )
    print("| way | s in all | s a round | least-most | / PRM + ORM as usual |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, median in medians.items():
        spread = f"{min(seconds[name]):.2f}-{max(seconds[name]):.2f}"
        print(f"| {name} | {median:.2f} | {median / 4:.3f} | {spread} | {median / usual:.2f} |")


if __name__ == "__main__":
    main()
