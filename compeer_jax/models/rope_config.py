"""RoPE's parameters in a model's config: its base, the scalings of YaRN and of Llama 3, the sections of M-RoPE."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from compeer_jax.errors import UserError, unknown
from compeer_jax.models.json_config import ConfigReader, refuse_unknown, shown


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


SCALINGS = {"yarn": Yarn, "llama3": Llama3}
_ROPE_READ = {"rope_theta", "rope_type", "type", *(one.name for kind in SCALINGS.values() for one in fields(kind))}


def read_rope(
    values: Mapping[str, Any], where: str, *, max_positions: int, theta: float, has_sections: bool
) -> tuple[float, Yarn | Llama3 | None, tuple[int, int, int] | None]:
    """RoPE's base and scaling, and M-RoPE's sections, from `rope_parameters` or `rope_theta` and `rope_scaling`.

    Args:
        values: of a config.
        where: the config, for sentences.
        max_positions: its context.
        theta: the base where it names none.
        has_sections: whether its RoPE is M-RoPE.

    Raises:
        UserError: a key is missing, badly typed, or asks for something that is not built.
    """
    both = [values[name] for name in ("rope_parameters", "rope_scaling") if values.get(name)]
    if any(not isinstance(rope, Mapping) for rope in both):
        raise UserError(f"{where}: rope_scaling must be an object or null, not {shown(both[0])}.")
    rope = both[0] if both else {}
    if rope != (both or [{}])[-1]:
        raise UserError(f"{where}: rope_parameters and rope_scaling differ; versions of transformers read either.")
    outer, inner = (
        ConfigReader(held, where).positive("rope_theta", None) for held in ({**values}, {"rope_theta": None, **rope})
    )
    if None not in (outer, inner) and outer != inner:
        raise UserError(f"{where}: rope_theta is {outer:g}, and {inner:g} within rope_parameters; leave one of them.")
    theta = inner or outer or theta
    sections, rope = (_read_sections(rope, where), _without_sections(rope)) if has_sections else (None, rope)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if not isinstance(kind, str) or kind not in ("default", *SCALINGS):
        raise unknown("rope_scaling type", kind, ("default", *SCALINGS), where)
    # What belongs to a scaling is passed over without one, by transformers too.
    refuse_unknown(rope, f"{where}, rope_scaling", read=_ROPE_READ, right={"partial_rotary_factor": (1.0, 1)})
    if kind == "default":
        return theta, None, sections
    read = ConfigReader(rope, f"{where}, rope_scaling")
    original = read.integer("original_max_position_embeddings", max_positions)
    if kind == "llama3":
        low, high = read.positive("low_freq_factor"), read.positive("high_freq_factor")
        if low >= high:
            raise UserError(f"{read.where}: low_freq_factor is {low:g}; it must be below high_freq_factor, {high:g}.")
        return theta, Llama3(read.positive("factor"), low, high, original), sections
    factor = read.positive("factor", None) or max_positions / original
    yarn = Yarn(
        factor=factor,
        original_max_position_embeddings=original,
        attention_factor=read.positive("attention_factor", None),
        beta_fast=read.positive("beta_fast", 32.0),
        beta_slow=read.positive("beta_slow", 1.0),
        mscale=read.positive("mscale", None),
        mscale_all_dim=read.positive("mscale_all_dim", None),
        truncate=read.boolean("truncate", True),
    )
    return theta, yarn, sections


def _read_sections(rope: Mapping[str, Any], where: str) -> tuple[int, int, int]:
    sections = rope.get("mrope_section")
    if not isinstance(sections, list) or len(sections) != 3 or not all(type(n) is int and n > 0 for n in sections):
        raise UserError(
            f"{where}, rope_scaling: mrope_section is {shown(sections)}; it must be three whole numbers above 0."
        )
    return tuple(sections)


def _without_sections(rope: Mapping[str, Any]) -> dict[str, Any]:
    """The rest of M-RoPE's parameters, which are those of RoPE."""
    return {
        name: "default" if name in ("type", "rope_type") and value == "mrope" else value
        for name, value in rope.items()
        if name != "mrope_section"
    }
