"""Fixtures that tests of several rooms share: small models, judges of known opinions, settings of short runs.

Models are made once a session and only read. What a fixture needs is imported when it is asked for.
"""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def start(tmp_path_factory) -> Path:
    """A random model of one layer, and a tokenizer of 2,048 tokens."""
    from compeer_jax.cli.configure import parse_config
    from compeer_jax.training.config import SFTConfig
    from compeer_jax.training.small_model import SmallModelConfig, make_small_model

    directory = tmp_path_factory.mktemp("start") / "model"
    shape = {"hidden_size": 32, "layers": 1, "heads": 8, "kv_heads": 8, "intermediate_size": 32, "context": 512}
    data = parse_config(SFTConfig, ["--output", "x", "--data.prompt", "compeer_brief"], command="", description="").data
    return make_small_model(SmallModelConfig(output=str(directory), data=data, vocab_size=2048, **shape))


@pytest.fixture(scope="session")
def seeing(tmp_path_factory) -> tuple:
    """A tiny random Qwen2.5-VL: its directory, the model of transformers, and its tokenizer."""
    from tiny_vision import write_seeing

    path = tmp_path_factory.mktemp("seeing") / "model"
    return path, *write_seeing(path, context=1024)


@pytest.fixture
def configure(tmp_path, start):
    """`configure(GRPOConfig, "--steps", "3")`: the settings of `small_runs` with changes, each in its own folder."""
    from small_runs import GRPO, SFT

    from compeer_jax.cli.configure import parse_config
    from compeer_jax.training.config import SFTConfig

    def make(config_class, *changes: str, output: str = "run"):
        path = tmp_path / f"{config_class.__name__}.yaml"
        text = SFT if config_class is SFTConfig else GRPO
        path.write_text(text.replace("START", str(start)))
        arguments = ["--config", str(path), "--output", str(tmp_path / output), *changes]
        return parse_config(config_class, arguments, command="", description="")

    return make


@pytest.fixture(scope="session")
def untrained(tmp_path_factory) -> Path:
    """A judge of random weights, which rambles."""
    from small_judges import CARD

    from compeer_jax.data.policy_data import DataConfig
    from compeer_jax.training.small_model import SmallModelConfig, make_small_model

    directory = tmp_path_factory.mktemp("judges") / "untrained"
    data = DataConfig(prompt="compeer_brief", silver_quotes=False)
    shape = {"hidden_size": 32, "layers": 1, "heads": 8, "kv_heads": 8, "intermediate_size": 32, "context": 640}
    make_small_model(SmallModelConfig(output=str(directory), data=data, vocab_size=2048, **shape))
    CARD.write(directory)
    return directory


@pytest.fixture(scope="session")
def parrots(untrained, tmp_path_factory) -> dict[str, str]:
    """A PRM for which every step is right, an ORM for which answers are alike, and a judge of both that says True."""
    from small_judges import parrot

    folder = tmp_path_factory.mktemp("parrots")
    said = {"prm": "Verdict: True", "orm": "Verdict: similar", "unifi": "Verdict: True"}
    return {kind: str(parrot(folder / kind, untrained, kind, reply)) for kind, reply in said.items()}


@pytest.fixture(scope="session")
def judges(parrots):
    """The settings that name `parrots`."""
    from compeer_jax.rewards.config import JudgeModelsConfig

    return JudgeModelsConfig(dtype="float32", **parrots)


@pytest.fixture(scope="session")
def outputs(tmp_path_factory) -> Path:
    """The folder of `rated_outputs.write_outputs`."""
    from rated_outputs import write_outputs

    return write_outputs(tmp_path_factory.mktemp("outputs"))
