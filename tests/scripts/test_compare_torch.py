"""Training equals TRL's over several updates: loss, gradient norm, and every parameter after each one."""

import dataclasses
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors.numpy import load_file

pytestmark = pytest.mark.long

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench" / "compare_torch.py"
UPDATES = 3


@pytest.fixture(scope="module")
def script():
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


@pytest.fixture(scope="module")
def trained(script, tmp_path_factory):
    """What TRL's trainer did from random weights, and what it sampled."""
    folder = str(tmp_path_factory.mktemp("start"))
    case = script.Case(updates=UPDATES)
    script.save_start(case, folder)
    start = load_file(f"{folder}/model.safetensors")
    return case, folder, start, *script.train_trl(case, folder)


def apart(script, trained, **changes):
    case, folder, start, theirs, sampled = trained
    ours = script.train_ours(dataclasses.replace(case, **changes), folder, sampled)
    return theirs, ours, script.differences(theirs, ours, start)


def test_losses_norms_and_all_parameters_are_those_of_trl_after_each_update(script, trained, tmp_path):
    theirs, ours, found = apart(script, trained)
    assert len(found) == UPDATES
    for step in found:
        assert max(step.loss, step.grad_norm) <= 1e-5, step
        assert step.params <= script.LIMIT, step
        assert step.way < 0.1, step  # a whole way would be 1: the first steps of Adam go by the gradient's sign
    assert max(abs(step.loss) for step in theirs) > 0.05
    assert theirs[0].params.keys() == ours[0].params.keys()
    script.plot(theirs, ours, found, "curves", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000


@pytest.mark.parametrize("name, value", [("clip_high", 0.2), ("kl_coefficient", 0.03)])
def test_a_setting_that_is_a_little_off_shows(script, trained, name, value):
    case = trained[0]
    _, _, found = apart(script, trained, loss=case.loss | {name: value})
    assert max(step.loss for step in found) > 3 * script.LIMIT
