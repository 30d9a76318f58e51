"""The table of commands: all of it can be called, shown and read from a pipe that ends early."""

import dataclasses
import inspect
import subprocess
import sys

import pytest
import yaml

from compeer_jax.benchmarks.page import ShowConfig
from compeer_jax.cli.commands import _named, commands
from compeer_jax.cli.keys import _OTHER_NAMES, RENAMED, fields, nearest, required
from compeer_jax.cli.main import main
from compeer_jax.cli.shorthand import written_out
from compeer_jax.data.danger.review import DangerSheetConfig
from compeer_jax.errors import UserError
from compeer_jax.evaluation.reward_eval import RewardEvalConfig
from compeer_jax.planning.config import PlanConfig
from compeer_jax.training.config import GRPOConfig, SFTConfig

NAMES = [name for name, _ in commands()]
COMMAND_OF = dict(commands())
KEYS_OF_ALL = {key for _, command in commands() for key, _ in fields(command.config_class())}


@pytest.mark.parametrize("name", NAMES)
def test_a_commands_function_takes_its_settings_and_what_the_table_gives_besides(name):
    command = COMMAND_OF[name]
    config_class, function = command.config_class(), _named(command.function)
    inspect.signature(function).bind(object(), **command.keywords, **dict.fromkeys(command.flags.values(), True))
    first = next(iter(inspect.signature(function).parameters.values()))
    assert first.annotation in (config_class, config_class.__name__)
    assert command.positional == "" or command.positional in dict(fields(config_class))


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_of_every_command_can_be_shown(name, capsys):
    assert main(["config", "show", *name.split()]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    given = {field.name for field in dataclasses.fields(COMMAND_OF[name].config_class())}
    assert set(shown) == given - set(required(COMMAND_OF[name].config_class()))


@pytest.mark.parametrize("arguments", [["--help"], ["grpo", "--help"], ["data", "--help"], ["config", "show", "grpo"]])
def test_a_reader_that_goes_away_is_no_error(arguments):
    command = [sys.executable, "-m", "compeer_jax.cli.main", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize(
    "given, meant",
    [
        ("lr", ["optimizer.learning_rate"]),
        ("optimizer.lr", ["optimizer.learning_rate"]),
        ("learning_rate", ["optimizer.learning_rate"]),
        ("learning-rat", ["optimizer.learning_rate"]),
        ("confg", ["--config"]),
        ("config_file", ["--config"]),
        ("batch", ["prompts_per_step"]),
        ("per_device_train_batch_size", ["prompts_per_step"]),
        ("num_generations", ["group_size"]),
        ("actor_rollout_ref.rollout.n", ["group_size"]),
        ("group-size", ["group_size"]),
        ("max_completion_length", ["sampling.max_new_tokens"]),
        ("beta", ["loss.kl_coefficient", "reward.beta"]),
        ("output_dir", ["output"]),
        ("zzzzzz", []),
    ],
)
def test_an_unknown_key_names_what_was_meant(given, meant):
    assert nearest(given, [*(key for key, _ in fields(GRPOConfig)), "--config"]) == meant


def test_the_same_name_means_what_the_command_has():
    assert nearest("batch", [key for key, _ in fields(SFTConfig)]) == ["batch_size"]


@pytest.mark.parametrize("key", _OTHER_NAMES)
def test_other_names_are_of_keys_that_there_are(key):
    assert key in KEYS_OF_ALL


def test_renamed_keys_are_of_settings_that_there_are_and_gone_from_them():
    classes = {command.config_class().__name__: command.config_class() for _, command in commands()}
    for name, old in RENAMED.items():
        assert not {key for key, _ in fields(classes[name])} & set(old)


@pytest.mark.parametrize(
    "config_class, positional, given, written",
    [
        (PlanConfig, "", ["--explain", "--seed", "1"], ["--explain=true", "--seed", "1"]),
        (PlanConfig, "", ["--explain", "false", "--json"], ["--explain", "false", "--json=true"]),
        (GRPOConfig, "", ["--model", "a", "--data=b"], ["--model.path", "a", "--data.path=b"]),
        (GRPOConfig, "", ["--steps", "-1", "-h"], ["--steps", "-1", "-h"]),
        (GRPOConfig, "", ["--reward.encoder", "x", "y"], ["--reward.encoder", "x", "y"]),
        (ShowConfig, "runs", ["a", "--output", "x", "b"], ['--runs=["a", "b"]', "--output", "x"]),
        (ShowConfig, "runs", ["a=b"], ['--runs=["a=b"]']),
        (DangerSheetConfig, "data", ["a.json", "--output=x"], ["--data=a.json", "--output=x"]),
    ],
)
def test_short_ways_to_write_options(config_class, positional, given, written):
    assert written_out(config_class, given, positional) == written


def test_one_setting_takes_one_word():
    with pytest.raises(UserError, match=r"'b' follows 'a', but only one data can be named"):
        written_out(DangerSheetConfig, ["a", "b"], "data")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["grpo", "--output=x", "--steps=1:30"], "--steps is '1:30', which is no number."),
        (["grpo", "--output=x", "--mesh", "{data: 1:30}"], "--mesh: data is '1:30', which is no number."),
        (
            ["data", "build", "--corpora", "[{path: a, limit: 1:30}]"],
            "--corpora: 0: limit is '1:30', which is no number.",
        ),
        (
            ["sft", "--output", "~no-such-user/x"],
            "output is '~no-such-user/x', which begins with '~' and a name that no",
        ),
        (
            ["sft", "--config", "~no-such-user/x"],
            "--config is '~no-such-user/x', which begins with '~' and a name that no",
        ),
        (["sft", "--output", "x", "--steps", "3000000000"], "steps is 3000000000; it must be at most 2147483647."),
        (["sft", "--output", "x", "--batch_size", "5000000"], "batch_size is 5000000; it must be at most 1048576."),
        (["sft", "--output", "x", "--seed", "4294967296"], "seed is 4294967296; it must be at most 4294967295."),
        (["data", "build", "--corpora", "[{path: a, limit: 3000000000}]"], "corpora.0.limit is 3000000000; it must be"),
        (["config", "show", "config"], "unknown command 'config'"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(arguments, said, capsys):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_minutes_and_seconds_in_a_file_are_no_number_either(tmp_path, capsys):
    path = tmp_path / "a.yaml"
    path.write_text("output: x\noptimizer: {warmup_steps: 1:30}\n")
    assert main(["sft", "--config", str(path)]) == 2
    assert f"{path}: optimizer: warmup_steps is '1:30', which is no number." in capsys.readouterr().err


def test_a_key_that_is_renamed_says_what_is_there_now(capsys):
    assert main(["reward", "eval", "--models.unifi", "x"]) == 2
    assert "there is no config key 'models.unifi' any more; name it in judges:" in capsys.readouterr().err
    assert RewardEvalConfig.__name__ in RENAMED
