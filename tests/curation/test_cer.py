"""The dataset as the pipeline's last stage writes it, its data card, and training from its folder."""

import json
import re
import shlex
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pytest
from cer_rows import candidate_rows, earlier_stages, label_row, read, rewrite_rows, round_rows, write

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.evaluation import labels_line
from compeer_jax.curation.card_tables import agreement_table, markdown_table, spendings
from compeer_jax.curation.cer.histograms import BINS, capped, edges
from compeer_jax.curation.cer.split import talk_key
from compeer_jax.curation.cer.stage import STAGE
from compeer_jax.curation.cer.tally import length
from compeer_jax.curation.stage import run_stage
from compeer_jax.data.cer_folder import view_file
from compeer_jax.data.danger.review import DangerSheetConfig, make_sheet
from compeer_jax.data.judge_record import JudgeRecord, check_labelled, read_judge_records
from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.data.record import Record
from compeer_jax.dialogue.reasoning import CARE, COMPEER, ReasonedTurn
from compeer_jax.errors import UserError
from compeer_jax.evaluation.policy_report import policy_report
from compeer_jax.evaluation.reward_eval import RewardEvalConfig, judge_records
from compeer_jax.rewards.config import RewardConfig
from compeer_jax.rewards.load import check_gold
from compeer_jax.rewards.reward import Completion, reference_completion
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.structure import structured, unstructured
from compeer_jax.training.config import GRPOConfig, SFTConfig
from compeer_jax.training.grpo import train_grpo
from compeer_jax.training.reward import load_judge_records, train_reward
from compeer_jax.training.reward_config import RewardTrainConfig
from compeer_jax.training.sft import train_sft
from compeer_jax.training.small_model import SmallModelConfig, make_small_model

ROOT = Path(__file__).parents[2]
SPLITS = ("train", "valid", "test")
VIEWS = ("unifi", "prm", "orm", "sft", "rl")
VARIANTS = ("d", "r", "p")


def made(folder: Path, *rows, **settings) -> Path:
    """The CER folder that the stage makes of rows."""
    assert run_stage(STAGE, earlier_stages(folder, *rows, **settings))
    return folder / "cer"


@pytest.fixture(scope="module")
def cer(tmp_path_factory) -> Path:
    return made(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def rows(cer) -> dict[tuple[str, str], list[dict]]:
    """(view, split) -> rows."""
    return {(view, split): read(cer / view / f"{split}.jsonl") for view in VIEWS for split in SPLITS}


# What is written


def test_every_row_is_a_record_of_its_view(cer, rows):
    for (view, _), found in rows.items():
        assert found
        for row in found:
            if view in ("sft", "rl"):
                record = structured(Record, row, "here")
                assert (
                    view == "rl" or COMPEER.parse(COMPEER.render(record.reference, record.language)) == record.reference
                )
            else:
                check_labelled(structured(JudgeRecord, row, "here"), view)
    for variant in VARIANTS:
        assert read_judge_records(cer / "unifi" / f"train_{variant}.jsonl")


def test_nothing_labelled_is_lost(rows):
    labels = {row["id"]: row for row in map(label_row, candidate_rows())}
    ids = {view: [row["id"] for split in SPLITS for row in rows[view, split]] for view in VIEWS}
    assert sorted(ids["prm"]) == sorted(id for id, row in labels.items() if row["labels"])
    assert sorted(ids["orm"]) == sorted(id for id, row in labels.items() if "preference" in row)
    assert set(ids["unifi"]) == {id for id in ids["orm"] if len(labels[id]["labels"]) == 3}
    good = {id for id in ids["unifi"] if all(labels[id]["labels"].values()) and labels[id]["preference"] != "neither"}
    assert {id for id in good if labels[id]["preference"] != "first"} < set(ids["sft"]) < good
    for row in rows["unifi", "train"]:
        assert row["labels"] == labels[row["id"]]["labels"]
        assert row["preference"] == labels[row["id"]]["preference"]


def test_no_dialogue_and_no_history_of_train_is_held_out(cer, rows):
    seen = {split: set() for split in SPLITS}
    for view, split in rows:
        for path in (cer / view).glob(f"{split}*.jsonl"):
            form = Record if view in ("sft", "rl") else JudgeRecord
            for row in read(path):
                record = structured(form, row, "here")
                seen[split] |= {record.id.partition("#")[0], talk_key(record.history)}
    assert not seen["train"] & (seen["valid"] | seen["test"])
    assert not seen["valid"] & seen["test"]


def test_every_sampled_round_is_a_prompt_once_with_the_real_reply(rows):
    prompts = {row["id"]: row for split in SPLITS for row in rows["rl", split]}
    rounds = {row["id"]: row for row in round_rows(candidate_rows())}
    assert sum(len(rows["rl", split]) for split in SPLITS) == len(prompts) == len(rounds)
    for id, row in prompts.items():
        assert row["history"] == rounds[id]["history"]
        assert row["reference"]["response"] == rounds[id]["reference"]["response"]
        assert row["reference"]["steps"] == {}
        assert row["reference"]["labels"]["strategy"] == "Question", "the corpus names it"
    assert all(id in {row["id"] for row in rows["rl", "train"]} for id in rounds if id.startswith("alone-"))
    known = Counter(name for row in prompts.values() for name in row["reference"]["labels"])
    assert 0 < known["stage"] < known["strategy"] == len(rounds)


@pytest.mark.parametrize("view", ["unifi", "sft", "rl"])
def test_the_variants_of_train_have_equal_counts_and_hold_what_they_say(cer, rows, view):
    train = {row["id"]: row for row in rows[view, "train"]}
    found = {variant: read(cer / view / f"train_{variant}.jsonl") for variant in VARIANTS}
    has = {variant: set() for variant in VARIANTS}
    for row in candidate_rows():
        id = row["id"].rpartition("/")[0] if view == "rl" else row["id"]
        for rewrite in rewrite_rows(row) if id in train else ():
            if label_row(row)["labels"] or "preference" in label_row(row):
                has[rewrite["variant"]].add(id)
    count = min(len(has["r"]), len(has["p"]))
    assert 0 < count < len(train)
    assert has["r"] != has["p"], "neither is thinned to what the other has"
    for variant, variant_rows in found.items():
        assert len(variant_rows) == len(train) + count
        assert len({row["id"] for row in variant_rows}) == len(variant_rows)
        extra = [row for row in variant_rows if row["id"] not in train]
        sources = {row["id"].removesuffix(f"~{variant}") for row in extra}
        assert len(sources) == count
        assert variant == "d" or sources <= has[variant]
        assert [row for row in variant_rows if row["id"] in train] == rows[view, "train"]
        for row in extra:
            source = train[row["id"].removesuffix(f"~{variant}")]
            if view == "unifi":
                assert (row["labels"], row["preference"]) == (source["labels"], source["preference"])
            else:
                assert row["reference"]["labels"] == source["reference"]["labels"]
                assert (row["reference"] == source["reference"]) is (variant == "d")
            marks = [turn["content"].endswith(f"({variant})") for turn in row["history"]]
            assert all(marks) is (variant != "d")
            assert (row["history"] == source["history"]) is (variant == "d")


def test_the_same_rows_give_the_same_files(cer, tmp_path):
    again = made(tmp_path)
    names = sorted(path.relative_to(cer).as_posix() for path in cer.rglob("*") if path.is_file())
    assert "README.md" in names
    assert "histograms.png" in names
    for name in names:
        assert (again / name).read_bytes() == (cer / name).read_bytes(), name
    assert (
        made(tmp_path / "other", seed=1).joinpath("sft/test.jsonl").read_bytes()
        != (cer / "sft" / "test.jsonl").read_bytes()
    )


def test_a_rewrite_that_says_what_is_held_out_is_not_used(cer, rows, tmp_path):
    """A rewrite may turn a talk into one that is reported on; then it is added for no record."""
    held = rows["unifi", "test"][0]["history"]
    rewrites = [row for one in candidate_rows() for row in rewrite_rows(one)]
    train = [row["id"] for row in rows["unifi", "train"]]
    added = {row["id"] for row in read(cer / "unifi" / "train_p.jsonl")}
    spoilt = next(row for row in rewrites if row["variant"] == "p" and f"{row['id']}~p" in added)
    assert spoilt["id"] in train
    changed = [row | {"history": held} if row is spoilt else row for row in rewrites]
    again = made(tmp_path, rewrites=changed)
    assert f"{spoilt['id']}~p" not in {row["id"] for row in read(again / "unifi" / "train_p.jsonl")}
    assert len({len(read(again / "unifi" / f"train_{variant}.jsonl")) for variant in VARIANTS}) == 1
    unused = json.loads((again / "stage.json").read_text())["counts"]["rewrites_not_used"]
    assert unused["its history is held out"] == 1
    assert unused["its dialogue is held out"] > 0


# What is wrong with what is read


def test_spoilt_rows_and_unknown_ids_are_rejected_and_the_rest_goes_on(tmp_path):
    candidates = candidate_rows()[:40]
    labels = [label_row(row) for row in candidates]
    labels[3] = labels[3] | {"labels": {"history": "yes"}}
    labels.append(labels[0] | {"id": "nobody#1/a"})
    cer = made(tmp_path, candidates, labels=labels, rewrites=[{"id": candidates[0]["id"], "variant": "q"}])
    rejected = {row["where"]: row["reason"] for row in read(cer / "rejected.jsonl")}
    assert rejected == {
        "annotation/labels.jsonl, line 4": "not a row of this file: field 'labels.history' must be true or false, "
        "found a string.",
        "nobody#1/a": "labels of a candidate that is not there",
        "personality/rewrites.jsonl, line 1": "not a row of this file: unknown variant 'q'; it can be one of: r, p.",
    }
    assert "labels of a candidate that is not there | 1" in (cer / "README.md").read_text()


def test_without_labels_the_dataset_is_empty_and_the_card_says_what_to_do(tmp_path, capsys):
    cer = made(tmp_path, labels=[])
    for view in VIEWS[:-1]:
        for split in SPLITS:
            assert (cer / view / f"{split}.jsonl").read_bytes() == b""
    prompts = load_records(DataConfig(path=str(cer)), "rl")
    assert min(len(prompts.train), len(prompts.valid), len(prompts.test)) > 0, "prompts need no labels"
    assert "no candidate has labels yet" in capsys.readouterr().out
    card = (cer / "README.md").read_text()
    assert "have them filled in" in card
    assert "histograms" not in card
    with pytest.raises(UserError, match=r"sft/train\.jsonl holds no record; have more candidates annotated"):
        load_records(DataConfig(path=str(cer)))


def test_one_dialogue_is_learned_from(tmp_path):
    candidates = candidate_rows()
    candidates = [row for row in candidates if row["dialogue"] == candidates[0]["dialogue"]]
    cer = made(tmp_path, candidates)
    assert read(cer / "prm" / "train.jsonl")
    assert not read(cer / "prm" / "valid.jsonl") + read(cer / "prm" / "test.jsonl")


# The data card


def tables(card: str) -> dict[str, dict[str, list[str]]]:
    """First heading of each table -> first cell of each line -> its other cells."""
    found = {}
    for block in re.findall(r"(?:^\|.*\n)+", card, flags=re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip("|\n ").split(" | ")] for line in block.splitlines()]
        found[lines[0][0]] = {line[0]: line[1:] for line in lines[2:]}
    return found


def test_the_cards_numbers_are_those_of_the_rows(cer, rows):
    card = tables((cer / "README.md").read_text())
    for view in VIEWS:
        assert card["records"][f"`{view}/`"] == [str(len(rows[view, split])) for split in SPLITS]
    labels = [label for split in SPLITS for row in rows["prm", split] for label in row["labels"].values()]
    assert card["step"]["all"][:3] == [
        str(labels.count(True)),
        str(labels.count(False)),
        f"{100 * labels.count(False) / len(labels):.1f} %",
    ]
    preferences = Counter(row["preference"] for split in SPLITS for row in rows["orm", split])
    assert {name: int(cells[3]) for name, cells in card["preference"].items()} == preferences
    languages = Counter(row["language"] for row in candidate_rows())
    assert {name: int(cells[3]) for name, cells in card["Language"].items()} == languages
    strategies = Counter(row["labels"]["strategy"] for row in candidate_rows())
    assert {name: int(cells[3]) for name, cells in card["Strategy, of the output"].items()} == strategies
    assert set(card["Emotion, of the output"]) >= {row["labels"]["emotion"] for row in candidate_rows()}
    assert card["Chat model"]["a"][3] == str(len(candidate_rows()) // 2)
    assert sum(int(cells[1]) for cells in card["Source"].values()) == len(candidate_rows())


def test_the_card_tells_of_the_earlier_stages(cer):
    text = (cer / "README.md").read_text()
    card = tables(text)
    assert card["stage"]["all"] == ["", "1,200", "1,000,000", "50,000", "1.25"]
    assert "| filter | dialogues.jsonl 1,234 | 16 | too short 9; machine-like 7 |" in text
    assert "path: talks.jsonl" in text
    assert "10.0.0.7" not in text
    assert "| esconv | 1,300 | 2 | 3 | 5 | 259 | 20.0 % | 12,000 | 2,072 |" in text
    assert "*Paper*: over 23 % of its dialogues were left out" in text
    assert "| history | 40 | 4 | 5 | 6 | 0 |" in text
    assert "somebody" not in text.replace("it may be of somebody who speaks", "")
    assert "| history | 40 | 0.512 | 50 | 0.250 |" in text
    assert "| history | ann and model:judge | 12 | – |" in text
    assert "*Paper*: 23 % of the step labels are False" in text


def test_drafts_are_said_to_be_drafts(cer, tmp_path):
    candidates = candidate_rows()[:60]
    assert "were judged by people" in (cer / "README.md").read_text()
    for count, said in ((60, "**Drafts by models.** In 60 of 60"), (15, "**Partly drafts by models.** In 15 of 60")):
        labels = [label_row(row, drafts=place < count) for place, row in enumerate(candidates)]
        text = (made(tmp_path / str(count), candidates, labels=labels) / "README.md").read_text()
        assert said in text
        assert "judged by people" not in text.replace("| judged by people |", "")
        assert "measure agreement among models" in text


def test_tables_hold_any_text():
    assert markdown_table(["a", "b"], [["x|y", "1\n2"]]) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 2 |"
    assert agreement_table({}) == "No item was judged by two annotators."


def test_what_was_spent_is_found_wherever_counts_have_it():
    spent = {"answers": 1}
    counts = {"models": {"x": {"spent": spent}, "y": {"spent": spent, "asked": {"n": 1}}}, "model": "z", "spent": spent}
    assert list(spendings(counts)) == [("x", spent), ("y", spent), ("z", spent)]


def test_the_picture_is_a_picture_and_its_bins_hold_all_numbers(cer):
    image = matplotlib.image.imread(cer / "histograms.png")
    assert image.shape[0] > 600
    assert np.ptp(image[..., :3]) > 0.5
    for counts in ({1: 1}, {0: 1, 500: 2}, dict.fromkeys(range(3, 60), 1)):
        found = edges(counts)
        assert len(found) <= BINS + 2
        assert found[0] < min(counts)
        assert found[-1] > max(counts)
        assert len(set(np.diff(found))) == 1
        assert np.histogram(list(counts), found, weights=list(counts.values()))[0].sum() == sum(counts.values())


def test_few_numbers_far_away_share_the_last_bar():
    near = Counter(range(100))
    assert capped(near) == (near, None)
    assert capped(near + Counter([5000, 7000])) == (near + Counter([100, 100]), 100)
    assert capped(Counter({3: 1})) == ({3: 1}, None)


def test_answers_are_as_long_as_their_language_counts():
    assert length("How are\n you?", "en") == 3
    assert length("你好 吗？", "zh") == 4


# Reading and training


def test_records_are_read_from_the_folder_or_the_pipelines_around_it(cer, rows):
    for path in (cer, cer.parent):
        splits = load_records(DataConfig(path=str(path), danger="train"))
        for split in SPLITS:
            assert [unstructured(record) for record in getattr(splits, split)] == rows["sft", split]
        prompts = load_records(DataConfig(path=str(path), variant="p", danger="train"), "rl")
        assert [unstructured(record) for record in prompts.train] == read(cer / "rl" / "train_p.jsonl")
        assert [unstructured(record) for record in prompts.test] == rows["rl", "test"]
        assert f"train / valid / test: {len(splits.train)} / " in splits.summary
    assert len(load_records(DataConfig(path=str(cer), limit=3)).train) == 3


def test_judges_can_be_rated_on_the_folder(cer, rows):
    records, source = judge_records(RewardEvalConfig(data=DataConfig(path=str(cer))))
    assert [record.id for record in records] == [row["id"] for row in rows["unifi", "test"]]
    assert "unifi" in source


@pytest.mark.parametrize(
    "settings, spoil, said",
    [
        ({"format": "care"}, None, "which are not those of data.format 'care'"),
        ({"split": "split.json"}, None, "has splits of its own; leave data.split out"),
        ({}, lambda cer: (cer / "sft" / "valid.jsonl").unlink(), r"valid\.jsonl is not there; run `compeer data cer`"),
        ({}, lambda cer: (cer / "sft" / "test.jsonl").write_text(""), r"test\.jsonl holds no record"),
        ({}, lambda cer: write(cer / "sft" / "test.jsonl", [{"id": "x"}]), r"test\.jsonl, line 1: field 'language'"),
    ],
)
def test_a_folder_that_can_not_be_used_is_one_sentence(cer, tmp_path, settings, spoil, said):
    folder = tmp_path / "cer"
    shutil.copytree(cer, folder)
    if spoil:
        spoil(folder)
    with pytest.raises(UserError, match=said) as error:
        load_records(DataConfig(path=str(folder), **settings))
    assert "\n" not in str(error.value)


def test_a_folder_of_an_older_version_says_how_to_get_the_prompts(cer, tmp_path):
    folder = tmp_path / "cer"
    shutil.copytree(cer, folder)
    shutil.rmtree(folder / "rl")
    assert load_records(DataConfig(path=str(folder))).train
    with pytest.raises(UserError, match=r"was made before there was a view for reinforcement .*run `compeer data cer`"):
        load_records(DataConfig(path=str(folder)), "rl")
    for kind in ("unifi", "prm", "orm"):  # what `compeer data care` writes: each reply once, with all its labels
        shutil.rmtree(folder / kind)
    config = DataConfig(path=str(folder))
    assert load_records(config, "rl").train == load_records(config).train


def test_a_variant_in_which_nothing_was_rewritten_is_none(tmp_path):
    one_way = [row for one in candidate_rows() for row in rewrite_rows(one) if row["variant"] == "r"]
    cer = made(tmp_path, rewrites=one_way)
    for variant in VARIANTS:
        with pytest.raises(UserError, match=rf"train_{variant}.jsonl is train.jsonl with nothing added, as nothing"):
            load_records(DataConfig(path=str(cer), variant=variant))
    with pytest.raises(UserError, match=r"^data.variant is 'p', but only unifi, sft, rl have variants, not prm; take"):
        view_file(cer, "prm", "train", "p")


def test_a_variant_is_of_cer_alone(cer, tmp_path):
    with pytest.raises(UserError, match=r"^data.variant is 'p', but sample is no CER dataset"):
        load_records(DataConfig(variant="p"))
    write(cer.parent / "copy" / "sft" / "train.jsonl", read(cer / "rl" / "train.jsonl"))
    with pytest.raises(UserError, match=r"line 1: the record has no reasoning steps to learn; records of prompts"):
        load_records(DataConfig(path=str(cer.parent / "copy")))


@pytest.fixture(scope="module")
def start(tmp_path_factory, cer) -> Path:
    """A random model of one layer whose tokenizer has learnt from the dataset."""
    directory = tmp_path_factory.mktemp("start") / "model"
    data = DataConfig(path=str(cer), prompt="compeer_brief")
    shape = {"hidden_size": 32, "layers": 1, "heads": 2, "kv_heads": 2, "intermediate_size": 32, "context": 1024}
    return make_small_model(SmallModelConfig(output=str(directory), data=data, vocab_size=2048, **shape))


def trained(config, train, start: Path, cer: Path, output: Path, *changes: str) -> list[dict]:
    """The metrics of two steps of training."""
    arguments = ["--model.path", str(start), "--model.dtype", "float32", "--output", str(output)]
    arguments += ["--data.path", str(cer), "--data.prompt", "compeer_brief", "--steps", "2", "--batch_size", "4"]
    arguments += ["--eval_every", "2", "--eval_records", "4", "--export", "false", *changes]
    return read_metrics(train(parse_config(config, arguments, command="", description="")) / "metrics.jsonl")


@pytest.mark.long
def test_a_policy_is_fine_tuned_from_the_folder(start, cer, tmp_path, rows):
    metrics = trained(SFTConfig, train_sft, start, cer, tmp_path / "sft", "--data.max_prompt_tokens", "768")
    assert np.isfinite([row["loss"] for row in metrics]).all()
    assert np.isfinite(metrics[-1]["eval/loss"])


BRIEF = ["--limits.prompt", "judge_brief", "--limits.max_history_tokens", "96", "--limits.max_part_tokens", "64"]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["unifi", "prm", "orm"])
def test_each_kind_of_judge_is_trained_from_the_folder(start, cer, tmp_path, kind):
    metrics = trained(RewardTrainConfig, train_reward, start, cer, tmp_path / "run", "--kind", kind, *BRIEF)
    assert np.isfinite([row["loss"] for row in metrics]).all()
    assert np.isfinite(metrics[-1]["eval/loss"])


def test_a_folder_gives_all_kinds_of_judge_the_same_records_or_each_its_own(cer, rows):
    def records(*arguments: str) -> list[list[str]]:
        settings = ["--model.path", "x", "--output", "y", "--data.danger", "train", *arguments]
        parts = load_judge_records(parse_config(RewardTrainConfig, settings, command="", description=""))
        return [[record.id for record in part] for part in parts]

    def of_view(view: str) -> list[list[str]]:
        return [[row["id"] for row in rows[view, split]] for split in ("train", "valid")]

    for kind in ("unifi", "prm", "orm"):
        folder = ("--kind", kind, "--data.path", str(cer))
        assert records(*folder) == of_view("unifi"), "all kinds learn from the same data"
        assert records(*folder, "--view", "own") == of_view(kind)
        assert list(map(len, records(*folder, "--view", "own", "--data.limit", "3"))) == [3, 3]


def test_a_view_of_another_kind_is_one_sentence(start, cer, tmp_path):
    files = ["--records", str(cer / "prm" / "train.jsonl"), "--valid_records", str(cer / "prm" / "valid.jsonl")]
    with pytest.raises(UserError, match=r"which kind 'unifi' learns from; leave the record out, or take") as error:
        trained(RewardTrainConfig, train_reward, start, cer, tmp_path / "run", *files)
    assert "\n" not in str(error.value)


# What the documentation says


def documented() -> list[str]:
    """The commands of the guides that train on CER, and those of the configs that they name."""
    texts = [(ROOT / f"docs/guides/{name}.md").read_text(encoding="utf-8") for name in ("data", "adapters")]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    trains = [line for line in lines if re.match(r"compeer (sft|grpo|reward train) .*configs/qwen2\.5-7b_", line)]
    return sorted({shlex.join(shlex.split(line, comments=True)[1:]) for line in trains if "my_records" not in line})


def test_every_documented_command_loads_the_folder(cer, monkeypatch, tmp_path):
    sheet = tmp_path / "sheet.jsonl"  # as people get it: nobody has decided yet
    make_sheet(DangerSheetConfig(data=str(cer), output=str(sheet)))
    monkeypatch.chdir(ROOT)
    commands = [shlex.split(line) for line in documented()]
    assert {command[0] for command in commands} == {"sft", "grpo", "reward"}
    assert any("lora" in word for command in commands for word in command)
    for name, *arguments in commands:
        config, arguments = (
            (RewardTrainConfig, arguments[1:])
            if name == "reward"
            else ({"sft": SFTConfig, "grpo": GRPOConfig}[name], arguments)
        )
        found = parse_config(config, arguments, command=name, description="")
        assert found.data.path == "runs/cer"
        data = replace(found.data, path=str(cer.parent), reviewed=found.data.reviewed and str(sheet))
        if name == "reward":
            assert not found.records
            train, valid = load_judge_records(replace(found, data=data))
            assert all(check_labelled(record, "unifi") for record in (*train, *valid))
        else:
            records = load_records(data, "rl" if name == "grpo" else "sft")
            assert any(record.id.endswith("~p") for record in records.train)
            if name == "grpo":
                check_gold(found.reward, COMPEER, records.train)
                assert "reward_p" in found.reward.models.unifi or "lora" in found.reward.models.unifi


# Rewards that compare labels


def test_a_reward_by_labels_says_that_prompts_lack_them(cer, start, tmp_path):
    prompts = load_records(DataConfig(path=str(cer)), "rl").train
    for judge in ("unifi", "prm_orm", "remote", "my.function"):
        check_gold(RewardConfig(judge=judge), COMPEER, prompts)
    check_gold(RewardConfig(judge="hierarchical"), CARE, prompts)  # the corpus names every strategy
    unnamed = [replace(one, reference=replace(one.reference, labels={})) for one in prompts[:2]]
    with pytest.raises(
        UserError, match=r"^reward.judge 'hierarchical' .*, but 2 of 2 records have no known 'strategy'"
    ):
        check_gold(RewardConfig(judge="hierarchical"), CARE, unnamed)
    arguments = ["--model.path", str(start), "--model.dtype", "float32", "--output", str(tmp_path / "run")]
    config = parse_config(GRPOConfig, [*arguments, "--data.path", str(cer)], command="", description="")
    with pytest.raises(UserError, match=r"^reward.judge 'rules' .* have no known 'stage', .* such as unifi, prm_orm"):
        train_grpo(config)


def test_accuracies_are_over_the_records_whose_label_is_known(cer):
    prompts = load_records(DataConfig(path=str(cer)), "rl").test
    known = [one for one in prompts if not one.lacks(["stage"])]
    assert 0 < len(known) < len(prompts)

    def answer(record: Record) -> Completion:
        labels = {"stage": known[0].reference.labels["stage"]}
        return Completion(record, "", ReasonedTurn({}, labels, f"I see, {record.id}."))

    report = policy_report(
        [answer(one) for one in prompts],
        1,
        format=COMPEER,
        judged=None,
        rules=None,
        entropy=0,
        tokenizer=SimpleNamespace(encode=lambda text, **_: [len(text)]),
    )
    said = [one.reference.labels["stage"] == known[0].reference.labels["stage"] for one in known]
    assert report.stage == pytest.approx(sum(said) / len(said))
    assert report.strategy == 0
    assert report.rules is None
    assert "labels known: stage" in labels_line([answer(one) for one in prompts])
    assert reference_completion(prompts[0], COMPEER).turn.response == prompts[0].reference.response
