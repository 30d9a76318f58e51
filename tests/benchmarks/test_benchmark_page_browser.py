"""The page of a benchmark's runs in headless Chromium: what a person sees and does, opened from a file."""

import pytest
from benchmark_pages import EVIL, STEPS, esc_row, esc_runs, evil_row, sage_row, sage_runs, shown
from browser import MISSING, browser, installed

from compeer_jax.benchmarks.dialogues import DIMENSIONS
from compeer_jax.benchmarks.measures import esc_reports
from compeer_jax.benchmarks.page import Shown, page_of
from compeer_jax.benchmarks.trajectories import trajectory

pytestmark = pytest.mark.long

WIDE, PHONE = (1280, 900), (360, 740)


@pytest.fixture(scope="module")
def window():
    """A headless Chromium; without one, these tests say that they were not run."""
    if not installed():
        pytest.skip(MISSING)
    with browser() as opened:
        yield opened


@pytest.fixture
def visit(window, tmp_path):
    """Opens the page of some runs in a window of some size, and checks at the end that nothing went wrong in it."""

    def go(*runs: Shown, size: tuple[int, int] = WIDE, fragment: str = ""):
        path = tmp_path / "page.html"
        path.write_text(page_of(runs), encoding="utf-8", newline="\n")
        window.size(*size)
        window.open(path, fragment)
        return window

    window.complaints()
    yield go
    assert window.complaints() == []
    assert window.run("return performance.getEntriesByType('resource').map((each) => each.name)") in ([], ["data:,"])


def focused(window) -> str:
    return window.run("return document.activeElement.id || document.activeElement.tagName.toLowerCase()")


def chosen(window) -> str:
    """The name of the chosen scenario, said alike by the list, its active line and the dialogue."""
    names = window.run(
        "const list = document.getElementById('list');"
        "const active = document.getElementById(list.getAttribute('aria-activedescendant'));"
        "return [active, list.querySelector('[aria-selected=true]'), document.querySelector('main')]"
        ".map((node) => node.querySelector('.name, h2').textContent)"
    )
    assert len(set(names)) == 1
    return names[0]


def wider_than_screen(window) -> list[str]:
    """What reaches past the right edge without a scroll bar of its own."""
    return window.run(
        "const wide = document.documentElement.clientWidth;"
        "return [...document.querySelectorAll('body *')].filter((node) =>"
        " !node.closest('.scrolling, #table') && node.getBoundingClientRect().right > wide + 0.5)"
        ".map((node) => node.outerHTML.slice(0, 80))"
    )


def write(window, field: str, value: str) -> None:
    """Puts a value into a field as if it were typed or chosen."""
    window.run(
        "const node = document.getElementById(arguments[0]); node.value = arguments[1];"
        "node.dispatchEvent(new Event('input', { bubbles: true }))",
        field,
        value,
    )


def listed(window) -> list[str]:
    return window.texts("#list .name")


def test_text_that_looks_like_markup_is_text(visit):
    window = visit(shown([evil_row(), sage_row(1, "m")], EVIL))
    assert window.run("return document.title") == f"SAGE: {EVIL}"
    assert window.run("return [document.scripts.length, document.images.length]") == [2, 0]
    assert window.texts("h2") == [EVIL]
    assert window.texts(".turn.supporter .said")[0].startswith(EVIL)
    assert EVIL in window.texts(".reasoning dd")
    assert EVIL in window.texts(".raw pre")
    assert window.texts(".card dt") == [EVIL]
    assert window.run("return getComputedStyle(document.querySelector('.said')).display") == "block"


def test_the_policy_forbids_what_the_page_never_asks_for(window, visit):
    visit(*sage_runs())
    forbidden = window.run(
        "return new Promise((done) => {"
        " document.addEventListener('securitypolicyviolation', (event) => done(event.violatedDirective));"
        " new Image().src = 'http://127.0.0.1:9/x.png'; })"
    )
    assert forbidden == "img-src"
    assert any("Content Security Policy" in each for each in window.complaints())
    visit(*sage_runs())  # what has been tried above is no deed of the page's


def test_the_list_is_walked_by_the_keyboard(visit):
    runs = esc_runs(40)
    window = visit(runs[0])
    names = [row.id for row in runs[0].rows]
    assert listed(window) == names
    assert chosen(window) == names[0]
    window.run("document.getElementById('clear').focus()")
    window.press("Tab")
    assert focused(window) == "list"
    style = "const style = getComputedStyle(document.activeElement); return [style.outlineStyle, style.outlineWidth]"
    assert window.run(style) == ["solid", "3px"]
    for keys, place in ((["Down"] * 3, 3), (["Up"], 2), (["End"], 39), (["Down"], 39), (["Home"], 0), (["Up"], 0)):
        window.press(*keys)
        assert chosen(window) == names[place]
        assert focused(window) == "list"
    window.press("PageDown")
    assert names.index(chosen(window)) > 1
    inside = window.run(
        "const [list, line] = ['#list', '[aria-selected=true]'].map((one) =>"
        " document.querySelector(one).getBoundingClientRect());"
        "return line.top >= list.top - 1 && line.bottom <= list.bottom + 1 && line.bottom <= innerHeight + 1"
    )
    assert inside
    window.press("Enter")
    assert focused(window) == "h2"
    window.press("Escape")
    assert focused(window) == "list"
    window.press("/")
    assert focused(window) == "words"
    window.press("/")  # within the field it is a character
    assert window.run("return document.getElementById('words').value") == "/"


def test_every_control_is_reached_by_tab_and_shows_that_it_is(visit):
    window = visit(*sage_runs())
    seen = []
    window.run("document.body.focus()")
    for _ in range(30):
        window.press("Tab")
        style = "const style = getComputedStyle(document.activeElement); return style.outlineStyle"
        seen.append((focused(window), window.run(style)))
    names = [name for name, _ in seen]
    above = ["a", "summary", "table", "words", "summary"]
    filters = ["ending", "language", "remark", "order", "least", "most", "clear"]
    assert [name for name in names if name != "body"][:13] == [*above, *filters, "list"]
    assert "unfold" in names
    assert {outline for name, outline in seen if name != "body"} <= {"solid", "auto"}


def test_filters_change_what_is_listed_and_its_scores(visit):
    run = shown([esc_row(n, "m") for n in range(15)])
    window = visit(run)
    assert window.text("#count") == "15 of 15 scenarios listed"
    write(window, "language", "zh")
    assert listed(window) == [row.id for row in run.rows if row.language == "zh"]
    assert window.text("#count") == "5 of 15 scenarios listed"
    assert chosen(window) == "zh-002"  # what was chosen is no longer listed
    report = next(each for each in esc_reports("m", run.rows, resamples=2, seed=0) if each.language == "zh")
    cells = window.texts("#table tbody tr:last-child td")
    assert cells[:8] == [f"{report.columns[name].value:.2f}" for name in (*DIMENSIONS, "average")]
    assert cells[8:] == [str(report.missing), "5"]
    write(window, "words", "ＬＯＮＥ  nosuchword")
    assert listed(window) == []
    assert window.text("#count") == "No scenario passes these filters."
    assert window.text("main") == "Nothing to show; clear a filter."
    window.click("#clear")
    window.run("return new Promise((done) => setTimeout(done))")
    assert len(listed(window)) == 15
    assert chosen(window) == "en-000"
    write(window, "dimension", "fluency")
    write(window, "order", "highest")
    marks = [float(text) for text in window.texts("#list .mark b")]
    assert marks == sorted(marks, reverse=True)
    assert marks[0] == 87.5
    write(window, "least", "80")
    assert all(mark >= 80 for mark in map(float, window.texts("#list .mark b")))


def test_reasoning_is_folded_until_asked_for_and_stays_as_asked(visit):
    window = visit(shown([esc_row(n, "m") for n in range(6)]))
    opened = "return [...document.querySelectorAll('.reasoning')].map((part) => part.open)"
    assert window.run(opened) == [False] * 5
    assert STEPS["history"] not in window.text("main")
    window.click(".reasoning summary")
    assert window.run(opened) == [True, False, False, False, False]
    assert STEPS["history"] in window.text("main")
    window.click("#unfold")
    assert window.run(opened) == [True] * 5
    for _ in range(4):
        window.click(".tools button:nth-of-type(3)")  # Next
    assert window.texts("h2") == ["en-004"]
    assert window.run(opened) == [True] * 4  # the third reply is broken: nothing of it is called reasoning
    assert window.texts(".turn .badge.bad") == ["cut", "broken format"]
    assert "unclosed:history, missing:response" in window.texts(".turn .raw p")[0]


def test_two_runs_stand_side_by_side(visit):
    runs = esc_runs()
    window = visit(*runs)
    assert window.texts("h3") == ["Acompeer", "Bbase"]
    assert window.text(".dialogue.b .none") == "This run has no dialogue of this scenario."
    window.run("document.querySelectorAll('#list li')[3].click()")
    left, right = window.run(
        "return [...document.querySelectorAll('.pair > .dialogue')]"
        ".map((part) => part.getBoundingClientRect().toJSON())"
    )
    assert left["top"] == right["top"]
    assert left["right"] <= right["left"]
    assert len(window.texts(".dialogue.a .turn")) == len(window.texts(".dialogue.b .turn")) == 10
    assert window.text(".dialogue.a .facts").split()[0] == "compeer"
    rows = {row.id: row for row in runs[1].rows}
    given = [str(rows["en-003"].scores["esc-rank"][name]) for name in DIMENSIONS]
    assert window.texts(".dialogue.b td:nth-child(2)") == given
    assert window.texts(".dialogue.b .raw li") == ["gpt-4o, Skillful: no line “Score: N” with N from 0 to 4, twice"]
    assert "gpt-4o" in window.text(".dialogue.b table")
    assert wider_than_screen(window) == []


def test_emotion_curves_are_drawn_as_they_went(visit):
    runs = sage_runs()
    window = visit(*runs, fragment="#profile-03")
    rows = [next(row for row in run.rows if row.id == "profile-03") for run in runs]
    drawn = window.run(
        "return [...document.querySelectorAll('#curve polyline')].map((line) => line.getAttribute('points'))"
    )
    lines = [[tuple(map(float, point.split(","))) for point in points.split()] for points in drawn]
    for line, row in zip(lines, rows, strict=True):
        assert [round(100 - (y - 12) * 100 / 152) for _, y in line] == trajectory(row)
    label = window.run("return document.querySelector('#curve svg').getAttribute('aria-label')")
    first = ", ".join(f"{value:.0f}" for value in trajectory(rows[0]))
    assert label.startswith(f"Emotion at the start and after each round. one: {first}. two: 40, ")
    assert window.texts("#curve title")[:2] == ["one, start: 40", f"one, round 1: {trajectory(rows[0])[1]:.0f}"]
    assert window.texts(".raw li") == []
    window.run("document.querySelectorAll('#list li')[5].click()")
    assert window.texts(".dialogue.a .raw li") == ["planner, emotion: section Change is not there"]
    assert window.text(".dialogue.a .facts").endswith("no reply\nlast emotion missing")


def test_a_phone_shows_the_list_then_the_dialogue_and_goes_back(visit):
    window = visit(*sage_runs(), size=PHONE)
    shown_now = "return ['nav', 'main'].map((name) => document.querySelector(name).getBoundingClientRect().height > 0)"
    assert window.run(shown_now) == [True, False]
    assert wider_than_screen(window) == []
    window.click("#figures summary")
    window.click("#more summary")
    assert wider_than_screen(window) == []
    window.click("#list li:nth-child(4)")
    assert window.run(shown_now) == [False, True]
    assert window.text("h2") == "profile-03"
    assert window.run("return [scrollY, location.hash]") == [0, "#profile-03"]
    assert window.run("return document.querySelector('#curve svg').getBoundingClientRect().width") > 300
    window.click("#unfold")
    assert wider_than_screen(window) == []
    tops = "return [...document.querySelectorAll('.dialogue')].map((part) => part.getBoundingClientRect().height > 0)"
    assert window.run(tops) == [True, False]
    window.click(".switcher label:nth-of-type(2)")
    assert window.run(tops) == [False, True]
    small = window.run(
        "return [...document.querySelectorAll('main button, main summary, #list li')]"
        ".map((node) => node.getBoundingClientRect().height).filter((height) => height > 0 && height < 24)"
    )
    assert small == []
    window.back()
    assert window.run(shown_now) == [True, False]
    window.click("#list li:nth-child(2)")
    window.click(".back")
    assert window.run(shown_now) == [True, False]
    assert focused(window) == "list"
    window.press("Down")
    assert chosen(window) == "profile-02"
    assert window.run(shown_now) == [True, False]


@pytest.mark.parametrize("fragment", ["#%E5%", "#no-such", "#"])
def test_an_address_that_names_nothing_shows_the_list(visit, fragment):
    window = visit(shown([sage_row(n, "m") for n in range(3)]), size=PHONE, fragment=fragment)
    assert len(listed(window)) == 3
    assert window.run("return document.body.dataset.view") == "list"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_person(visit, window, scheme):
    window.scheme(scheme)
    visit(shown([sage_row(0, "m")]))
    both = "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]"
    ground, ink = window.run(both)
    assert (sum(brightness(ground)) > sum(brightness(ink))) == (scheme == "light")


def brightness(colour: str) -> list[int]:
    return [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]


def test_every_card_of_the_benchmark_can_be_listed(visit):
    window = visit(shown([esc_row(n, "m") for n in range(655)]))
    assert window.text("#count") == "655 of 655 scenarios listed"
    write(window, "words", "zh-653")
    assert listed(window) == ["zh-653"]
    assert window.texts("h2") == ["zh-653"]
