"""Table 1 from beginning to end: judges of known opinions, in this process and behind a server, get known scores."""

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from chat_server_fixture import ChatHTTPServer, last_message
from judged_records import STEPS, judged_records, knowing, write_records
from rich.console import Console
from small_judges import CARD, parrot

from compeer_jax.cli.main import main
from compeer_jax.data.policy_data import DataConfig
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.errors import UserError
from compeer_jax.evaluation.judge_table import (
    JudgeResults,
    JudgeRow,
    judge_tables,
    metric_headings,
)
from compeer_jax.evaluation.published_figures import PERCENT, read_figures
from compeer_jax.evaluation.rated_judges import RatedJudgeConfig
from compeer_jax.evaluation.reward_eval import COMMONEST, RewardEvalConfig, evaluate_judges
from compeer_jax.progress import Progress
from compeer_jax.report.table import print_tables, tables_markdown
from compeer_jax.report.terminal_text import wide_console
from compeer_jax.rewards.config import JudgeLoadConfig, RemoteJudgeConfig
from compeer_jax.training.small_model import SmallModelConfig, make_small_model

COUNT = 24


@pytest.fixture
def records(tmp_path) -> str:
    return write_records(tmp_path / "records.jsonl", judged_records(COUNT))


def served(server, model: str = "judge") -> RatedJudgeConfig:
    return RatedJudgeConfig("general", server=RemoteJudgeConfig(url=server.url, model=model, backoff=0.001))


def settings(records, server, **changes) -> RewardEvalConfig:
    judges = {"judge": served(server)}
    return RewardEvalConfig(**({"records": records, "judges": judges, "resamples": 50, "batch_size": 10} | changes))


def values(row) -> dict[str, float | None]:
    return {metric: estimate.value for metric, estimate in row.scores.items()}


def test_a_judge_that_sees_everything_is_always_right_in_both_orders(records, tmp_path):
    with ChatHTTPServer(knowing) as server:
        table = evaluate_judges(settings(records, server, output=str(tmp_path / "out")))
        asked = len(server.asked)
    assert [row.name for row in table.rows] == [COMMONEST, "judge"]
    row = table.rows[1]
    assert set(values(row)) == set(table.metrics)
    assert all(estimate == (1, 1, 1) for estimate in row.scores.values())
    assert row.unparsed == 0
    assert row.order == (0.5, 1)
    assert asked == COUNT * 5, "in the other order only the replies differ, so only they are asked about again"
    said = [json.loads(line) for line in (tmp_path / "out" / "verdicts.jsonl").read_text().splitlines()]
    assert all(
        {tag: row["said"]["judge"][tag] for tag in STEPS} == {tag: row["truth"][tag] for tag in STEPS} for row in said
    )
    saved = json.loads((tmp_path / "out" / "accuracy.json").read_text())
    assert saved["rows"][1]["scores"]["response_f1"] == {"value": 1, "low": 1, "high": 1}


def test_only_parts_with_a_known_verdict_are_counted(tmp_path, caplog):
    """A judge that is always right, except where nothing is known, and one that never says anything."""
    rows = judged_records(COUNT)
    for number, row in enumerate(rows):
        if number % 3:
            del row["preference"]
        if number % 4 == 0 and number % 3 == 0:
            row["labels"] = {}
        row["labels"].pop("strategy", None)
    records = write_records(tmp_path / "partial.jsonl", rows)
    with ChatHTTPServer(knowing) as server:
        table = evaluate_judges(settings(records, server, both_orders=False))
    knows = values(table.rows[1])
    assert knows == dict.fromkeys(("history_f1", "history_recall_false", "emotion_f1", "emotion_recall_false"), 1) | {
        "response_f1": 1,
        "response_accuracy": 1,
    }
    known = [row["labels"]["emotion"] for row in rows if "emotion" in row["labels"]]
    commonest = max((True, False), key=known.count)
    share = known.count(commonest) / len(known)
    f1 = share * 2 * share / (1 + share)
    assert values(table.rows[0])["emotion_f1"] == pytest.approx(f1), "weighted F1 of one class said always"
    with ChatHTTPServer(lambda body: "Hm.") as server, pytest.raises(UserError, match=r"None of .* gave a verdict"):
        evaluate_judges(settings(records, server, both_orders=False))
    assert "judge gave no verdict that can be read" in caplog.text


def test_a_judge_of_places_has_the_scores_of_its_places(records):
    always = lambda body: "Verdict: first" if "-reply" in last_message(body) else "Verdict: True"  # noqa: E731
    with ChatHTTPServer(always) as server:
        table = evaluate_judges(settings(records, server, seed=5))
    row = table.rows[1]
    swapped = np.random.default_rng(5).random(COUNT) < 0.5
    truth = [record["preference"] for record in judged_records(COUNT)]
    right = [better == ("second" if swap else "first") for better, swap in zip(truth, swapped, strict=True)]
    assert values(row)["response_accuracy"] == pytest.approx(np.mean(right))
    assert values(row)["history_recall_false"] == 0
    assert row.order == (1, 0)
    for metric in ("history_f1", "emotion_f1", "strategy_f1"):
        assert values(row)[metric] == pytest.approx(values(table.rows[0])[metric]), "True is the commonest verdict"


def test_replies_without_a_verdict_count_as_wrong(records):
    mumbling = lambda body: "Hard to say." if "-reply" in last_message(body) else knowing(body)  # noqa: E731
    with ChatHTTPServer(mumbling) as server:
        row = evaluate_judges(settings(records, server, both_orders=False)).rows[1]
    assert values(row)["response_accuracy"] == values(row)["response_f1"] == 0
    assert values(row)["emotion_f1"] == 1
    assert row.unparsed == 1 / 4
    assert row.order == (None, None)


@pytest.fixture(scope="module")
def parrots(tmp_path_factory) -> dict[str, str]:
    """A PRM that finds every step wrong and an ORM that finds all answers alike."""
    folder = tmp_path_factory.mktemp("parrots")
    data = DataConfig(prompt="compeer_brief", silver_quotes=False)
    shape = {"hidden_size": 32, "layers": 1, "heads": 8, "kv_heads": 8, "intermediate_size": 32, "context": 640}
    make_small_model(SmallModelConfig(output=str(folder / "base"), data=data, vocab_size=2048, **shape))
    CARD.write(folder / "base")
    said = {"prm": "Verdict: False", "orm": "Verdict: similar"}
    return {kind: str(parrot(folder / kind, folder / "base", kind, reply)) for kind, reply in said.items()}


def test_any_judges_are_rated_on_what_they_rate_in_the_order_given(records, parrots, tmp_path):
    published = tmp_path / "published.yaml"
    published.write_text("ORM: {response_f1: 77.7}\nElsewhere: {emotion_f1: 55}\n")
    local = {kind.upper(): RatedJudgeConfig(kind, directory) for kind, directory in parrots.items()}
    with ChatHTTPServer(knowing, models=("b", "a")) as server:
        judges = {"b": served(server, "b"), **local, "A general one": served(server, "a")}
        changes = {"judges": judges, "models": JudgeLoadConfig(dtype="float32"), "published": str(published)}
        table = evaluate_judges(settings(records, server, **changes, against="A general one"))
    assert [row.name for row in table.rows] == [COMMONEST, "b", "PRM", "ORM", "A general one"]
    prm, orm = table.rows[2:4]
    assert set(values(prm)) == {f"{tag}_{metric}" for tag in STEPS for metric in ("f1", "recall_false")}
    assert values(prm)["history_recall_false"] == 1
    assert values(prm)["history_f1"] == pytest.approx(1 / 3 * (2 / 3) / (1 / 3 + 1))
    assert values(orm) == {"response_f1": pytest.approx(0.25 * 0.5 / 1.25), "response_accuracy": 0.25}
    assert prm.order is None
    assert orm.order == (None, 1)
    lines = [
        [cell.strip() for cell in line.split("|")]
        for line in tables_markdown(judge_tables(table)).splitlines()
        if "|" in line
    ]
    names = [line[1] for line in lines]
    assert names.index("Elsewhere, published") < names.index(COMMONEST)
    assert lines[names.index("ORM") + 1][1:3] == ["published", "–"]
    assert "77.70" in lines[names.index("ORM") + 1]
    # The model compared with is always right, so a row lacks of it what it lacks of 100 %.
    for row in table.rows[:-1]:
        assert {metric: each.value for metric, each in row.differences.items()} == pytest.approx(
            {metric: value - 1 for metric, value in values(row).items()}
        )
    assert not table.rows[-1].differences
    compared = lines[names.index(COMMONEST, names.index(COMMONEST) + 1) :]
    assert compared[1][1:3] == ["b", "+0.0 (+0 to +0)"]
    assert compared[2][1] == "PRM"
    assert compared[2][2].startswith("-83.3* (-")


def test_a_name_is_one_cell_and_no_markup_whatever_it_holds(capsys):
    names = ["a|b", "Qwen3 [thinking]", "[/x]", "two\nlines", r"c\d"]
    table = JudgeResults("3 records", COMPEER.tags, [JudgeRow(name, {}, None) for name in names], {}, names[1])
    lines = [line for line in tables_markdown(judge_tables(table)).splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    assert {len(row) for row in cells[: len(names) + 2]} == {10}
    shown = [row[0].strip().replace("\\|", "|") for row in cells[2 : len(names) + 2]]
    assert shown == [name.replace("\n", " ") for name in names]
    for one in judge_tables(table):
        print_tables([one], wide_console())
        printed = capsys.readouterr().out
        assert all(name in printed for name in names if "\n" not in name)
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Progress(2, "[/x]", console=terminal) as progress:
        progress.update(1, {})
    assert "[/x]" in terminal.file.getvalue()


def test_a_general_model_in_a_directory_is_asked_as_the_settings_say(records, parrots):
    """The weights of a judge that says False, without its card."""
    directory = Path(parrots["prm"]).with_name("general")
    shutil.copytree(parrots["prm"], directory)
    (directory / "judge.json").unlink()
    judge = RatedJudgeConfig("general", str(directory), limits=CARD.limits, max_new_tokens=8)
    (_, row) = evaluate_judges(
        RewardEvalConfig(records=records, judges={"any": judge}, models=JudgeLoadConfig(dtype="float32"), resamples=20)
    ).rows
    assert values(row)["strategy_recall_false"] == 1
    assert row.unparsed == 1 / 4, "False is no preference"


def test_what_a_judge_said_is_kept_until_it_or_the_records_change(records, parrots, tmp_path, caplog):
    caplog.set_level("INFO", logger="compeer_jax")

    def rate(**changes) -> tuple[dict, int]:
        settings = {"records": records, "judges": {"ORM": RatedJudgeConfig("orm", parrots["orm"])}, "limit": 8}
        settings |= {"models": JudgeLoadConfig(dtype="float32"), "resamples": 20, "output": str(tmp_path / "out")}
        caplog.clear()
        evaluate_judges(RewardEvalConfig(**(settings | changes)))
        found = json.loads((tmp_path / "out" / "accuracy.json").read_text())
        return found, sum("what it said" in message for message in caplog.messages)

    first, read = rate()
    assert read == 0
    again, read = rate(against=COMMONEST)
    assert read == 1
    assert [row["scores"] for row in again["rows"]] == [row["scores"] for row in first["rows"]]
    assert rate(limit=7)[1] == 0


def test_silver_records_are_rated_where_there_are_no_others(parrots, capsys):
    judges = f"{{PRM: {{kind: prm, directory: {parrots['prm']}}}}}"
    command = ["reward", "eval", "--judges", judges, "--models.dtype", "float32", "--limit", "8"]
    assert main([*command, "--data.silver_quotes", "false", "--resamples", "20"]) == 0
    printed = capsys.readouterr().out
    assert "8 silver test records of sample" in printed
    assert "PRM" in printed
    assert COMMONEST in printed


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ([], "name a judge to rate, such as judges: {UnifiReward: "),
        (["--judges", "{A: {kind: orm, directory: nowhere}}"], "nowhere is no judge: it has no judge.json"),
        (["--judges", "{A: {kind: general, directory: nowhere}}"], "nowhere"),
        (["--judges", "{A: {kind: unifi, directory: PRM}}"], "is a judge of kind 'prm', not 'unifi'"),
        (["--judges", "{A: {kind: general, directory: PRM}}"], "holds a trained judge; give kind 'prm'"),
        (["--judges", "{A: {kind: orm}}"], "a judge of kind 'orm' needs a directory"),
        (["--judges", "{A: {kind: general}}"], "give directory, or server.url and server.model"),
        (["--judges", "{A: {kind: orm, directory: x, server: {model: y}}}"], "leave server out"),
        (["--judges", "{A: {directory: x}}"], "kind"),
        (["--judges", "{A: {kind: omr, directory: x}}"], "omr"),
        (["--judges", "{A: 3}"], "judges A: expected keys and values in braces, found 3"),
        (["--judges", "[x]"], "Expected a dict"),
        (["--judges", "{A: {kind: orm, dir: x}}"], "judges A: unknown config key 'dir'"),
        (["--judges", "{commonest verdict: {kind: orm, directory: x}}"], "give it another name"),
        (["--judges", "{A: {kind: orm, directory: x}}", "--against", "B"], "against: unknown judge 'B'"),
        (["--judges", "{A: {kind: orm, directory: x}}", "--published", "nowhere.yaml"], "nowhere.yaml can't be read"),
        (
            ["--judges", "{A: {kind: general, server: {model: judge, url: 'http://127.0.0.1:9/v1'}}}"],
            "can't be reached",
        ),
        (["--models.orm", "x"], "there is no config key 'models.orm' any more; name it in judges: {ORM: {kind: orm"),
        (["--general", "[x]"], "there is no config key 'general' any more; name each model in judges"),
        (["--remote.url", "x"], "there is no config key 'remote.url' any more"),
        (["--models.dtpye", "x"], "did you mean 'models.dtype'"),
    ],
)
def test_what_can_not_be_rated_is_one_sentence(records, parrots, capsys, arguments, sentence):
    arguments = [argument.replace("PRM", parrots["prm"]) for argument in arguments]
    assert main(["reward", "eval", "--records", records, *arguments]) == 2
    printed = capsys.readouterr().err
    assert sentence in printed
    assert len(printed.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"labels": {}, "preference": None}, "line 4: no step has a label and there is no preference"),
        ({"preference": "both"}, "line 4: unknown preference 'both'"),
        (
            {
                "steps": dict.fromkeys(("context", "cognition", "emotion", "plan"), "x"),
                "labels": dict.fromkeys(("context", "cognition", "emotion", "plan"), True),
            },
            "'talk#3' has not the steps of 'talk#0'",
        ),
    ],
)
def test_records_that_can_not_be_used_are_named(tmp_path, change, sentence):
    rows = judged_records(4)
    rows[3] |= change
    with pytest.raises(UserError, match=sentence):
        evaluate_judges(RewardEvalConfig(records=write_records(tmp_path / "records.jsonl", rows)))


def test_a_server_that_wants_a_key_is_asked_once(records):
    with ChatHTTPServer(knowing, key="secret") as server, pytest.raises(UserError, match="401"):
        evaluate_judges(settings(records, server))


def test_a_published_figure_of_no_metric_of_the_table_is_named(tmp_path):
    path = tmp_path / "published.yaml"
    path.write_text("A: {history_f2: 1}")
    with pytest.raises(UserError, match="unknown metric 'history_f2'; did you mean 'history_f1'"):
        read_figures(str(path), dict.fromkeys(metric_headings((*STEPS, "response")), PERCENT))
