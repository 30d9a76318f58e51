"""Figures of others, from a YAML file of the user's, to print beside one's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from compeer_jax.errors import UserError, unknown


class Ranged(Protocol):
    """What a metric may lie between."""

    least: float
    most: float


class Range(NamedTuple):
    """A metric's least and most, where it has nothing else to say."""

    least: float
    most: float


PERCENT = Range(0, 100)


def read_figures(path: str, metrics: Mapping[str, Ranged]) -> dict[str, dict[str, float]]:
    """The figures in a YAML file: row -> metric -> figure, in the units of the table.

    Raises:
        UserError: no such file, not YAML, not of that form, a metric that there is not, or a figure out of its range.
    """
    import yaml

    try:
        content = yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"published figures {path} can't be read ({error.strerror}); check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"published figures {path} are not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict) or not all(isinstance(row, dict) for row in content.values()):
        raise UserError(
            f"published figures {path} must be rows of metrics, e.g. Theirs: {{{next(iter(metrics))}: 15.0}}."
        )
    for name, row in content.items():
        for metric, figure in row.items():
            if metric not in metrics:
                raise unknown("metric", metric, metrics, where=f"{path}, {name}")
            least, most = metrics[metric].least, metrics[metric].most
            if isinstance(figure, bool) or not isinstance(figure, int | float) or not least <= figure <= most:
                raise UserError(
                    f"{path}, {name}: {metric} is {figure!r}; it must be a number from {least:g} to {most:g}."
                )
    return {str(name): {metric: float(figure) for metric, figure in row.items()} for name, row in content.items()}
