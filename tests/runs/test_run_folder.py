"""A run folder holds one experiment: it opens again with the same settings and refuses others by name."""

import logging
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from compeer_jax.errors import UserError
from compeer_jax.files import replacing, write_json
from compeer_jax.runs.folder import RunFolder

SETTINGS = {
    "output": "runs/a",
    "model": {"path": Path("models/tiny"), "dtype": "float32"},
    "mesh": {"data": 1},
    "optimizer": {"learning_rate": 1e-6, "betas": (0.9, 0.999)},
    "steps": 10,
    "dual_clip": None,
    "title": "支持",
}


def changed(**dotted):
    settings = {key: dict(value) if isinstance(value, dict) else value for key, value in SETTINGS.items()}
    for key, value in dotted.items():
        *groups, last = key.split("__")
        (settings[groups[0]] if groups else settings)[last] = value
    return settings


def begun(path) -> RunFolder:
    """A run that has something to go on with."""
    folder = RunFolder.open(path, SETTINGS)
    (folder.checkpoints / "2").mkdir()
    return folder


def test_a_new_folder_holds_its_settings_and_places_for_everything(tmp_path):
    folder = RunFolder.open(tmp_path / "deep" / "run", SETTINGS)
    assert not folder.resumed
    assert folder.checkpoints.is_dir()
    assert folder.tensorboard.is_dir()
    assert folder.rollouts.is_dir()
    text = folder.config.read_text(encoding="utf-8")
    assert "支持" in text
    settings = yaml.safe_load(text)
    assert settings["optimizer"] == {"learning_rate": 1e-6, "betas": [0.9, 0.999]}
    assert settings["model"]["path"] == "models/tiny"
    assert list(settings) == list(SETTINGS)
    assert {path.name for path in folder.path.iterdir()} == {
        ".lock",
        "config.yaml",
        "fingerprints.json",
        "checkpoints",
        "tb",
        "rollouts",
    }


def test_the_same_settings_go_on_with_the_run(tmp_path, caplog):
    begun(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert RunFolder.open(tmp_path, SETTINGS).resumed
    assert not caplog.text


def test_other_settings_are_refused_by_name_and_leave_the_folder_as_it_was(tmp_path):
    before = begun(tmp_path).config.read_text()
    other = changed(optimizer__learning_rate=1e-5, steps=20)
    other["seed"] = 1
    with pytest.raises(UserError) as refusal:
        RunFolder.open(tmp_path, other)
    sentence = str(refusal.value)
    assert "optimizer.learning_rate (1e-06 there, 1e-05 now)" in sentence
    assert "seed (absent there, 1 now)" in sentence
    assert sentence.endswith(
        "settings that are absent there came with a later version, so choose another output folder."
    )
    assert "steps" not in sentence
    assert (tmp_path / "config.yaml").read_text() == before


def test_a_run_may_go_on_longer_and_on_another_mesh_and_says_so(tmp_path, caplog):
    begun(tmp_path)
    with caplog.at_level(logging.WARNING):
        folder = RunFolder.open(tmp_path, changed(steps=20, mesh__data=8, output="elsewhere"))
    assert folder.resumed
    assert "steps (10 there, 20 now)" in caplog.text
    assert "mesh.data (1 there, 8 now)" in caplog.text
    assert yaml.safe_load(folder.config.read_text())["steps"] == 20


def test_settings_bind_only_once_there_is_a_checkpoint(tmp_path):
    RunFolder.open(tmp_path, changed(optimizer__learning_rate=1e-5))
    folder = RunFolder.open(tmp_path, SETTINGS)
    assert not folder.resumed
    assert yaml.safe_load(folder.config.read_text())["optimizer"]["learning_rate"] == 1e-6


def test_a_setting_that_came_later_bars_nothing_where_it_has_its_default(tmp_path):
    begun(tmp_path)
    later = changed(optimizer__nesterov=False)
    defaults = {"optimizer": {"nesterov": False, "learning_rate": 0.5}, "extra": {}}
    assert RunFolder.open(tmp_path, {**later, "extra": {}}, defaults=defaults).resumed
    with pytest.raises(UserError, match=r"optimizer.nesterov \(False there, True now\)"):
        RunFolder.open(tmp_path, {**changed(optimizer__nesterov=True), "extra": {}}, defaults=defaults)


def test_files_count_by_content_and_not_by_path(tmp_path, caplog):
    open_with = partial(RunFolder.open, tmp_path)
    folder = open_with(SETTINGS, contents={"model.path": "a" * 64, "data.path": "b" * 64})
    (folder.checkpoints / "2").mkdir()
    moved = changed(model__path="elsewhere")
    with caplog.at_level(logging.WARNING):
        assert open_with(moved, contents={"model.path": "a" * 64, "data.path": "b" * 64}).resumed
    assert "model.path (models/tiny there, elsewhere now)" in caplog.text
    with pytest.raises(UserError) as refusal:
        open_with(moved, contents={"model.path": "a" * 64, "data.path": "c" * 64})
    assert str(refusal.value).endswith(
        "holds a run with other settings: data.path (other content, SHA-256 bbbbbbbb… there, cccccccc… now); choose "
        "another output folder, or put the files that it began with in their places to go on with that run."
    )
    assert open_with(moved, contents={"model.path": "a" * 64}).resumed  # what can't be read is the reader's to name
    with pytest.raises(UserError, match=r"data.path \(other content"):
        open_with(moved, contents={"data.path": "c" * 64})


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"run folder .*file/run can't be written: Not a directory"):
        RunFolder.open(tmp_path / "file" / "run", SETTINGS)


@pytest.mark.parametrize("content", [b"- a list", b"{broken", b"\xff\xfe\x00", b""])
def test_settings_that_cannot_be_read_are_named(tmp_path, content):
    begun(tmp_path)
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"config\.yaml is not the settings of a run"):
        RunFolder.open(tmp_path, SETTINGS)


def test_a_failed_replacement_changes_nothing(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail_half_way():
        with replacing(path) as temporary:
            temporary.write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


OTHER_PROCESS = """
import sys
from compeer_jax.errors import UserError
from compeer_jax.runs.folder import RunFolder
try:
    folder = RunFolder.open(sys.argv[1], {"seed": 0})
except UserError as error:
    sys.exit(str(error))
if len(sys.argv) > 2:
    print("open", flush=True)
    import time
    time.sleep(60)
"""


def test_a_run_has_one_writer_and_one_that_was_killed_is_none(tmp_path):
    command = [sys.executable, "-c", OTHER_PROCESS, str(tmp_path)]
    mine = RunFolder.open(tmp_path, {"seed": 0})
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.stderr.strip() == f"another process is at work in {tmp_path}; wait for it, or choose another output."
    mine.release()
    with subprocess.Popen([*command, "stay"], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(UserError, match="another process is at work"):
            RunFolder.open(tmp_path, {"seed": 0})
        other.kill()
    RunFolder.open(tmp_path, {"seed": 0}).release()


def test_a_result_that_is_no_number_is_not_written_where_that_is_refused(tmp_path):
    path = tmp_path / "results.json"
    write_json(path, [1.0], allow_nan=False)
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(path, [value], allow_nan=False)
    assert path.read_text() == "[\n 1.0\n]\n"
