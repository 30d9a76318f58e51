"""Any file of settings gives valid settings or one sentence: every shipped config, edited at random as people do."""

import copy
from pathlib import Path

import pytest
import yaml
from config_files import CONFIG_OF, CONFIGS, OVER
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from compeer_jax.benchmarks.config import EscEvalConfig
from compeer_jax.benchmarks.suite_config import SuiteConfig
from compeer_jax.cli.configure import merged_yaml, parse_config
from compeer_jax.cli.keys import fields
from compeer_jax.curation.config import BuildConfig
from compeer_jax.errors import UserError
from compeer_jax.strict_yaml import dump_yaml, load_yaml
from compeer_jax.training.config import GRPOConfig, SFTConfig

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["1e-5", "on", "no", "~", "2024-01-01", "12:30", "[", "{a:1}", "null", "-", "--steps", "0x10"]),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=3)), max_size=3),
    st.dictionaries(st.one_of(st.text(max_size=3), st.sampled_from(["path", "steps"])), st.integers(), max_size=2),
)
LINES = st.sampled_from(
    [
        "steps: 3",
        "steps:",
        "optimizer:",
        "  a: 1",
        "- x",
        "\tb: 2",
        "data: &d {path: x}",
        "model: *d",
        "<<: {seed: 1}",
        "---",
        "...",
        "? [a]",
        "!!int x",
        "seed: !!python/name:os.system",
        "output: 'x",
        "é: 1",
        "output: !!binary eA==",
        "\x00",
        "# a",
        "",
        "reward: {judge: on}",
        "seed: 1e400",
        "output: [[[[[[[[[[[[[[[[[[[[",
    ]
)


def shipped() -> list[tuple[type, list[Path]]]:
    """Each config's class, and its files: a variant is laid over a whole one."""
    found = []
    for path in sorted(CONFIGS.glob("*.yaml")):
        kind = max((kind for kind in CONFIG_OF if path.stem.endswith(f"_{kind}")), key=len, default="")
        under = OVER.get(path.stem, "" if kind in CONFIG_OF else "tiny_grpo.yaml")
        found.append((CONFIG_OF.get(kind, GRPOConfig), [*([CONFIGS / under] if under else []), path]))
    return found


def places(value, path=()) -> list[tuple]:
    """The way to every value within."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [way for key, item in inside for way in places(item, (*path, key))]


def edited(content, way: tuple, new) -> object:
    content = copy.deepcopy(content)
    at = content
    for key in way[:-1]:
        at = at[key]
    if new is ...:
        del at[way[-1]]
    else:
        at[way[-1]] = new
    return content


def assert_config_or_sentence(config_class, files: list[Path], *options: str) -> None:
    arguments = [*(argument for file in files for argument in ("--config", str(file))), *options]
    try:
        parse_config(config_class, arguments, command="x", description="")
        said = merged_yaml(config_class, arguments, command="x", description="")
        load_yaml(said, "what is shown")
    except UserError as error:
        said = str(error)
        if not said.strip() or any(sign in said for sign in ("\n", "Traceback", "object at 0x")):
            raise AssertionError(f"no sentence: {said!r}") from error


def draw_text(draw: st.DataObject, text: str) -> str:
    """The YAML with a value changed or taken out, a line doubled, or junk put in."""
    kind = draw.draw(st.sampled_from(["value", "value", "empty", "gone", "double", "line"]))
    lines, content = text.splitlines(), yaml.safe_load(text)
    if kind in ("double", "line"):
        at = draw.draw(st.integers(0, len(lines) - 1))
        return "\n".join([*lines[: at + 1], lines[at] if kind == "double" else draw.draw(LINES), *lines[at + 1 :]])
    way = draw.draw(st.sampled_from(places(content)))
    new = {"value": draw.draw(JUNK), "empty": None, "gone": ...}[kind]
    return dump_yaml(edited(content, way, new))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_edited_config_gives_settings_or_one_sentence(tmp_path, data):
    config_class, files = data.draw(st.sampled_from(shipped()))
    text = draw_text(data, files[-1].read_text(encoding="utf-8"))
    path = tmp_path / "edited.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert_config_or_sentence(config_class, [*files[:-1], path])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=40), st.text(max_size=40).map(lambda text: text.encode("utf-16"))))
def test_any_file_at_all_gives_settings_or_one_sentence(tmp_path, content):
    path = tmp_path / "any.yaml"
    path.write_bytes(content)
    assert_config_or_sentence(SFTConfig, [path])


@settings(max_examples=60)
@given(data=st.data())
def test_any_option_on_the_command_line_gives_settings_or_one_sentence(data):
    config_class = data.draw(st.sampled_from([GRPOConfig, BuildConfig, SuiteConfig, EscEvalConfig]))
    key = data.draw(st.sampled_from([name for name, _ in fields(config_class)]))
    value = data.draw(st.one_of(st.text(max_size=12), JUNK.map(lambda junk: dump_yaml(junk).strip())))
    assert_config_or_sentence(config_class, [], f"--{key}={value}")


@settings(max_examples=60)
@example(value="a\x85b\u2028")
@given(value=st.recursive(JUNK.filter(lambda x: x == x), lambda inner: st.lists(inner, max_size=3), max_leaves=6))
def test_what_is_written_is_read_again_as_the_same_value(value):
    assert load_yaml(dump_yaml({"a": value}), "it")["a"] == value


@pytest.mark.parametrize(
    "text, read",
    [("on", "on"), ("no", "no"), ("1e-5", 1e-5), ("12:30", "12:30"), ("010", 10), ("2024-01-01", "2024-01-01")],
)
def test_plain_words_are_read_as_people_mean_them(text, read):
    assert load_yaml(f"a: {text}", "it") == {"a": read}


def test_a_group_without_a_value_has_its_defaults_and_a_value_that_is_missing_is_named(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("output: x\noptimizer:\n#  learning_rate: 1e-5\n")
    assert parse_config(SFTConfig, ["--config", str(path)], command="", description="") == SFTConfig("x")
    path.write_text("output: x\nloss: {dual_clip: null}\n")
    assert parse_config(GRPOConfig, ["--config", str(path)], command="", description="").loss.dual_clip is None
    for text, said in [
        ("data: {path: null}", r"a.yaml: data.path has no value; give it one, or leave the key out"),
        ("steps:", r"a.yaml: steps has no value"),
        ("optimizer: 3", r"a.yaml: optimizer has settings of its own, such as optimizer.learning_rate"),
    ]:
        path.write_text(f"output: x\n{text}\n")
        with pytest.raises(UserError, match=said):
            parse_config(SFTConfig, ["--config", str(path)], command="", description="")
    with pytest.raises(UserError, match="names no file"):
        parse_config(SFTConfig, ["--config"], command="", description="")


def test_files_count_before_the_command_line_wherever_they_stand_in_it(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("output: x\nsteps: 5\n")
    assert parse_config(SFTConfig, ["--steps", "9", "--config", str(path)], command="", description="").steps == 9


def test_settings_can_be_shown_before_all_are_given():
    shown = merged_yaml(GRPOConfig, [], command="grpo", description="")
    assert shown.startswith("# output: has to be given\n")
    assert "output" not in load_yaml(shown, "it")
