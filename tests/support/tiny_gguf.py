"""GGUF files of tiny decoders, written by the `gguf` package as llama.cpp's converter writes them."""

from pathlib import Path

import gguf
import numpy as np
from transformers import PreTrainedModel

SIZES = {"hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 1}
"""The least that every way of storing divides."""


def write_gguf(
    path: Path, model: PreTrainedModel, kind: str = "F32", *, tokenizer: bool = False, rope=None, **changes
) -> Path:
    """Writes a model of transformers.

    Args:
        path: where.
        model: of a family of ours.
        kind: how its matrices are stored, where their rows divide into such blocks; blocks that `gguf` can't make (of
            Q4_K and the like) are random.
        tokenizer: whether bytes and the three tokens of chats are put beside it.
        rope: factors of RoPE, as a Llama has them.
        changes: to the metadata, by its keys; None leaves one out.
    """
    config = model.config
    family, heads, kv_heads = config.model_type, config.num_attention_heads, config.num_key_value_heads
    metadata = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "vocab_size": config.vocab_size,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "attention.key_length": config.head_dim if hasattr(config, "head_dim") else config.hidden_size // heads,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "rope.freq_base": float(config.rope_parameters["rope_theta"]),
    }
    metadata = {f"{family}.{key}": value for key, value in metadata.items()} | changes
    writer = gguf.GGUFWriter(str(path), family)
    for key, value in metadata.items():
        if value is not None:
            put = {str: writer.add_string, float: writer.add_float32, int: writer.add_uint32, list: writer.add_array}
            put[type(value)](key, value)
    if tokenizer:
        letters = [chr(33 + i) for i in range(config.vocab_size - 4)]
        tokens = [*letters, '!"', "<|im_start|>", "<|im_end|>", "<|endoftext|>"]
        add_tokenizer(writer, "qwen2", tokens, [1] * (len(tokens) - 3) + [3] * 3, ['! "'])
        writer.add_chat_template(TEMPLATE)
    names = gguf.get_tensor_name_map(
        next(arch for arch, name in gguf.MODEL_ARCH_NAMES.items() if name == family), config.num_hidden_layers
    )
    rng = np.random.default_rng(0)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.numpy()
        if family == "llama" and ("q_proj" in name or "k_proj" in name):
            values = interleaved(values, heads if "q_proj" in name else kv_heads)
        divides = values.ndim == 2 and values.shape[1] % gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][0] == 0
        stored, blocks = _stored(values, kind, rng) if divides else ("F32", values)
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        writer.add_tensor(found, blocks, raw_dtype=gguf.GGMLQuantizationType[stored])
    if rope is not None:
        writer.add_tensor("rope_freqs.weight", np.asarray(rope, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def add_tokenizer(writer: gguf.GGUFWriter, pre: str, tokens: list[str], kinds: list[int], merges: list[str]) -> None:
    """Byte-level BPE; kind 1 is an ordinary token, 3 one of structure, 4 one added by its makers."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    for name in ("<|im_end|>", "<|endoftext|>"):
        if name in tokens:
            put = writer.add_eos_token_id if name == "<|im_end|>" else writer.add_pad_token_id
            put(tokens.index(name))


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp's order of the rows of a Llama's queries or keys."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def _stored(values: np.ndarray, kind: str, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    number = gguf.GGMLQuantizationType[kind]
    if not kind.endswith("_K"):
        return kind, gguf.quants.quantize(values, number)
    size, held = gguf.GGML_QUANT_SIZES[number]
    blocks = rng.integers(0, 256, (values.size // size, held), dtype=np.uint8)
    scales = rng.normal(size=(len(blocks), 2)).astype(np.float16) / 1000
    if kind == "Q6_K":
        blocks[:, -2:] = scales[:, :1].view(np.uint8)
    else:
        blocks[:, :4] = scales.view(np.uint8)
    return kind, blocks.reshape(values.shape[0], -1)
