"""The public packages: what they export is there, means one thing whatever was imported before, and loads late."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import compeer_jax

FACES = ("rl", "models", "rewards", "generation", "dialogue", "data")
PACKAGE = Path(compeer_jax.__file__).parent
DESIGNED = {  # that users rely on
    "rl": {
        "group_advantages", "policy_loss", "cosine_redundancy", "length_coefficient", "reweight", "token_logprobs",
    },
    "models": {"Qwen2", "from_pretrained"},
    "rewards": {"unified_reward"},
    "generation": {"Engine", "SamplingConfig"},
    "dialogue": {"parse_step_verdict", "parse_preference", "suggests_danger", "COMPEER", "CARE"},
    "data": {"load_records", "iter_corpus"},
}  # fmt: skip


def in_a_fresh_interpreter(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("face", FACES)
def test_a_face_exports_what_it_says_and_promises_it(face):
    package = importlib.import_module(f"compeer_jax.{face}")
    assert DESIGNED[face] <= set(package.__all__) <= set(dir(package))
    assert all(getattr(package, name) is not None for name in package.__all__)
    assert "semantic versioning" in package.__doc__


@pytest.mark.parametrize("face", FACES)
def test_type_checkers_see_what_is_there_at_run_time(face):
    stub = PACKAGE / face / "__init__.pyi"
    written = stub if stub.exists() else stub.with_suffix(".py")
    (names,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(written.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    )
    assert sorted(names) == sorted(importlib.import_module(f"compeer_jax.{face}").__all__)
    assert (PACKAGE / "py.typed").exists()


def test_a_name_means_the_same_after_every_module_has_been_imported():
    in_a_fresh_interpreter(
        f"""
import importlib, pkgutil, types
import compeer_jax
for face in {FACES!r}:
    package = importlib.import_module(f"compeer_jax.{{face}}")
    for module in pkgutil.walk_packages(package.__path__, f"compeer_jax.{{face}}."):
        importlib.import_module(module.name)
for face in {FACES!r}:
    package = importlib.import_module(f"compeer_jax.{{face}}")
    for name in package.__all__:
        assert not isinstance(getattr(package, name), types.ModuleType), (face, name)
"""
    )


def test_nothing_heavy_is_loaded_before_it_is_used():
    loaded = in_a_fresh_interpreter(
        """
import sys
import compeer_jax, compeer_jax.models, compeer_jax.rewards, compeer_jax.generation, compeer_jax.dialogue
import compeer_jax.data
print(sorted({"jax", "numpy", "transformers", "flax"} & set(sys.modules)))
"""
    )
    assert loaded == "[]\n"
