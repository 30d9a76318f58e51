"""The page of a benchmark's runs: what it holds, that it loads and trusts nothing, and how it behaves in Chromium."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib import resources

import pytest
from benchmark_pages import DIMENSIONS, EVIL, esc_row, esc_runs, evil_row, sage_row, sage_runs, shown, write_run
from browser import MISSING, browser, installed
from hypothesis import given, settings
from hypothesis import strategies as st

from compeer_jax.benchmarks import page
from compeer_jax.benchmarks.dialogues import BenchDialogue
from compeer_jax.benchmarks.measures import AVERAGE, by_language, esc_reports, sage_reports
from compeer_jax.benchmarks.page import ShowConfig, Shown, embedded, page_of, read_shown, show_runs
from compeer_jax.cli.main import main
from compeer_jax.errors import UserError
from compeer_jax.structure import structured

PARTS = resources.files(page.__package__) / "page_parts"
VOID = {"meta", "link", "input", "img", "br"}


class Outline(HTMLParser):
    """Elements of a page, with their attributes, and the text within each script and style."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict]] = []
        self.within: list[str] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": [], "h1": []}
        self.labelled: list[bool] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("input", "select"):
            self.labelled.append("label" in self.within or "aria-label" in dict(attributes))
        if tag not in VOID:
            self.within.append(tag)
            if tag in self.texts:
                self.texts[tag].append("")

    def handle_endtag(self, tag):
        assert self.within.pop() == tag

    def handle_data(self, data):
        if self.within and self.within[-1] in self.texts:
            self.texts[self.within[-1]][-1] += data


def digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# What the file holds


@settings(max_examples=30)
@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_embedded_data_is_read_back_and_can_neither_end_nor_open_an_element(value):
    text = embedded(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)
    assert Outline(f"<script>{text}</script>").texts["script"] == [text]


def test_a_page_holds_its_rows_and_nothing_that_loads():
    runs = esc_runs()
    outline = Outline(page_of(runs))
    data, script = outline.texts["script"]
    rows = [
        structured(BenchDialogue, row, "row", unknown_fields="ignore") for row in json.loads(data)["runs"][1]["rows"]
    ]
    assert rows == list(runs[1].rows)
    addresses = [
        value for _, attributes in outline.elements for name, value in attributes.items() if name in ("src", "href")
    ]
    assert sorted(addresses) == ["#main", "data:,"]
    written = script + "".join(outline.texts["style"])
    assert re.findall(r"\w+://[^\"'\s]*", written) == [
        "http://www.w3.org/2000/svg"
    ]  # a name, in no attribute that loads
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(", written)


def test_a_policy_allows_this_script_and_style_only():
    outline = Outline(page_of(sage_runs()))
    policy = next(
        each["content"] for _, each in outline.elements if each.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules == {
        "default-src": "'none'",
        "style-src": f"'{digest(outline.texts['style'][0])}'",
        "script-src": f"'{digest(outline.texts['script'][1])}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_the_script_makes_no_markup_of_text():
    for name in page.SCRIPTS:
        text = (PARTS / name).read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|DOMParser", text
        ), name
        assert "</" not in text, name
        assert "<!--" not in text, name


def test_text_that_looks_like_markup_adds_no_element():
    plain = Outline(page_of([shown([sage_row(0, "m")])]))
    evil = Outline(page_of([shown([evil_row()], EVIL)]))
    assert [tag for tag, _ in evil.elements] == [tag for tag, _ in plain.elements]
    assert evil.texts["title"] == evil.texts["h1"] == [f"SAGE: {EVIL}"]
    assert json.loads(evil.texts["script"][0])["runs"][0]["rows"][0]["turns"][0]["content"].startswith(EVIL)


def test_every_field_is_labelled_and_no_id_is_there_twice():
    outline = Outline(page_of(esc_runs()))
    assert len(outline.labelled) == 8
    assert all(outline.labelled)
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    tags = {tag for tag, _ in outline.elements}
    assert {"header", "nav", "search", "main", "noscript"} <= tags


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_apart(scheme):
    """WCAG 2.2, 1.4.3: text against what it lies on, at least 4.5 to 1; 1.4.11: the focus and curves, 3 to 1."""
    blocks = re.findall(r":root \{(.*?)\}", (PARTS / "page.css").read_text(encoding="utf-8"), re.DOTALL)
    colour = dict(re.findall(r"--(\w+): (#\w{6});", blocks[scheme]))
    assert len(blocks) == 2
    for ground in ("ground", "panel", "seeker", "supporter", "accent_soft"):
        for ink in ("ink", "soft"):
            assert contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground)
    for ground in ("ground", "panel"):
        for ink, least in {"accent": 4.5, "good": 4.5, "bad": 4.5, "a": 3, "b": 3, "focus": 3}.items():
            assert contrast(colour[ink], colour[ground]) >= least, (ink, ground)
    assert (
        min(contrast(colour[kind], colour["panel"]) for kind in "ab") >= 4.5
    )  # letters A and B, cut out of their colour


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


# The command


def test_the_command_writes_the_page_beside_the_run_and_names_no_folder_above_it(tmp_path, capsys):
    one = write_run(tmp_path / "secret_place" / "one", [sage_row(n, "m") for n in range(3)])
    two = write_run(tmp_path / "secret_place" / "two", [sage_row(n, "m", 1) for n in range(3)])
    assert main(["eval", "show", str(one)]) == 0
    assert capsys.readouterr().out == f"{one / 'page.html'}: open it in a browser.\n"
    assert main(["eval", "show", str(one), str(two / "dialogues.jsonl")]) == 0
    assert main(["eval", "show", str(one), "--output", str(tmp_path / "new" / "both.html"), str(two)]) == 0
    pages = [one / "page.html", one / "beside_two.html", tmp_path / "new" / "both.html"]
    texts = [path.read_text(encoding="utf-8") for path in pages]
    assert texts[1] == texts[2]
    assert all("secret_place" not in text for text in texts)
    assert "<title>SAGE: one and two</title>" in texts[1]


def test_runs_in_folders_of_one_name_are_called_by_their_models(tmp_path):
    runs = [write_run(tmp_path / model / "sage", [sage_row(0, model)]) for model in ("COMPEER", "plain")]
    page = show_runs(ShowConfig([str(run) for run in runs]))
    assert page == runs[0] / "beside_plain.html"
    assert "<title>SAGE: COMPEER and plain</title>" in page.read_text(encoding="utf-8")


def test_what_can_not_be_shown_is_said_in_a_sentence(tmp_path):
    sage = write_run(tmp_path / "sage", [sage_row(0, "m")])
    esc = write_run(tmp_path / "esc", [esc_row(0, "m")])
    other = write_run(tmp_path / "other", [sage_row(1, "m")])
    mixed = write_run(tmp_path / "mixed", [sage_row(0, "m"), esc_row(0, "m")])
    (tmp_path / "none").mkdir()
    (crisis := tmp_path / "crisis").mkdir()
    (crisis / "page.html").touch()
    for runs, sentence in {
        (): "no run is named; name the folder of one, as in `compeer eval show runs/sage`.",
        (sage, esc, other): "3 runs are named; a page shows one, or two side by side.",
        (tmp_path / "none",): f"{tmp_path / 'none'} holds no dialogues.jsonl; is it the output of a benchmark?",
        (
            crisis,
        ): f"{crisis} holds no dialogues.jsonl; the page of this run is there already, open {crisis / 'page.html'}.",
        (tmp_path,): f"{tmp_path} holds no dialogues.jsonl; there is one in esc, mixed, other, sage.",
        (tmp_path / "absent",): f"{tmp_path / 'absent'} can't be read (No such file or directory); check the path.",
        (mixed,): f"{mixed} holds dialogues of esc-eval and sage; keep each in a file of its own.",
        (sage, esc): "sage is a run of sage, and esc of esc-eval; show each on a page of its own.",
        (sage, other): "sage and other have no scenario in common; show each on a page of its own.",
    }.items():
        with pytest.raises(UserError) as caught:
            show_runs(ShowConfig([str(run) for run in runs], str(tmp_path / "page.html")))
        assert str(caught.value) == sentence
    assert not (tmp_path / "page.html").exists()
    with pytest.raises(UserError, match="is a folder; name the file that the page shall be"):
        show_runs(ShowConfig([str(sage)], str(tmp_path / "none")))
    with pytest.raises(UserError, match=r"can't be written \(.+\); choose another place with --output"):
        show_runs(ShowConfig([str(sage)], str(sage / "dialogues.jsonl" / "page.html")))
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "dialogues.jsonl").write_text('{"benchmark": "sage", "id": "a"\n')
    with pytest.raises(UserError, match=r"dialogues.jsonl, line 1: not JSON"):
        read_shown(tmp_path / "torn")


# The script's reckoning, in Node.js or, where there is none, in the browser


@pytest.fixture(scope="module")
def reckon():
    """Runs an expression of the script's functions on values: reckon("mean(given)", [1, 2]) is 1.5."""
    source = "\n".join((PARTS / name).read_text(encoding="utf-8") for name in ("selection.js", "curve.js"))
    node = shutil.which("node")

    def in_node(expression: str, values) -> object:
        code = f"{source}\nconst given = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n"
        code += f"process.stdout.write(JSON.stringify({expression}));"
        done = subprocess.run([node, "-e", code], input=json.dumps(values), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    if node:
        yield in_node
        return
    if not installed():
        pytest.skip(f"no Node.js here, and no browser: {MISSING}")
    with browser() as window:
        ready = f"{source}\nconst given = arguments[0]; return "
        yield lambda expression, values: window.run(f"{ready}{expression};", values)


def rows_of(run: Shown) -> list[dict]:
    return [page._row(row) for row in run.rows]


def nearly(value):
    return pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("official", [False, True])
def test_the_table_of_esc_eval_is_that_of_the_results(reckon, official):
    rows = [esc_row(n, "m") for n in range(12)]
    rows[2]["scores"] = {}
    rows[3]["scores"] = {"gpt-4o": rows[3]["scores"]["gpt-4o"]}
    if official:
        rows[4]["scores"]["gpt-4o"]["human"] = -1
    run = shown(rows)
    for language, some in by_language(run.rows).items():
        report = next(each for each in esc_reports("m", run.rows, resamples=2, seed=0) if each.language == language)
        expected = {name: report.by_scorer[name] for name in ("esc-rank", "gpt-4o")} | {
            "mean of scorers": report.columns
        }
        lines = reckon("escRows(given[0], given[1])", [rows_of(Shown("m", some)), DIMENSIONS])
        assert {line["label"] for line in lines} == set(expected)
        for line in lines:
            columns = expected[line["label"]]
            assert line["values"] == nearly([columns[name].value for name in (*DIMENSIONS, AVERAGE)])
        assert lines[-1]["missing"] == report.missing


def test_the_table_of_sage_is_that_of_the_results(reckon):
    run = sage_runs()[0]
    report = sage_reports("m", run.rows, resamples=2, seed=0)[0]
    line = reckon("sageRow(given)", rows_of(run))
    assert line["emotion"] == nearly(report.emotion.value)
    assert line["missing"] == report.missing > 0
    assert line["endings"] == report.endings
    assert {"success", "failure", "no reply"} <= set(line["endings"])


def test_runs_are_laid_side_by_side_by_id(reckon):
    runs = [{"rows": [{"id": "x", "n": 1}, {"id": "y", "n": 2}]}, {"rows": [{"id": "z", "n": 3}, {"id": "y", "n": 4}]}]
    assert reckon("pairScenarios(given)", runs) == [
        {"id": "x", "dialogues": [{"id": "x", "n": 1}, None]},
        {"id": "y", "dialogues": [{"id": "y", "n": 2}, {"id": "y", "n": 4}]},
        {"id": "z", "dialogues": [None, {"id": "z", "n": 3}]},
    ]


NO_FILTER = {
    "words": [],
    "ending": "",
    "language": "",
    "remark": "",
    "order": "",
    "dimension": "mean",
    "least": None,
    "most": None,
}


def chosen(reckon, runs: list[Shown], *filters: dict) -> list[list[str]]:
    """What is listed under each of some filters, in its order."""
    expression = (
        "given.filters.map((filter) => select(pairScenarios(given.runs), filter, given.dimensions, searchable)"
        ".map(({ id }) => id))"
    )
    data = [{"rows": rows_of(run)} for run in runs]
    all_filters = [NO_FILTER | each for each in filters]
    return reckon(expression, {"runs": data, "filters": all_filters, "dimensions": DIMENSIONS})


def test_filters_and_orders_are_those_of_plain_python(reckon):
    run = shown([esc_row(n, "m") for n in range(15)])
    rows = {row.id: row for row in run.rows}

    def score(row: BenchDialogue) -> float | None:
        values = [score for scores in row.scores.values() for score in scores.values()]
        assert len(values) == 14
        return None if None in values else 25 * sum(values) / 14

    scores = {name: score(row) for name, row in rows.items()}
    broken = [name for name, row in rows.items() if any(turn.problems or turn.truncated for turn in row.turns)]
    fluent = [
        name for name, row in rows.items() if sum(given["fluency"] for given in row.scores.values()) * 25 / 2 >= 75
    ]
    expected = [
        ({}, list(rows)),
        ({"language": "zh"}, [name for name in rows if name.startswith("zh")]),
        ({"ending": "success"}, []),
        ({"least": 50, "most": 52}, [name for name in rows if 50 <= (scores[name] or 0) <= 52]),
        ({"order": "lowest"}, sorted(rows, key=lambda name: (scores[name] is None, scores[name] or 0))),
        ({"order": "highest"}, sorted(rows, key=lambda name: (scores[name] is None, -(scores[name] or 0)))),
        ({"remark": "broken"}, broken),
        ({"remark": "unscored"}, [name for name, row in rows.items() if row.missing]),
        ({"words": ["落榜", "zh-002"]}, ["zh-002"]),
        ({"words": ["neither wrote back"]}, list(rows)),  # only in the reasoning
        ({"dimension": "fluency", "least": 75}, fluent),
    ]
    found = chosen(reckon, [run], *(each for each, _ in expected))
    for (each, names), those in zip(expected, found, strict=True):
        assert those == names, each
    assert {len(names) for _, names in expected} > {0, 1, 15}


def test_orders_by_difference_put_what_has_none_last(reckon):
    runs = sage_runs()
    finals = [{row.id: row.emotion if row.finished else None for row in run.rows} for run in runs]
    gaps = {
        name: finals[0][name] - finals[1][name] for name in finals[0] if None not in (finals[0][name], finals[1][name])
    }
    without = [name for name in finals[0] if name not in gaps]
    assert without
    assert chosen(reckon, runs, {"order": "a"}, {"order": "b"}) == [
        [*sorted(gaps, key=lambda name: -gaps[name]), *without],
        [*sorted(gaps, key=lambda name: gaps[name]), *without],
    ]


def test_words_are_found_whatever_their_width_and_case(reckon):
    row = sage_row(0, "ＭＯＤＥＬ") | {"id": "Straße"}
    row["card"]["scene"] = "ＧＰＴ－４ 与 Café"
    words = "[plain('gpt-4'), plain('ＣＡＦÉ'), 'model', plain('Straße'), 'Model']"
    assert reckon(f"{words}.map((word) => searchable(given).includes(word))", row) == [True, True, True, True, False]


def test_points_of_a_curve_lie_where_their_values_are(reckon):
    corners = reckon("[place(0, 0, 4, 400), place(4, 100, 4, 400), place(2, 50, 4, 400), place(0, 120, 0, 400)]", None)
    assert corners == [
        {"x": 34, "y": 190 - 26},
        {"x": 400 - 12, "y": 12},
        {"x": (34 + 388) / 2, "y": (12 + 164) / 2},
        {"x": 34, "y": 12},
    ]
