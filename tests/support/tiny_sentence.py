"""Tiny random sentence-embedding directories, and what transformers makes of them: the ground of the parity tests."""

import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2Model,
    Qwen3Config,
    Qwen3Model,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

# It names no code, and makes transformers 5 take the class that a tokenizer's own config names.
KEEP_CLASS = {"AutoTokenizer": ["", ""]}
SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "attn_implementation": "eager",
}
KINDS = {
    "bert": (BertModel, BertConfig, {"max_position_embeddings": 24, "pad_token_id": 0}),
    "roberta": (RobertaModel, RobertaConfig, {"max_position_embeddings": 26, "pad_token_id": 1}),
    "xlm-roberta": (
        XLMRobertaModel,
        XLMRobertaConfig,
        {"max_position_embeddings": 26, "pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    ),
    "qwen2": (Qwen2Model, Qwen2Config, {"max_position_embeddings": 64, "num_key_value_heads": 2}),
    "qwen3": (Qwen3Model, Qwen3Config, {"max_position_embeddings": 64, "num_key_value_heads": 2, "head_dim": 12}),
    "llama": (LlamaModel, LlamaConfig, {"max_position_embeddings": 64, "num_key_value_heads": 2}),
}
DECODERS = ("qwen2", "qwen3", "llama")
TEXT = "i you am are not sad alone . tell me more your exam is near they left and feel cannot sleep at all"
WORDS = TEXT.split()


def torch_model(kind: str = "bert", seed: int = 0, **changes):
    """A float32 model whose every weight, bias and norm is random."""
    model_class, config_class, settings = KINDS[kind]
    torch.manual_seed(seed)
    model = model_class(config_class(**(SHAPE | {"vocab_size": len(WORDS) + 4} | settings | changes))).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            start = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
            parameter.copy_(start + 0.2 * torch.randn_like(parameter))
    return model


def word_tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """A token a word, and the special tokens that each kind of model puts around a text."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] if kind == "bert" else ["<s>", "<pad>", "</s>", "<unk>"]
    pad, unknown, start, end = special if kind == "bert" else (special[1], special[3], special[0], special[2])
    ids = {word: row for row, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    around = f"$A {end}" if kind in DECODERS else f"{start} $A {end}"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=around, special_tokens=[(start, ids[start]), (end, ids[end])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        unk_token=unknown,
        cls_token=start,
        sep_token=end,
        auto_map=KEEP_CLASS,
    )


def write_json(path: Path, values) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def sentence_directory(
    directory: Path, kind: str = "bert", pooling="mean", *, normalize: bool = True, text_model: str = "", **changes
) -> Path:
    """Such a directory, with modules named as sentence-transformers has always named them."""
    torch_model(kind, **changes).save_pretrained(directory / text_model)
    word_tokenizer(kind).save_pretrained(directory / text_model)
    modules = [("Transformer", text_model), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    listed = [
        {"idx": row, "name": str(row), "path": path, "type": f"sentence_transformers.models.{name}"}
        for row, (name, path) in enumerate(modules)
    ]
    write_json(directory / "modules.json", listed[: 2 + normalize])
    write_json(
        directory / "1_Pooling/config.json", {"embedding_dimension": SHAPE["hidden_size"], "pooling_mode": pooling}
    )
    return directory


def reference_vectors(directory: Path, texts: list[str], pooling: str, max_length: int) -> np.ndarray:
    """Each text read alone by transformers, pooled by hand, of length 1."""
    tokenizer, model = AutoTokenizer.from_pretrained(directory), AutoModel.from_pretrained(directory).eval()
    vectors = []
    for text in texts:
        inputs = tokenizer([text], truncation=True, max_length=max_length, return_tensors="pt")
        with torch.no_grad():
            states = model(**{name: inputs[name] for name in ("input_ids", "attention_mask")}).last_hidden_state[0]
        vector = {"mean": states.mean(0), "cls": states[0], "lasttoken": states[-1]}[pooling]
        vectors.append((vector / vector.norm()).numpy())
    return np.stack(vectors)
