"""What a terminal is shown: no text from anywhere moves the cursor, in whatever table, frame or line it stands."""

import contextlib
import io
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compeer_jax.report.terminal_text import printable, safe_console

OF_RICH = re.compile(r"\x1b\[[0-9;]*m")  # colours, which the console itself writes
TEXT = st.text(st.one_of(st.sampled_from("a \x1b[2J\r\x07\x9b\u202e\n[]"), st.characters()), max_size=20)


@settings(max_examples=60)
@given(text=TEXT, terminal=st.booleans())
def test_words_in_tables_frames_and_lines_move_no_cursor(text, terminal):
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    file = io.StringIO()
    console = safe_console(file=file, force_terminal=terminal, width=40)
    table = Table(title=text)
    table.add_column(text)
    table.add_row(text)
    for shown in (text, Text(text, style="bold"), Panel(Text(text), title=Text(text)), table):
        console.print(shown)
    written = OF_RICH.sub("", file.getvalue()) if terminal else file.getvalue()
    assert printable(written) == written


def test_a_bar_still_draws_itself(monkeypatch):
    from rich.progress import track

    file = io.StringIO()
    console = safe_console(file=file, force_terminal=True, width=60)
    assert list(track(range(3), console=console)) == [0, 1, 2]
    assert "100%" in file.getvalue()
    assert "\x1b[2K" in file.getvalue()


def test_a_table_for_a_reader_that_is_gone_raises_what_a_plain_line_raises():
    reader, writer = os.pipe()
    os.close(reader)
    file = os.fdopen(writer, "w")
    with pytest.raises(BrokenPipeError):
        safe_console(file=file).print("a")
    with contextlib.suppress(BrokenPipeError):
        file.close()
