"""HTML page of a benchmark's run, or of two runs side by side.

The page holds its style, its script and its data, and a policy that forbids it to load anything else, so it works from
a file and tells nobody that it is read. Data lies in it as JSON in which no character can end or open a tag; the
script makes text nodes of it, never markup. Its parts are the files of `page_parts/`.
"""

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from compeer_jax.benchmarks.dialogues import DIMENSIONS, FILE, BenchDialogue, BenchTurn, read_dialogues
from compeer_jax.benchmarks.trajectories import trajectory
from compeer_jax.dialogue.danger.withheld import why_withheld
from compeer_jax.errors import UserError
from compeer_jax.files import write_text
from compeer_jax.structure import unstructured

SCRIPTS = ("selection.js", "curve.js", "view.js", "page.js")
TITLES = {"esc-eval": "ESC-Eval", "sage": "SAGE"}

_ESCAPES = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


@dataclass(frozen=True)
class ShowConfig:
    """Makes one HTML page of a benchmark's run, or of two runs side by side.

    Args:
        runs: one or two folders of `compeer eval esc-eval` or `compeer eval sage`, or their dialogues.jsonl; two have
            to be of the same benchmark, and are laid side by side by the ids of their scenarios.
        output: the page (default: page.html in the first folder, or beside_NAME.html with the second folder's name).
    """

    runs: list[str] = field(default_factory=list)
    output: str = ""

    def __post_init__(self):
        if not self.runs:
            raise UserError("no run is named; name the folder of one, as in `compeer eval show runs/sage`.")
        if len(self.runs) > 2:
            raise UserError(f"{len(self.runs)} runs are named; a page shows one, or two side by side.")


class Shown(NamedTuple):
    """One run on the page.

    Attributes:
        name: what the page calls it: the folder's name, never more of its path, or the tested model's.
        rows: its dialogues, all of one benchmark.
    """

    name: str
    rows: Sequence[BenchDialogue]

    @property
    def benchmark(self) -> str:
        return self.rows[0].benchmark


def show_runs(config: ShowConfig) -> Path:
    """Writes the page of the runs that the settings name, and returns where it lies.

    Raises:
        UserError: a folder without dialogues, a line that is none, two benchmarks, runs that share no scenario, or a
            page that can't be written.
    """
    shown = told_apart([read_shown(path) for path in config.runs])
    page = page_of(shown)
    output = Path(config.output).expanduser() if config.output else _beside(config.runs, shown)
    if output.is_dir():
        raise UserError(f"{output} is a folder; name the file that the page shall be, such as {output / 'page.html'}.")
    write_text(output, page, mend="choose another place with --output")
    return output


def read_shown(path: str | Path) -> Shown:
    """The run that lies in a folder, or whose dialogues are this file.

    Raises:
        UserError: there are no dialogues, or not of one benchmark.
    """
    folder = Path(path).expanduser()
    if folder.is_dir() and not (folder / FILE).is_file():
        within = sorted(file.parent.relative_to(folder).as_posix() for file in folder.glob(f"*/**/{FILE}"))
        hint = "is it the output of a benchmark?"
        if (own := folder / "page.html").is_file():  # of `compeer eval crisis`
            hint = f"the page of this run is there already, open {own}."
        elif within:
            hint = f"there is one in {', '.join(within[:4])}."
        raise UserError(f"{folder} holds no {FILE}; {hint}")
    rows = read_dialogues(folder)
    benchmarks = sorted({row.benchmark for row in rows})
    if len(benchmarks) > 1:
        raise UserError(f"{folder} holds dialogues of {' and '.join(benchmarks)}; keep each in a file of its own.")
    named = folder.resolve()
    return Shown(named.parent.name if named.name == FILE else named.stem if named.is_file() else named.name, rows)


def told_apart(runs: Sequence[Shown]) -> list[Shown]:
    """The runs, called by their tested models where their folders have one name, as in the folders of a suite."""
    alike = len({run.name for run in runs}) < len(runs)
    return [Shown(run.rows[0].model, run.rows) if alike else run for run in runs]


def page_of(runs: Sequence[Shown]) -> str:
    """The page of one run, or of two, as HTML.

    Raises:
        UserError: two runs of different benchmarks, or that share no scenario.
    """
    first, *others = runs
    for other in others:
        if other.benchmark != first.benchmark:
            raise UserError(
                f"{first.name} is a run of {first.benchmark}, and {other.name} of {other.benchmark}; "
                "show each on a page of its own."
            )
        if not {row.id for row in first.rows} & {row.id for row in other.rows}:
            raise UserError(
                f"{first.name} and {other.name} have no scenario in common; show each on a page of its own."
            )
    style, script = _part("page.css"), "\n".join(map(_part, SCRIPTS))
    data = {
        "runs": [{"name": run.name, "benchmark": run.benchmark, "rows": list(map(_row, run.rows))} for run in runs],
        "dimensions": list(DIMENSIONS),
        "titles": dict(DIMENSIONS),
    }
    return Template(_part("page.html")).substitute(
        policy=f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        title=html.escape(f"{TITLES[first.benchmark]}: {' and '.join(run.name for run in runs)}"),
        style=style,
        script=script,
        data=embedded(data),
    )


def embedded(data: Any) -> str:
    """JSON that can stand within a script element: it holds no "<", ">" or "&", and no line ends that scripts have."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


def _row(row: BenchDialogue) -> Mapping[str, Any]:
    """A dialogue as the page takes it: as in the file, with what there is a definition of elsewhere worked out."""
    curve = trajectory(row) if row.benchmark == "sage" else []
    shown = replace(row, turns=[*map(_shown, row.turns)])
    return unstructured(shown) | {"curve": curve, "finished": row.finished}


def _shown(turn: BenchTurn) -> BenchTurn:
    """The turn; of a supporter who says what no output may, a note that says so. The run's file keeps the words."""
    why = why_withheld(turn.content, turn.text or "", *turn.steps.values()) if turn.role == "supporter" else None
    return turn if why is None else replace(turn, content=f"[{why}]", text=None, steps={})


def _part(name: str) -> str:
    return (resources.files(__package__) / "page_parts" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """A text as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _beside(paths: Sequence[str], shown: Sequence[Shown]) -> Path:
    folder = Path(paths[0]).expanduser()
    folder = folder if folder.is_dir() else folder.parent
    return folder / ("page.html" if len(shown) == 1 else f"beside_{shown[1].name}.html")
