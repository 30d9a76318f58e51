"""Every regular expression of the package takes time in proportion to the text, whatever the text is."""

import importlib
import pkgutil
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

from growing_texts import LONG, SHORT, texts

import compeer_jax

METHODS = ("search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split")
SHORT_SECONDS, SECONDS = 0.003, 1.0


def patterns_in(value: object, name: str, depth: int = 0) -> Iterator[tuple[str, re.Pattern]]:
    """Each pattern in `value` with the name that it is used by: that of the variable, or of a dataclass's field."""
    if isinstance(value, re.Pattern):
        yield name, value
    elif depth < 4:
        if isinstance(value, dict):
            inside = [(name, one) for one in (*value, *value.values())]
        elif isinstance(value, (list, tuple, set, frozenset)):
            inside = [(name, one) for one in value]
        elif is_dataclass(value) and not isinstance(value, type):
            inside = [(field.name, getattr(value, field.name)) for field in fields(value)]
        else:
            inside = ()
        for called, one in inside:
            yield from patterns_in(one, called, depth + 1)


def all_patterns() -> dict[str, tuple[re.Pattern, tuple[str, ...]]]:
    """Where it stands -> the pattern, and how the package uses it."""
    root, used = Path(compeer_jax.__file__).parent, defaultdict(set)
    call = re.compile(rf"\b(\w+)(?:\[[^\[\]\n]{{1,40}}\])?\.({'|'.join(METHODS)})\b")
    for path in root.rglob("*.py"):
        for name, method in call.findall(path.read_text(encoding="utf-8")):
            used[path if name.startswith("_") else None, name].add(method)
    found = {}
    for module in pkgutil.walk_packages(compeer_jax.__path__, "compeer_jax."):
        module = importlib.import_module(module.name)
        for name, value in vars(module).items():
            for number, (called, pattern) in enumerate(patterns_in(value, name)):
                methods = used[Path(module.__file__) if called.startswith("_") else None, called]
                found.setdefault(pattern, (f"{module.__name__}.{name}[{number}]", tuple(sorted(methods)) or METHODS))
    return {where: (pattern, methods) for pattern, (where, methods) in found.items()}


def seconds(pattern: re.Pattern, used: tuple[str, ...], text: str) -> float:
    """The time that `text` takes; all methods but two do at most the work of finding every match."""
    began = time.process_time()
    for method in {"match", "fullmatch"}.intersection(used):
        getattr(pattern, method)(text)
    if not {"match", "fullmatch"}.issuperset(used):
        for _ in pattern.finditer(text):
            pass
    return time.process_time() - began


def test_no_pattern_of_the_package_is_slow_on_any_text():
    patterns = all_patterns()
    assert len(patterns) > 80, "the walk must find them"
    slow = []
    for where, (pattern, used) in patterns.items():
        for short, text in zip(texts(SHORT), texts(LONG), strict=True):
            # A quadratic pattern shows in the short text; the long one, 16 times as long, then takes 256 times as long.
            if seconds(pattern, used, short) > SHORT_SECONDS and (taken := seconds(pattern, used, text)) > SECONDS:
                slow.append(f"{where}: {taken:.1f} s on {text[:12]!r} repeated")
                break
    assert not slow, "\n".join(slow)
