"""Settings: defaults, files, overrides, and one sentence for every mistake, before any long work."""

import subprocess
import sys

import pytest
import yaml
from config_files import CONFIG_OF, CONFIGS, OVER

from compeer_jax.cli.commands import COMMANDS, commands
from compeer_jax.cli.configure import merged_yaml, parse_config
from compeer_jax.cli.main import main
from compeer_jax.cli.quickstart import QuickstartConfig, check_same_quickstart, config_file, quickstart, recipe_of
from compeer_jax.curation.config import BuildConfig
from compeer_jax.errors import UserError
from compeer_jax.training.config import GRPOConfig, SFTConfig


def parse(config_class, *arguments):
    return parse_config(config_class, arguments, command="grpo", description="")


def test_defaults_are_the_papers():
    config = parse(GRPOConfig, "--output", "out")
    assert (config.optimizer.learning_rate, config.group_size, config.prompts_per_step) == (1e-6, 4, 32)
    assert (config.reward.alpha, config.reward.beta) == (0.5, 5.0)
    assert (config.loss.ratio, config.loss.kl_coefficient, config.loss.epsilon) == ("token", 0.0, 1e-4)


def test_the_command_line_wins_over_files_and_later_files_over_earlier_ones(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("output: a\nsteps: 1\nseed: 1\noptimizer: {learning_rate: 1.0e-3, warmup_steps: 7}\n")
    second.write_text("seed: 2\noptimizer: {learning_rate: 1.0e-4}\n")
    files = ["--config", str(first), "--config", str(second)]
    config = parse(GRPOConfig, *files, "--steps", "9", "--loss.kl_coefficient", "0.1")
    assert (config.output, config.steps, config.seed) == ("a", 9, 2)
    assert (config.optimizer.learning_rate, config.optimizer.warmup_steps) == (1e-4, 7)
    assert config.loss.kl_coefficient == 0.1


@pytest.mark.parametrize("number", ["1e-5", "1.0e-5", "0.00001"])
def test_every_way_to_write_a_small_number_is_read(tmp_path, number):
    path = tmp_path / "c.yaml"
    path.write_text(f"output: a\noptimizer: {{learning_rate: {number}}}\n")
    assert parse(SFTConfig, "--config", str(path)).optimizer.learning_rate == 1e-5
    assert parse(SFTConfig, "--output", "a", "--optimizer.learning_rate", number).optimizer.learning_rate == 1e-5


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_config_is_valid_and_shown_whole(path):
    kind = max((kind for kind in CONFIG_OF if path.stem.endswith(f"_{kind}")), key=len, default="")
    whole = OVER.get(path.stem, "" if kind in CONFIG_OF else "tiny_grpo.yaml")  # a variant is laid over a grpo config
    files = [*([CONFIGS / whole] if whole else []), path]
    arguments = [argument for file in files for argument in ("--config", str(file))]
    shown = yaml.safe_load(merged_yaml(CONFIG_OF.get(kind, GRPOConfig), arguments, command="x", description=""))

    def assert_shown(given, shown):
        if isinstance(given, dict | list):
            for key, value in given.items() if isinstance(given, dict) else enumerate(given):
                assert_shown(value, shown[key])
        else:
            assert shown == given

    assert_shown(yaml.safe_load(path.read_text()), shown)


def test_a_setting_that_holds_a_dictionary_takes_any_key(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("output: a\nreward: {remote: {extra: {top_p: 0.9, stop: {a: 1}}}}\n")
    assert parse(GRPOConfig, "--config", str(path)).reward.remote.extra == {"top_p": 0.9, "stop": {"a": 1}}


def test_what_config_show_prints_gives_the_same_config_again(tmp_path, capsys):
    main(["config", "show", "grpo", "--config", str(CONFIGS / "tiny_grpo.yaml"), "--steps", "3"])
    path = tmp_path / "shown.yaml"
    path.write_text(capsys.readouterr().out)
    expected = parse(GRPOConfig, "--config", str(CONFIGS / "tiny_grpo.yaml"), "--steps", "3")
    assert parse(GRPOConfig, "--config", str(path)) == expected


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (
            ["--optimizer.learning_rat", "1"],
            r"unknown config key 'optimizer.learning_rat'; did you mean 'optimizer.lea",
        ),
        (["--steps", "many"], r"steps.*many"),
        (["--loss.reduction", "mean"], r"loss.reduction"),
        (["--steps", "0"], r"steps is 0; it must be at least 1"),
        (["--minibatches", "3"], r"minibatches is 3, which does not divide prompts_per_step x group_size = 128"),
        (["--sampling.temperature", "0"], r"temperature is 0"),
        (["--config", "nowhere.yaml"], r"nowhere.yaml can't be read"),
        (["--mesh.data", "0"], r"mesh.data is 0"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(arguments, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        parse(GRPOConfig, "--output", "out", *arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("output: a\nmesh: {dta: 4}\n", r"c.yaml: unknown config key 'mesh.dta'; did you mean 'mesh.data'"),
        ("- a\n- b\n", r"must hold keys and values, not a list"),
        ("output: [a\n", r"is not YAML"),
        ("output: a\nmesh: {data: 1}\nmesh: {fsdp: 2}\n", r"c.yaml have 'mesh' twice; give one of them another name"),
        ("steps: 4\n", r"output"),
        ('output: "a\\0b"\n', r"holds the character NUL"),
        ("output: a\ndata.limit: 7\n", r"c.yaml: the key 'data.limit' has a dot.*; write it as data: \{limit: …\}"),
        ("output: a\nreward: {remote.url: b}\n", r"'remote.url' has a dot.*; write it as remote: \{url: …\}"),
        ("mesh: &a {}\noutput: a\ndata: {<<: *a, <<: *a}\n", r"c.yaml have '<<' twice in one mapping; write both as"),
    ],
)
def test_a_mistake_in_a_file_is_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=sentence) as error:
        parse(GRPOConfig, "--config", str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--corpora", "[{path: a}, {path: b, lisence: x}]"], "corpora 1: unknown config key 'lisence'; did you mean"),
        (["--models", "{q: {server: {modle: b}}}"], "models q: unknown config key 'server.modle'; did you mean"),
        (["--corpora", "[a]"], r'"corpora": expected keys and values in braces, found a'),
        (["--corpora", "[{path: a, limit: x}]"], r'"corpora": "limit": Expected a int. Got value: x'),
        (["--candidates.models", "[qwen]"], "candidates.models: unknown chat model 'qwen'"),
        (["--models", "{q: {}}"], "a chat model needs a path, or server.url and server.model"),
        (["--models", "{q: {path: a}, q: {path: b}}"], "the settings of --models have 'q' twice"),
        (["--candidates.models", "[{q: 1, q: 2}]"], "the settings of --candidates.models have 'q' twice"),
    ],
)
def test_a_mistake_within_a_list_is_one_sentence_too(tmp_path, arguments, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        parse(BuildConfig, *arguments)
    assert "\n" not in str(error.value)


def test_what_a_mapping_merges_is_no_second_key(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        'models:\n  a: {server: &server {model: m, url: "http://u"}}\n  b: {server: {<<: *server, model: n}}\n'
    )
    models = parse(BuildConfig, "--config", str(path)).models
    assert [(models[name].server.url, models[name].server.model) for name in "ab"] == [
        ("http://u", "m"),
        ("http://u", "n"),
    ]


def test_items_may_hold_free_dictionaries():
    models = "{q: {server: {model: b, extra: {top_p: 0.9}}}}"
    assert parse(BuildConfig, "--models", models).models["q"].server.extra == {"top_p": 0.9}


def test_the_command_says_mistakes_without_a_traceback(tmp_path):
    command = [
        sys.executable,
        "-m",
        "compeer_jax.cli.main",
        "sft",
        "--output",
        str(tmp_path),
        "--model.path",
        "nowhere",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip().startswith("compeer sft: model 'nowhere' is no directory")
    assert "Traceback" not in done.stderr


def test_help_lists_every_command_and_imports_nothing_heavy():
    code = "import sys; from compeer_jax.cli.main import main; main(['--help']); assert 'jax' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", [name for name, _ in commands()])
def test_every_command_explains_its_settings(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    assert end.value.code == 0
    assert f"usage: compeer {command.removesuffix(' policy')}" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["data", "reward"])
def test_a_command_with_actions_lists_them(command, capsys):
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {action} " in shown for action in COMMANDS[command].actions)
    assert main([command]) == 2
    assert f"compeer {command}: name an action: " in capsys.readouterr().err
    assert main([command, "trian"]) == 2
    assert f"unknown {command} action 'trian'" in capsys.readouterr().err


def test_a_wrong_command_names_the_nearest(capsys):
    assert main(["qickstart"]) == 2
    assert "did you mean 'quickstart'" in capsys.readouterr().err


def test_a_quickstart_in_the_folder_of_another_is_refused_by_name(tmp_path):
    check_same_quickstart(tmp_path / "out", QuickstartConfig(seed=1))
    check_same_quickstart(tmp_path / "out", QuickstartConfig(seed=1, eval_records=8))
    with pytest.raises(UserError, match="another sft_steps, seed"):
        check_same_quickstart(tmp_path / "out", QuickstartConfig(sft_steps=5))


def test_a_quickstart_with_a_packaged_model_has_settings_of_its_own_in_one_recipe(tmp_path):
    recipe = recipe_of(QuickstartConfig(model="smollm2"))
    assert {config_file(file).name for file in (recipe.sft, recipe.reward, recipe.grpo)} == {
        "smollm2_sft.yaml",
        "smollm2_reward.yaml",
        "smollm2_grpo.yaml",
    }
    with pytest.raises(UserError, match="--model smollm2 has settings for --recipe compeer alone"):
        quickstart(QuickstartConfig(model="smollm2", recipe="care", output=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()
