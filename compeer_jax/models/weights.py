"""The weights of Hugging Face directories and GGUF files, read tensor by tensor.

That asks the files for no more than one device's part of one tensor at a time, so host memory never holds the model.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from compeer_jax.errors import UserError
from compeer_jax.models.gguf_model import hf_weights
from compeer_jax.models.hf_names import DECODER, HFTensor, TensorNames, hf_tensors
from compeer_jax.models.parameters import param_axes
from compeer_jax.parallel.sharding import check_divides, shardings

SINGLE_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"

DTYPES = ("F64", "F32", "F16", "BF16")
ROWS = 4096  # of a large tensor, at a time


def load(
    directory: str | Path,
    abstract_params: nnx.State,
    *,
    mesh: jax.sharding.Mesh | None = None,
    names: TensorNames = DECODER,
    made_of: Callable[[tuple, nnx.Param], Iterable[tuple[tuple, nnx.Param]]] = lambda path, param: [(path, param)],
) -> nnx.State:
    """Reads the weights of a Hugging Face directory, or of a GGUF file, into the tree of `abstract_params`.

    Every file is opened, and every tensor's name and shape is checked, before the first is read.

    Args:
        directory: holds `model.safetensors`, or shards and `model.safetensors.index.json`; or a file in GGUF.
        abstract_params: the weights' shapes, types and axis names, from `decoder.abstract`.
        mesh: where to put them, by their axis names; None is the default device.
        names: what the files, and their tensors, are called for this kind of model.
        made_of: what is kept of each weight, with its path, as soon as it is read; default: the weight.

    Raises:
        UserError: a file is missing or damaged; a tensor is missing, too many, of another shape, in fewer bits or not
            finite; a second copy of one differs from it; the mesh does not divide a tensor.
    """
    directory = Path(directory)
    names = _names_in(directory, names)
    axes = param_axes(abstract_params)
    places: dict[tuple, jax.sharding.Sharding] = {}
    if mesh is not None:
        check_divides(abstract_params, axes, mesh)
        places = dict(nnx.to_flat_state(shardings(axes, mesh)))

    parts = defaultdict(list)
    with open_checkpoint(directory, names) as files:
        names = names.spelled_in(files)
        for tensor in hf_tensors(abstract_params, names, names.prefix_in(files)):
            parts[tensor.path].append(tensor)
        check_tensors(directory, files, [tensor for tensors in parts.values() for tensor in tensors], names)
        for name, path in names.copies.items():
            if name in files and (original := parts[path][0].name) != name and ("output",) not in parts:
                _check_copy(directory, files, name, original)
        loaded = []
        for path, param in nnx.to_flat_state(abstract_params):
            loaded += made_of(path, param.replace(_place(directory, files, parts[path], param, places.get(path))))
    return nnx.from_flat_state(loaded)


def check_layers(directory: str | Path, count: int, names: TensorNames = DECODER) -> None:
    """Compares the depth that a config asks for with the files, before a model of so many layers is built.

    Raises:
        UserError: the weights are of another number of layers, or can't be read.
    """
    directory = Path(directory)
    names = _names_in(directory, names)
    with open_checkpoint(directory, names) as files:
        names = names.spelled_in(files)
        start = names.prefix_in(files) + names.layers
        numbers = {name.removeprefix(start).partition(".")[0] for name in files if name.startswith(start)}
    if len(numbers) != count:
        raise UserError(
            f"{directory}: {names.described_in} asks for {count} layers (num_hidden_layers), but the weights are of "
            f"{len(numbers)}: copy or download both again."
        )


def _place(
    directory: Path,
    files: Mapping[str, Any],
    tensors: list[HFTensor],
    param: Any,
    sharding: jax.sharding.Sharding | None,
) -> jax.Array:
    """One of our arrays (of one tensor, or of one a layer) on its devices, a device's part at a time."""

    def read(index: tuple[slice, ...]) -> np.ndarray:
        def read_one(tensor: HFTensor, inner: tuple[slice, ...]) -> np.ndarray:
            part = tensor.read(files[tensor.name].get_slice(tensor.name).__getitem__, inner).astype(param.dtype)
            if not _is_finite(part):
                raise UserError(
                    f"{directory}: the tensor {tensor.name} holds numbers that are not finite, so the model computes "
                    "nothing: the training that wrote it diverged, or the file is damaged; give an earlier checkpoint."
                )
            return part

        if tensors[0].layer is None:
            return read_one(tensors[0], index)
        return np.stack([read_one(tensor, index[1:]) for tensor in tensors[index[0]]])

    if sharding is None:
        return jnp.asarray(read((slice(None),) * len(param.shape)))
    holders = defaultdict(list)
    for device, index in sharding.addressable_devices_indices_map(param.shape).items():
        holders[tuple((part.start, part.stop) for part in index)].append(device)
    on_devices = []
    for bounds, devices in holders.items():
        part = read(tuple(slice(*pair) for pair in bounds))
        on_devices += [jax.device_put(part, device) for device in devices]
    return jax.make_array_from_single_device_arrays(param.shape, sharding, on_devices)


def _names_in(directory: Path, names: TensorNames) -> TensorNames:
    return replace(names, described_in="its metadata") if directory.is_file() else names


def _is_finite(values: np.ndarray) -> bool:
    if values.dtype.itemsize != 2:
        return bool(np.isfinite(values).all())
    exponent = 0x7C00 if values.dtype == np.float16 else 0x7F80  # all ones: not finite; NumPy is slow in bfloat16
    return not ((values.view(np.uint16) & exponent) == exponent).any()


@contextmanager
def open_checkpoint(directory: Path, names: TensorNames) -> Iterator[dict[str, Any]]:
    """Opens all safetensors files of a directory; gives, for each tensor's name, the open file that holds it."""
    if directory.is_file():
        yield hf_weights(directory)
        return
    with ExitStack() as stack:
        if (directory / names.file).exists() or names.file != SINGLE_FILE:  # only whole models come in several files
            single = stack.enter_context(_open_safetensors(directory / names.file))
            yield dict.fromkeys(single.keys(), single)
            return
        places = _read_index(directory)
        opened = {name: stack.enter_context(_open_safetensors(directory / name)) for name in sorted({*places.values()})}
        held = {name: set(file.keys()) for name, file in opened.items()}
        for tensor, name in places.items():
            if tensor not in held[name]:
                raise UserError(f"{directory / INDEX_FILE} says that {tensor} is in {name}, but it is not there.")
        for name, tensors in held.items():
            if strays := sorted(tensor for tensor in tensors if places.get(tensor) != name):
                raise UserError(
                    f"{directory / name} holds {strays[0]}, which {INDEX_FILE} does not place there: copy or download "
                    "both again."
                )
        yield {tensor: opened[name] for tensor, name in places.items()}


def _read_index(directory: Path) -> dict[str, str]:
    path = directory / INDEX_FILE
    try:
        places = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    except FileNotFoundError as error:
        raise UserError(
            f"{directory} holds neither {SINGLE_FILE} nor {INDEX_FILE}: give a Hugging Face directory with weights in "
            "safetensors."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a safetensors index ({error}): copy or download it again.") from error
    is_index = isinstance(places, dict) and all(map(_is_file_name, places.values()))
    if not is_index:
        raise UserError(f"{path}: weight_map must map tensor names to file names in the same directory.")
    return places


def _is_file_name(value: object) -> bool:
    return isinstance(value, str) and Path(value).name == value != "" and len(value) < 256 and value.isprintable()


def _open_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    if path.exists() and not path.is_file():  # a pipe would be waited on for ever
        raise UserError(f"the weights file {path} is no file: copy or download it again.")
    try:
        return safe_open(str(path), framework="np")
    except FileNotFoundError as error:
        raise UserError(f"the weights file {path} is missing: copy or download it again.") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"the weights file {path} is damaged ({error}): copy or download it again.") from error


def check_tensors(directory: Path, files: Mapping[str, Any], expected: Iterable[HFTensor], kind: TensorNames) -> None:
    """Compares the tensors of a checkpoint, and their shapes, with those that its config asks for.

    Raises:
        UserError: one is missing, too many, of another shape or in fewer bits.
    """
    names = set()
    for tensor in expected:
        names.add(tensor.name)
        if tensor.name not in files:
            raise UserError(f"{directory}: the tensor {tensor.name}, which {kind.described_in} asks for, is missing.")
        stored = files[tensor.name].get_slice(tensor.name)
        if stored.get_dtype() not in DTYPES:
            raise UserError(
                f"{directory}: the tensor {tensor.name} is stored as {stored.get_dtype()}; only {', '.join(DTYPES)} "
                "are read: give the checkpoint whose weights are not quantised."
            )
        shape = tuple(stored.get_shape())
        if shape != tensor.hf_shape:
            raise UserError(
                f"{directory}: the tensor {tensor.name} has shape {shape}, but {kind.described_in} asks for "
                f"{tensor.hf_shape}."
            )
    for name in sorted(files.keys() - names):
        if not kind.is_spare(name) and name not in kind.copies:
            raise UserError(
                f"{directory}: the tensor {name} has no place in the model that {kind.described_in} describes."
            )


def _check_copy(directory: Path, files: Mapping[str, Any], name: str, original: str) -> None:
    """Raises UserError unless a tensor equals another, which is read beside it some rows at a time."""
    copy, whole = (files[tensor].get_slice(tensor) for tensor in (name, original))
    same = list(copy.get_shape()) == list(whole.get_shape()) and copy.get_dtype() in DTYPES
    size = copy.get_shape()[0] if same else 0
    for start in range(0, size, ROWS):
        rows = slice(start, min(start + ROWS, size))
        same = same and np.array_equal(copy[rows].astype(np.float32), whole[rows].astype(np.float32), equal_nan=True)
    if not same:
        raise UserError(
            f"{directory}: tie_word_embeddings is true, but {name} is not {original}, and transformers takes either "
            f"as the head, by its version: set it to false in config.json if {name} was trained, or remove that tensor."
        )
