"""Times decoding beside transformers and Tunix: same weights, prompts and number of new tokens, warm, interleaved.

python scripts/bench/decode.py [--shape a|b|0.5b|1.5b|7b] [--dtype float32] [--rows 16] [--prompt 64] [--new 64]
    [--repeats 5] [--tunix DIR] [--patience 60]

Weights and prompts are random; nothing stops a completion. Every way runs in a process of its own, one at a time, and
waits while another runs. Sampling is at temperature 1 over the whole vocabulary. Greedy tokens are compared with
those of transformers' dynamic cache: in float32 they should be the same; in bfloat16 near-ties between random logits
part them. The time to the first token is that of a call for one; a step's is the rest, shared among the other tokens.
Last come the machine's own copies and products, and how near our step comes to them. A way whose first call takes
longer than `--patience` seconds is left out.

Tunix (package google-tunix) is taken from this environment or from the virtual environment `--tunix`, which is made if
it isn't there.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import peers
from limits import Limits, decode_work, measure_limits

OURS, DYNAMIC, STATIC, COMPILED, TUNIX = (
    "compeer_jax",
    "transformers, dynamic cache",
    "transformers, static cache",
    "transformers, static cache, torch.compile",
    "Tunix",
)
LIMITS = "limits of the machine"
Generate = Callable[[bool, int, int], np.ndarray]  # greedy or sampled, a seed, how many tokens: to tokens [rows, new]


class Case(NamedTuple):
    """What every way is to generate."""

    folder: str
    shape: str
    dtype: str
    rows: int
    prompt: int
    new: int

    @property
    def prompts(self) -> np.ndarray:
        return np.random.default_rng(0).integers(2, peers.SHAPES[self.shape].vocabulary - 1, (self.rows, self.prompt))


# ---- the ways, each imported in its own process only


def ours(case: Case) -> Generate:
    import jax
    from flax import nnx

    from compeer_jax.generation.engine import Engine
    from compeer_jax.generation.sampling import SamplingConfig
    from compeer_jax.models.decoder import Qwen2

    options = {"dtype": case.dtype, "param_dtype": case.dtype}
    graphdef, params = nnx.split(Qwen2.from_pretrained(case.folder, **options))
    prompts = case.prompts.tolist()

    @cache
    def engine(greedy: bool, new: int) -> Engine:
        return Engine(graphdef, sampling=SamplingConfig(new, 0.0 if greedy else 1.0), stop_ids=(), pad_id=0)

    return lambda greedy, seed, new: np.asarray(
        engine(greedy, new).generate(params, prompts, jax.random.key(seed)).tokens
    )


def transformers(case: Case, way: str) -> Generate:
    import torch
    from transformers import AutoModelForCausalLM, CompileConfig

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(
        case.folder, dtype=getattr(torch, case.dtype), attn_implementation="sdpa"
    )
    model = model.to(device).eval()
    prompts = torch.tensor(case.prompts, device=device)
    options = {"eos_token_id": None, "pad_token_id": 0, "top_k": 0, "top_p": 1.0}
    if way != DYNAMIC:
        options |= {"cache_implementation": "static", "disable_compile": way == STATIC}
    if way == COMPILED:
        options["compile_config"] = CompileConfig(fullgraph=True)
        options["compile_config"]._compile_all_devices = True  # on CPU too

    def generate(greedy: bool, seed: int, new: int) -> np.ndarray:
        torch.manual_seed(seed)
        choice = options | {"max_new_tokens": new, "do_sample": not greedy, "temperature": 1.0}
        with torch.inference_mode():
            tokens = model.generate(prompts, attention_mask=torch.ones_like(prompts), **choice)
        return tokens[:, case.prompt :].cpu().numpy()

    return generate


def tunix(case: Case) -> Generate:
    from tunix.generate.sampler import CacheConfig, Sampler

    shape = peers.SHAPES[case.shape]
    room = CacheConfig(case.prompt + case.new, shape.layers, shape.kv_heads, shape.head_dim)
    sampler = Sampler(peers.tunix_model(case.folder, case.shape, case.dtype), peers.Numbers(shape.vocabulary - 1), room)
    prompts = [" ".join(map(str, row)) for row in case.prompts]

    def generate(greedy: bool, seed: int, new: int) -> np.ndarray:
        choice = {} if greedy else {"temperature": 1.0, "top_p": 1.0}
        out = sampler(
            prompts, new, max_prompt_length=case.prompt, eos_tokens=[-1], seed=seed, pad_output=False, **choice
        )
        return np.stack([np.asarray(tokens) for tokens in out.tokens])

    return generate


def make(way: str, case: Case) -> Callable:
    if way == LIMITS:
        return lambda: measure_limits(case.dtype)
    makers = {OURS: ours, TUNIX: tunix}
    generate = makers[way](case) if way in makers else transformers(case, way)
    return lambda *request: generate(*request).tolist()


# ---- the parent


def measure(case: Case, ways: dict[str, str], repeats: int, patience: float) -> None:
    requests = {"greedy": (True, 0, case.new), "sampled": (False, 1, case.new), "one token": (True, 0, 1)}
    workers, first = peers.start(__file__, ways, case, requests, patience)
    warm = peers.interleave(workers, requests, repeats)

    count = case.rows * case.new
    tokens = {way: np.asarray(said.result) for (way, name), said in first.items() if name == "greedy"}
    for way, drawn in tokens.items():
        assert drawn.shape == (case.rows, case.new), f"{way} gave {drawn.shape}"
    rate = {at: count / peers.median_seconds(said) for at, said in warm.items()}
    steps = {}
    print(
        "| way | greedy, tokens/s | sampled, tokens/s | least-most, sampled | first token, ms | decode step, ms "
        "| first calls, s | same greedy tokens |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for way in (worker.way for worker in workers):
        seconds = [said.seconds for said in warm[way, "sampled"]]
        spread = f"{count / max(seconds):.0f}-{count / min(seconds):.0f}"
        one, all_ = (peers.median_seconds(warm[way, name]) for name in ("one token", "greedy"))
        steps[way] = (all_ - one) / max(case.new - 1, 1)
        began = ", ".join(f"{first[way, name].seconds:.1f}" for name in requests)
        same = f"{(tokens[way] == tokens[DYNAMIC]).mean():.1%}" if DYNAMIC in tokens else "-"
        print(
            f"| {way} | {rate[way, 'greedy']:.0f} | {rate[way, 'sampled']:.0f} | {spread} | {one * 1e3:.1f} "
            f"| {steps[way] * 1e3:.2f} | {began} | {same} |"
        )
    for name, others in (("transformers", (DYNAMIC, STATIC, COMPILED)), ("Tunix", (TUNIX,))):
        for how in ("greedy", "sampled"):
            best = max((rate[peer, how] for peer in others if (peer, how) in rate), default=None)
            if best and (OURS, how) in rate:
                print(f"{how}: {rate[OURS, how] / best:.2f} x the best of {name}")
    if OURS in steps:
        compare_with_limits(case, steps[OURS])


def compare_with_limits(case: Case, step: float) -> None:
    """Prints how near a decode step comes to the least time in which this machine could do its work."""
    worker = peers.Worker(__file__, LIMITS, case)
    limits = Limits(*worker.run(()).result)
    worker.end()
    moved, flops = decode_work(case.shape, case.dtype, case.rows, case.prompt + case.new / 2)
    least, bound = limits.seconds(moved, flops)
    print(
        f"this machine copies {limits.bytes_per_second / 1e9:.1f} GB/s and multiplies "
        f"{limits.flops_per_second / 1e9:.0f} GFLOP/s\n"
        f"a decode step reads {moved / 1e6:.1f} MB at {moved / step / 1e9:.1f} GB/s and does {flops / 1e9:.2f} GFLOP "
        f"at {flops / step / 1e9:.0f} GFLOP/s: {least / step:.0%} of the limit by {bound}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shape", choices=peers.SHAPES, default="a")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--prompt", type=int, default=64)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--ways", nargs="*", help="some of: ours dynamic static compiled tunix; default all")
    peers.add_worker_options(parser)
    args = parser.parse_args()
    if args.way:
        return peers.answer(make(args.way, Case(*args.case)))

    names = {"ours": OURS, "dynamic": DYNAMIC, "static": STATIC, "compiled": COMPILED, "tunix": TUNIX}
    ways = {names[name]: sys.executable for name in args.ways or names}
    if TUNIX in ways:
        ways[TUNIX] = peers.tunix_python(args.tunix)
        if ways[TUNIX] is None:
            print("Tunix isn't installed here; --tunix DIR measures it from a virtual environment.")
            del ways[TUNIX]
    with tempfile.TemporaryDirectory() as folder:
        case = Case(folder, args.shape, args.dtype, args.rows, args.prompt, args.new)
        peers.save_model_apart(folder, args.shape, args.dtype)
        print(f"{case.shape}, {case.dtype}; {case.rows} prompts x {case.prompt} + {case.new} new tokens")
        print(
            f"{peers.machine(pythons=[ways[TUNIX]] if TUNIX in ways else [])}; medians of {args.repeats}, interleaved"
        )
        measure(case, ways, args.repeats, args.patience)
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
