"""The tokenizer and the chat template that the metadata of a GGUF file describes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from compeer_jax.errors import UserError, unknown
from compeer_jax.models.gguf_file import GGUFFile
from compeer_jax.models.json_config import shown

_PREFIX = "tokenizer.ggml."
_CONTROL, _USER_DEFINED, _UNUSED = 3, 4, 5
_TOKENS = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}

# What a text is cut at before bytes are merged, from the tokenizer.json of Qwen2.5 and of Llama 3.
_CUTS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def read_gguf_tokenizer(path: str | Path) -> Any:
    """The `transformers` tokenizer in a GGUF file.

    Raises:
        UserError: the file can't be read, or its tokenizer is of a kind that is not built.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, processors
    from transformers import PreTrainedTokenizerFast

    file = GGUFFile.open(path)
    kind = file.value(f"{_PREFIX}model", str)
    if kind != "gpt2":
        raise UserError(
            f"{path}: its tokenizer.ggml.model is {shown(kind)}; only 'gpt2', byte-level BPE, is built: give the "
            "model's Hugging Face directory."
        )
    pre = file.value(f"{_PREFIX}pre", str)
    if pre not in _PREPARED:
        raise unknown("tokenizer.ggml.pre", pre, _PREPARED, str(path))
    tokens, kinds = file.value(f"{_PREFIX}tokens", list), file.value(f"{_PREFIX}token_type", list)
    merges = [tuple(str(merge).split(" ")) for merge in file.value(f"{_PREFIX}merges", list)]
    if len(kinds) != len(tokens) or len({*map(str, tokens)}) != len(tokens):
        raise UserError(f"{path}: its tokenizer holds a token twice, or no type for each: copy or download it again.")
    numbers = {token: number for number, token in enumerate(tokens) if kinds[number] != _UNUSED}
    try:
        tokenizer = Tokenizer(models.BPE(numbers, merges, ignore_merges=pre == "llama-bpe"))
    except Exception as error:  # tokenizers raises plain exceptions: of a merge without its token, among others
        raise UserError(f"{path}: its tokenizer can't be built ({error}): copy or download it again.") from error
    _PREPARED[pre](tokenizer)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_tokens(
        [
            AddedToken(token, special=kinds[number] == _CONTROL, normalized=False)
            for token, number in numbers.items()
            if kinds[number] in (_CONTROL, _USER_DEFINED)
        ]
    )
    named = {name: _token(file, tokens, theirs) for name, theirs in _TOKENS.items()}
    if file.value(f"{_PREFIX}add_bos_token", bool, False):
        if (first := named["bos_token"]) not in numbers:
            raise UserError(f"{path}: its tokenizer begins texts with a token that it lacks: download it again.")
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", pair=f"{first} $A {first} $B", special_tokens=[(first, numbers[first])]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        chat_template=file.value("tokenizer.chat_template", str, None),
        clean_up_tokenization_spaces=False,
        **{name: token for name, token in named.items() if token is not None},
    )


def _token(file: GGUFFile, tokens: list[str], name: str) -> str | None:
    number = file.value(f"{_PREFIX}{name}_token_id", int, None)
    if number is None:
        return None
    if not 0 <= number < len(tokens):
        raise UserError(f"{file.path}: {_PREFIX}{name}_token_id is {number}, but it has {len(tokens)} tokens.")
    return tokens[number]


def _cut_at(digits: str, normal_form: bool) -> Callable[[Any], None]:
    """Cuts at words and at as many digits as the pattern `digits` says, texts first in normal form C or as they are."""

    def prepare(tokenizer: Any) -> None:
        from tokenizers import Regex, normalizers, pre_tokenizers

        if normal_form:
            tokenizer.normalizer = normalizers.NFC()
        cut = pre_tokenizers.Split(Regex(_CUTS % digits), "isolated")
        mapped = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, mapped])

    return prepare


def _cut_as_smollm(tokenizer: Any) -> None:
    """Cuts at single digits, then as GPT-2."""
    from tokenizers import pre_tokenizers

    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])


_PREPARED: dict[str, Callable[[Any], None]] = {
    "qwen2": _cut_at("", normal_form=True),
    "llama-bpe": _cut_at("{1,3}", normal_form=False),
    "smollm": _cut_as_smollm,
}
"""By `tokenizer.ggml.pre`: what sets up how texts are cut."""
