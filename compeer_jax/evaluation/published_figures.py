"""Published figures to print beside one's own: bundled ones by name, or those of a YAML file of the user's.

A published row is matched with a row of one's own by its name, to the letter: it is shown beside that row. Published
rows of other names are shown apart.
"""

from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from compeer_jax.errors import UserError, unknown
from compeer_jax.strict_yaml import load_yaml


class Ranged(Protocol):
    """What a metric may lie between."""

    least: float
    most: float


class Range(NamedTuple):
    """A metric's least and most, where it has nothing else to say."""

    least: float
    most: float


PERCENT = Range(0, 100)


class Note(NamedTuple):
    """What is to be said beside published figures.

    Attributes:
        text: a sentence or two.
        metrics: of the figures that it is about.
    """

    text: str
    metrics: frozenset[str]


class Published(dict[str, dict[str, float]]):
    """Row -> metric -> figure, in the units of the table that they are printed in.

    Attributes:
        notes: what is to be said beside them.
    """

    notes: tuple[Note, ...] = ()


def published_notes(figures: Mapping[str, Any], metrics: Iterable[str]) -> list[str]:
    """What is to be said beside figures of those metrics; nothing of figures that are the user's own."""
    return [note.text for note in getattr(figures, "notes", ()) if not note.metrics.isdisjoint(metrics)]


def bundled() -> dict[str, Any]:
    """Name -> file of the figures that come with the package."""
    files = (resources.files(__package__) / "published").iterdir()
    return {file.name.removesuffix(".yaml"): file for file in files if file.name.endswith(".yaml")}


def read_figures(source: str, metrics: Mapping[str, Ranged]) -> Published:
    """Published figures: row -> metric -> figure, in the units of the table.

    Args:
        source: name of bundled figures, "paper" for the tables of the COMPEER paper or "care" for CARE's; else the path
            of a YAML file of rows. Of bundled tables, those are taken that have these metrics.
        metrics: of the table that they are shown in.

    Raises:
        UserError: no such file, not YAML, not of that form, a row that is there twice or without figures, a metric that
            there is not, a figure out of its range, or bundled figures that are of something else.
    """
    files = bundled()
    if source in files:
        return _of_tables(source, _load(files[source], source), metrics)
    path = Path(source).expanduser()
    return Published(_rows(_load(path, source, f"; bundled ones are {' and '.join(sorted(files))}"), metrics, source))


def _of_tables(name: str, tables: list[dict[str, Any]], metrics: Mapping[str, Ranged]) -> Published:
    """The rows of those bundled tables that have the metrics, a row of several of them joined."""
    rows: dict[str, dict[str, float]] = {}
    notes: list[Note] = []
    for table in tables:
        names = frozenset(metric for row in table["rows"].values() for metric in row)
        if names <= metrics.keys():
            for row, figures in _rows(table["rows"], metrics, f"{name}, {table['title']}").items():
                rows[row] = rows.get(row, {}) | figures
            notes += [Note(text, names) for text in table["notes"]]
    if not rows:
        of = "; ".join(table["of"] for table in tables)
        raise UserError(f"published figures {name} are of {of}: none of them is what this table shows.")
    published = Published(rows)
    published.notes = tuple(notes)
    return published


def _rows(content: Any, metrics: Mapping[str, Ranged], where: str) -> dict[str, dict[str, float]]:
    """The rows of a file, each figure checked."""
    if not isinstance(content, dict) or not content or not all(isinstance(row, dict) for row in content.values()):
        raise UserError(
            f"published figures {where} must be rows of metrics, e.g. Theirs: {{{next(iter(metrics))}: 15.0}}."
        )
    for name, row in content.items():
        if not row:
            raise UserError(f"{where}, {name}: the row has no figures; give some, or leave it out.")
        for metric, figure in row.items():
            if metric not in metrics:
                raise unknown("metric", metric, metrics, where=f"{where}, {name}")
            least, most = metrics[metric].least, metrics[metric].most
            if isinstance(figure, bool) or not isinstance(figure, int | float) or not least <= figure <= most:
                raise UserError(
                    f"{where}, {name}: {metric} is {figure!r}; it must be a number from {least:g} to {most:g}."
                )
    return {str(name): {metric: float(figure) for metric, figure in row.items()} for name, row in content.items()}


def _load(file: Any, name: str, hint: str = "") -> Any:
    """What is in a YAML file."""
    import yaml

    try:
        return load_yaml(file.read_text(encoding="utf-8"), f"published figures {name}")
    except OSError as error:
        raise UserError(f"published figures {name} can't be read ({error.strerror}); check the path{hint}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"published figures {name} are not YAML: {' '.join(str(error).split())}.") from error
