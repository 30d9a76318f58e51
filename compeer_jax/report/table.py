"""Tables: rows of text cells under headings, shown at a terminal, in Markdown or as CSV.

    table = Table("Two judges", ["judge", "F1"], [["A", estimate_cell(f1)], ["B", NOTHING]], ["F1: weighted."])
    print_tables([table], console)
    path.write_text(tables_markdown([table]))

Nothing is cut off: where a terminal is too narrow, cells go on in a further line.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

NOTHING = "–"
PUBLISHED = "published"
MANY = 8  # columns, past which they stand closer, and headings on two lines

_NUMBER = re.compile(r"\s*(?:(?:p = |< )?[+\-−]?\.?\d.*|[–-]?)", re.DOTALL)


class Cell(NamedTuple):
    """A figure, and what belongs to it: its interval, its share, or a remark."""

    text: str
    beside: str = ""

    @property
    def in_one_line(self) -> str:
        """Both, the second in brackets."""
        return f"{self.text} ({self.beside})" if self.beside else self.text


@dataclass(frozen=True)
class Table:
    """A table.

    Columns of numbers stand to the right, but for the first one.

    Attributes:
        title: what it shows; "" for none.
        headings: of the columns.
        rows: a cell for each heading.
        notes: sentences below it.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    notes: Sequence[str] = ()

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows, each cell with what is beside it."""
        return [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in self.rows]

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers."""
        columns = list(zip(*self.cells, strict=True)) or [()] * len(self.headings)
        return [place > 0 and all(_NUMBER.fullmatch(cell.text) for cell in of) for place, of in enumerate(columns)]

    def rich(self) -> Any:
        """The grid as a rich table, what is beside a figure below it. Names that look like markup are shown as such."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table as RichTable
        from rich.text import Text

        many = len(self.headings) > MANY
        table = RichTable(box=SIMPLE_HEAD, padding=0 if many else (0, 1, 0, 0))
        for heading, numeric in zip(self.headings, self.numeric, strict=True):
            text = Text(heading.replace(" ", "\n", 1) if many else heading)
            table.add_column(text, justify="right" if numeric else "left", overflow="fold")
        for row in self.cells:
            table.add_row(*(Text("\n".join(filter(None, cell))) for cell in row))
        return table

    def markdown(self, heading: str = "") -> str:
        """Title, grid and notes.

        Args:
            heading: "#" or more makes a heading of the title; without, it is a sentence.
        """
        title = f"{heading} {self.title}" if heading else f"{self.title}."
        lines = [self.headings, *([cell.in_one_line for cell in row] for row in self.cells)]
        rows = [[text.replace("|", "\\|").replace("\n", " ") for text in line] for line in lines]
        rows.insert(1, ["---:" if numeric else "---" for numeric in self.numeric])
        grid = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        return "\n\n".join([*([title] if self.title else []), grid, *self.notes])

    def csv(self) -> str:
        """The grid as comma-separated values."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([self.headings, *([cell.in_one_line for cell in row] for row in self.cells)])
        return stream.getvalue()


def print_tables(tables: Iterable[Table], console: Any) -> None:
    """Prints each with its title above and its notes below."""
    for table in tables:
        if table.title:
            console.print(table.title, highlight=False, markup=False)
        console.print(table.rich())
        for note in table.notes:
            console.print(note, highlight=False, markup=False)


def tables_markdown(tables: Iterable[Table], heading: str = "") -> str:
    """A Markdown text of tables; `heading` as of `Table.markdown`."""
    return "\n\n".join(table.markdown(heading) for table in tables) + "\n"


class Interval(Protocol):
    """A number and its interval, as far as they are known."""

    value: float | None
    low: float | None
    high: float | None


def estimate_cell(
    estimate: Interval | None, *, scale: float = 100.0, digits: int = 1, interval_digits: int = 0
) -> Cell:
    """A number and its interval, by default in percent."""
    if estimate is None or estimate.value is None:
        return Cell(NOTHING)
    value = f"{scale * estimate.value:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return Cell(value)
    return Cell(value, "–".join(f"{scale * end:.{interval_digits}f}" for end in (estimate.low, estimate.high)))


def number(value: float | None, form: str) -> str:
    """A number as a format such as ".2f" has it, or `NOTHING`."""
    return NOTHING if value is None else f"{value:{form}}"


def percent(share: float | None) -> str:
    """A share in percent with one digit."""
    return number(None if share is None else 100 * share, ".1f")
