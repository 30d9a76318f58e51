"""What every test shares: eight simulated CPU devices, checked shapes, and the real data where it is at hand."""

import ctypes
import gc
import os
import pathlib
import sys

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"

import jax
import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

jax.config.update("jax_num_cpu_devices", 8)

# How long an example takes says how busy the machine is; each test as a whole has a limit.
settings.register_profile("compeer_jax", deadline=None)
settings.load_profile("compeer_jax")

MUCH_MEMORY = 1_500_000_000

# Tests of real models fetch some 100 MB from the package registry, so they are there only where they are asked for.
collect_ignore_glob = [] if os.environ.get("COMPEER_REAL_MODELS") == "1" else ["*/test_real_*.py"]

pytest_plugins = ["shared_fixtures"]  # of tests/support

# Every jaxtyping shape in these packages is checked, on each call, by beartype.
install_import_hook(
    ["compeer_jax.rl", "compeer_jax.models", "compeer_jax.generation", "compeer_jax.rewards.scoring"],
    "beartype.beartype",
)


@pytest.fixture(scope="session", autouse=True)
def compile_once(tmp_path_factory):
    """A program that an earlier test compiled is read from disk, so that a second run of the same size starts quickly.

    Where the environment names a folder of compiled programs, it stays that one.
    """
    if not jax.config.jax_compilation_cache_dir:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("compiled")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture(scope="module", autouse=True)
def give_memory_back():
    """Compiled programs go, and their memory back to the system, at the end of a file that leaves much in use."""
    yield
    if resident_bytes() < MUCH_MEMORY:  # collecting takes a second, and the next file may share programs
        return
    jax.clear_caches()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim is not None:
        trim(0)


def resident_bytes() -> int:
    """The memory in use by this process; where the system does not say, more than there is."""
    try:
        return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return sys.maxsize


SHARED = pathlib.Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of real inputs beside the project; tests that need it say so and are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip(f"the shared data folder {SHARED} is absent")
    return SHARED


@pytest.fixture(scope="session")
def shared_vl() -> pathlib.Path:
    """The folder of golden files of a tiny Qwen2.5-VL beside the project; tests that need it are skipped without it."""
    folder = SHARED.parent / "vl"
    if not folder.is_dir():
        pytest.skip(f"the shared folder {folder} is absent")
    return folder
