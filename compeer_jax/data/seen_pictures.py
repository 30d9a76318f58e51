"""Pictures seen once: what a frozen vision tower gives for each, kept in memory and, where asked for, on disk.

It is kept from before the merger, which learns: so the same states serve a policy, its reference, what it was before
an update, and a judge, on one tower.
"""

import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Bool, DTypeLike, Float, Int, Shaped

from compeer_jax.data.picture_patches import picture_grid, picture_input
from compeer_jax.data.pictures import Picture, PictureLimits
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.files import make_folder, replacing
from compeer_jax.generation.padding import bucket
from compeer_jax.models.picture_positions import SeenPicture
from compeer_jax.models.source import base_directory
from compeer_jax.models.vision import VisionTower
from compeer_jax.models.vision_inputs import PictureInput, tower_inputs, window_count, window_slots
from compeer_jax.parallel.exchange import fetch, gather, is_first
from compeer_jax.parallel.sharding import replicated, row_shards


@dataclass(frozen=True)
class SeenPicturesConfig:
    """How pictures are seen, and what is kept of it.

    Args:
        memory_mib: host memory for what the tower gave (10 KiB a token of a 7B in bfloat16); what was used longest ago
            goes first, and is seen again when it comes again.
        folder: where it is kept on disk too, for later runs with the same tower ("": nowhere).
        batch_size: pictures that the tower sees at once.
    """

    memory_mib: int = 1024
    folder: str = ""
    batch_size: int = 8

    def __post_init__(self):
        require_at_least(0, self, "pictures.seen.", "memory_mib")
        require_at_least(1, self, "pictures.seen.", "batch_size")


class SeenPictures:
    """Gives the states of pictures, from a tower that sees each of them once.

    Pictures are sorted by their windows and cut into batches, each padded to a `bucket` of its largest; so one program
    a bucket is all that is ever compiled.

    Args:
        tower: never updated.
        mesh: where its weights are; pictures are split over its `data` and `fsdp` axes.
        config: what is kept.

    Attributes:
        shape: the tower's.
        dtype: of what it gives.
        seen: how many pictures the tower has seen.
    """

    def __init__(self, tower: VisionTower, *, mesh: Mesh, config: SeenPicturesConfig = SeenPicturesConfig()):
        graphdef, self._params = nnx.split(tower, nnx.Param)
        self.shape, self.dtype, self._mesh, self._config = tower.config, tower.dtype, mesh, config
        self._folder = Path(config.folder).expanduser() if config.folder else None
        if self._folder is not None:
            make_folder(self._folder, "pictures.seen.folder")
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._bytes = self.seen = 0

        def see(
            params: nnx.State,
            patches: Float[Array, "I S 3 P P"],
            places: Int[Array, "I S 2"],
            real: Bool[Array, "I S"],
        ) -> Float[Array, "I tokens E"]:
            return nnx.merge(graphdef, params)(patches, places, real)

        self._see = jax.jit(see, out_shardings=replicated(mesh))

    def __call__(self, pictures: Sequence[PictureInput]) -> list[SeenPicture]:
        """Each picture with its states, in their order; with several processes all call it, with the same pictures."""
        wanted = {self._key(picture): picture for picture in pictures}
        found = {key: states for key in wanted if (states := self._look_up(key)) is not None}
        missing = sorted({key for heard in gather([key for key in wanted if key not in found]) for key in heard})
        found |= self._look_at({key: wanted[key] for key in missing})
        for key, states in found.items():
            self._keep(key, states)
        return [SeenPicture(picture.grid, found[self._key(picture)]) for picture in pictures]

    def of_each(self, pictures: Sequence[Sequence[Picture]], limits: PictureLimits) -> list[list[SeenPicture]]:
        """The pictures of each prompt, in files, with their states; errors as `inspect_picture`.

        Args:
            pictures: of each prompt, in their order.
            limits: how large they are seen.
        """
        inputs = [[picture_input(one.path, one.path, limits, self.shape) for one in shown] for shown in pictures]
        seen = iter(self([one for shown in inputs for one in shown]))
        return [[next(seen) for _ in shown] for shown in inputs]

    def unseen(self, pictures: Sequence[Picture], limits: PictureLimits) -> list[SeenPicture]:
        """The grids of pictures alone, for checks that come before anything is computed."""
        nothing = np.zeros((0, self.shape.state_size), np.float32)
        return [SeenPicture(picture_grid(one.height, one.width, limits, self.shape), nothing) for one in pictures]

    @classmethod
    def from_pretrained(cls, directory: str | Path, *, mesh: Mesh, dtype: DTypeLike) -> "SeenPictures":
        """That of the tower in a Hugging Face directory; errors as `VisionTower.from_pretrained`.

        Args:
            directory: of the model, or of adapters for it.
            mesh: where the tower lives.
            dtype: what it is kept and computed in.
        """
        tower = VisionTower.from_pretrained(base_directory(directory), mesh=mesh, dtype=dtype, param_dtype=dtype)
        return cls(tower, mesh=mesh)

    @property
    def compilations(self) -> int:
        """How many programs have been compiled so far."""
        return self._see._cache_size()

    def _key(self, picture: PictureInput) -> str:
        rows, columns = picture.grid
        return f"{picture.digest}-{rows}x{columns}"

    def _look_at(self, pictures: dict[str, PictureInput]) -> dict[str, Shaped[np.ndarray, "tokens E"]]:
        side = self.shape.window_side
        order = sorted(pictures, key=lambda key: -window_count(pictures[key].grid, side))
        # A few pictures make a small batch; more make full ones, the last of them filled up where windows are fewest.
        rows = min(self._config.batch_size, 1 << max(len(order) - 1, 0).bit_length())
        shards = row_shards(self._mesh)
        rows = -(-rows // shards) * shards
        states = {}
        for start in range(0, len(order), rows):
            keys = order[start : start + rows]
            inputs = tower_inputs(
                [(pictures[key].grid, pictures[key].patches()) for key in keys],
                self.shape,
                rows=rows,
                windows=bucket(window_count(pictures[keys[0]].grid, side), 1),
            )
            with jax.set_mesh(self._mesh):
                seen = fetch(self._see(self._params, *inputs))
            for row, key in enumerate(keys):
                states[key] = seen[row, window_slots(pictures[key].grid, side)]
                self._store(key, states[key])
        self.seen += len(order)
        return states

    def _keep(self, key: str, states: np.ndarray) -> None:
        if key not in self._kept:
            self._kept[key] = states
            self._bytes += states.nbytes
        self._kept.move_to_end(key)
        while self._bytes > self._config.memory_mib << 20:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes

    def _look_up(self, key: str) -> np.ndarray | None:
        if key in self._kept:
            return self._kept[key]
        if self._folder is None or not (path := self._path(key)).is_file():
            return None
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        with contextlib.suppress(SafetensorError, OSError, KeyError):  # a damaged file: the picture is seen again
            return load_file(path)["states"]
        return None

    def _store(self, key: str, states: np.ndarray) -> None:
        if self._folder is None or not is_first():
            return
        from safetensors.numpy import save_file

        try:
            with replacing(self._path(key)) as temporary:
                save_file({"states": states}, temporary)
        except OSError as error:
            raise UserError(
                f"{self._folder} can't be written ({error.strerror or error}); choose another pictures.seen.folder."
            ) from error

    def _path(self, key: str) -> Path:
        return self._folder / f"{self._tower_digest[:16]}-{key}.safetensors"

    @cached_property
    def _tower_digest(self) -> str:
        """Tells this tower's states from those of another, or of the same in another type."""
        digest = hashlib.sha256(str((self.shape, self.dtype)).encode())
        for weight in jax.tree.leaves(self._params):
            digest.update(fetch(weight).tobytes())
        return digest.hexdigest()
