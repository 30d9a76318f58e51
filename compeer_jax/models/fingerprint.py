"""Fingerprint of a model's files, wherever they lie."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from compeer_jax.checksums import SUMS, differing, file_sum
from compeer_jax.errors import UserError

ADAPTER = "adapter_config.json"
WEIGHTS = "*.safetensors"
PATTERNS = ("config.json", ADAPTER, WEIGHTS, "*.safetensors.index.json", "judge.json")
SENTENCE = ("modules.json", "*sentence*.json", "*/config.json", "*/*.safetensors")  # sentence-transformers' layout
TOKENIZER = ("tokenizer*", "chat_template*", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json")


def fingerprint(directory: str | Path) -> str:
    """SHA-256, in hexadecimal, of all that a model's answers depend on: its weights, config, tokenizer, chat template.

    Of adapters, that includes the model that they are for; of a judge, how it is asked; of a sentence encoder, its
    modules; of a model in one file (GGUF), its bytes.

    Every byte is read (some seconds for 15 GB, which are then in the system's cache for whoever loads them): weights
    that were trained further have the same names, sizes and headers as before.

    Raises:
        UserError: the directory can't be read, or its weights differ from the checksums beside them.
    """
    printed, fault = checked_fingerprint(directory)
    if fault:
        raise UserError(fault)
    return printed


def checked_fingerprint(directory: str | Path) -> tuple[str, str]:
    """The fingerprint, and a sentence where weights differ from the checksums beside them ("": none does).

    Raises:
        UserError: the directory can't be read.
    """
    directory = Path(directory)
    try:
        if directory.is_file():
            return file_sum(directory), ""
        patterns = PATTERNS + TOKENIZER + (SENTENCE if (directory / SENTENCE[0]).is_file() else ())
        found = {file for pattern in patterns for file in directory.glob(pattern)}
        files = sorted(file for file in found if file.is_file())
        with ThreadPoolExecutor() as threads:  # hashing large blocks lets other threads run
            names = (file.relative_to(directory).as_posix() for file in files)
            sums = dict(zip(names, threads.map(file_sum, files), strict=True))
        damaged = differing(directory, sums)
    except OSError as error:
        raise UserError(f"the model in {directory} can't be read ({error.strerror or error}); check it.") from error
    fault = damaged and (
        f"the model in {directory} is damaged, or was changed since it was written: {damaged} differs from its "
        f"checksum in {SUMS}; copy it again, or remove {SUMS} if you changed it yourself."
    )
    lines = [f"{digest} {name}\n" for name, digest in sums.items()]
    if ADAPTER in sums:
        from compeer_jax.models.source import base_directory  # loads jax

        base, base_fault = checked_fingerprint(base_directory(directory))
        lines, fault = [*lines, f"{base} base\n"], fault or base_fault
    return hashlib.sha256("".join(lines).encode()).hexdigest(), fault
