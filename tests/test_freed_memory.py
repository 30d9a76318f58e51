"""What a program frees is there for the next call."""

import os
import platform
import subprocess
import sys

import pytest

CALLS = """
import resource
from compeer_jax.cli.freed_memory import keep_freed_memory
{keep}
import jax, jax.numpy as jnp

@jax.jit
def program(x):
    for _ in range(4):  # 16 MB each
        x = jnp.sort(x @ x, axis=0)
    return x.sum()

x = jnp.ones((2048, 2048)) / 2048
for _ in range(2):
    program(x).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    program(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(keep: str, **environment: str) -> int:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", CALLS.format(keep=keep)]
    done = subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is nothing to ask of another C library")
def test_the_next_call_gets_the_memory_that_the_last_one_freed():
    assert page_faults("") > 10_000
    assert page_faults("keep_freed_memory()") < 100
    assert page_faults("keep_freed_memory()", MALLOC_ARENA_MAX="8") > 10_000  # the user's own settings stay
