"""The tokenizer of a model directory, through `transformers`, checked for what chat training needs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compeer_jax.errors import UserError
from compeer_jax.models.config import read_config
from compeer_jax.models.control_tokens import special_tokens
from compeer_jax.models.gguf_tokenizer import read_gguf_tokenizer
from compeer_jax.models.json_config import ConfigReader
from compeer_jax.models.template_trial import try_template
from compeer_jax.models.tokenizer_files import CONFIG, brings_code, state_of
from compeer_jax.models.vision_config import MODEL_TYPE, flattened

SPECIAL_TOKENS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "sentencepiece.bpe.model")


def load_tokenizer(directory: str | Path) -> Any:
    """The tokenizer of a policy's directory: `read_tokenizer`, checked for what chat training needs.

    Raises:
        UserError: the directory holds no tokenizer that can be read, the tokenizer lacks Qwen's special tokens or a
            chat template that ends, or it has more tokens than the model beside it has embeddings.
    """
    tokenizer = read_tokenizer(directory)
    directory = Path(directory)
    vocabulary = tokenizer.get_vocab()
    for token in SPECIAL_TOKENS:
        if token not in vocabulary:
            raise UserError(
                f"the tokenizer in {directory} lacks the special token {token}: give one of Qwen2.5's chat format."
            )
        if len(tokenizer.encode(token, add_special_tokens=False)) != 1:
            raise UserError(
                f"the tokenizer in {directory} splits {token} into pieces: mark it as special in tokenizer.json."
            )
    for token in special_tokens(tokenizer):
        if len(token.strip()) < 2:
            raise UserError(
                f"the tokenizer in {directory} marks {token!r} as special, which ordinary texts hold: give one of "
                "Qwen2.5's chat format."
            )
    _check_vocabulary(directory, vocabulary)
    template = tokenizer.chat_template
    template = template.get("default") if isinstance(template, dict) else template  # several, by name
    if not template:
        raise UserError(f"the tokenizer in {directory} has no chat template: add Qwen2.5's chat_template.jinja.")
    try_template(template, f"the tokenizer in {directory}")
    return tokenizer


def read_tokenizer(directory: str | Path) -> Any:
    """The `transformers` tokenizer of a local directory or GGUF file; no code there is run, and nothing is fetched.

    Raises:
        UserError: the directory holds no tokenizer that can be read.
    """
    from transformers import AutoTokenizer

    directory = Path(directory)
    if directory.is_file():
        return read_gguf_tokenizer(directory)
    if directory.is_dir() and not any((directory / name).exists() for name in FILES):
        from compeer_jax.models.source import base_directory  # loads jax

        directory = base_directory(directory)  # adapters may come without a tokenizer: their model has it
    if not directory.is_dir():
        raise UserError(f"the tokenizer's directory {directory} does not exist.")
    if not any((directory / name).exists() for name in FILES):
        raise UserError(f"{directory} holds no tokenizer: copy tokenizer.json and tokenizer_config.json into it.")
    if brings_code(directory):
        raise UserError(
            f"{directory / CONFIG}: auto_map names code that the tokenizer is to be read with, which is never run: "
            "give a tokenizer that tokenizer.json describes alone, and remove the key."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(directory), local_files_only=True, trust_remote_code=False)
        tokenizer.read_from = directory.absolute(), state_of(tokenizer)  # `write_tokenizer` copies the files
        return tokenizer
    except Exception as error:  # whatever transformers and tokenizers raise for damaged files, of no common kind
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the tokenizer in {directory} cannot be read: {reason}") from error


def chat_ids(tokenizer: Any) -> tuple[tuple[int, ...], int]:
    """The ids that end an answer, as Qwen2.5's own generation config has them, and the id that fills up rows."""
    turn_end, text_end = (tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>"))
    return (turn_end, text_end), text_end


def _check_vocabulary(directory: Path, vocabulary: Mapping[str, int]) -> None:
    """Raises UserError where the model beside a tokenizer, or that adapters there are for, has too few embeddings."""
    if (directory / "adapter_config.json").is_file() and not (directory / "config.json").is_file():
        from compeer_jax.models.source import base_directory  # loads jax

        directory = base_directory(directory)
    if not directory.is_file() and not (directory / "config.json").is_file():
        return  # a tokenizer by itself
    values, path = read_config(directory)
    if values.get("model_type") == MODEL_TYPE:
        values = flattened(values, str(path))
    size, largest = ConfigReader(values, str(path)).integer("vocab_size"), max(vocabulary.values())
    if largest >= size:
        raise UserError(
            f"the tokenizer has ids up to {largest}, but the model has embeddings for {size} (vocab_size in {path}): "
            "give the tokenizer that the model was trained with, or a model with more embeddings."
        )
