"""Model directories in Hugging Face's layout, written whole or not at all."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from compeer_jax.checksums import SUMS, summed_files, write_sums
from compeer_jax.errors import UserError
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.hf_names import HFTensor, decoder_names, hf_tensors
from compeer_jax.models.tokenizer_files import FILES as TOKENIZER_FILES
from compeer_jax.models.tokenizer_files import write_tokenizer
from compeer_jax.models.tower_files import PREPROCESSORS, copy_preprocessors, open_tower
from compeer_jax.models.weights import INDEX_FILE, SINGLE_FILE
from compeer_jax.parallel.exchange import fetch, is_first

WRITTEN = (
    *("config.json", "generation_config.json", "adapter_config.json", "policy.json", "judge.json", SUMS),
    *(SINGLE_FILE, INDEX_FILE, "model-?????-of-?????.safetensors", "adapter_model.safetensors"),
    *TOKENIZER_FILES,
    *PREPROCESSORS,
)
"""Patterns of the names of all files that are in a model's directory when it is written."""


def save(
    directory: str | Path,
    config: DecoderConfig,
    params: nnx.State,
    tokenizer: Any = None,
    *,
    generation: Mapping[str, Any] | None = None,
    beside: Iterable[Path] = (),
    tower: str | Path | None = None,
    max_shard_size: int = 5 * 10**9,
) -> None:
    """Writes a directory that `transformers` loads unchanged; it appears whole or not at all.

    With several processes all call it, and process 0 writes.

    Args:
        directory: where. An empty directory, or an earlier model of this kind, is replaced.
        config: the model's shape.
        params: its weights, written in the type they have.
        tokenizer: a `transformers` tokenizer to put beside them; see `write_tokenizer`.
        generation: what is kept of the start model's generation_config.json; the ends of an answer are the tokenizer's.
        beside: more files to put there, by their own names.
        tower: of a model that sees, the directory whose vision tower is copied, with what pictures are read by.
        max_shard_size: bytes a file; more than that is split over several files and an index.

    Raises:
        UserError: the directory holds something that is no such model, or cannot be written; a model that sees is to be
            saved blind.
    """
    if config.vision is not None and tower is None:
        raise UserError(
            f"the model sees, and its vision tower is no part of what is to be written to {directory}: name the "
            "directory that the model was loaded from as `tower`."
        )
    if not is_first():
        flat = dict(nnx.to_flat_state(params))
        for tensor in hf_tensors(params, decoder_names(config)):
            _fetched(flat, tensor)
        return
    with whole_directory(directory) as temporary:
        _write_configs(temporary, config, params, tokenizer, generation or {})
        if tokenizer is not None:
            write_tokenizer(tokenizer, temporary)
        for file in beside:
            shutil.copyfile(file, temporary / file.name)
        with ExitStack() as stack:
            tensors = list(_tensors(config, params))
            if tower is not None:
                copy_preprocessors(tower, temporary)
                tensors += [(one.name, one.nbytes, one.read) for one in stack.enter_context(open_tower(tower, config))]
            _write_tensors(temporary, tensors, max_shard_size)


@contextmanager
def whole_directory(directory: str | Path, *, described_in: str = "config.json") -> Iterator[Path]:
    """A temporary directory that takes the place of `directory` when the block ends well; else nothing changes.

    Args:
        directory: where. An empty directory, or an earlier model, is replaced.
        described_in: the file that an earlier model has.

    Raises:
        UserError: the directory holds something that is no model, or cannot be written.
    """
    given = Path(directory).expanduser()
    try:
        directory = given.resolve()  # a link stays one: what it points to is replaced
        check_replaceable(directory, described_in=described_in)
    except (OSError, RuntimeError) as error:  # links in a circle, among others
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot write the model to {given} ({reason}): give another directory.") from error
    temporary = directory.with_name(f".{directory.name}.writing")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        if held := [name for name in summed_files(temporary) if name.endswith(".safetensors")]:
            write_sums(temporary, held)
        mode = temporary.stat().st_mode & 0o666  # what the umask leaves; safetensors writes for the owner alone
        for file in temporary.iterdir():
            file.chmod(mode)
        _move(temporary, directory)
    except (OSError, *_rust_errors()) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise UserError(
            f"cannot write the model to {directory} ({reason}): give a directory that can be written, on a disk with "
            "room."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_replaceable(directory: Path, *, described_in: str = "config.json") -> None:
    """Raises UserError unless the directory is absent, empty, or an earlier model and nothing else."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise UserError(f"{directory} is a file: give a directory for the model.")
    inside = sorted(directory.iterdir())
    strange = [path.name for path in inside if path.is_dir() or not any(map(path.match, WRITTEN))]
    if inside and (strange or not (directory / described_in).exists()):
        what = strange[0] if strange else inside[0].name
        raise UserError(f"{directory} holds {what!r}, so it is no model to replace: give a new or empty directory.")


def _write_configs(
    directory: Path, config: DecoderConfig, params: nnx.State, tokenizer: Any, generation: Mapping[str, Any]
) -> None:
    """config.json and generation_config.json; token ids that they leave open come from the tokenizer."""
    values = config.to_hf() | {"torch_dtype": str(jax.tree.leaves(params)[0].dtype)}
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if values[name] is None:
            values[name] = getattr(tokenizer, name, None)
    _write_json(directory / "config.json", values)
    ids = {name: values[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")} | dict(generation)
    if tokenizer is not None and (ends := _stop_ids(tokenizer)):
        ids["eos_token_id"] = ends  # what it was taught to end with, whatever the start model ended with
    _write_json(directory / "generation_config.json", {name: i for name, i in ids.items() if i is not None})


def _stop_ids(tokenizer: Any) -> list[int]:
    """The ids that end an answer, of those that the tokenizer has; see `compeer_jax.models.tokenizer.chat_ids`."""
    vocabulary = tokenizer.get_vocab()
    return [vocabulary[token] for token in ("<|im_end|>", "<|endoftext|>") if token in vocabulary]


_Tensor = tuple[str, int, Callable[[], np.ndarray]]
"""Its name, how many bytes it has, and what gives it."""


def _tensors(config: DecoderConfig, params: nnx.State) -> Iterator[_Tensor]:
    flat = dict(nnx.to_flat_state(params))

    def read(tensor: HFTensor) -> np.ndarray:
        return tensor.to_hf(_fetched(flat, tensor))

    for tensor in hf_tensors(params, decoder_names(config)):
        yield tensor.name, int(np.prod(tensor.shape)) * flat[tensor.path].dtype.itemsize, partial(read, tensor)


def _write_tensors(directory: Path, tensors: Iterable[_Tensor], max_shard_size: int) -> None:
    from safetensors.numpy import save_file

    shards: list[list[_Tensor]] = [[]]
    size = total = 0
    for tensor in tensors:
        nbytes = tensor[1]
        if shards[-1] and size + nbytes > max_shard_size:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size, total = size + nbytes, total + nbytes

    places = {}
    for number, shard in enumerate(shards, start=1):
        name = SINGLE_FILE if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        places |= {tensor: name for tensor, _, _ in shard}
        save_file({tensor: read() for tensor, _, read in shard}, directory / name, metadata={"format": "pt"})
    if len(shards) > 1:
        _write_json(directory / INDEX_FILE, {"metadata": {"total_size": total}, "weight_map": places})


def _fetched(flat: Mapping[tuple, nnx.Param], tensor: HFTensor) -> np.ndarray:
    """One tensor whole, from wherever its parts are; with several processes, all have to fetch it."""
    value = flat[tensor.path][...]
    return fetch(value if tensor.layer is None else value[tensor.layer])


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _rust_errors() -> tuple[type[Exception], ...]:
    """What safetensors raises instead of OSError when a disk is full."""
    from safetensors import SafetensorError

    return (SafetensorError,)


def _move(temporary: Path, directory: Path) -> None:
    """Puts the finished directory in its place; an old one steps aside first, and is then removed."""
    if not directory.exists():
        os.replace(temporary, directory)
        return
    old = directory.with_name(f".{directory.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    os.replace(directory, old)
    os.replace(temporary, directory)
    shutil.rmtree(old)
