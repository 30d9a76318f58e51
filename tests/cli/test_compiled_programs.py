"""Where commands keep compiled programs, and that the next command finds them."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

COMPILE = """
from compeer_jax.cli.process import keep_compiled_programs
keep_compiled_programs()
import jax
print(jax.config.jax_compilation_cache_dir)
events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name))
jax.jit(lambda x: x @ x + 1)(jax.numpy.ones((3, 3)))
print(events.count("/jax/compilation_cache/cache_hits"))
"""


def compile_with(**environment) -> list[str]:
    """What a process prints: the folder, and how many programs it found there."""
    kept = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    everything = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
    environment = kept | everything | {name: str(value) for name, value in environment.items()}
    return subprocess.run(
        [sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_the_next_process_finds_the_programs_in_the_users_cache_folder(tmp_path):
    folder, hits = compile_with(XDG_CACHE_HOME=tmp_path)
    assert folder.startswith(str(tmp_path / "compeer_jax" / "compiled"))
    assert hits == "0"
    again, found = compile_with(XDG_CACHE_HOME=tmp_path)
    assert again == folder
    assert int(found) > 0


def test_a_folder_of_the_users_own_stays_and_nothing_is_kept_where_that_is_turned_off(tmp_path):
    mine = tmp_path / "mine"
    assert compile_with(XDG_CACHE_HOME=tmp_path, JAX_COMPILATION_CACHE_DIR=mine)[0] == str(mine)
    assert not (tmp_path / "compeer_jax").exists()
    compile_with(XDG_CACHE_HOME=tmp_path / "off", JAX_ENABLE_COMPILATION_CACHE="0")
    assert not [path for path in (tmp_path / "off").rglob("*") if path.is_file()]


def test_a_folder_that_cannot_be_made_is_no_mistake(tmp_path):
    (tmp_path / "file").write_text("")
    assert compile_with(XDG_CACHE_HOME=tmp_path / "file")[0] == "None"
