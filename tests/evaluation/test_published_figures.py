"""The bundled figures are those that are printed, and files of one's own are checked before anything runs."""

import json
import re
from pathlib import Path

import pytest
from bench_rows import random_esc, random_sage

from compeer_jax.benchmarks import tables
from compeer_jax.benchmarks.dialogues import DIMENSIONS, write_dialogues
from compeer_jax.cli.main import main
from compeer_jax.errors import UserError
from compeer_jax.evaluation import generation_report
from compeer_jax.evaluation.generation_report import GenerationResults
from compeer_jax.evaluation.judge_table import JudgeResults, judge_tables, metric_headings
from compeer_jax.evaluation.published_figures import PERCENT, read_figures
from compeer_jax.people import results as preference_results

PAPER = Path(__file__).parents[3] / "shared" / "paper" / "compeer.txt"
TAGS = ("history", "emotion", "strategy", "response")
JUDGES = dict.fromkeys(metric_headings(TAGS), PERCENT)
FEELINGS = ("emotion", "success", "failure")
SPELT = {"SoualChat 2.0": "SoulChat 2.0", "EmoLLMV 3.0": "EmoLLM 3.0"}
ROWS = ["InternLM3", "Qwen3", "Qwen2.5-VL", "InternLM3 (reasoning mode)", "Qwen3 (reasoning mode)"]
ROWS += ["Qwen2.5-VL (reasoning mode)", "CPsyCounX", "SoulChat 2.0", "EmoLLM 3.0"]
ROWS += [f"COMPEER-{name}" for name in ("SFT", "POR", "UR", "URP")]


def rows_in_print(number: int, width: int) -> list[tuple[str, list[float | None]]]:
    """The lines of figures above the caption of a table in the paper's text; None for a dash."""
    lines = PAPER.read_text(encoding="utf-8").splitlines()
    end = next(at for at, line in enumerate(lines) if line.startswith(f"Table {number}:"))
    figure = r"(?:\d+(?:\.\d+)?|-)"
    found = []
    for line in reversed(lines[:end]):
        match = re.fullmatch(rf"(.+?)((?: {figure}){{{width}}})", line)
        if match is None:
            break
        found.append((match[1], [None if word == "-" else float(word) for word in match[2].split()]))
    return found[::-1]


def named(rows: list[tuple[str, list[float | None]]]) -> dict[str, list[float | None]]:
    """Rows by our names: the second of a name is that of the reasoning mode."""
    found: dict[str, list[float | None]] = {}
    for name, row in rows:
        name = SPELT.get(name, name)
        found[f"{name} (reasoning mode)" if name in found else name] = row
    return found


def laid_out(figures, metrics) -> dict[str, list[float | None]]:
    return {
        name: [row.get(metric) for metric in metrics]
        for name, row in figures.items()
        if not row.keys().isdisjoint(metrics)
    }


@pytest.mark.skipif(not PAPER.exists(), reason="the paper's text is not there")
def test_the_papers_tables_are_bundled_row_for_row_as_printed():
    assert laid_out(read_figures("paper", JUDGES), JUDGES) == dict(rows_in_print(1, 8))
    figures = read_figures("paper", tables.METRICS)
    assert laid_out(figures, (*DIMENSIONS, "average")) == named(rows_in_print(2, 8))
    assert laid_out(figures, FEELINGS) == named(rows_in_print(3, 3))


def test_the_bundle_is_whole_and_three_averages_are_not_the_means_of_their_columns():
    figures = read_figures("paper", tables.METRICS)
    assert list(figures) == ROWS
    assert {tuple(row) for row in figures.values()} == {(*DIMENSIONS, "average", *FEELINGS)}
    off = {
        name: round(row["average"] - sum(row[one] for one in DIMENSIONS) / 7, 2)
        for name, row in figures.items()
        if not -0.01 < row["average"] - sum(row[one] for one in DIMENSIONS) / 7 < 0.005
    }
    assert off == {"InternLM3": -0.30, "COMPEER-UR": -0.37, "COMPEER-URP": -0.21}
    assert [line.split(":")[0] for line in tables.odd_averages(figures)] == list(off)
    assert all(row["success"] + row["failure"] <= 100 for row in figures.values())
    # What the paper says of its own figures: the best of each table, and what each judge rates.
    assert max(figures, key=lambda name: figures[name]["average"]) == "COMPEER-URP"
    assert max(figures, key=lambda name: figures[name]["emotion"]) == "COMPEER-URP"
    judges = read_figures("paper", JUDGES)
    best = {metric: max(judges, key=lambda name: judges[name].get(metric, 0)) for metric in JUDGES}
    assert set(best.values()) == {"UnifiReward-P"}
    assert len(judges) == 11
    assert {name for name, row in judges.items() if row.keys() != JUDGES.keys()} == {"PRM", "ORM"}


@pytest.mark.parametrize("metrics", [generation_report.METRICS, preference_results.METRICS])
def test_cares_figures_are_of_answers_and_of_preferences(metrics):
    figures = read_figures("care", metrics)
    assert figures
    assert all(row.keys() <= metrics.keys() for row in figures.values())
    assert figures.notes


def test_what_is_to_be_said_of_figures_stands_below_their_table():
    figures = read_figures("paper", JUDGES)
    assert "574 held-out samples" in judge_tables(JudgeResults("t", TAGS, [], figures))[0].markdown()
    figures = read_figures("care", generation_report.METRICS)
    assert any("Llama-3.1-8B" in line for line in GenerationResults("s", "plain", [], figures).table.notes)
    assert "Published" not in judge_tables(JudgeResults("t", TAGS, [], {"Mine": {"history_f1": 1.0}}))[0].markdown()


def test_the_papers_rows_stand_beside_runs_of_their_names(tmp_path, capsys):
    write_dialogues(tmp_path / "esc", random_esc(0, model="COMPEER-URP"))
    write_dialogues(tmp_path / "sage", random_sage(0, model="COMPEER-URP"))
    runs = json.dumps([str(tmp_path / name) for name in ("esc", "sage")])
    assert (
        main(
            [
                "eval",
                "benchmarks",
                f"--runs={runs}",
                f"--output={tmp_path}/table",
                "--published=paper",
                "--resamples=50",
            ]
        )
        == 0
    )
    text = (tmp_path / "table" / "results.md").read_text(encoding="utf-8")
    esc = text[text.index("## ESC-Eval, both") : text.index("## ESC-Eval, English")].splitlines()
    lines = [line for line in esc if line.startswith("| ")][2:]
    rows = [line.split("|")[1].strip() for line in lines]
    ours = rows.index("COMPEER-URP")
    assert rows[:ours] == [f"{name}, published" for name in ROWS[:-1]]
    assert rows[-1] == "published"
    assert "| – | 85.66 | 76.92 | 88.15 | 76.51 | 87.53 | 88.92 | 74.51 | 82.39 |" in lines[-1]
    shown = " ".join(capsys.readouterr().out.split())
    for words in ("SoualChat", "COMPEER-URP: the published average 82.39 is 0.21 below", "of these 100"):
        assert words in shown


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must be rows of metrics, e.g. Theirs: {history_f1: 15.0}."),
        ("{}", "must be rows of metrics"),
        ("Theirs: {}", "Theirs: the row has no figures; give some, or leave it out."),
        ("Theirs:", "must be rows of metrics"),
        ("Theirs: {history_f1: .nan}", "history_f1 is nan; it must be a number from 0 to 100."),
        ("Theirs: {history_f1: '75.3'}", "history_f1 is '75.3'"),
        ("Theirs: {step1: 1}", "Theirs: unknown metric 'step1'"),
        ("Qwen3: {history_f1: 1}\nQwen3: {history_f1: 2}", "have 'Qwen3' twice; give one of them another name."),
        ("A: {history_f1: 1, history_f1: 2}", "have 'history_f1' twice"),
        ("4: {history_f1: 1}\n'4': {history_f1: 2}", "have '4' twice"),
        ("A: [", "are not YAML"),
        ("? [a]\n: {history_f1: 1}", "are not YAML"),
    ],
)
def test_wrong_files_are_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "figures.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_figures(str(path), JUDGES)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_name_that_is_no_bundle_or_of_another_table_is_one_sentence():
    with pytest.raises(
        UserError, match=r"papre can't be read \(No such file.*\); .*; bundled ones are care and paper\."
    ):
        read_figures("papre", JUDGES)
    with pytest.raises(
        UserError, match=r"published figures care are of answers against references; preferences .*none"
    ):
        read_figures("care", JUDGES)
    with pytest.raises(UserError, match="published figures paper are of judges"):
        read_figures("paper", preference_results.METRICS)


@pytest.mark.parametrize("action", ["esc-eval", "sage", "benchmarks", "generation"])
def test_a_wrong_name_is_said_before_anything_is_read_or_asked(action, tmp_path, capsys):
    models = "{m: {server: {model: m, url: 'http://127.0.0.1:9/v1'}}}"
    given = {
        "esc-eval": [f"--models={models}", "--tested=m", "--role=m", "--cards=[nowhere.json]"],
        "sage": [f"--models={models}", "--tested=m", "--role=m", "--profiles=nowhere.jsonl"],
        "benchmarks": ["--runs=[nowhere]"],
        "generation": ["--outputs=nowhere"],
    }[action]
    assert main(["eval", action, *given, f"--output={tmp_path}/o", "--published=papr"]) == 2
    assert "published figures papr can't be read" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
