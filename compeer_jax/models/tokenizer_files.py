"""The files of a tokenizer, written so that other programs and other versions of `transformers` read the same one."""

import json
import shutil
from pathlib import Path
from typing import Any

from compeer_jax.files import read_json

CONFIG, MODULE = "tokenizer_config.json", "plain_tokenizer.py"

FILES = (
    *("tokenizer*.json", "tokenizer*.model", "tokenizer*.py", "chat_template*.json", "chat_template*.jinja"),
    *("vocab.json", "vocab.txt", "merges.txt", "special_tokens_map.json", "added_tokens.json"),
    *("sentencepiece.bpe.model", MODULE),
)
"""Patterns of the names of all files that are written for a tokenizer."""

# Beside a config of a Qwen2 model, AutoTokenizer (transformers 5) takes Qwen2Tokenizer whatever the tokenizer's own
# config says, and that class rebuilds every tokenizer as byte-level BPE: texts of another kind of tokenizer would come
# back mangled, silently. An `auto_map` makes it read `tokenizer_class` instead; who trusts remote code runs the module.
PLAIN = "plain_tokenizer.PlainTokenizer"
PLAIN_MAP = {"AutoTokenizer": [PLAIN, PLAIN]}
_EMPTY_MAP = {"AutoTokenizer": ["", ""]}  # what `compeer init` wrote at first, which is no place
_CODE = '''"""Reads tokenizer.json as it is, in programs that are told to trust the code beside a model."""

from transformers import PreTrainedTokenizerFast


class PlainTokenizer(PreTrainedTokenizerFast):
    """The tokenizer that tokenizer.json describes."""
'''


def state_of(tokenizer: Any) -> tuple:
    """What may be changed of a tokenizer after it was read, as far as its files say it."""
    template = json.dumps(tokenizer.chat_template)
    return len(tokenizer), template, str(tokenizer.special_tokens_map), str(tokenizer.added_tokens_decoder)


def write_tokenizer(tokenizer: Any, directory: str | Path) -> None:
    """Puts a tokenizer into a directory: its own files, byte for byte, unless it was changed since it was read.

    Args:
        tokenizer: from `read_tokenizer`, or any of `transformers`.
        directory: exists.
    """
    directory = Path(directory)
    source, state = getattr(tokenizer, "read_from", None) or (None, None)
    if source is None or not source.is_dir() or state != state_of(tokenizer):
        tokenizer.save_pretrained(str(directory))
        make_readable(directory)
        return
    for pattern in FILES:
        for file in source.glob(pattern):
            if file.is_file():
                shutil.copyfile(file, directory / file.name)
    if (directory / CONFIG).is_file() and _config(directory).get("auto_map") == _EMPTY_MAP:
        make_readable(directory)


def make_readable(directory: str | Path) -> None:
    """Rewrites the tokenizer_config.json that transformers 5 wrote into one that transformers 4 reads too."""
    directory = Path(directory)
    if not (directory / CONFIG).is_file():
        return
    config = {key: value for key, value in _config(directory).items() if key not in ("backend", "is_local")}
    config.pop("local_files_only", None)
    if isinstance(config.get("extra_special_tokens"), list):  # of transformers 5; names by token in transformers 4
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if config.get("auto_map") in (_EMPTY_MAP, PLAIN_MAP):
        config["auto_map"] = PLAIN_MAP
        (directory / MODULE).write_text(_CODE, encoding="utf-8")
    (directory / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def brings_code(directory: Path) -> bool:
    """Whether a tokenizer's config names code, other than ours, that it is to be read with."""
    mapping = _config(directory).get("auto_map") if (directory / CONFIG).is_file() else None
    places = mapping.get("AutoTokenizer") if isinstance(mapping, dict) else mapping
    return any(place and place != PLAIN for place in (places if isinstance(places, list) else [places]))


def _config(directory: Path) -> dict[str, Any]:
    return read_json(directory / CONFIG, "the tokenizer's config", dict)
