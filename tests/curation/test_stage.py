"""Stages of the data pipeline: run when something changed, whole or not at all, and nothing of a user's is lost."""

import json

import pytest

from compeer_jax.chat.models import ChatModels
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.stage import Stage, Workspace, file_hash, read_card, run_stage
from compeer_jax.data.jsonl import read_jsonl, write_jsonl
from compeer_jax.errors import UserError


class Doubling:
    """A stage that doubles numbers, refuses those that are odd, and may be told to die."""

    def __init__(self):
        self.runs, self.factor, self.dies_at = 0, 2, None

    def stage(self) -> Stage:
        return Stage(
            "double",
            "doubles",
            inputs=lambda work: [work.file("numbers", "numbers.jsonl")],
            settings=lambda config: {"factor": self.factor, "seed": config.seed},
            make=self.make,
        )

    def make(self, work, out):
        self.runs += 1
        for where, row in read_jsonl(work.file("numbers", "numbers.jsonl")):
            if row["n"] == self.dies_at:
                raise RuntimeError("killed")
            if row["n"] % 2:
                out.reject(where, f"odd: {row['n']}", row)
            else:
                out.add("doubled.jsonl", {"n": self.factor * row["n"]})
        out.path("notes/size.txt").write_text("small")
        return {"factor": self.factor}


@pytest.fixture
def doubling():
    return Doubling()


@pytest.fixture
def work(tmp_path):
    write_jsonl(tmp_path / "numbers" / "numbers.jsonl", [{"n": n} for n in (2, 3, 4, 5)])
    config = BuildConfig(output=str(tmp_path))
    return Workspace(config, tmp_path, ChatModels({}, folder=tmp_path / "answers", say=print), print)


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_rows_rejections_and_card(work, doubling):
    assert run_stage(doubling.stage(), work)
    folder = work.folder / "double"
    assert [row for _, row in read_jsonl(folder / "doubled.jsonl")] == [{"n": 4}, {"n": 8}]
    where = f"{work.folder}/numbers/numbers.jsonl, line"
    assert [row for _, row in read_jsonl(folder / "rejected.jsonl")] == [
        {"where": f"{where} 2", "reason": "odd: 3", "row": {"n": 3}},
        {"where": f"{where} 4", "reason": "odd: 5", "row": {"n": 5}},
    ]
    card = read_card(folder)
    assert card["rejected"] == {"odd": 2}
    assert card["counts"] == {"factor": 2}
    assert card["inputs"] == {"numbers/numbers.jsonl": file_hash(work.file("numbers", "numbers.jsonl"))}
    assert card["outputs"]["doubled.jsonl"] == {"rows": 2, "sha256": file_hash(folder / "doubled.jsonl")}
    assert card["outputs"]["notes/size.txt"]["sha256"] == file_hash(folder / "notes" / "size.txt")
    assert work.rows("double", "doubled.jsonl") == 2
    assert set(files(folder)) == {"doubled.jsonl", "rejected.jsonl", "stage.json", "notes/size.txt"}


def test_it_runs_again_only_when_something_changed(work, doubling):
    run_stage(doubling.stage(), work)
    assert not run_stage(doubling.stage(), work)
    assert run_stage(doubling.stage(), work, again=True)
    doubling.factor = 3
    assert run_stage(doubling.stage(), work)
    assert not run_stage(doubling.stage(), work)
    write_jsonl(work.file("numbers", "numbers.jsonl"), [{"n": 10}])
    assert run_stage(doubling.stage(), work)
    assert [row for _, row in read_jsonl(work.file("double", "doubled.jsonl"))] == [{"n": 30}]
    work.file("double", "doubled.jsonl").unlink()
    assert run_stage(doubling.stage(), work)
    work.file("double", "stage.json").write_text("{broken")
    assert run_stage(doubling.stage(), work)
    assert doubling.runs == 6


def test_a_stage_that_dies_leaves_what_was_there(work, doubling):
    run_stage(doubling.stage(), work)
    before = files(work.folder)
    doubling.factor, doubling.dies_at = 3, 4
    with pytest.raises(RuntimeError):
        run_stage(doubling.stage(), work)
    assert files(work.folder) == before
    doubling.dies_at = None
    assert run_stage(doubling.stage(), work)


def test_a_file_that_somebody_changed_is_kept(work, doubling):
    run_stage(doubling.stage(), work)
    folder = work.folder / "double"
    mine = '{"n": 4, "note": "looked at"}\n'
    (folder / "doubled.jsonl").write_text(mine)
    (folder / "my_notes.txt").write_text("mine")
    assert run_stage(doubling.stage(), work)
    assert [row for _, row in read_jsonl(folder / "doubled.jsonl")] == [{"n": 4}, {"n": 8}]
    assert [path.read_text() for path in folder.glob("doubled.changed-*.jsonl")] == [mine]
    assert (folder / "my_notes.txt").read_text() == "mine"


def test_files_that_are_no_longer_made_go(work, doubling):
    run_stage(doubling.stage(), work)
    write_jsonl(work.file("numbers", "numbers.jsonl"), [{"n": 3}])
    run_stage(doubling.stage(), work)
    assert set(files(work.folder / "double")) == {"rejected.jsonl", "stage.json", "notes/size.txt"}


def test_a_missing_input_names_the_stage_to_run(work, doubling):
    work.file("numbers", "numbers.jsonl").unlink()
    with pytest.raises(UserError, match=r"numbers\.jsonl, which the double stage reads, .* run `compeer data numbers`"):
        run_stage(doubling.stage(), work)


def test_a_huge_rejected_row_is_cut(work, doubling):
    stage = Stage("wide", "", lambda work: [], lambda config: {}, lambda work, out: out.reject("a", "b", "x" * 10**6))
    run_stage(stage, work)
    row = json.loads(work.file("wide", "rejected.jsonl").read_text())
    assert len(row["row"]) == 100_000
