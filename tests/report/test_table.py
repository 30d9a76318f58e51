"""The one table: at a terminal, in Markdown and as CSV."""

import csv
from types import SimpleNamespace

import pytest

from compeer_jax.report.table import NOTHING, Cell, Table, estimate_cell, number, percent, print_tables, tables_markdown
from compeer_jax.report.terminal_text import safe_console

NAME = "a-name-without-a-space-that-is-much-longer-than-any-column-of-a-narrow-terminal"
TABLE = Table(
    "Two judges",
    ["judge", "language", "rec. F", "p"],
    [[NAME, "en", Cell("93.0", "89–96"), "< 0.001"], ["a|b\n[red]", "zh", NOTHING, "0.120"]],
    ["rec. F: recall of False."],
)


def printed(table: Table, width: int) -> str:
    console = safe_console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_tables([table], console)
    return console.export_text()


@pytest.mark.parametrize("width", [40, 60, 200])
def test_a_terminal_shows_every_letter_however_narrow_it_is(width):
    text = printed(TABLE, width)
    assert "…" not in text
    first = "".join(line.strip().split(" ")[0] for line in text.splitlines())
    assert NAME in first
    assert "[red]" in text
    assert all(len(line) <= width for line in text.splitlines())
    assert text.startswith("Two judges\n")
    assert text.rstrip().endswith("rec. F: recall of False.")


def test_markdown_is_one_cell_a_name_whatever_it_holds():
    lines = tables_markdown([TABLE]).split("\n")
    assert lines[:4] == ["Two judges.", "", "| judge | language | rec. F | p |", "| --- | --- | ---: | ---: |"]
    assert lines[4] == f"| {NAME} | en | 93.0 (89–96) | < 0.001 |"
    assert lines[5] == "| a\\|b [red] | zh | – | 0.120 |"
    assert lines[6:] == ["", "rec. F: recall of False.", ""]
    assert TABLE.markdown("##").startswith("## Two judges\n\n|")


def test_csv_reads_back():
    rows = list(csv.reader(TABLE.csv().splitlines(keepends=True)))
    assert rows[0] == TABLE.headings
    assert rows[2][0] == "a|b\n[red]"
    assert rows[1][2] == "93.0 (89–96)"


def test_numbers_are_shown_with_their_intervals_and_nothing_where_there_is_none():
    known = SimpleNamespace(value=0.934, low=0.9, high=0.961)
    assert estimate_cell(known) == ("93.4", "90–96")
    assert estimate_cell(known, scale=1, digits=2, interval_digits=2) == ("0.93", "0.90–0.96")
    assert estimate_cell(SimpleNamespace(value=1.0, low=None, high=None)) == ("100.0", "")
    assert estimate_cell(SimpleNamespace(value=None, low=None, high=None)) == estimate_cell(None) == (NOTHING, "")
    assert (percent(0.5), percent(None), number(None, ".2f"), number(-0.5, "+.2f")) == ("50.0", "–", "–", "-0.50")
