"""What tells one model directory from another, wherever it lies."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from compeer_jax.errors import UserError

ADAPTER = "adapter_config.json"
PATTERNS = ("config.json", ADAPTER, "*.safetensors", "*.safetensors.index.json")
TOKENIZER = ("tokenizer*", "chat_template*", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json")


def fingerprint(directory: str | Path) -> str:
    """SHA-256, in hexadecimal, of all that a model's answers depend on: its weights, config, tokenizer, chat template.

    Of adapters, that includes the model that they are for.

    Every byte is read (some seconds for 15 GB): weights that were trained further have the same names, sizes and
    headers as before.

    Raises:
        UserError: the directory can't be read.
    """
    directory = Path(directory)
    try:
        files = sorted({file for pattern in PATTERNS + TOKENIZER for file in directory.glob(pattern) if file.is_file()})
        with ThreadPoolExecutor() as threads:  # hashing large blocks lets other threads run
            digests = list(threads.map(_digest, files))
    except OSError as error:
        raise UserError(f"the model in {directory} can't be read ({error.strerror or error}); check it.") from error
    lines = [f"{digest} {file.name}\n" for file, digest in zip(files, digests, strict=True)]
    if any(file.name == ADAPTER for file in files):
        from compeer_jax.models.source import base_directory  # loads jax

        lines.append(f"{fingerprint(base_directory(directory))} base\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
