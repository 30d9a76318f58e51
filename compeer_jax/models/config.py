"""The shape of a decoder, from its `config.json`: what asks for something that is not built is refused by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from compeer_jax.errors import UserError
from compeer_jax.files import read_json
from compeer_jax.models.gguf_model import config_values
from compeer_jax.models.json_config import ConfigReader, refuse_unknown, shown, words
from compeer_jax.models.rope_config import SCALINGS, Llama3, Yarn, read_rope
from compeer_jax.models.vision_config import PICTURE_TOKENS, VisionConfig, flattened

ModelType = Literal["qwen2", "qwen3", "llama", "qwen2_5_vl"]


@dataclass(frozen=True)
class Family:
    """Family of decoders: the traits of one `model_type`.

    Attributes:
        architecture: the class of transformers.
        qkv_bias: whether the projections to queries, keys and values have biases.
        qk_norm: whether each head's query and key are normalised.
        head_dim: the size of a head where its config names none; None means hidden_size / num_attention_heads.
        max_position_embeddings, rms_norm_eps, rope_theta: what they are where its config names none.
        sees: whether it reads pictures: a vision tower stands before it, and RoPE has three axes (M-RoPE).
        own_keys: keys of its config that the tensors decide, or that change nothing.
        written: keys that its config has besides those of all.
    """

    architecture: str
    qkv_bias: bool = False
    qk_norm: bool = False
    head_dim: int | None = None
    max_position_embeddings: int = 32768
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    sees: bool = False
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
    "qwen2_5_vl": Family(
        "Qwen2_5_VLForConditionalGeneration",
        qkv_bias=True,
        rms_norm_eps=1e-5,
        rope_theta=1e6,
        sees=True,
        own_keys=frozenset(PICTURE_TOKENS) | words("vision_token_id processor_class"),
        written={"use_sliding_window": False},
    ),
}
"""Qwen2.5, Qwen3 (dense), Llama with all that has its shape, such as SmolLM2, and Qwen2.5-VL."""


@dataclass(frozen=True)
class DecoderConfig:
    """The shape of a dense decoder; names as in Hugging Face's `config.json`.

    Attributes:
        head_dim: size of one head; None means hidden_size / num_attention_heads.
        rope_scaling: None for plain RoPE.
        mrope_section: with M-RoPE, how many pairs of a head's numbers the time, the row and the column of a token turn.
        vision: the vision tower that stands before a decoder that sees.
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
    mrope_section: tuple[int, int, int] | None = None
    vision: VisionConfig | None = None

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
        if self.family.sees:
            self._check_sight()

    def _check_sight(self) -> None:
        if self.mrope_section is None or self.vision is None:
            raise UserError(f"a model of type {self.model_type!r} needs mrope_section and vision_config: give both.")
        if self.head_dim * self.num_attention_heads != self.hidden_size:
            raise UserError(
                f"head_dim {self.head_dim} is not hidden_size / num_attention_heads, as {self.model_type} has it."
            )
        if sum(self.mrope_section) != self.head_dim // 2:
            raise UserError(
                f"mrope_section {list(self.mrope_section)} sums to {sum(self.mrope_section)}, but a head has "
                f"{self.head_dim // 2} pairs of numbers to turn: give sections of so many pairs."
            )
        if self.vision.out_hidden_size != self.hidden_size:
            raise UserError(
                f"vision_config's out_hidden_size is {self.vision.out_hidden_size}, but the language model's "
                f"hidden_size is {self.hidden_size}: pictures become its tokens, so they must be equal."
            )

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
        family = _family(values, where)
        vision = VisionConfig.from_hf(values, where) if family.sees else None
        values = flattened(values, where) if family.sees else values
        _refuse_unbuilt(values, where)
        read = ConfigReader(values, where)
        heads = read.integer("num_attention_heads")
        max_positions = read.integer("max_position_embeddings", family.max_position_embeddings)
        theta, scaling, sections = read_rope(
            values,
            where,
            max_positions=max_positions,
            theta=family.rope_theta,
            has_sections=family.sees,
        )
        return cls(
            vocab_size=read.integer("vocab_size"),
            hidden_size=read.integer("hidden_size"),
            intermediate_size=read.integer("intermediate_size"),
            num_hidden_layers=read.integer("num_hidden_layers"),
            num_attention_heads=heads,
            num_key_value_heads=read.integer("num_key_value_heads", heads),
            head_dim=read.integer("head_dim", family.head_dim),
            max_position_embeddings=max_positions,
            rms_norm_eps=read.positive("rms_norm_eps", family.rms_norm_eps),
            rope_theta=theta,
            rope_scaling=scaling,
            tie_word_embeddings=read.boolean("tie_word_embeddings", False),
            initializer_range=read.positive("initializer_range", 0.02),
            bos_token_id=read.token("bos_token_id"),
            eos_token_id=read.tokens("eos_token_id"),
            pad_token_id=read.token("pad_token_id"),
            model_type=values["model_type"],
            mrope_section=sections,
            vision=vision,
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
            kind = next(name for name, scaling in SCALINGS.items() if isinstance(self.rope_scaling, scaling))
            values["rope_scaling"] = {"rope_type": kind} | {
                name: value for name, value in vars(self.rope_scaling).items() if value is not None
            }
        if self.vision is not None:
            del values["head_dim"]
            values["rope_scaling"] = (values["rope_scaling"] or {"type": "mrope"}) | {
                "mrope_section": list(self.mrope_section)
            }
            values |= self.vision.to_hf()
        return values

    @property
    def family(self) -> Family:
        return FAMILIES[self.model_type]

    @property
    def parameter_count(self) -> int:
        """How many numbers the decoder holds, with its merger; a tied head is counted once."""
        d, f, h = self.hidden_size, self.intermediate_size, self.head_dim
        query, key_value = self.num_attention_heads * h, self.num_key_value_heads * h
        attention = 2 * d * query + 2 * d * key_value
        attention += (query + 2 * key_value) * self.family.qkv_bias + 2 * h * self.family.qk_norm
        layer = attention + 3 * d * f + 2 * d
        embeddings = self.vocab_size * d * (1 if self.tie_word_embeddings else 2)
        merger = 0 if self.vision is None else self.vision.merger_parameter_count
        return embeddings + self.num_hidden_layers * layer + d + merger


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


def _family(values: Mapping[str, Any], where: str) -> Family:
    kind = values.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise UserError(f"{where}: model_type is {shown(kind)}; only {_listed(FAMILIES)} are built.")
    return FAMILIES[kind]


def _refuse_unbuilt(values: Mapping[str, Any], where: str) -> None:
    """Raises UserError for anything in the config that is not known to ask for what is built."""
    family = _family(values, where)
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


def _listed(names: Iterable[str]) -> str:
    *most, last = map(repr, names)
    return f"{', '.join(most)} and {last}"
