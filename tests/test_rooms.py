"""The package as a house: a room imports only from rooms below it, and no module, by any way, from itself."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import compeer_jax

ROOMS = [
    "cli",
    "planning",
    "benchmarks",
    "people",
    "talk",
    "evaluation",
    "training",
    "curation",
    "runs",
    "rewards",
    "chat",
    "data",
    "generation",
    "models",
    "rl",
    "dialogue",
    "parallel",
    "progress",
    "report",
    "files",
    "structure",
    "strict_yaml",
    "checksums",
    "errors",
]
"""From the roof to the ground. Each is a folder of the package or a module at its top."""

PACKAGE = Path(compeer_jax.__file__).parent
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imports(module: str) -> set[str]:
    """The modules of the package that a module imports, wherever in it, functions and type checks included."""
    found = set()
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "compeer_jax"}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports by a relative name"
            if (node.module or "").split(".")[0] == "compeer_jax":
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {name if name in FILES else node.module for name in whole}
    return found - {module}


IMPORTS = {module: imports(module) for module in FILES}


def room(module: str) -> str:
    """ "" for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def test_every_module_is_in_a_room():
    assert {room(module) for module in FILES} - {""} == set(ROOMS)


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_imports_only_from_rooms_below(name):
    allowed = set(ROOMS[ROOMS.index(name) :]) | {""}
    up = {(one, other) for one in IMPORTS if room(one) == name for other in IMPORTS[one] if room(other) not in allowed}
    assert not up


def test_no_module_imports_itself_by_way_of_others():
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
