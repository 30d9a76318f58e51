"""Model shapes without weights: from a config.json, or by the name of a published model."""

import re
from dataclasses import replace
from pathlib import Path

from compeer_jax.errors import UserError
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.peft_files import is_adapter, read_adapter_config
from compeer_jax.models.vision_config import VisionConfig


def _qwen(vocabulary: int, hidden: int, layers: int, heads: int, kv_heads: int, mlp: int, tied: bool) -> DecoderConfig:
    return DecoderConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=32768,
        rope_theta=1e6,
        tie_word_embeddings=tied,
    )


# From the config.json of Qwen/Qwen2.5-…-Instruct on the Hugging Face hub.
PUBLISHED: dict[str, DecoderConfig] = {
    "Qwen2.5-0.5B": _qwen(151936, 896, 24, 14, 2, 4864, True),
    "Qwen2.5-1.5B": _qwen(151936, 1536, 28, 12, 2, 8960, True),
    "Qwen2.5-3B": _qwen(151936, 2048, 36, 16, 2, 11008, True),
    "Qwen2.5-7B": _qwen(152064, 3584, 28, 28, 4, 18944, False),
    "Qwen2.5-14B": _qwen(152064, 5120, 48, 40, 8, 13824, False),
    "Qwen2.5-32B": _qwen(152064, 5120, 64, 40, 8, 27648, False),
    "Qwen2.5-72B": _qwen(152064, 8192, 80, 64, 8, 29568, False),
}


def _seeing(text: str, tower_mlp: int) -> DecoderConfig:
    """A published text model's shape with a tower before it, as Qwen2.5-VL has it."""
    shape = PUBLISHED[text]
    vision = VisionConfig(hidden_size=1280, out_hidden_size=shape.hidden_size, intermediate_size=tower_mlp)
    return replace(
        shape, model_type="qwen2_5_vl", mrope_section=(16, 24, 24), vision=vision, max_position_embeddings=128000
    )


# From the config.json of Qwen/Qwen2.5-VL-…-Instruct on the Hugging Face hub.
PUBLISHED |= {
    "Qwen2.5-VL-3B": _seeing("Qwen2.5-3B", 3420),
    "Qwen2.5-VL-7B": _seeing("Qwen2.5-7B", 3420),
    "Qwen2.5-VL-32B": _seeing("Qwen2.5-32B", 3456),
    "Qwen2.5-VL-72B": _seeing("Qwen2.5-72B", 3456),
}


def model_shape(path: str, setting: str) -> tuple[DecoderConfig, str]:
    """The shape of the model that a setting names, and where it was found.

    A GGUF file, or a directory with a config.json, counts first, weights or not; one of adapters stands for their
    model. Then the name of a published model in the path: a hub id such as Qwen/Qwen2.5-7B-Instruct, or a run that is
    yet to come, such as runs/qwen2.5-7b_sft/model.

    Raises:
        UserError: neither tells; the sentence names the setting.
    """
    directory = Path(path).expanduser()
    if path and is_adapter(directory):
        path = read_adapter_config(directory)[1]
        directory = Path(path).expanduser()
    if path and directory.is_file():
        return DecoderConfig.from_json(directory), str(directory)
    if path and (directory / "config.json").is_file():
        return DecoderConfig.from_json(directory), f"{directory}/config.json"
    for name, shape in PUBLISHED.items():
        if re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.]*\d)", path.replace("_", "-"), re.IGNORECASE):
            return shape, f"the published shape of {name}"
    raise UserError(
        f"{setting} is {path!r}, which holds no config.json, and its name tells no shape; give a directory with the "
        f"model's config.json, or a name of {', '.join(PUBLISHED)}."
    )
