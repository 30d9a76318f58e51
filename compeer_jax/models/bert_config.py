"""Config of a BERT, RoBERTa or XLM-RoBERTa encoder, checked, and refused where it is not built."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compeer_jax.errors import UserError, unknown
from compeer_jax.models.json_config import ConfigReader, refuse_unknown, shown, words

# Whether a kind counts positions on from the id of its padding token, as RoBERTa does.
KINDS = {"bert": False, "roberta": True, "xlm-roberta": True}


@dataclass(frozen=True)
class BertConfig:
    """The shape of an encoder; names as in Hugging Face's `config.json`.

    Attributes:
        counts_from_pad: RoBERTa's way: a token's position is `pad_token_id` + 1 + how many real tokens stand before it.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02
    pad_token_id: int = 0
    counts_from_pad: bool = False

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            raise UserError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}: "
                "give sizes that divide."
            )

    @classmethod
    def from_hf(cls, values: Mapping[str, Any], where: str = "config") -> "BertConfig":
        """Reads the dict of a Hugging Face config.

        Raises:
            UserError: a key is missing or badly typed, or the config asks for something that is not built.
        """
        kind = values.get("model_type")
        if kind not in KINDS:
            raise unknown("model_type", kind, KINDS, where)
        _refuse_unbuilt(values, where)
        read = ConfigReader(values, where)
        pad = read.token("pad_token_id")
        return cls(
            vocab_size=read.integer("vocab_size"),
            hidden_size=read.integer("hidden_size"),
            intermediate_size=read.integer("intermediate_size"),
            num_hidden_layers=read.integer("num_hidden_layers"),
            num_attention_heads=read.integer("num_attention_heads"),
            max_position_embeddings=read.integer("max_position_embeddings", 512),
            type_vocab_size=read.integer("type_vocab_size", 2),
            layer_norm_eps=read.positive("layer_norm_eps", 1e-12 if kind == "bert" else 1e-5),
            initializer_range=read.positive("initializer_range", 0.02),
            pad_token_id=int(KINDS[kind]) if pad is None else pad,
            counts_from_pad=KINDS[kind],
        )

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def first_position(self) -> int:
        return self.pad_token_id + 1 if self.counts_from_pad else 0

    @property
    def max_tokens(self) -> int:
        """The longest text that has a position for every token."""
        return self.max_position_embeddings - self.first_position


_READ = words(
    "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads max_position_embeddings "
    "type_vocab_size layer_norm_eps tie_word_embeddings "
    # for training and for heads, which are not built
    "hidden_dropout_prob attention_probs_dropout_prob classifier_dropout output_past pooler_fc_size "
    "pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head pooler_type directionality"
)
_RIGHT = {
    "hidden_act": ("gelu",),
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "quantization_config": ({},),
    "auto_map": ({},),
}


def _refuse_unbuilt(values: Mapping[str, Any], where: str) -> None:
    """Raises UserError for anything in the config that is not known to ask for what is built."""
    for name in ("quantization_config", "auto_map"):
        if values.get(name):
            raise UserError(f"{where}: {name} is {shown(values[name])}; that is not built, so leave it out.")
    refuse_unknown(values, where, read=_READ, right=_RIGHT)
