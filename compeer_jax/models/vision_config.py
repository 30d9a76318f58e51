"""The shape of Qwen2.5-VL's vision tower, and a config of that family as one of a language model beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compeer_jax.errors import UserError
from compeer_jax.models.json_config import ConfigReader, refuse_unknown, shown, words

MODEL_TYPE = "qwen2_5_vl"
PICTURE_TOKENS = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")

# What transformers 4.5x writes both at the root and within text_config, and no forward pass may find two of.
_TWICE = words(
    "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads "
    "max_position_embeddings rms_norm_eps rope_theta image_token_id"
)
_ROPE = ("rope_scaling", "rope_parameters")
_TOWER_READ = words(
    "depth hidden_size intermediate_size num_heads out_hidden_size fullatt_block_indexes patch_size "
    "temporal_patch_size spatial_merge_size window_size spatial_patch_size rope_parameters "
    "tokens_per_second"  # of videos
)
_TOWER_RIGHT = {"hidden_act": ("silu",), "in_channels": (3,), "in_chans": (3,)}
_TOWER_ROPE = {"rope_type": ("axial", "default"), "rope_theta": (10000.0, 10000)}


@dataclass(frozen=True)
class VisionConfig:
    """A vision tower and the tokens that stand for pictures; names as in Hugging Face's `vision_config`.

    Attributes:
        depth: how many blocks.
        hidden_size: numbers of a patch's state.
        out_hidden_size: numbers of a token of the language model.
        fullatt_block_indexes: the blocks in which patches see their whole picture, not their window alone.
        patch_size: pixels on a patch's side.
        temporal_patch_size: moments of a video in a patch; a still picture fills all of them.
        spatial_merge_size: patches on the side of what becomes one token.
        window_size: pixels on a window's side.
        image_token_id: the token that stands where a picture's states go, once for each of them.
        video_token_id: the same for videos, which are not read.
        vision_start_token_id, vision_end_token_id: what stands before and after a picture.
    """

    hidden_size: int
    out_hidden_size: int
    depth: int = 32
    intermediate_size: int = 3420
    num_heads: int = 16
    fullatt_block_indexes: tuple[int, ...] = (7, 15, 23, 31)
    patch_size: int = 14
    temporal_patch_size: int = 2
    spatial_merge_size: int = 2
    window_size: int = 112
    image_token_id: int = 151655
    video_token_id: int = 151656
    vision_start_token_id: int = 151652
    vision_end_token_id: int = 151653

    def __post_init__(self) -> None:
        if self.hidden_size % (4 * self.num_heads):
            raise UserError(
                f"the vision tower's hidden_size {self.hidden_size} is not a multiple of 4 x num_heads "
                f"{self.num_heads}: rows and columns turn pairs of numbers of each head; give sizes that divide."
            )
        if self.window_side < 1:
            raise UserError(
                f"the vision tower's window_size {self.window_size} holds no {self.spatial_merge_size} x "
                f"{self.spatial_merge_size} patches of {self.patch_size} pixels: give a larger one."
            )
        if any(not 0 <= block < self.depth for block in self.fullatt_block_indexes):
            raise UserError(
                f"fullatt_block_indexes {list(self.fullatt_block_indexes)} names a block that a vision tower of depth "
                f"{self.depth} has not; they are counted from 0."
            )

    @property
    def token_side(self) -> int:
        """Pixels on the side of what becomes one token."""
        return self.patch_size * self.spatial_merge_size

    @property
    def window_side(self) -> int:
        """Tokens on a window's side."""
        return self.window_size // self.spatial_merge_size // self.patch_size

    @property
    def patches_per_token(self) -> int:
        return self.spatial_merge_size**2

    @property
    def state_size(self) -> int:
        """Numbers of a token before the merger: the states of its patches, side by side."""
        return self.patches_per_token * self.hidden_size

    @property
    def parameter_count(self) -> int:
        """How many numbers the tower holds, the merger apart."""
        d, f = self.hidden_size, self.intermediate_size
        block = 2 * d + (d + 1) * 3 * d + (d + 1) * d + 2 * (d + 1) * f + (f + 1) * d
        return 3 * self.temporal_patch_size * self.patch_size**2 * d + self.depth * block

    @property
    def merger_parameter_count(self) -> int:
        """How many numbers the merger holds, which the decoder has."""
        return self.hidden_size + (self.state_size + 1) * (self.state_size + self.out_hidden_size)

    @classmethod
    def from_hf(cls, values: Mapping[str, Any], where: str) -> "VisionConfig":
        """Reads the dict of a whole model's config.

        Raises:
            UserError: a key is missing, badly typed, or asks for something that is not built.
        """
        tower, where_tower = _object(values, "vision_config", where), f"{where}, vision_config"
        if not tower:
            raise UserError(f"{where}: vision_config is missing, which says what the vision tower is.")
        if tower.get("model_type", MODEL_TYPE) not in (MODEL_TYPE, f"{MODEL_TYPE}_vision"):
            raise UserError(f"{where_tower}: model_type is {shown(tower['model_type'])}; only {MODEL_TYPE!r} is built.")
        refuse_unknown(tower, where_tower, read=_TOWER_READ, right=_TOWER_RIGHT)
        rope = _object(tower, "rope_parameters", where_tower)
        refuse_unknown(rope, f"{where_tower}, rope_parameters", read=(), right=_TOWER_ROPE)
        if tower.get("spatial_patch_size", tower.get("patch_size")) != tower.get("patch_size"):
            raise UserError(f"{where_tower}: spatial_patch_size and patch_size differ; patches are square.")
        whole = tower.get("fullatt_block_indexes", list(cls.fullatt_block_indexes))
        if not isinstance(whole, list) or not all(type(block) is int for block in whole):
            raise UserError(f"{where_tower}: fullatt_block_indexes is {shown(whole)}; it must be a list of numbers.")
        read, outer = ConfigReader(tower, where_tower), ConfigReader(values, where)
        sizes = {
            name: read.integer(name, getattr(cls, name))
            for name in (
                *("depth", "intermediate_size", "num_heads", "patch_size", "temporal_patch_size"),
                *("spatial_merge_size", "window_size"),
            )
        }
        tokens = {name: outer.token(name) for name in PICTURE_TOKENS}
        return cls(
            hidden_size=read.integer("hidden_size"),
            out_hidden_size=read.integer("out_hidden_size", 3584),
            fullatt_block_indexes=tuple(whole),
            **sizes,
            **{name: token for name, token in tokens.items() if token is not None},
        )

    def to_hf(self) -> dict[str, Any]:
        """The keys of `config.json` that say all this, as published."""
        tower = {name: value for name, value in vars(self).items() if name not in PICTURE_TOKENS}
        tower |= {"model_type": MODEL_TYPE, "hidden_act": "silu", "in_channels": 3, "in_chans": 3}
        tower["fullatt_block_indexes"] = list(self.fullatt_block_indexes)
        return {"vision_config": tower} | {name: getattr(self, name) for name in PICTURE_TOKENS}


def flattened(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The language model's keys of a Qwen2.5-VL's config, all at the root.

    They lie there as published; from transformers 4.52 on within `text_config`, with the ones at the root left over.

    Raises:
        UserError: the two differ in what the model computes with, or the text model is of another kind.
    """
    text = _object(values, "text_config", where)
    outer = {name: value for name, value in values.items() if name not in ("text_config", "vision_config")}
    if text.get("model_type", MODEL_TYPE) not in (MODEL_TYPE, f"{MODEL_TYPE}_text"):
        raise UserError(
            f"{where}, text_config: model_type is {shown(text['model_type'])}; only {MODEL_TYPE!r} is built."
        )
    for name in _TWICE:
        both = outer.get(name), text.get(name)
        if None not in both and both[0] != both[1]:
            raise UserError(
                f"{where}: {name} is {shown(both[0])}, and {shown(both[1])} within text_config; leave one of them."
            )
    if any(text.get(name) for name in _ROPE):
        outer = {name: value for name, value in outer.items() if name not in _ROPE}
    tied = [held["tie_word_embeddings"] for held in (outer, text) if held.get("tie_word_embeddings") is not None]
    flat = outer | {name: value for name, value in text.items() if value is not None and name != "architectures"}
    flat["model_type"] = values.get("model_type")
    if tied:
        flat["tie_word_embeddings"] = next(filter(None, tied), False)
    return flat


def _object(values: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    found = values.get(name)
    if found is not None and not isinstance(found, Mapping):
        raise UserError(f"{where}: {name} is {shown(found)}; it must be an object.")
    return found or {}
