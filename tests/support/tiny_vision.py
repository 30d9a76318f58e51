"""A tiny random Qwen2.5-VL of transformers, and chats with drawn pictures: the ground of the parity tests that see."""

from typing import NamedTuple

import numpy as np
import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

START, END, IMAGE, VIDEO = 90, 91, 92, 93  # of a vocabulary of 96
TEXT = {
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-6,
    "bos_token_id": None,
    "eos_token_id": None,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
}
TOWER = {
    "depth": 3,
    "hidden_size": 48,
    "intermediate_size": 40,
    "num_heads": 4,
    "out_hidden_size": 64,
    "fullatt_block_indexes": [1],
    "patch_size": 14,
    "window_size": 112,
}
GRIDS = ((2, 3), (5, 4), (1, 7), (9, 5))  # rows and columns of tokens: within a window, and over cut ones


def torch_vl(seed: int = 0, tie_word_embeddings: bool = False, **text) -> Qwen2_5_VLForConditionalGeneration:
    """A float32 model whose every weight, bias and norm is random, so that no mistake hides behind a 0 or a 1."""
    torch.manual_seed(seed)
    config = Qwen2_5_VLConfig(
        text_config=TEXT | text,
        vision_config=TOWER,
        image_token_id=IMAGE,
        video_token_id=VIDEO,
        vision_start_token_id=START,
        vision_end_token_id=END,
        tie_word_embeddings=tie_word_embeddings,
    )
    config._attn_implementation = "eager"
    return _randomised(Qwen2_5_VLForConditionalGeneration(config).eval(), 0.15)


def _randomised(model, deviation: float):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            start = 1.0 if "norm" in name or "ln_q" in name else 0.0
            parameter.copy_(start + deviation * torch.randn_like(parameter))
    return model


def write_seeing(path, *, deviation: float = 0.15, context: int = 512):
    """A tiny random Qwen2.5-VL, as transformers saves it, with a tokenizer of ours; gives both."""
    from compeer_jax.data.corpora.reading import sample_dialogues
    from compeer_jax.data.small_tokenizer import train_tokenizer

    texts = [turn.content for dialogue in sample_dialogues() for turn in dialogue.turns]
    tokenizer = train_tokenizer(texts, path, vocab_size=1536, pictures=True)
    ids = {
        "image_token_id": "<|image_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    torch.manual_seed(0)
    config = Qwen2_5_VLConfig(
        text_config=TEXT | {"vocab_size": len(tokenizer), "max_position_embeddings": context},
        vision_config=TOWER | {"depth": 2},
        video_token_id=len(tokenizer) - 1,
        **{name: tokenizer.convert_tokens_to_ids(token) for name, token in ids.items()},
    )
    config._attn_implementation = "eager"
    model = _randomised(Qwen2_5_VLForConditionalGeneration(config).eval(), deviation)
    model.save_pretrained(path)
    return model, tokenizer


class Chats(NamedTuple):
    """Rows as transformers takes them, padded on the left; None where no row has a picture."""

    ids: np.ndarray
    mask: np.ndarray
    pixel_values: np.ndarray | None
    grid_thw: np.ndarray | None

    def for_torch(self) -> dict[str, torch.Tensor]:
        given = {"input_ids": torch.tensor(self.ids), "attention_mask": torch.tensor(self.mask)}
        given["mm_token_type_ids"] = torch.tensor((self.ids == IMAGE).astype(np.int64))
        if self.pixel_values is not None:
            given["pixel_values"] = torch.tensor(self.pixel_values)
            given["image_grid_thw"] = torch.tensor(self.grid_thw)
        return given


def chats(*rows: tuple[int, ...], seed: int = 0) -> Chats:
    """Random words with pictures between them: of each row, which of GRIDS it shows, in order."""
    rng = np.random.default_rng(seed)
    texts, grids = [], []
    for shown in rows:
        text = rng.integers(0, START, rng.integers(3, 9)).tolist()
        for number in shown:
            (height, width), words = GRIDS[number], rng.integers(0, START, rng.integers(1, 5)).tolist()
            text += [START, *[IMAGE] * (height * width), END, *words]
            grids.append((1, 2 * height, 2 * width))
        texts.append(text)
    width = max(map(len, texts))
    ids, mask = np.zeros((2, len(texts), width), np.int64)
    for row, text in enumerate(texts):
        ids[row, width - len(text) :], mask[row, width - len(text) :] = text, 1
    if not grids:
        return Chats(ids, mask, None, None)
    patches = sum(rows * columns for _, rows, columns in grids)
    still = rng.normal(size=(patches, 3, 1, 14 * 14)).astype(np.float32)
    return Chats(ids, mask, still.repeat(2, axis=2).reshape(patches, -1), np.array(grids))


MIXED = ((0,), (), (1, 2), (3,))
"""Chats with one picture, with none, with two of other sizes, and with a large one."""
