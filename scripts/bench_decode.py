"""Times decoding beside transformers and Tunix: same weights, prompts and number of new tokens, warm, interleaved.

python scripts/bench_decode.py [--shape a|b|0.5b|1.5b|7b] [--dtype float32] [--rows 16] [--prompt 64] [--new 64]
    [--repeats 5] [--tunix DIR] [--patience 60]

Weights and prompts are random; nothing stops a completion. Every way runs in a process of its own, one at a time, and
waits while another runs. Sampling is at temperature 1 over the whole vocabulary. Greedy tokens are compared with
those of transformers' dynamic cache: in float32 they should be the same; in bfloat16 near-ties between random logits
part them. A way whose first call takes longer than `--patience` seconds is left out.

Tunix (package google-tunix) is taken from this environment or from the virtual environment `--tunix`, which is made if
it isn't there.
"""

import argparse
import json
import os
import platform
import selectors
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# vocabulary, hidden size, MLP size, layers, query heads, key-value heads, theta of RoPE, tied embeddings
SHAPES = {
    "a": (8192, 256, 1024, 8, 8, 2, 1e4, True),  # 9.7 M parameters
    "b": (16384, 384, 1536, 6, 6, 2, 1e4, True),  # 19.3 M parameters
    "0.5b": (151936, 896, 4864, 24, 14, 2, 1e6, True),  # Qwen2.5-0.5B
    "1.5b": (151936, 1536, 8960, 28, 12, 2, 1e6, True),  # Qwen2.5-1.5B
    "7b": (152064, 3584, 18944, 28, 28, 4, 1e6, False),  # Qwen2.5-7B
}
OURS, DYNAMIC, STATIC, COMPILED, TUNIX = (
    "compeer_jax",
    "transformers, dynamic cache",
    "transformers, static cache",
    "transformers, static cache, torch.compile",
    "Tunix",
)
Generate = Callable[[bool, int], np.ndarray]  # greedy or sampled, and a seed, to new tokens [rows, new]


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
        return np.random.default_rng(0).integers(2, SHAPES[self.shape][0] - 1, (self.rows, self.prompt))


# ---- the ways, each imported in its own process only


def save_model(case: Case) -> None:
    """Random weights, as a directory in Hugging Face's layout."""
    from flax import nnx

    from compeer_jax.models.qwen2 import Qwen2, Qwen2Config

    *sizes, theta, tied = SHAPES[case.shape]
    config = Qwen2Config(*sizes, rope_theta=theta, tie_word_embeddings=tied)
    Qwen2(config, rngs=nnx.Rngs(0), param_dtype=case.dtype).save_pretrained(case.folder)


def ours(case: Case) -> Generate:
    import jax
    from flax import nnx

    from compeer_jax.generation.engine import Engine
    from compeer_jax.generation.sampling import SamplingConfig
    from compeer_jax.models.qwen2 import Qwen2

    on_cpu = jax.default_backend() == "cpu"
    options = {"dtype": case.dtype, "param_dtype": case.dtype, "scan_layers": not on_cpu}
    graphdef, params = nnx.split(Qwen2.from_pretrained(case.folder, **options))
    engines = {
        greedy: Engine(graphdef, sampling=SamplingConfig(case.new, 0.0 if greedy else 1.0), stop_ids=(), pad_id=0)
        for greedy in (True, False)
    }
    prompts = case.prompts.tolist()
    return lambda greedy, seed: np.asarray(engines[greedy].generate(params, prompts, jax.random.key(seed)).tokens)


def transformers(case: Case, way: str) -> Generate:
    import torch
    from transformers import AutoModelForCausalLM, CompileConfig

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(
        case.folder, dtype=getattr(torch, case.dtype), attn_implementation="sdpa"
    )
    model = model.to(device).eval()
    prompts = torch.tensor(case.prompts, device=device)
    options = {"max_new_tokens": case.new, "eos_token_id": None, "pad_token_id": 0, "top_k": 0, "top_p": 1.0}
    if way != DYNAMIC:
        options |= {"cache_implementation": "static", "disable_compile": way == STATIC}
    if way == COMPILED:
        options["compile_config"] = CompileConfig(fullgraph=True)
        options["compile_config"]._compile_all_devices = True  # on CPU too

    def generate(greedy: bool, seed: int) -> np.ndarray:
        torch.manual_seed(seed)
        with torch.inference_mode():
            tokens = model.generate(
                prompts, attention_mask=torch.ones_like(prompts), do_sample=not greedy, temperature=1.0, **options
            )
        return tokens[:, case.prompt :].cpu().numpy()

    return generate


def tunix(case: Case) -> Generate:
    import jax.numpy as jnp
    from tunix.generate.sampler import CacheConfig, Sampler
    from tunix.models.qwen2 import model, params

    vocabulary, hidden, mlp, layers, heads, kv_heads, theta, tied = SHAPES[case.shape]
    config = model.ModelConfig(
        num_layers=layers,
        vocab_size=vocabulary,
        embed_dim=hidden,
        hidden_dim=mlp,
        num_heads=heads,
        head_dim=hidden // heads,
        num_kv_heads=kv_heads,
        norm_eps=1e-6,
        rope_theta=theta,
        use_tied_embedding=tied,
        dtype=jnp.dtype(case.dtype),
        param_dtype=jnp.dtype(case.dtype),
    )
    weights = params.create_model_from_safe_tensors(case.folder, config, dtype=jnp.dtype(case.dtype))
    cache = CacheConfig(case.prompt + case.new, layers, kv_heads, hidden // heads)
    sampler = Sampler(weights, _Numbers(vocabulary - 1), cache)
    prompts = [" ".join(map(str, row)) for row in case.prompts]

    def generate(greedy: bool, seed: int) -> np.ndarray:
        choice = {} if greedy else {"temperature": 1.0, "top_p": 1.0}
        out = sampler(
            prompts, case.new, max_prompt_length=case.prompt, eos_tokens=[-1], seed=seed, pad_output=False, **choice
        )
        return np.stack([np.asarray(tokens) for tokens in out.tokens])

    return generate


class _Numbers:
    """A tokenizer whose texts are token ids."""

    def __init__(self, pad: int):
        self.pad = pad

    def encode(self, text: str) -> list[int]:
        return [int(token) for token in text.split()]

    def decode(self, ids: list[int]) -> str:
        return ""

    def bos_id(self) -> int:
        return 0  # none is put in front

    def eos_id(self) -> int:
        return self.pad

    def pad_id(self) -> int:
        return self.pad


def work(way: str, case: Case) -> None:
    """Answers each line of standard input, [greedy, seed], with the seconds it took and the tokens."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes elsewhere
    makers = {OURS: ours, TUNIX: tunix}
    generate = makers[way](case) if way in makers else transformers(case, way)
    for line in sys.stdin:
        start = time.perf_counter()
        tokens = generate(*json.loads(line))
        seconds = time.perf_counter() - start
        print(json.dumps([seconds, tokens.tolist()]), file=out, flush=True)


# ---- the parent


class Worker:
    """One way in a process of its own."""

    def __init__(self, way: str, case: Case, python: str):
        self.way = way
        environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_CPP_MIN_LOG_LEVEL": "2"}
        self.process = subprocess.Popen(
            [python, __file__, "--way", way, "--case", json.dumps(case)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
            start_new_session=True,  # so that `end` reaches what it started: torch.compile has helpers
        )

    def run(self, greedy: bool, seed: int, patience: float | None = None) -> tuple[float, np.ndarray] | None:
        """Seconds and tokens; None if it took too long or failed."""
        try:
            print(json.dumps([greedy, seed]), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            return None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(patience):
                return None
        line = self.process.stdout.readline()
        return None if not line else (lambda seconds, tokens: (seconds, np.asarray(tokens)))(*json.loads(line))

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def tunix_python(folder: str | None) -> str | None:
    """The interpreter that has Tunix; None if there is none."""
    if folder is None:
        return sys.executable if find_spec("tunix") else None
    python = Path(folder) / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "google-tunix"], check=True)
    return str(python)


def measure(case: Case, ways: dict[str, str], repeats: int, patience: float) -> None:
    workers, first, seconds, tokens = [], {}, {}, {}
    for way, python in ways.items():
        worker = Worker(way, case, python)
        for greedy in (True, False):
            start = time.perf_counter()
            done = worker.run(greedy, 0, patience)
            if done is None:
                print(f"{way}: no answer to the first call within {patience:.0f} s, or a failure; left out")
                worker.end()
                break
            first[way, greedy] = done[0]
            assert done[1].shape == (case.rows, case.new), f"{way} gave {done[1].shape}"
            if greedy:
                tokens[way] = done[1]
                print(f"{way}: ready {time.perf_counter() - start:.1f} s after its start", file=sys.stderr)
        else:
            workers.append(worker)
    for repeat in range(repeats):
        for greedy in (True, False):
            for worker in workers:
                seconds.setdefault((worker.way, greedy), []).append(worker.run(greedy, repeat + 1)[0])
    for worker in workers:
        worker.end()

    count = case.rows * case.new
    rate = {at: count / statistics.median(times) for at, times in seconds.items()}
    print("| way | greedy, tokens/s | sampled, tokens/s | least-most, sampled | first calls, s | same greedy tokens |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for way in (worker.way for worker in workers):
        spread = f"{count / max(seconds[way, False]):.0f}-{count / min(seconds[way, False]):.0f}"
        start = f"{first[way, True]:.1f}, {first[way, False]:.1f}"
        same = f"{(tokens[way] == tokens[DYNAMIC]).mean():.1%}" if DYNAMIC in tokens else "-"
        print(f"| {way} | {rate[way, True]:.0f} | {rate[way, False]:.0f} | {spread} | {start} | {same} |")
    for name, peers in (("transformers", (DYNAMIC, STATIC, COMPILED)), ("Tunix", (TUNIX,))):
        for greedy in (True, False):
            best = max((rate[peer, greedy] for peer in peers if (peer, greedy) in rate), default=None)
            if best and (OURS, greedy) in rate:
                how = "greedy" if greedy else "sampled"
                print(f"{how}: {rate[OURS, greedy] / best:.2f} x the best of {name}")


def machine(case: Case) -> str:
    def named(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"no {package}"

    device = subprocess.run(
        [sys.executable, "-c", "import jax; print(jax.devices()[0].device_kind, 'x', jax.device_count())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    packages = ", ".join(map(named, ("jax", "torch", "transformers")))
    return (
        f"{case.shape}, {case.dtype}; {case.rows} prompts x {case.prompt} + {case.new} new tokens\n{device}, "
        f"{platform.machine()} with {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {packages}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shape", choices=SHAPES, default="a")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--prompt", type=int, default=64)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--ways", nargs="*", help="some of: ours dynamic static compiled tunix; default all")
    parser.add_argument("--tunix", help="a virtual environment with google-tunix; made if it isn't there")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds that a way may take for its first call")
    parser.add_argument("--way", help=argparse.SUPPRESS)  # for the processes that this one starts
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        case = Case(*args.case)
        return save_model(case) if args.way == "save" else work(args.way, case)

    names: dict[str, Any] = {"ours": OURS, "dynamic": DYNAMIC, "static": STATIC, "compiled": COMPILED, "tunix": TUNIX}
    ways = {names[name]: sys.executable for name in args.ways or names}
    if TUNIX in ways:
        ways[TUNIX] = tunix_python(args.tunix)
        if ways[TUNIX] is None:
            print("Tunix isn't installed here; --tunix DIR measures it from a virtual environment.")
            del ways[TUNIX]
    with tempfile.TemporaryDirectory() as folder:
        case = Case(folder, args.shape, args.dtype, args.rows, args.prompt, args.new)
        subprocess.run([sys.executable, __file__, "--way", "save", "--case", json.dumps(case)], check=True)
        print(f"{machine(case)}; medians of {args.repeats}, interleaved")
        measure(case, ways, args.repeats, args.patience)
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
