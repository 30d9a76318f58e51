"""Which vectors Eq. 6 compares."""

from dataclasses import dataclass
from typing import Literal, get_args

from compeer_jax.errors import UserError, require_at_least, unknown

Kind = Literal["token_counts", "hidden_states", "sentence"]
KINDS = get_args(Kind)
Compared = Literal["response", "output"]
"""Of an output: its response alone, or all that was written, reasoning and tags included."""


@dataclass(frozen=True)
class EncoderConfig:
    """How texts become vectors, of which Eq. 6 takes cosines. See compeer_jax/rewards/encoders.py for what each costs.

    Args:
        kind: "token_counts" (no model), "hidden_states" (mean over tokens of the frozen start policy's last hidden
            states), or "sentence" (a sentence-embedding model).
        path: with "sentence": directory in sentence-transformers' layout, or a hub id.
        dtype: with "sentence": type of its weights and of the computation.
        max_tokens: longer texts are clipped (or at the model's own limit, where that is less); token counts never are.
        batch_size: texts a model reads at once.
        compares: what o_i is in Eq. 6: the "response", or the whole "output".
    """

    kind: Kind = "token_counts"
    path: str = ""
    dtype: Literal["float32", "bfloat16"] = "float32"
    max_tokens: int = 512
    batch_size: int = 64
    compares: Compared = "response"

    def __post_init__(self):
        if self.kind not in KINDS:
            raise unknown("reward.encoder.kind", self.kind, KINDS)
        if self.compares not in get_args(Compared):
            raise unknown("reward.encoder.compares", self.compares, get_args(Compared))
        require_at_least(1, self, "reward.encoder.", "max_tokens", "batch_size")
        if self.kind == "sentence" and not self.path:
            raise UserError(
                "reward.encoder.kind 'sentence' needs reward.encoder.path: a directory in sentence-transformers' "
                "layout, or a hub id."
            )
        if self.kind != "sentence" and self.path:
            raise UserError(
                f"reward.encoder.path is {self.path!r}, which kind {self.kind!r} does not read; "
                "take kind 'sentence', or leave the path out."
            )
