"""What the benchmarks beside other libraries share: shapes, a process for each way, fair turns, the machine's line.

Every way (ours, or another library's) runs in a process of its own, `python SCRIPT --way NAME --case JSON`, which
answers one request at a time and waits while another way works. First calls are kept apart from the warm ones.

    parser = argparse.ArgumentParser(...)
    add_worker_options(parser)
    args = parser.parse_args()
    if args.way:
        return answer(make_the_way(args.way, Case(*args.case)))
    workers, first = start(__file__, {"ours": sys.executable, ...}, case, requests, args.patience)
    warm = interleave(workers, requests, args.repeats)
"""

import argparse
import json
import os
import platform
import resource
import selectors
import signal
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple


class Shape(NamedTuple):
    """A Qwen2.5 model's sizes."""

    vocabulary: int
    hidden: int
    mlp: int
    layers: int
    heads: int
    kv_heads: int
    theta: float
    tied: bool

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads


SHAPES = {
    "a": Shape(8192, 256, 1024, 8, 8, 2, 1e4, True),  # 9.7 M parameters
    "b": Shape(16384, 384, 1536, 6, 6, 2, 1e4, True),  # 19.3 M parameters
    "smollm2": Shape(49152, 576, 1536, 30, 9, 3, 1e5, True),  # SmolLM2-135M, with Qwen2.5's biases
    "0.5b": Shape(151936, 896, 4864, 24, 14, 2, 1e6, True),  # Qwen2.5-0.5B
    "1.5b": Shape(151936, 1536, 8960, 28, 12, 2, 1e6, True),  # Qwen2.5-1.5B
    "7b": Shape(152064, 3584, 18944, 28, 28, 4, 1e6, False),  # Qwen2.5-7B
}


KEPT_MEMORY = {"GLIBC_TUNABLES": "glibc.malloc.arena_max=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=-1"}
"""What `compeer` asks of the C library (see `compeer_jax.cli.process`), here for every way alike. The variable, if
it is set, goes before: `GLIBC_TUNABLES= python scripts/bench/…` has them all without."""


# ---- the models


def save_model(folder: str, shape: str, dtype: str = "float32") -> None:
    """Random weights, as a directory in Hugging Face's layout."""
    from flax import nnx

    from compeer_jax.models.config import DecoderConfig
    from compeer_jax.models.decoder import Qwen2

    *sizes, theta, tied = SHAPES[shape]
    config = DecoderConfig(*sizes, rope_theta=theta, tie_word_embeddings=tied)
    Qwen2(config, rngs=nnx.Rngs(0), param_dtype=dtype).save_pretrained(folder)


def save_model_apart(folder: str, shape: str, dtype: str = "float32") -> None:
    """`save_model` in a process of its own, so that the one that measures holds no device."""
    code = "import sys; from peers import save_model; save_model(*sys.argv[1:])"
    here = str(Path(__file__).parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))}
    subprocess.run([sys.executable, "-c", code, folder, shape, dtype], check=True, env=environment)


def tunix_model(folder: str, shape: str, dtype: str = "float32") -> Any:
    """Tunix's Qwen2 with a folder's weights."""
    import jax.numpy as jnp
    from tunix.models.qwen2 import model, params

    sizes = SHAPES[shape]
    config = model.ModelConfig(
        num_layers=sizes.layers,
        vocab_size=sizes.vocabulary,
        embed_dim=sizes.hidden,
        hidden_dim=sizes.mlp,
        num_heads=sizes.heads,
        head_dim=sizes.head_dim,
        num_kv_heads=sizes.kv_heads,
        norm_eps=1e-6,
        rope_theta=sizes.theta,
        use_tied_embedding=sizes.tied,
        dtype=jnp.dtype(dtype),
        param_dtype=jnp.dtype(dtype),
    )
    return params.create_model_from_safe_tensors(folder, config, dtype=jnp.dtype(dtype))


def tunix_python(folder: str | None) -> str | None:
    """The interpreter that has Tunix: this one, or that of the virtual environment `folder`, which is made if it isn't
    there; None if there is none."""
    if folder is None:
        return sys.executable if find_spec("tunix") else None
    python = Path(folder) / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "google-tunix"], check=True)
    return str(python)


class Numbers:
    """A tokenizer, as Tunix wants one, whose texts are token ids."""

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


# ---- a way in a process of its own


class Answer(NamedTuple):
    """What a way says to a request: how long it took, what came out (as JSON), and its process's peak memory so far."""

    seconds: float
    result: Any
    peak_bytes: int


def answer(respond: Callable[..., Any]) -> None:
    """Answers each line of standard input, the arguments of `respond` as a JSON list, until it closes."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes elsewhere
    for line in sys.stdin:
        start = time.perf_counter()
        result = respond(*json.loads(line))
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps([seconds, result, peak]), file=out, flush=True)


class Worker:
    """One way in a process of its own.

    Args:
        script: the benchmark, which answers when it is given `--way` and `--case`.
        way: the way's name.
        case: what to measure: a tuple of JSON values.
        python: the interpreter.
    """

    def __init__(self, script: str, way: str, case: Sequence[Any], python: str = sys.executable):
        self.way = way
        environment = KEPT_MEMORY | os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_CPP_MIN_LOG_LEVEL": "2"}
        self.process = subprocess.Popen(
            [python, script, "--way", way, "--case", json.dumps(case)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if "BENCH_STDERR" not in os.environ else None,
            text=True,
            env=environment,
            start_new_session=True,  # so that `end` reaches what it started: torch.compile has helpers
        )

    def run(self, request: Sequence[Any], patience: float | None = None) -> Answer | None:
        """None if it took longer than `patience` seconds, or failed."""
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            return None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(patience):
                return None
        line = self.process.stdout.readline()
        return Answer(*json.loads(line)) if line else None

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


Requests = dict[str, Sequence[Any]]
"""By name, what every way is asked in every turn."""


def start(
    script: str, ways: dict[str, str], case: Sequence[Any], requests: Requests, patience: float
) -> tuple[list[Worker], dict[tuple[str, str], Answer]]:
    """Starts each way, by name and interpreter, and asks it everything once; leaves out those that don't answer.

    Returns:
        The workers, and the first answers by way and request, which hold what compiling took.
    """
    workers, first = [], {}
    for way, python in ways.items():
        worker = Worker(script, way, case, python)
        for name, request in requests.items():
            said = worker.run(request, patience)
            if said is None:
                print(f"{way}: no answer to its first {name} within {patience:.0f} s, or a failure; left out")
                worker.end()
                break
            first[way, name] = said
        else:
            workers.append(worker)
            took = ", ".join(f"{name} {first[way, name].seconds:.1f} s" for name in requests)
            print(f"{way}: first calls {took}", file=sys.stderr)
    return workers, first


def interleave(workers: list[Worker], requests: Requests, repeats: int) -> dict[tuple[str, str], list[Answer]]:
    """Warm answers by way and request: all ways take turns; then they end."""
    warm: dict[tuple[str, str], list[Answer]] = {}
    for _ in range(repeats):
        for name, request in requests.items():
            for worker in workers:
                said = worker.run(request)
                if said is None:
                    raise SystemExit(f"{worker.way} failed at {name}; BENCH_STDERR=1 shows what it printed.")
                warm.setdefault((worker.way, name), []).append(said)
    for worker in workers:
        worker.end()
    return warm


def median_seconds(answers: Iterable[Answer]) -> float:
    return statistics.median(said.seconds for said in answers)


def add_worker_options(parser: argparse.ArgumentParser) -> None:
    """The options that every benchmark beside others has."""
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tunix", help="a virtual environment with google-tunix; made if it isn't there")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds that a way may take for its first call")
    parser.add_argument("--way", help=argparse.SUPPRESS)  # for the processes that this one starts
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)


# ---- the machine


def machine(packages: Iterable[str] = ("jax", "torch", "transformers"), pythons: Iterable[str] = ()) -> str:
    """The device, the cores, the load and the versions, also of google-tunix in the interpreters `pythons`."""
    code = "import jax; print(jax.devices()[0].device_kind, 'x', jax.device_count())"
    device = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    versions = [_version(sys.executable, package) for package in packages]
    versions += [_version(python, "google-tunix") for python in pythons]
    return (
        f"{device}, {_processor()} with {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def _version(python: str, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return f"{package} {done.stdout.strip()}" if done.returncode == 0 else f"no {package}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
