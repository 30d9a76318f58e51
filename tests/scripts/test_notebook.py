"""The notebook runs from top to bottom on a run that it has never seen, and is kept as it last ran."""

import json
from pathlib import Path

import nbformat
import pytest
from logged_run import logged_run
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "reward_ablation.ipynb"


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def printed(notebook) -> str:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


@pytest.mark.long
def test_the_notebook_executes_on_any_run(notebook, tmp_path, monkeypatch):
    run = logged_run(tmp_path / "my_run", steps=3, prompts=4, alpha=0.8, sign="paper")
    monkeypatch.setenv("COMPEER_RUN", str(run.path))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    text = printed(notebook)
    assert "3 steps x 4 prompts x 4 outputs" in text
    assert "alpha=0.8, beta=5.0, sign='paper'" in text
    pictures = sum("image/png" in json.dumps(cell.get("outputs", [])) for cell in notebook.cells)
    assert pictures == 7


def test_the_notebook_is_kept_executed_small_and_without_a_machines_paths(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    assert not any(output.get("name") == "stderr" for cell in code for output in cell.outputs)
    assert NOTEBOOK.stat().st_size < 600_000
    assert "runs/quickstart-sample-0/grpo_reweighted" in printed(notebook)
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not any(place in text for place in ("/home/", "/root/", "/Users/", "/tmp/"))
