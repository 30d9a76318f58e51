"""Checkpoints of a run: saved while it goes on, found again after a kill, put onto whatever mesh is there.

A checkpoint holds the state (weights, optimiser, random keys), as one named array a tensor, and the position (JSON: the
step of the data stream and the like). Orbax writes it aside and moves it into place when it is whole, so that a kill at
any moment leaves the checkpoint before it. Each holds the SHA-256 sums of its files, which are compared before it is
used: see `checksums.py`.
"""

import contextlib
import json
import logging
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from compeer_jax.checksums import check_sums, has_sums, summed_files, write_sums
from compeer_jax.errors import UserError
from compeer_jax.parallel.exchange import from_first, gather, is_first, share_of

ASIDE = "unreadable-"

CHUNK_BYTES = 64 * 2**20
"""Larger tensors are stored in chunks of this size, cut along their first dimension: so a layer of stacked ones can be
read alone."""

WRITING = "*.orbax-checkpoint-tmp*"
"""Names of folders that Orbax has not put into place yet."""

WRITING_SECONDS = 30 * 24 * 3600
"""How long writing a checkpoint may take. Orbax measures it by the wall clock, which may be set at any moment."""

log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints under one folder.

    Args:
        directory: the folder; made when absent.
        keep_last: how many of the newest to keep.
        keep_best: how many of the best to keep besides.
        best_metric: the name in `metrics` that says which are best; needed for keep_best.
        best_mode: whether a high or a low value of it is good.
        read_only: look only: nothing is cleaned up or moved aside, so a run may be writing meanwhile.
        asynchronous: `save` returns as soon as the arrays are safe from the next step; files are written behind it.

    Raises:
        UserError: the folder can't be written.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        *,
        keep_last: int = 2,
        keep_best: int = 0,
        best_metric: str | None = None,
        best_mode: Literal["max", "min"] = "max",
        asynchronous: bool = True,
        read_only: bool = False,
    ):
        if keep_last < 1:
            raise UserError(f"keep_last is {keep_last}; at least 1 checkpoint must be kept, to resume from.")
        if keep_best and best_metric is None:
            raise ValueError("keep_best needs best_metric")
        import orbax.checkpoint as ocp
        from etils import epath
        from orbax.checkpoint import checkpoint_managers as retention

        self.directory = Path(directory).expanduser().absolute()
        self._ocp = ocp
        self._read_only, self._asynchronous = read_only, asynchronous
        self._epath = epath.Path

        def goodness(metrics: Mapping[str, float]) -> float:
            value = metrics.get(best_metric, math.nan)
            signed = value if best_mode == "max" else -value
            return -math.inf if math.isnan(signed) else signed

        keep = [retention.LatestN(keep_last)]
        if keep_best:
            keep.append(
                retention.BestN(get_metric_fn=goodness, n=keep_best, keep_checkpoints_without_metrics=False),
            )
        options = ocp.CheckpointManagerOptions(
            best_fn=goodness if keep_best else None,
            preservation_policy=retention.AnyPreservationPolicy(keep),
            cleanup_tmp_directories=not read_only,
            read_only=read_only,
            enable_async_checkpointing=True,  # only then is there a moment between written and put into place
            # Folders that are made meanwhile would be waited for by the wall clock, without this limit.
            async_options=ocp.AsyncOptions(
                timeout_secs=WRITING_SECONDS,
                create_directories_asynchronously=False,
                post_finalization_callback=self._sum_up,
            ),
        )
        try:
            if read_only:
                self._set_damaged_aside()
            else:
                from_first(self._set_damaged_aside)
            self._manager = ocp.CheckpointManager(self.directory, options=options)
        except ValueError as error:  # of metrics, which it reads at once
            for path in sorted(self.directory.iterdir()):
                if path.name.isdecimal() and (damage := _damage(path)):
                    raise UserError(f"The checkpoint {path} is damaged ({damage}); move it away.") from error
            raise
        except OSError as error:
            raise UserError(f"The checkpoint folder {self.directory} can't be written: {error.strerror}.") from error

    def save(
        self, step: int, state: Any, position: Mapping[str, Any], metrics: Mapping[str, float] | None = None
    ) -> None:
        """Save the state after `step`, in place of an earlier checkpoint of that step.

        Args:
            step: how many steps are done.
            state: a tree of arrays and random keys. It may be donated to the next step as soon as this returns.
            position: where the run stands besides: anything that JSON can hold.
            metrics: numbers to choose the best by.

        Raises:
            UserError: this checkpoint, or the one before if written asynchronously, can't be written.
        """
        arrays = {name: _storable(leaf) for name, leaf in _named(state)[0].items()}
        chunked = self._ocp.SaveArgs(chunk_byte_size=CHUNK_BYTES, shard_axes=(0,))
        layout = {name: chunked if a.nbytes > CHUNK_BYTES else self._ocp.SaveArgs() for name, a in arrays.items()}
        args = self._ocp.args.Composite(
            state=self._ocp.args.StandardSave(arrays, layout),
            position=self._ocp.args.JsonSave(dict(position)),
        )
        numbers = None if metrics is None else {name: float(value) for name, value in metrics.items()}
        with _writing(self.directory):
            if step in self._manager.all_steps():
                self._manager.wait_until_finished()
                self._manager.delete(step)
            self._manager.save(step, args=args, metrics=numbers, force=True)
            if not self._asynchronous:
                self._manager.wait_until_finished()

    def restore(
        self, abstract_state: Any, step: int | None = None, *, partial: bool = False
    ) -> tuple[int, Any, dict[str, Any]] | None:
        """Read a checkpoint back, bit for bit, onto the shardings of `abstract_state`.

        Without `step` it is the newest that can be read. One that can't be (half-written, damaged) is named in the log
        and moved aside, to `unreadable-STEP`.

        Args:
            abstract_state: the tree to fill: `ShapeDtypeStruct`s (with sharding) or arrays. It may lie on another mesh
                than the one the checkpoint was saved from.
            step: which one.
            partial: the tree may be a part of what was saved (for instance the weights alone), and other number types
                are cast.

        Returns:
            (step, state, position), or None when there is no checkpoint at all.

        Raises:
            UserError: the checkpoint is of another model (the first tensor that differs is named), is absent, or none
                can be read.
        """
        self.wait()
        steps = self.all_steps()[::-1] if step is None else [self._present(step)]
        wanted, treedef = _named(abstract_state)
        for candidate in steps:
            path = self.directory / str(candidate)
            damage = ""
            try:
                self._check_files(path)
                _check_same_model(self._saved(path), wanted, path, partial)
                arrays, position = self._read(path, wanted, partial)
            except (UserError, MemoryError, jax.errors.JaxRuntimeError):
                raise
            except Exception as error:  # damage shows in many ways: missing files, failed checksums, short reads
                damage = _first_line(error)
                if step is not None or self._read_only:
                    raise UserError(f"The checkpoint {path} is damaged ({damage}); take another.") from error
            # Each process reads its own parts of a checkpoint, and only one may have met the damage.
            if damage := next(filter(None, () if self._read_only else gather(damage)), ""):
                from_first(lambda path=path, damage=damage: self._set_aside(path, damage))
                self._manager.reload()
                continue
            leaves = [_restored(arrays[name], leaf) for name, leaf in wanted.items()]
            return candidate, jax.tree.unflatten(treedef, leaves), position
        unreadable = sorted(path.name for path in self.directory.glob(f"{ASIDE}*"))
        if unreadable:
            raise UserError(
                f"No checkpoint under {self.directory} can be read (there is {', '.join(unreadable)}); "
                f"remove that folder to start over."
            )
        return None

    def stored(self, abstract_state: Any, step: int | None = None) -> tuple[int, Any] | None:
        """A checkpoint as it lies on disk, in which no tensor is read before it is asked for.

        Args:
            abstract_state: the tree to fill, a part of what was saved; names and shapes count.
            step: which one; None takes the newest.

        Returns:
            (step, the tree with a `StoredTensor` as each leaf), or None when there is no checkpoint at all.

        Raises:
            UserError: the checkpoint is of another model, is absent, or its list of tensors is damaged.
        """
        self.wait()
        step = self.latest_step() if step is None else self._present(step)
        if step is None:
            return None
        path = self.directory / str(step)
        wanted, treedef = _named(abstract_state)
        if damage := _damage(path):
            raise UserError(f"The checkpoint {path} is damaged ({damage}); take another.")
        with _reading(path):
            if jax.process_count() == 1:  # several export together only what they have just written
                self._check_files(path)
            saved = self._saved(path)
        _check_same_model(saved, wanted, path, partial=True)
        return step, jax.tree.unflatten(treedef, [StoredTensor.open(path, name) for name in wanted])

    def latest_step(self) -> int | None:
        """The newest step that has a checkpoint; None without any."""
        return self._manager.latest_step()

    def best_step(self) -> int | None:
        """Step of the best checkpoint; None without any, or without keep_best."""
        return self._manager.best_step()

    def all_steps(self) -> list[int]:
        """The steps that have a checkpoint, rising."""
        return sorted(self._manager.all_steps())

    def wait(self) -> None:
        """Return when all that was saved is on disk."""
        with _writing(self.directory):
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Wait, then let go of the folder."""
        with _writing(self.directory):
            self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _present(self, step: int) -> int:
        if step not in self.all_steps():
            have = ", ".join(map(str, self.all_steps())) or "none"
            raise UserError(f"There is no checkpoint of step {step} under {self.directory}; it has: {have}.")
        return step

    def _saved(self, path: Path) -> dict[str, jax.ShapeDtypeStruct]:
        """Names, shapes and types of the tensors in a checkpoint."""
        with contextlib.closing(self._ocp.PyTreeCheckpointHandler()) as reader:
            described = reader.metadata(self._epath(path / "state")).tree
        return {name: jax.ShapeDtypeStruct(tuple(meta.shape), meta.dtype) for name, meta in described.items()}

    def _read(self, path: Path, wanted: Mapping[str, Any], partial: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        targets = {name: _storable_abstract(leaf) for name, leaf in wanted.items()}
        args = self._ocp.args.PyTreeRestore(
            targets,
            restore_args=self._ocp.checkpoint_utils.construct_restore_args(targets),
            partial_restore=partial,
        )
        with contextlib.closing(self._ocp.PyTreeCheckpointHandler()) as reader:
            arrays = reader.restore(self._epath(path / "state"), args=args)
        return arrays, json.loads((path / "position" / "metadata").read_text(encoding="utf-8"))

    def _sum_up(self) -> None:
        """Writes the sums of the checkpoint that is being written; Orbax calls it before it moves that into place."""
        if is_first():
            for path in self.directory.glob(WRITING):
                write_sums(path, summed_files(path))

    def _check_files(self, path: Path) -> None:
        """Compares this process's share of a checkpoint's files with their sums; ValueError names one that differs."""
        if has_sums(path):
            check_sums(path, share_of)
        elif is_first():
            log.warning("Checkpoint %s is of an earlier version and has no checksums; it is taken as it is.", path)

    def _set_damaged_aside(self) -> None:
        """Makes the folder, and moves checkpoints whose small files are damaged out of the way."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for step_directory in () if self._read_only else self.directory.iterdir():
            if step_directory.name.isdecimal() and (damage := _damage(step_directory)):
                self._set_aside(step_directory, damage)

    def _set_aside(self, path: Path, reason: object) -> None:
        aside = path.with_name(f"{ASIDE}{path.name}")
        log.warning(
            "Checkpoint %s can't be read (%s); it is moved to %s and skipped.", path, _first_line(reason), aside.name
        )
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)


class StoredTensor:
    """A tensor in a checkpoint. `np.asarray` reads it; an index first makes that read a part alone.

    Attributes:
        shape: of all of it, or of the part.
        dtype: as it was saved.
    """

    def __init__(self, path: Path, store: Any):
        self._path, self._store = path, store
        self.shape, self.dtype = tuple(store.shape), store.dtype.numpy_dtype

    @classmethod
    def open(cls, path: Path, name: str) -> "StoredTensor":
        """The tensor called `name` of the checkpoint at `path`."""
        import tensorstore

        # What Orbax writes: Zarr arrays within one OCDBT database.
        database = {"driver": "ocdbt", "base": f"file://{path / 'state'}/", "path": f"{name}/"}
        with _reading(path):
            store = tensorstore.open({"driver": "zarr", "kvstore": database}, open=True, read=True).result()
        return cls(path, store)

    def __getitem__(self, index: Any) -> "StoredTensor":
        return StoredTensor(self._path, self._store[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        with _reading(self._path):
            return np.asarray(self._store.read().result(), dtype)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what TensorStore raises when a checkpoint can't be read into one sentence."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise UserError(f"The checkpoint {path} is damaged ({_first_line(error)}); take another.") from error


def _damage(path: Path) -> str:
    """What is wrong with the small files of a checkpoint; "" when they are whole."""
    needed = [path / "_CHECKPOINT_METADATA", path / "state" / "_METADATA", path / "position" / "metadata"]
    for file in [*needed, *path.glob("metrics/metrics")]:
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            return f"{file.relative_to(path)}: {error}"
        if not isinstance(content, dict):
            return f"{file.relative_to(path)} is not a JSON object"
    return ""


@contextlib.contextmanager
def _writing(directory: Path) -> Iterator[None]:
    """Turns what the system or TensorStore raises when files can't be written into one sentence."""
    try:
        yield
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) or "os_error_code" in str(error):
            reason = "the disk is full" if "No space left" in str(error) else _first_line(error)
            raise UserError(f"A checkpoint under {directory} can't be written: {reason}.") from error
        raise


def _first_line(reason: object) -> str:
    return str(reason).strip().split("\n")[0][:200]


def _named(tree: Any) -> tuple[dict[str, Any], Any]:
    """Leaves by the dotted names of their paths, and the structure to put them back into."""
    leaves, treedef = jax.tree_util.tree_flatten_with_path(tree)
    named = {}
    for path, leaf in leaves:
        if path and path[-1] == jax.tree_util.GetAttrKey("value"):  # the content of an nnx variable
            path = path[:-1]
        name = jax.tree_util.keystr(path, simple=True, separator=".") or "value"
        if name in named:
            raise ValueError(f"two tensors of the state are named {name}")
        named[name] = leaf
    return named, treedef


def _is_key(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _storable(leaf: Any) -> Any:
    """Random keys as the integers they are made of; all else as it is."""
    if _is_key(leaf):
        return jax.random.key_data(leaf)
    return leaf if isinstance(leaf, jax.Array) else np.asarray(leaf)


def _storable_abstract(leaf: Any) -> Any:
    """What `_storable` would make of the array that this stands for, with its place."""
    if not isinstance(leaf, (jax.Array, jax.ShapeDtypeStruct)):
        return np.asarray(leaf)
    sharding = leaf.sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    if _is_key(leaf):
        leaf = jax.eval_shape(jax.random.key_data, jax.ShapeDtypeStruct(leaf.shape, leaf.dtype))
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _restored(array: Any, leaf: Any) -> Any:
    """An array as read, made a random key again where `leaf` is one."""
    if not _is_key(leaf):
        return array
    kinds = []  # jax tells the kind of a key only for arrays, be they abstract ones inside a trace
    jax.eval_shape(lambda key: kinds.append(jax.random.key_impl(key)), jax.ShapeDtypeStruct(leaf.shape, leaf.dtype))
    return jax.random.wrap_key_data(array, impl=kinds[0])


def _check_same_model(
    saved: Mapping[str, jax.ShapeDtypeStruct], wanted: Mapping[str, Any], path: Path, partial: bool
) -> None:
    def refuse(what: str) -> UserError:
        return UserError(f"The checkpoint {path} is of another model or setup: {what}.")

    for name, leaf in wanted.items():
        if name not in saved:
            raise refuse(f"it has no tensor {name}")
        target = _storable_abstract(leaf)
        if saved[name].shape != target.shape:
            raise refuse(f"{name} is {list(saved[name].shape)} there and {list(target.shape)} here")
        if saved[name].dtype != target.dtype and not partial:
            raise refuse(f"{name} is {saved[name].dtype} there and {target.dtype} here")
    extra = [name for name in saved if name not in wanted]
    if extra and not partial:
        raise refuse(f"it has {extra[0]}, which is absent here")
