"""What we write loads elsewhere: the tokenizer's own files, both ends of an answer, modes by the umask, all or none."""

import json
import os
import resource
import shutil
import signal
from pathlib import Path

import pytest
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import tiny_model

from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.data.small_tokenizer import train_tokenizer
from compeer_jax.errors import UserError
from compeer_jax.models.control_tokens import defuse
from compeer_jax.models.tokenizer import load_tokenizer
from compeer_jax.models.tokenizer_files import write_tokenizer
from compeer_jax.training.export import export_run, keep_base, read_generation

TEXT = "I can't sleep,  焦虑\n<response> 👋 \u2581 é </response><|im_end|>"
SAID = ["I lost my job, and I can't tell anyone.", "我最近总是睡不着，很焦虑。", "That sounds hard. 听起来很难。"] * 9


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("small")
    train_tokenizer(SAID, path, vocab_size=400)
    return path


@pytest.fixture(scope="module")
def listed(shared_data, tmp_path_factory) -> dict:
    """Qwen2.5's tokenizer, its config with all special tokens, with the last one only, or missing."""
    source, folder = shared_data / "qwen2.5_tokenizer", tmp_path_factory.mktemp("listed")
    for name, config in (("eos_only", {"tokenizer_class": "Qwen2Tokenizer"}), ("none", None)):
        (folder / name).mkdir()
        for file in ("tokenizer.json", "chat_template.jinja"):
            shutil.copy(source / file, folder / name)
        if config:
            (folder / name / "tokenizer_config.json").write_text(json.dumps(config))
    places = {"all": source, "eos_only": folder / "eos_only", "none": folder / "none"}
    return {name: load_tokenizer(place) for name, place in places.items()}


def variant(source: Path, directory: Path, **changes) -> Path:
    """A copy of a tokenizer, with keys of its config changed."""
    directory.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "plain_tokenizer.py"):
        if (source / name).exists():
            shutil.copy(source / name, directory)
            (directory / name).chmod(0o644)
    path = directory / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return directory


# Tokenizers


def test_an_unchanged_tokenizer_is_copied_byte_for_byte_and_a_changed_one_is_written(listed, small, tmp_path):
    for name in ("same", "changed"):
        (tmp_path / name).mkdir()
    source = Path(listed["all"].name_or_path)
    write_tokenizer(listed["all"], tmp_path / "same")
    written = {path.name: path.read_bytes() for path in (tmp_path / "same").iterdir()}
    assert written == {name: (source / name).read_bytes() for name in written}
    assert {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"} <= written.keys()

    tokenizer = load_tokenizer(small)
    tokenizer.add_tokens(["<mine>"])
    write_tokenizer(tokenizer, tmp_path / "changed")
    assert load_tokenizer(tmp_path / "changed").encode("<mine>") == [len(tokenizer) - 1]
    config = json.loads((tmp_path / "changed" / "tokenizer_config.json").read_text())
    assert not isinstance(config.get("extra_special_tokens"), list)  # transformers 4 stops at one


@pytest.mark.parametrize("trusted", [None, False, True])
@pytest.mark.parametrize("auto_map", [None, {"AutoTokenizer": ["", ""]}], ids=["new", "of_earlier_versions"])
def test_a_small_model_s_tokenizer_loads_with_foreign_code_trusted_or_not(
    small, tmp_path, monkeypatch, trusted, auto_map
):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    changes = {} if auto_map is None else {"auto_map": auto_map, "tokenizer_class": "TokenizersBackend"}
    tokenizer = load_tokenizer(variant(small, tmp_path / "start", **changes))
    tiny_model(vocab_size=len(tokenizer)).save_pretrained(tmp_path / "model", tokenizer)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "model", trust_remote_code=trusted)
    assert theirs(TEXT)["input_ids"] == tokenizer(TEXT)["input_ids"]
    assert theirs.decode(theirs(TEXT)["input_ids"]) == TEXT
    config = json.loads((tmp_path / "model" / "tokenizer_config.json").read_text())
    module, _, name = config["auto_map"]["AutoTokenizer"][1].partition(".")
    assert f"class {name}(" in (tmp_path / "model" / f"{module}.py").read_text()
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"  # that transformers 4 knows


PIECES = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_", "end|>", "<|vision_start|>", "<tool_call>", "[INST]"]
PIECES += ["<", "|", ">", "</s>", "<|eot_id|>", "<|start_header_id|>", "<\uff5cUser\uff5c>", "user\n", "a", " ", "我"]


@settings(max_examples=120, derandomize=True)
@given(
    name=st.sampled_from(["all", "eos_only", "none"]), text=st.lists(st.sampled_from(PIECES), max_size=10).map("".join)
)
def test_no_text_holds_a_control_token_once_broken_whatever_the_tokenizer_lists(listed, name, text):
    tokenizer = listed[name]
    harmless = defuse(tokenizer, text)
    structure = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    assert {151643, 151644, 151645, 151652} <= structure
    assert not structure & set(tokenizer(harmless, add_special_tokens=False)["input_ids"])
    assert not any(token in harmless for token in ("[INST]", "</s>", "<|eot_id|>", "<\uff5cUser\uff5c>"))
    assert "".join(harmless.split()).replace("\\", "") == "".join(text.split()).replace("\\", "")
    assert defuse(tokenizer, harmless) == harmless
    if not set("<[\uff5c") & set(text):
        assert harmless == text


TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"chat_template": "{{ ''.__class__.__mro__ }}"}, "SecurityError"),
        ({"chat_template": "{{ 'a' * 20000000000 }}"}, "it takes too much memory"),
        ({"chat_template": "{{ '%9999999999d' % 1 }}"}, "it takes too much memory"),
        ({"chat_template": TEMPLATE + "{{ 'ab' * 1000000 }}"}, "it writes 2"),
        ({"chat_template": TEMPLATE + "{{ raise_exception('no system role') }}"}, "no system role"),
        ({"chat_template": "{% for"}, "TemplateSyntaxError"),
        ({"auto_map": {"AutoTokenizer": ["theirs.Tokenizer", None]}}, "auto_map names code"),
        ({"auto_map": ["theirs.Tokenizer", None]}, "auto_map names code"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_tokenizer_that_does_more_than_its_files_say_is_refused(small, tmp_path, changes, sentence):
    directory = variant(small, tmp_path / "start", **changes)
    if template := changes.get("chat_template"):
        (directory / "chat_template.jinja").write_text(template)
    with pytest.raises(UserError, match=sentence) as raised:
        load_tokenizer(directory)
    assert "\n" not in str(raised.value)


def test_a_template_that_needs_a_trial_and_ends_is_taken(shared_data, small, tmp_path):
    directory = variant(small, tmp_path / "start")
    text = "{%- set told = namespace(n=0) %}" + TEMPLATE + "{% generation %}{% endgeneration %}"
    (directory / "chat_template.jinja").write_text(
        text + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    assert load_tokenizer(directory).chat_template.startswith("{%- set told")


def test_a_tokenizer_larger_than_the_embedding_beside_it_is_refused(small, tmp_path):
    tokenizer = load_tokenizer(small)
    tiny_model(vocab_size=len(tokenizer) - 1).save_pretrained(tmp_path / "model", tokenizer)
    with pytest.raises(UserError, match=r"ids up to 399, but the model has embeddings for 399 \(vocab_size in"):
        load_tokenizer(tmp_path / "model")


# Configs of generation


def test_both_ends_are_written_and_the_start_model_s_other_settings_kept(small, tmp_path):
    tokenizer = load_tokenizer(small)
    start = tmp_path / "start"
    tiny_model(vocab_size=400, eos_token_id=1).save_pretrained(start, tokenizer)
    kept = {"eos_token_id": 1, "bos_token_id": 1, "temperature": 0.7, "top_p": 0.8, "repetition_penalty": 1.05}
    (start / "generation_config.json").write_text(json.dumps(kept))
    from small_runs import run_of

    folder = run_of(tmp_path / "run", tiny_model(vocab_size=400, eos_token_id=1), tokenizer)
    keep_base(folder, tiny_model(vocab_size=400, eos_token_id=1).config, tokenizer, start)
    export_run(folder.path, tmp_path / "out")
    written = transformers.GenerationConfig.from_pretrained(tmp_path / "out")
    assert written.eos_token_id == [3, 1]  # <|im_end|>, <|endoftext|>
    assert (written.temperature, written.top_p, written.repetition_penalty) == (0.7, 0.8, 1.05)


def test_a_generation_config_that_is_none_is_one_sentence(tmp_path):
    assert read_generation(tmp_path) is None
    for text, sentence in (("[]", "JSON object"), ('{"temperature": "x"}', "temperature is 'x'; it must be a number")):
        (tmp_path / "generation_config.json").write_text(text)
        with pytest.raises(UserError, match=sentence):
            read_generation(tmp_path)


# Disks and modes


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(share=st.floats(0, 0.99))
def test_a_disk_that_is_full_at_any_byte_leaves_the_old_model_and_one_sentence(small, tmp_path_factory, share):
    tmp_path = tmp_path_factory.mktemp("full")
    tokenizer, model = load_tokenizer(small), tiny_model(vocab_size=400)
    model.save_pretrained(tmp_path / "model", tokenizer)
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * max(map(len, before.values()))), limits[1]))
    try:
        with pytest.raises(UserError, match=r"cannot write the model to .* \(.*\): give a directory") as raised:
            model.save_pretrained(tmp_path / "model", tokenizer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, heard)
    assert "\n" not in str(raised.value)
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o002])
def test_files_have_the_mode_that_the_umask_leaves(small, tmp_path, mask):
    old = os.umask(mask)
    try:
        tiny_model(vocab_size=400).save_pretrained(tmp_path / "out" / "model", load_tokenizer(small))
        write_jsonl(tmp_path / "out" / "rows.jsonl", [{"a": 1}])
    finally:
        os.umask(old)
    for path in (tmp_path / "out").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o777 if path.is_dir() else 0o666) & ~mask, path.name
