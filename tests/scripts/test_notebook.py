"""The notebooks run from top to bottom, and are kept as they last ran."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from logged_run import logged_run
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def read(name: str):
    return nbformat.read(NOTEBOOKS / name, as_version=4)


def printed(notebook) -> str:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


def executed(name: str, folder: Path):
    """The notebook after a run without its outputs of before."""
    notebook = read(name)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def pictures(notebook) -> int:
    return sum("image/png" in json.dumps(cell.get("outputs", [])) for cell in notebook.cells)


@pytest.mark.long
def test_the_ablation_executes_on_a_run_that_it_has_never_seen(tmp_path, monkeypatch):
    run = logged_run(tmp_path / "my_run", steps=3, prompts=4, alpha=0.8, sign="paper")
    monkeypatch.setenv("COMPEER_RUN", str(run.path))
    notebook = executed("reward_ablation.ipynb", tmp_path)
    text = printed(notebook)
    assert "3 steps x 4 prompts x 4 outputs" in text
    assert "alpha=0.8, beta=5.0, sign='paper'" in text
    assert pictures(notebook) == 7


@pytest.mark.long
def test_one_step_executes_and_moves_the_outputs_as_their_advantages_say(tmp_path):
    notebook = executed("one_step.ipynb", tmp_path)
    text = printed(notebook)
    assert re.search(r"loss 0\.000, norm of its gradient \d*\.?\d*[1-9]\d*, mean ratio 1\.000", text)
    assert float(re.search(r"sampler and learner differ by at most (\S+);", text)[1]) < 1e-4
    assert float(re.search(r"correlation: (\S+)", text)[1]) > 0.5
    assert pictures(notebook) == 1


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_a_notebook_is_kept_executed_small_and_without_a_machines_paths(name):
    code = [cell for cell in read(name).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    assert not any(output.get("name") == "stderr" for cell in code for output in cell.outputs)
    text = (NOTEBOOKS / name).read_text(encoding="utf-8")
    assert len(text) < 600_000
    assert not any(place in text for place in ("/home/", "/root/", "/Users/", "/tmp/"))


def test_the_ablation_is_kept_as_it_ran_on_the_quickstart():
    assert "runs/quickstart-sample-0/grpo_reweighted" in printed(read("reward_ablation.ipynb"))
