"""Comparison of a folder's settings with those of now: the same go on with what it holds, others are refused."""

import json
from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

from compeer_jax.errors import UserError

NOTHING: Mapping[str, Any] = MappingProxyType({})


def check_same(
    folder: Path,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    old_contents: Mapping[str, str] = NOTHING,
    contents: Mapping[str, str] = NOTHING,
    may_change: Collection[str] = (),
    choose: str = "choose another output folder",
    shown: Callable[[Any], str] = str,
) -> list[str]:
    """Compares the settings that a folder holds with those that somebody comes with.

    Args:
        folder: where.
        old: nested settings that the folder holds.
        new: those of now.
        old_contents: dotted names of settings that name files -> fingerprints of these, when the folder began.
        contents: the same of now. These settings go by content: the same files may have moved.
        may_change: dotted names, or patterns of them, of settings that may differ.
        choose: the mend, as the sentence has it.
        shown: how the sentence has a value.

    Returns:
        A line for each setting that differs and may.

    Raises:
        UserError: others do; the sentence names them all, with both values.
    """
    old, new = flat(old), flat(new)
    other = {key for key in contents if old_contents.get(key, contents[key]) != contents[key]}
    moved = {key for key in contents if key in old_contents} - other
    differing = {key for key in {*old, *new} if old.get(key) != new.get(key)}
    lines, barred = {}, []
    for key in sorted(differing | other):
        before, now = (shown(values[key]) if key in values else "absent" for values in (old, new))
        how = [f"{before} there, {now} now"] if key in differing else []
        if key in other:
            how.append(f"other content, SHA-256 {old_contents[key][:8]}… there, {contents[key][:8]}… now")
        lines[key] = f"{key} ({'; '.join(how)})"
        if key not in moved and not any(fnmatchcase(key, pattern) for pattern in may_change):
            barred.append(key)
    if barred:
        back = ["set these back"] if any(key not in other for key in barred) else []
        back += ["put the files that it began with in their places"] if other else []
        mend = f"{choose}, or {' and '.join(back)} to go on with that run."
        if any(key in differing and key not in old for key in barred):
            mend = f"settings that are absent there came with a later version, so {choose}."
        named = ", ".join(lines[key] for key in barred)
        raise UserError(f"The folder {folder} holds a run with other settings: {named}; {mend}")
    return list(lines.values())


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    found = {}
    for key, value in settings.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {f"{prefix}{key}": value}
    return found


def short_json(value: Any) -> str:
    """A value as JSON has it, cut off where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"
