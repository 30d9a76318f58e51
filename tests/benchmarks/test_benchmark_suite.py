"""Several models on both benchmarks in one command, against a local server whose words are scripted."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
import yaml
from bench_rows import random_esc, random_sage
from chat_server_fixture import ChatHTTPServer, last_message

from compeer_jax.benchmarks.config import BenchConfig, EscEvalConfig
from compeer_jax.benchmarks.dialogues import write_dialogues
from compeer_jax.benchmarks.esc_eval.cards import read_cards
from compeer_jax.benchmarks.results import read_run
from compeer_jax.benchmarks.sage.config import SageConfig
from compeer_jax.benchmarks.sage.profiles import read_profiles
from compeer_jax.benchmarks.suite_config import (
    EscEvalPart,
    SagePart,
    SuiteConfig,
    TestedConfig,
    folder_name,
)
from compeer_jax.benchmarks.tables import METRICS
from compeer_jax.chat.config import ChatModelConfig, ServerConfig
from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.main import main
from compeer_jax.dialogue.reasoning import COMPEER, ReasonedTurn
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError
from compeer_jax.evaluation.published_figures import read_figures

CONFIGS = Path(__file__).parents[2] / "configs"
MODELS = ("policy", "plain", "seeker", "planner", "rank", "general")
KEPT = ("results.json", "results.md", "emotions.png", "diversity_esc-eval.png", "diversity_sage.png")
REASONED = COMPEER.render(
    ReasonedTurn(
        steps={"history": "early", "emotion": "sad", "strategy": "ask"},
        labels={"stage": "exploration", "sentiment": "negative", "emotion": "sadness", "intensity": "3",
                "strategy": "Question"},
        response="What hurts most?",
    )
)  # fmt: skip


def scripted(body: dict) -> str:
    """What each model says; nothing in it thinks."""
    mark = int(hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest(), 16)
    if body["model"] == "policy":
        return REASONED.replace("most?", f"most, {mark % 7}?")
    if body["model"] == "plain":
        return f"I see. {mark % 5}"
    if body["model"] == "planner":
        change = 9 if "What hurts" in last_message(body) else -9
        return f"Content: a\nTargetCompletion: b\nActivity: c\nAnalyse: d\nChange: {change}"
    if body["model"] == "seeker":
        said = f"还是难过{mark % 9}"
        return said if "Response" not in body["messages"][0]["content"] else (
            f"Thinking: a\nOrigin: b\nChange: c\nResponse: {said}"
        )  # fmt: skip
    return f"It helps somewhat.\nScore: {3 if 'What hurts' in json.dumps(body) else mark % 3}"


@pytest.fixture
def server():
    with ChatHTTPServer(scripted, models=MODELS) as server:
        yield server


@pytest.fixture
def settings(tmp_path, server) -> dict:
    """A suite of two models, three cards and two profiles, as a file would have it."""
    cards = [
        {"base": f"Age: {30 + n}", "res": "work", "source": "x", "language": language, "id": n}
        for n, language in enumerate(("english", "english", "chinese"))
    ]
    (tmp_path / "cards.json").write_text(json.dumps(cards))
    profiles = [
        {
            "id": f"p{n}",
            "player": f"小{n}",
            "scene": "难过",
            "main_cha": "被动型",
            "cha_group": ["内向"],
            "task": "倾诉",
        }
        for n in range(2)
    ]
    (tmp_path / "profiles.jsonl").write_text("\n".join(map(json.dumps, profiles)))
    reached = {"url": server.url, "backoff": 0.01, "max_tokens": 64}
    return {
        "output": str(tmp_path / "suite"),
        "models": {name: {"server": {"model": name, **reached}} for name in MODELS},
        "tested": {"Plain": {"model": "plain"}, "COMPEER / ours": {"model": "policy", "prompt": "ours"}},
        "esc_eval": {"cards": [str(tmp_path / "cards.json")], "role": "seeker", "scorers": ["rank", "general"],
                     "rounds": 2},
        "sage": {"profiles": str(tmp_path / "profiles.jsonl"), "role": "seeker", "planner": "planner", "rounds": 8},
        "published": str(figures(tmp_path)),
    }  # fmt: skip


def figures(folder: Path) -> Path:
    path = folder / "figures.yaml"
    path.write_text("Another: {average: 61.5, emotion: 33.25, success: 9}\n")
    return path


def give(settings: dict, folder: Path, **changes) -> int:
    """The command with these settings in a file; its exit status."""
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(settings | changes, sort_keys=False))
    return main(["eval", "benchmarks", "--config", str(path)])


def test_both_benchmarks_of_all_models_become_one_table(tmp_path, settings, capsys):
    assert give(settings, tmp_path) == 0
    output = tmp_path / "suite"
    shown = capsys.readouterr().out
    for words in ("ESC-Eval and SAGE", "COMPEER / ours against Plain", "Another, published", "33.25"):
        assert words in shown
    assert {path.name for path in output.iterdir()} == {*KEPT, "Plain", "COMPEER_ours"}
    esc, sage = json.loads((output / "results.json").read_text())
    assert [(row["name"], row["language"], row["cards"]) for row in esc["reports"]] == [
        (name, language, cards)
        for name in ("Plain", "COMPEER / ours")
        for language, cards in (("en", 2), ("zh", 1), ("both", 3))
    ]
    ours = next(row for row in esc["reports"] if row["name"] != "Plain" and row["language"] == "both")
    assert {one["value"] for one in ours["columns"].values()} == {75.0}  # both scorers: 3, x 25
    # 40 + 7 x 9 is above 100 and 40 - 4 x 9 below 10, both within the eight rounds.
    assert [(row["name"], row["emotion"]["value"], row["success"], row["failure"]) for row in sage["reports"]] == [
        ("Plain", 4.0, 0, 2),
        ("COMPEER / ours", 100.0, 2, 0),
    ]


def test_a_stopped_suite_shows_what_there_is_and_goes_on(tmp_path, settings, server):
    settings = settings | {"tested": {"Plain": {"model": "plain"}}, "sage": {}, "chunk": 2}
    assert give(settings, tmp_path, budget={"max_tokens": 50}) == 0
    (esc,) = json.loads((tmp_path / "suite" / "results.json").read_text())
    assert "budget" in esc["reports"][2]["endings"]
    assert give(settings, tmp_path) == 0
    (esc,) = json.loads((tmp_path / "suite" / "results.json").read_text())
    assert (esc["reports"][2]["endings"], esc["reports"][2]["missing"]) == ({"rounds": 3}, 0)
    kept, asked = files(tmp_path / "suite"), len(server.asked)
    assert asked == 3 * 2 * 2 + 3 * 7 * 2  # words of two sides in two rounds, and scores of two scorers: none twice
    assert give(settings, tmp_path) == 0
    assert (files(tmp_path / "suite"), len(server.asked)) == (kept, asked)


def test_what_is_not_there_is_all_said_before_anything_is_asked(tmp_path, settings, server, capsys):
    away = {"server": {"url": "http://127.0.0.1:9/v1", "model": "m"}}
    models = settings["models"] | {"a": away, "b": away, "c": {"path": str(tmp_path / "runs" / "c" / "model")}}
    tested = settings["tested"] | {name: {"model": name, "prompt": "ours"} for name in "abc"}
    changes = {"models": models, "tested": tested, "sage": settings["sage"] | {"profiles": "nowhere.jsonl"}}
    changes["esc_eval"] = settings["esc_eval"] | {"role_prompts": ["no_role.md"]}
    assert give(settings, tmp_path, **changes) == 2
    said = capsys.readouterr().err
    for words in (
        "nowhere.jsonl is no file",
        "no_role.md is no file",
        "The chat server at http://127.0.0.1:9/v1 can't be reached (Connection refused) (a, b)",
        f"{tmp_path}/runs/c/model is no directory (c)",
        "name in only the rows that can be run",
    ):
        assert words in said
    assert "cards.json" not in said
    assert len(said.strip().splitlines()) == 1
    assert server.asked == []
    assert not (tmp_path / "suite").exists()


def test_a_bad_prompt_file_of_the_second_benchmark_is_told_before_the_first_is_played(
    tmp_path, settings, server, capsys
):
    path = tmp_path / "planner.md"
    path.write_text("<!-- sage_planner, zh -->\n<!-- user -->\n$conversaton\n")
    changes = {"sage": settings["sage"] | {"planner_prompts": [str(path)]}}
    assert give(settings, tmp_path, **changes) == 2
    assert "unknown placeholder '$conversaton'; did you mean '$conversation'?" in capsys.readouterr().err
    assert not any(len(body["messages"]) > 1 for body in server.asked)
    assert not (tmp_path / "suite").exists()


def test_only_some_rows_run_and_those_that_are_there_stay_in_the_table(tmp_path, settings, server):
    settings = settings | {"sage": {}, "resamples": 20}
    assert give(settings, tmp_path, only=["COMPEER / ours"]) == 0
    (esc,) = json.loads((tmp_path / "suite" / "results.json").read_text())
    assert {row["name"] for row in esc["reports"]} == {"COMPEER / ours"}
    assert give(settings, tmp_path, only=["Plain"]) == 0
    kept = files(tmp_path / "suite")
    assert [row["name"] for row in json.loads(kept["results.json"])[0]["reports"][::3]] == ["Plain", "COMPEER / ours"]
    server.stop()  # runs that are finished need nobody
    assert give(settings, tmp_path) == 0
    assert files(tmp_path / "suite") == kept


@pytest.mark.parametrize(
    "against, sentence",
    [("Plain", "'Plain' is not among the rows to be made (COMPEER / ours)"), ("Plane", "unknown model 'Plane'")],
)
def test_a_row_to_compare_with_that_will_not_be_there_is_told_before_anything_is_asked(
    tmp_path, settings, server, capsys, against, sentence
):
    assert give(settings, tmp_path, only=["COMPEER / ours"], against=against) == 2
    assert sentence in capsys.readouterr().err
    assert server.asked == []


@pytest.mark.parametrize("overlay", [[], ["scripted_tables.yaml"]])
def test_one_config_holds_the_thirteen_rows_of_the_papers_tables(overlay):
    files = [str(CONFIGS / name) for name in ("paper_tables.yaml", *overlay)]
    given = [word for file in files for word in ("--config", file)]
    config = parse_config(SuiteConfig, given, command="eval benchmarks", description="")
    assert list(config.tested) == list(read_figures(config.published, METRICS))
    prompts = {name: how.prompt for name, how in config.tested.items()}
    ours = [name for name in prompts if "reasoning mode" in name or name.startswith("COMPEER")]
    assert len(ours) == 7
    assert prompts == {name: "ours" if name in ours else "default" for name in prompts}
    runs = config.runs_to_make()
    assert [run.label for run in runs[::2]] == list(config.tested)
    assert {run.rounds for run in runs[::2]} == {5}
    assert {run.most_rounds for run in runs[1::2]} == {20}
    assert config.against in config.tested
    assert config.models["qwen3"].server.extra == {"chat_template_kwargs": {"enable_thinking": True}}
    if overlay:
        assert {model.path for model in config.models.values()} == {""}
        assert all((CONFIGS.parent / path).is_file() for path in (*config.esc_eval.cards, config.sage.profiles))
        assert len(read_cards([str(CONFIGS.parent / path) for path in config.esc_eval.cards], LANGUAGES).scenarios) == 3
        assert len(read_profiles(CONFIGS.parent / config.sage.profiles)[0]) == 2


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_runs_that_are_there_stand_beside(tmp_path, capsys):
    write_dialogues(tmp_path / "esc", random_esc(0, model="one"))
    write_dialogues(tmp_path / "more", random_esc(1, model="two"))
    write_dialogues(tmp_path / "sage", random_sage(0, model="one"))
    runs = json.dumps([str(tmp_path / name) for name in ("esc", "more", "sage")])
    assert main(["eval", "benchmarks", f"--runs={runs}", f"--output={tmp_path}/table", "--against=two"]) == 0
    esc, sage = json.loads((tmp_path / "table" / "results.json").read_text())
    assert {(row["first"], row["second"]) for row in esc["comparisons"]} == {("one", "two")}
    assert sage["comparisons"] == []
    assert "ESC-Eval: one against two" in capsys.readouterr().out
    assert read_run(tmp_path / "esc").settings == {}


def test_a_suite_has_all_settings_of_a_benchmark():
    own = {field.name for field in dataclasses.fields(BenchConfig)}
    for part, config in ((EscEvalPart, EscEvalConfig), (SagePart, SageConfig)):
        theirs = {field.name: field for field in dataclasses.fields(config) if field.name not in own}
        ours = {field.name: field for field in dataclasses.fields(part)}
        assert list(ours) == list(theirs)
        for name, field in ours.items():
            assert field.type == theirs[name].type
            assert default(field) == default(theirs[name])
    how = {field.name for field in dataclasses.fields(TestedConfig)} - {"model"}
    shared = {field.name for field in dataclasses.fields(SuiteConfig)}
    assert own - {"tested", "label"} <= how | shared


def default(field: dataclasses.Field):
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


MODEL = {"m": ChatModelConfig(server=ServerConfig(model="m"))}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"output": ""}, "output names no folder"),
        ({"tested": {}}, "tested and runs are both empty"),
        ({"esc_eval": EscEvalPart()}, "no benchmark is asked for; name esc_eval.cards, or sage.profiles, or both."),
        ({"tested": {"a b": TestedConfig("m"), "a_b": TestedConfig("m")}}, "'a b' and 'a_b' would be one folder, a_b;"),
        ({"only": ["y"]}, "only: unknown name 'y'; it can be one of: x."),
        ({"resamples": 0}, "resamples is 0; it must be at least 1."),
        ({"tested": {"x": TestedConfig()}}, "esc_eval, for x: tested: unknown chat model 'x'; it can be one of: m."),
        ({"esc_eval": EscEvalPart(["c"])}, "esc_eval, for x: role names no model; name one of models."),
        ({"sage": SagePart("p", role="n")}, "sage, for x: role: unknown chat model 'n';"),
        ({"tested": {"x": TestedConfig("m", "own")}}, "esc_eval, for x: prompt is own, but system is empty;"),
    ],
)
def test_wrong_settings_are_named(settings, sentence):
    right = {
        "output": "o",
        "models": MODEL,
        "tested": {"x": TestedConfig("m")},
        "esc_eval": EscEvalPart(["c"], role="m"),
    }
    with pytest.raises(UserError) as error:
        SuiteConfig(**right | settings).runs_to_make()
    assert sentence in str(error.value)


def test_folders_are_named_as_the_tables_name_models():
    names = {"COMPEER (URP)": "COMPEER_URP", "a/b": "a_b", "../x": "x", "咨询": "咨询", "…": "_", "v1.2": "v1.2"}
    assert {name: folder_name(name) for name in names} == names


def test_a_wrong_key_within_a_part_is_named(tmp_path, settings, capsys):
    assert give(settings, tmp_path, esc_eval={"card": ["x"]}) == 2
    assert "unknown config key 'esc_eval.card'; did you mean 'esc_eval.cards'?" in capsys.readouterr().err
