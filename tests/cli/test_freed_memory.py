"""What a program frees is there for the next call."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

CALLS = """
import resource
from compeer_jax.cli.process import keep_freed_memory
{keep}
import jax, jax.numpy as jnp

@jax.jit
def program(x):
    for _ in range(4):  # 64 MB each, more than glibc ever keeps by itself
        x = jax.lax.optimization_barrier(x.T * 1.5)
    return x.sum()

x = jnp.ones((4096, 4096))
faults = []
for _ in range(12):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    program(x).block_until_ready()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(faults[4:]))
"""


def page_faults(keep: str, **environment: str) -> int:
    """The fewest pages that the system hands out during one of some calls, when memory has been in use for a while."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", CALLS.format(keep=keep)]
    done = subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is nothing to ask of another C library")
def test_the_next_call_gets_the_memory_that_the_last_one_freed():
    assert page_faults("") > 4000
    assert page_faults("keep_freed_memory()") < 100
    assert page_faults("keep_freed_memory()", MALLOC_ARENA_MAX="8") > 4000  # the user's own settings stay
