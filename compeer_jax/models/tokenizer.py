"""The tokenizer of a model directory, through `transformers`, checked for what chat training needs."""

from pathlib import Path
from typing import Any

from compeer_jax.errors import UserError

SPECIAL_TOKENS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "sentencepiece.bpe.model")


def load_tokenizer(directory: str | Path) -> Any:
    """The tokenizer of a policy's directory: `read_tokenizer`, checked for what chat training needs.

    Raises:
        UserError: the directory holds no tokenizer that can be read, or the tokenizer lacks Qwen's special tokens or a
            chat template.
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
    if not tokenizer.chat_template:
        raise UserError(f"the tokenizer in {directory} has no chat template: add Qwen2.5's chat_template.jinja.")
    return tokenizer


def read_tokenizer(directory: str | Path) -> Any:
    """The `transformers` tokenizer of a local directory; no code of the directory is run, and nothing is fetched.

    Raises:
        UserError: the directory holds no tokenizer that can be read.
    """
    from transformers import AutoTokenizer

    directory = Path(directory)
    if directory.is_dir() and not any((directory / name).exists() for name in FILES):
        from compeer_jax.models.source import base_directory  # loads jax

        directory = base_directory(directory)  # adapters may come without a tokenizer: their model has it
    if not directory.is_dir():
        raise UserError(f"the tokenizer's directory {directory} does not exist.")
    if not any((directory / name).exists() for name in FILES):
        raise UserError(f"{directory} holds no tokenizer: copy tokenizer.json and tokenizer_config.json into it.")
    try:
        return AutoTokenizer.from_pretrained(str(directory), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever transformers and tokenizers raise for damaged files, of no common kind
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the tokenizer in {directory} cannot be read: {reason}") from error


def chat_ids(tokenizer: Any) -> tuple[tuple[int, ...], int]:
    """The ids that end an answer, as Qwen2.5's own generation config has them, and the id that fills up rows."""
    turn_end, text_end = (tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>"))
    return (turn_end, text_end), text_end
