"""The project's Qwen2.5-VL behind the names of the shared `check_port.py`: a thin mapping of its public functions.

Rows are padded, and pictures batched, as a run has them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from compeer_jax.data import pictures
from compeer_jax.data.picture_patches import picture_grid, picture_patches
from compeer_jax.data.pictures import PictureLimits, read_pixels
from compeer_jax.data.seen_pictures import SeenPictures
from compeer_jax.generation import Engine, SamplingConfig
from compeer_jax.generation.sight import pad_sight
from compeer_jax.models.decoder import Decoder, from_pretrained
from compeer_jax.models.hf_names import decoder_names, hf_tensors
from compeer_jax.models.kv_cache import RaggedKVCache
from compeer_jax.models.picture_positions import SeenPicture, place_pictures
from compeer_jax.models.vision import Pictures, VisionTower
from compeer_jax.models.vision_config import VisionConfig
from compeer_jax.models.vision_inputs import Grid, PictureInput
from compeer_jax.parallel.mesh import MeshConfig, make_mesh

ROOM = 8  # tokens of padding, which must not matter
PUBLISHED = VisionConfig(hidden_size=1280, out_hidden_size=3584)


class Model(NamedTuple):
    lm: Decoder
    eyes: SeenPictures


def load(directory) -> Model:
    mesh = make_mesh(MeshConfig(data=1), jax.devices()[:1])
    return Model(from_pretrained(directory), SeenPictures(VisionTower.from_pretrained(directory), mesh=mesh))


def smart_resize(height, width, least, most):
    return pictures.smart_resize(height, width, least=least, most=most)


def preprocess(path, least, most):
    pixels = read_pixels(path, "picture")
    limits = PictureLimits(max_tokens=most // 784, min_tokens=least // 784)
    grid = picture_grid(*pixels.shape[:2], limits, PUBLISHED)
    patches = picture_patches(pixels, grid, PUBLISHED).reshape(-1, 3, 1, 14, 14)
    return np.repeat(patches, 2, axis=2).reshape(len(patches), -1), (1, grid.rows * 2, grid.columns * 2)


def positions(ids, grid_thw, picture_id):
    placed = place_pictures(ids, _grids(grid_thw, 2), picture_id)
    return placed.positions.T, placed.next_position - len(ids)


def features(model, pixel_values, grid_thw):
    states = np.concatenate([one.states for one in _see(model, pixel_values, grid_thw)])
    return np.asarray(nnx.jit(lambda merger, states: merger(states))(model.lm.merger, states))


def logits(model, ids, mask, pixel_values, grid_thw):
    """Rows as they come, with `ROOM` more or so on the right."""
    rows = [ids[row, mask[row] != 0] for row in range(len(ids))]
    sight = pad_sight(rows, _by_row(model, rows, pixel_values, grid_thw), model.lm.config, ids.shape[1], left=True)
    room = ((0, 0), (0, ROOM + -ids.shape[1] % 64))  # few widths, and so few programs
    tokens, segments = np.pad(ids, room).astype(np.int32), np.pad(mask, room).astype(np.int32)
    seen = {}
    if sight is not None:
        index = np.pad(sight.index, room, constant_values=-1)
        seen = {"positions": np.pad(sight.positions, (*room, (0, 0))), "pictures": Pictures(sight.states, index)}
    return np.asarray(_logits(model.lm, tokens, segments, seen))[:, : ids.shape[1]]


@nnx.jit
def _logits(lm, tokens, segments, seen):
    return lm.logits(lm(tokens, segment_ids=segments, **seen))


def greedy(model, ids, mask, pixel_values, grid_thw, count, slots=0):
    rows = [ids[row, mask[row] != 0].tolist() for row in range(len(ids))]
    graphdef, params = nnx.split(model.lm, nnx.Param)
    greedily = SamplingConfig(max_new_tokens=count, temperature=0.0)
    engine = Engine(graphdef, sampling=greedily, stop_ids=(), pad_id=0, slots=slots)
    seen = _by_row(model, rows, pixel_values, grid_thw)
    return np.asarray(engine.generate(params, rows, jax.random.key(0), pictures=seen).tokens)


def gradients(model, ids, labels, pixel_values, grid_thw):
    sight = pad_sight(list(ids), [_see(model, pixel_values, grid_thw)], model.lm.config, ids.shape[1], left=True)
    graphdef, params = nnx.split(model.lm, nnx.Param)

    @jax.jit
    @jax.value_and_grad
    def loss(params, ids, sight):
        lm = nnx.merge(graphdef, params)
        scores = lm.logits(lm(ids, positions=sight.positions, pictures=sight.pictures))[:, :-1]
        losses = optax.softmax_cross_entropy_with_integer_labels(scores, jnp.maximum(labels[:, 1:], 0))
        return jnp.where(labels[:, 1:] >= 0, losses, 0).sum() / (labels[:, 1:] >= 0).sum()

    value, grads = loss(params, ids, sight)
    flat = dict(nnx.to_flat_state(grads))
    tensors = hf_tensors(grads, decoder_names(model.lm.config).newer)
    return value, {tensor.name: tensor.to_hf(np.asarray(flat[tensor.path][...])) for tensor in tensors}


def group_logps(model, prompt, completions, pixel_values, grid_thw):
    """One row: the prompt is the trunk, each completion a branch whose positions go on after the prompt's."""
    seen = _see(model, pixel_values, grid_thw)
    placed = place_pictures(prompt, [one.grid for one in seen], model.lm.config.vision.image_token_id)
    rows = [np.concatenate([prompt, *completions])]
    width = len(rows[0]) + ROOM
    sight = pad_sight(rows, [seen], model.lm.config, width, left=False)
    tokens, segments, branches = (np.zeros((1, width), np.int32) for _ in range(3))
    tokens[0, :-ROOM], segments[0, :-ROOM] = rows[0], 1
    end, predictors = len(prompt), []
    for branch, one in enumerate(completions, start=1):
        at = np.arange(end, end := end + len(one))
        branches[0, at] = branch
        sight.positions[0, at] = (placed.next_position + np.arange(len(one)))[:, None]
        predictors.append([len(prompt) - 1, *at[:-1]])
    seen = {"positions": sight.positions, "branches": branches, "pictures": sight.pictures}
    scores = np.asarray(jax.nn.log_softmax(_logits(model.lm, tokens, segments, seen)))[0]
    return [scores[at, one] for at, one in zip(predictors, completions, strict=True)]


def piecewise(model, ids, ends, pixel_values, grid_thw):
    """A prefix with all pictures read once for two rows, then the rest in pieces of up to 7 tokens, by one of them."""
    lm, prefix, width = model.lm, int(ends[0]) - 3, 7
    sight = pad_sight([ids[:prefix]], [_see(model, pixel_values, grid_thw)], lm.config, prefix, left=False)
    read = nnx.jit(lambda lm, *inputs, **more: lm.extend(*inputs, **more))

    @nnx.jit
    def begin(lm, tokens, sight):
        cache = RaggedKVCache.empty(lm.config, 1, prefix, dtype=lm.cache_dtype, stacked=lm.scan_layers)
        return lm.extend(tokens, cache, sight=sight)[1].share(2).grow(len(ids) - prefix + width)

    cache = begin(lm, ids[None, :prefix].astype(np.int32), sight)
    at, out = prefix, []
    for end in ends:
        while at < end:
            piece = ids[at : min(at + width, end)]
            tokens, valid = np.zeros((2, width), np.int32), np.zeros((2, width), bool)
            tokens[1, : len(piece)], valid[1, : len(piece)] = piece, True
            hidden, cache = read(lm, tokens, cache, valid=valid)
            at += len(piece)
        out.append(np.asarray(lm.logits(hidden[1, len(piece) - 1])))
    return np.stack(out)


def _grids(grid_thw, merge: int) -> list[Grid]:
    return (
        [] if grid_thw is None else [Grid(int(rows) // merge, int(columns) // merge) for _, rows, columns in grid_thw]
    )


def _see(model: Model, pixel_values, grid_thw) -> list[SeenPicture]:
    shape, start, inputs = model.lm.config.vision, 0, []
    for grid in _grids(grid_thw, shape.spatial_merge_size):
        count = grid.tokens * shape.patches_per_token
        flat = pixel_values[start : start + count]
        start += count
        moments = flat.reshape(grid.tokens, -1, 3, shape.temporal_patch_size, shape.patch_size, shape.patch_size)
        inputs.append(PictureInput(str(hash(flat.tobytes())), grid, lambda patches=moments[:, :, :, 0]: patches))
    return model.eyes(inputs)


def _by_row(model: Model, rows, pixel_values, grid_thw) -> list[list[SeenPicture]]:
    """The pictures of all rows, dealt out by their image tokens."""
    seen = iter(_see(model, pixel_values, grid_thw))
    dealt = []
    for row in rows:
        left, mine = int((np.asarray(row) == model.lm.config.vision.image_token_id).sum()), []
        while left:
            mine.append(next(seen))
            left -= mine[-1].grid.tokens
        dealt.append(mine)
    return dealt
