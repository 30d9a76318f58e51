"""Under what conditions a run was made: what two runs must share for their models to be compared."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compeer_jax.benchmarks.run import SETTINGS
from compeer_jax.errors import UserError
from compeer_jax.files import read_json

OF_THE_MODEL = ("model", "tested", "prompt", "malformed", "chunk")
"""Settings of the tested model, and one that says only how many are asked at once."""

OF_THE_SCENARIOS = ("cards", "profiles")
"""Which scenarios were played: comparisons take only those that are the same in both runs."""


def read_settings(folder: str | Path) -> dict[str, Any]:
    """The settings of the run in a folder; empty where they are not known."""
    try:
        return read_json(Path(folder).expanduser() / SETTINGS, "the settings", dict)
    except UserError:
        return {}


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names of the conditions in which two runs differ; none where those of one are not known."""
    if not one or not other:
        return []
    first, second = conditions(one), conditions(other)
    prompts = {name for name in first["prompts"] if name in second["prompts"] and not name.startswith("own.")}
    for made in (first, second):
        made["prompts"] = {name: made["prompts"][name] for name in prompts}
    return [name for name in sorted({*first, *second}) if first.get(name) != second.get(name)]


def conditions(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What concerns everybody but the tested model: rounds, prompts, and who plays and scores, with what settings."""
    roles = {name: settings[name] for name in ("role", "scorers") if name in settings} | settings.get("roles", {})
    tested = settings.get("tested", roles.pop("tested", None))
    names = {name for value in roles.values() for name in ([value] if isinstance(value, str) else value)}
    left_out = (*OF_THE_MODEL, *OF_THE_SCENARIOS, "roles", "role", "scorers", "models")
    models = settings.get("models", {})
    return {
        **{name: value for name, value in settings.items() if name not in left_out},
        **roles,
        "prompts": settings.get("prompts", {}),
        "models": {name: model for name, model in models.items() if name != tested or name in names},
    }
