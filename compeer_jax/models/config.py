"""The shape of a decoder, from its `config.json`: what asks for something that is not built is refused by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from compeer_jax.errors import UserError, unknown
from compeer_jax.files import read_json
from compeer_jax.models.gguf_model import config_values
from compeer_jax.models.json_config import ConfigReader, refuse_unknown, shown, words

ModelType = Literal["qwen2", "qwen3", "llama"]


@dataclass(frozen=True)
class Family:
    """What sets the decoders of one `model_type` apart.

    Attributes:
        architecture: the class of transformers.
        qkv_bias: whether the projections to queries, keys and values have biases.
        qk_norm: whether each head's query and key are normalised.
        head_dim: the size of a head where its config names none; None means hidden_size / num_attention_heads.
        max_position_embeddings: the context where its config names none.
        own_keys: keys of its config that the tensors decide, or that change nothing.
        written: keys that its config has besides those of all.
    """

    architecture: str
    qkv_bias: bool = False
    qk_norm: bool = False
    head_dim: int | None = None
    max_position_embeddings: int = 32768
    own_keys: frozenset[str] = frozenset()
    written: Mapping[str, Any] = field(default_factory=dict)


FAMILIES: dict[ModelType, Family] = {
    "qwen2": Family(
        "Qwen2ForCausalLM",
        qkv_bias=True,
        own_keys=words("attention_bias qkv_bias"),
        written={"use_sliding_window": False},
    ),
    "qwen3": Family(
        "Qwen3ForCausalLM",
        qk_norm=True,
        head_dim=128,
        written={"use_sliding_window": False, "attention_bias": False},
    ),
    "llama": Family(
        "LlamaForCausalLM",
        max_position_embeddings=2048,
        own_keys=words("is_llama_config"),
        written={"attention_bias": False, "mlp_bias": False},
    ),
}
"""Qwen2.5, Qwen3 (dense), and Llama with all that has its shape, such as SmolLM2."""


@dataclass(frozen=True)
class Yarn:
    """YaRN, the scaling of RoPE that lengthens the context (Peng et al. 2023, https://arxiv.org/abs/2309.00071).

    Attributes:
        factor: how many times longer the context becomes.
        original_max_position_embeddings: the context length of pretraining, in tokens.
        attention_factor: multiplies cos and sin; None computes it from `factor`, `mscale` and `mscale_all_dim`.
        beta_fast, beta_slow: rotations within the original context above which a frequency is kept, below which it is
            divided by `factor`.
        mscale, mscale_all_dim: used by `attention_factor` when both are given and not 0.
        truncate: round the ramp's ends to whole dimensions.
    """

    factor: float
    original_max_position_embeddings: int
    attention_factor: float | None = None
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool = True


@dataclass(frozen=True)
class Llama3:
    """The scaling of RoPE that lengthens the context of Llama 3.1 and later.

    Attributes:
        factor: how many times longer the context becomes.
        low_freq_factor, high_freq_factor: rotations within the original context up to which a frequency is divided by
            `factor`, and from which on it is kept.
        original_max_position_embeddings: the context length of pretraining, in tokens.
    """

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int


@dataclass(frozen=True)
class DecoderConfig:
    """The shape of a dense decoder; names as in Hugging Face's `config.json`.

    Attributes:
        head_dim: size of one head; None means hidden_size / num_attention_heads.
        rope_scaling: None for plain RoPE.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int | None = None
    max_position_embeddings: int = 32768
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_scaling: Yarn | Llama3 | None = None
    tie_word_embeddings: bool = False
    initializer_range: float = 0.02
    bos_token_id: int | None = None
    eos_token_id: int | tuple[int, ...] | None = None
    pad_token_id: int | None = None
    model_type: ModelType = "qwen2"

    def __post_init__(self) -> None:
        if self.head_dim is None:
            if self.hidden_size % self.num_attention_heads:
                raise UserError(
                    f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads "
                    f"{self.num_attention_heads}: give head_dim, or sizes that divide."
                )
            object.__setattr__(self, "head_dim", self.hidden_size // self.num_attention_heads)
        if self.num_attention_heads % self.num_key_value_heads:
            raise UserError(
                f"num_attention_heads {self.num_attention_heads} is not a multiple of num_key_value_heads "
                f"{self.num_key_value_heads}: every key-value head must serve the same number of query heads."
            )
        if self.head_dim % 2:
            raise UserError(f"head_dim {self.head_dim} is odd: RoPE turns pairs of numbers, so make it even.")

    @classmethod
    def from_json(cls, path: str | Path) -> "DecoderConfig":
        """Reads `config.json`, given the file or the directory that holds it.

        Raises:
            UserError: the file is missing or not JSON, a key is missing or badly typed, or the config asks for
                something that is not built.
        """
        values, path = read_config(path)
        return cls.from_hf(values, where=str(path))

    @classmethod
    def from_hf(cls, values: Mapping[str, Any], where: str = "config") -> "DecoderConfig":
        """Reads the dict of a Hugging Face config, of transformers 4 (`rope_scaling`) or 5 (`rope_parameters`)."""
        _refuse_unbuilt(values, where)
        read = ConfigReader(values, where)
        heads = read.integer("num_attention_heads")
        family = FAMILIES[values["model_type"]]
        max_positions = read.integer("max_position_embeddings", family.max_position_embeddings)
        theta, scaling = _read_rope(values, where, max_positions)
        return cls(
            vocab_size=read.integer("vocab_size"),
            hidden_size=read.integer("hidden_size"),
            intermediate_size=read.integer("intermediate_size"),
            num_hidden_layers=read.integer("num_hidden_layers"),
            num_attention_heads=heads,
            num_key_value_heads=read.integer("num_key_value_heads", heads),
            head_dim=read.integer("head_dim", family.head_dim),
            max_position_embeddings=max_positions,
            rms_norm_eps=read.positive("rms_norm_eps", 1e-6),
            rope_theta=theta,
            rope_scaling=scaling,
            tie_word_embeddings=read.boolean("tie_word_embeddings", False),
            initializer_range=read.positive("initializer_range", 0.02),
            bos_token_id=read.token("bos_token_id"),
            eos_token_id=read.tokens("eos_token_id"),
            pad_token_id=read.token("pad_token_id"),
            model_type=values["model_type"],
        )

    def to_hf(self) -> dict[str, Any]:
        """The dict of `config.json`, in the spelling that both transformers 4 and 5 read."""
        values: dict[str, Any] = {
            "architectures": [self.family.architecture],
            "model_type": self.model_type,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "max_position_embeddings": self.max_position_embeddings,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": None,
            "tie_word_embeddings": self.tie_word_embeddings,
            "initializer_range": self.initializer_range,
            "attention_dropout": 0.0,
            **self.family.written,
            "use_cache": True,
            "bos_token_id": self.bos_token_id,
            "eos_token_id": list(self.eos_token_id) if isinstance(self.eos_token_id, tuple) else self.eos_token_id,
            "pad_token_id": self.pad_token_id,
        }
        if self.rope_scaling is not None:
            kind = next(name for name, scaling in _SCALINGS.items() if isinstance(self.rope_scaling, scaling))
            values["rope_scaling"] = {"rope_type": kind} | {
                name: value for name, value in vars(self.rope_scaling).items() if value is not None
            }
        return values

    @property
    def family(self) -> Family:
        return FAMILIES[self.model_type]

    @property
    def parameter_count(self) -> int:
        """How many numbers the model holds; a tied head is counted once."""
        d, f, h = self.hidden_size, self.intermediate_size, self.head_dim
        query, key_value = self.num_attention_heads * h, self.num_key_value_heads * h
        attention = 2 * d * query + 2 * d * key_value
        attention += (query + 2 * key_value) * self.family.qkv_bias + 2 * h * self.family.qk_norm
        layer = attention + 3 * d * f + 2 * d
        embeddings = self.vocab_size * d * (1 if self.tie_word_embeddings else 2)
        return embeddings + self.num_hidden_layers * layer + d


def read_config(path: str | Path) -> tuple[dict[str, Any], Path]:
    """The object in `config.json`, given the file or the directory that holds it; and the file.

    Any other file is a model in GGUF, whose metadata tells the same.

    Raises:
        UserError: the file is missing, not JSON, or no JSON object; or no GGUF that can be read.
    """
    path = Path(path)
    if path.is_file() and path.suffix != ".json":
        return config_values(path), path
    if path.is_dir() or path.suffix != ".json":
        path = path / "config.json"
    return read_json(path, "the model's config", dict), path


# What is read or checked key by key; and the values of other keys that ask for what is built.
_READ = words(
    "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
    "max_position_embeddings rms_norm_eps rope_theta rope_scaling rope_parameters tie_word_embeddings "
    "use_sliding_window sliding_window max_window_layers layer_types is_decoder"
)
_RIGHT = {
    "hidden_act": ("silu",),
    "attention_dropout": (0.0, 0),
    "partial_rotary_factor": (1.0, 1),
    "pretraining_tp": (1,),
    "is_causal": (True,),
    "quantization_config": ({},),
    "auto_map": ({},),
}
_SCALINGS = {"yarn": Yarn, "llama3": Llama3}
_ROPE_READ = {"rope_theta", "rope_type", "type", *(one.name for kind in _SCALINGS.values() for one in fields(kind))}


def _refuse_unbuilt(values: Mapping[str, Any], where: str) -> None:
    """Raises UserError for anything in the config that is not known to ask for what is built."""
    kind = values.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise UserError(f"{where}: model_type is {shown(kind)}; only {_listed(FAMILIES)} are built.")
    family = FAMILIES[kind]
    architectures = values.get("architectures") or [family.architecture]
    if architectures != [family.architecture]:
        raise UserError(f"{where}: architectures is {shown(architectures)}; only {[family.architecture]} is built.")
    if values.get("quantization_config"):
        raise UserError(f"{where}: quantization_config is set; give the checkpoint whose weights are not quantised.")
    if values.get("auto_map"):
        raise UserError(f"{where}: auto_map is set: the model brings code of its own, which is never run; remove it.")
    if values.get("attention_dropout"):
        raise UserError(f"{where}: attention_dropout is {shown(values['attention_dropout'])}; it is not built, set 0.")
    _refuse_sliding(values, where)
    refuse_unknown(values, where, read=_READ | family.own_keys, right=_RIGHT)


def _refuse_sliding(values: Mapping[str, Any], where: str) -> None:
    layers = values.get("num_hidden_layers")
    kinds = values.get("layer_types")
    if kinds is not None:
        if not isinstance(kinds, list):
            raise UserError(f"{where}: layer_types is {shown(kinds)}; it must be a list, one word a layer.")
        for kind in kinds:
            if kind != "full_attention":
                raise UserError(f"{where}: layer_types asks for {shown(kind)}; only 'full_attention' is built.")
    elif values.get("use_sliding_window") and values.get("sliding_window", 4096) is not None:
        first = values.get("max_window_layers", 28)
        if type(layers) is int and (type(first) is not int or first < layers):
            raise UserError(
                f"{where}: use_sliding_window is true and layers {shown(first)} to {layers - 1} would use it; "
                "sliding-window attention is not built: set it to false, or max_window_layers to num_hidden_layers."
            )


def _read_rope(values: Mapping[str, Any], where: str, max_positions: int) -> tuple[float, Yarn | Llama3 | None]:
    """RoPE's base and scaling, from `rope_parameters` or from `rope_theta` and `rope_scaling`."""
    both = [values[name] for name in ("rope_parameters", "rope_scaling") if values.get(name)]
    if any(not isinstance(rope, Mapping) for rope in both):
        raise UserError(f"{where}: rope_scaling must be an object or null, not {shown(both[0])}.")
    rope = both[0] if both else {}
    if rope != (both or [{}])[-1]:
        raise UserError(f"{where}: rope_parameters and rope_scaling differ; versions of transformers read either.")
    outer, theta = (
        ConfigReader(held, where).positive("rope_theta", None) for held in ({**values}, {"rope_theta": None, **rope})
    )
    if None not in (outer, theta) and outer != theta:
        raise UserError(f"{where}: rope_theta is {outer:g}, and {theta:g} within rope_parameters; leave one of them.")
    theta = theta or outer or 10000.0
    kind = rope.get("rope_type", rope.get("type", "default"))
    if not isinstance(kind, str) or kind not in ("default", *_SCALINGS):
        raise unknown("rope_scaling type", kind, ("default", *_SCALINGS), where)
    # What belongs to a scaling is passed over without one, by transformers too.
    refuse_unknown(rope, f"{where}, rope_scaling", read=_ROPE_READ, right={"partial_rotary_factor": (1.0, 1)})
    if kind == "default":
        return theta, None
    read = ConfigReader(rope, f"{where}, rope_scaling")
    original = read.integer("original_max_position_embeddings", max_positions)
    if kind == "llama3":
        low, high = read.positive("low_freq_factor"), read.positive("high_freq_factor")
        if low >= high:
            raise UserError(f"{read.where}: low_freq_factor is {low:g}; it must be below high_freq_factor, {high:g}.")
        return theta, Llama3(read.positive("factor"), low, high, original)
    factor = read.positive("factor", None) or max_positions / original
    return theta, Yarn(
        factor=factor,
        original_max_position_embeddings=original,
        attention_factor=read.positive("attention_factor", None),
        beta_fast=read.positive("beta_fast", 32.0),
        beta_slow=read.positive("beta_slow", 1.0),
        mscale=read.positive("mscale", None),
        mscale_all_dim=read.positive("mscale_all_dim", None),
        truncate=read.boolean("truncate", True),
    )


def _listed(names: Iterable[str]) -> str:
    *most, last = map(repr, names)
    return f"{', '.join(most)} and {last}"
