"""Times what each redundancy encoder adds to a GRPO step, beside the same work in a PyTorch program.

python scripts/bench/encoders.py [--prompts 32] [--group 4] [--repeats 7] [--policy small|0.5b] [--threads 2]

The batch is real text: histories of the bundled dialogues, and replies of other turns as outputs. Weights are random,
as cost does not depend on them. Both sides get the same distinct texts, tokenize them, sort them by length, read them
in batches of 64 and pool; their cosines are asserted to be the same before any clock starts. Turns are interleaved,
warm; the table gives medians.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np
import torch
from flax import nnx
from sklearn.feature_extraction.text import CountVectorizer
from transformers import BertConfig, BertModel, Qwen2Model

from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.data.small_tokenizer import train_tokenizer
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.source import ModelConfig
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.rewards.config import EncoderConfig
from compeer_jax.rewards.encoders import EncodedTurns, encode_texts, make_encoder
from compeer_jax.rewards.reward import Completion, reference_completion

POLICIES = {
    "small": {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 8, "num_attention_heads": 8},
    "0.5b": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14},
}
# As in paraphrase-multilingual-MiniLM-L12-v2, whose vocabulary is larger, which costs memory and no time.
MINILM = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 12, "num_attention_heads": 12}
BATCH = 64


class Contest(NamedTuple):
    """Two ways to the same vectors, and how large the model is."""

    name: str
    peer: str
    ours: Callable[[], EncodedTurns]
    theirs: Callable[[], EncodedTurns]
    parameters: int


def make_batch(prompts: int, group_size: int) -> list[Completion]:
    """Outputs of a step: the replies to `group_size` records drawn at random, for each of `prompts` records."""
    records = load_records(DataConfig()).train
    rng = np.random.default_rng(0)
    references = [reference_completion(record, COMPEER) for record in records]
    batch = []
    for row in rng.choice(len(records), prompts, replace=len(records) < prompts):
        for other in rng.choice(len(records), group_size, replace=False):
            batch.append(Completion(records[row], references[other].text, references[other].turn))
    return batch


def torch_embedder(model: torch.nn.Module, tokenizer, *, special_tokens: bool):
    """Mean-pooled hidden states, as sentence-transformers computes them: sorted by length, padded batch by batch."""

    @torch.inference_mode()
    def embed(texts: Sequence[str]) -> np.ndarray:
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        vectors = np.zeros((len(texts), model.config.hidden_size), np.float32)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            inputs = tokenizer(
                [texts[row] for row in rows],
                add_special_tokens=special_tokens,
                padding=True,
                padding_side="right",
                truncation=True,
                max_length=512,
                return_tensors="pt",
            )
            mask = inputs["attention_mask"]
            states = model(input_ids=inputs["input_ids"], attention_mask=mask).last_hidden_state
            vectors[rows] = ((states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)).numpy()
        return vectors

    return embed


def count_words(texts: Sequence[str], tokenizer) -> np.ndarray:
    """Token counts as scikit-learn's vectoriser makes them."""
    vectorizer = CountVectorizer(analyzer=lambda text: tokenizer.encode(text, add_special_tokens=False))
    return vectorizer.fit_transform(texts).toarray().astype(np.float32)


def make_contests(completions: list[Completion], group_size: int, policy: str, folder: Path) -> list[Contest]:
    """The three encoders, each with its peer on the same weights."""
    texts = [turn.content for item in completions for turn in item.record.history]
    texts += [item.turn.response for item in completions]
    tokenizer = train_tokenizer(dict.fromkeys(texts), folder / "sentence", vocab_size=1024)
    shape = DecoderConfig(len(tokenizer), num_key_value_heads=2, tie_word_embeddings=True, **POLICIES[policy])
    Qwen2(shape, rngs=nnx.Rngs(0)).save_pretrained(folder / "policy", tokenizer)
    encoder = BertModel(BertConfig(vocab_size=len(tokenizer), pad_token_id=0, **MINILM), add_pooling_layer=False)
    encoder.save_pretrained(folder / "sentence")
    modules = '[{"type": "models.Transformer", "path": ""}, {"type": "models.Pooling", "path": "pooling"}]'
    (folder / "sentence/modules.json").write_text(modules)
    (folder / "sentence/pooling").mkdir()
    (folder / "sentence/pooling/config.json").write_text('{"pooling_mode": "mean"}')

    mesh = make_mesh(MeshConfig(data=-1))
    start = ModelConfig(str(folder / "policy"), dtype="float32")

    def contest(kind: str, peer: str, embed, path: str = "", parameters: int = 0) -> Contest:
        config = EncoderConfig(kind, path, batch_size=BATCH)
        ours = make_encoder(config, tokenizer=tokenizer, model=start, mesh=mesh)
        return Contest(
            kind,
            peer,
            lambda: ours(completions, group_size),
            lambda: encode_texts(completions, group_size, embed),
            parameters,
        )

    body = Qwen2Model.from_pretrained(folder / "policy").eval()
    return [
        contest("token_counts", "scikit-learn CountVectorizer", partial(count_words, tokenizer=tokenizer)),
        contest(
            "hidden_states",
            "transformers Qwen2Model",
            torch_embedder(body, tokenizer, special_tokens=False),
            parameters=body.num_parameters(),
        ),
        contest(
            "sentence",
            "transformers BertModel",
            torch_embedder(encoder.eval(), tokenizer, special_tokens=True),
            str(folder / "sentence"),
            encoder.num_parameters(),
        ),
    ]


def assert_same(left: EncodedTurns, right: EncodedTurns) -> None:
    """The same cosines among all vectors of a group: columns may be in another order, or filled up with zeros."""
    for ours, theirs in zip(left[:2], right[:2], strict=True):
        products = [np.einsum("bld,brd->blr", x, x) for x in (ours, theirs)]
        np.testing.assert_allclose(*products, rtol=1e-3, atol=1e-3)


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--group", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--policy", choices=POLICIES, default="small")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of PyTorch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    completions = make_batch(options.prompts, options.group)
    texts = {item.turn.response for item in completions}
    texts |= {turn.content for item in completions for turn in item.record.history}
    print(
        f"{options.prompts} prompts x {options.group} outputs, {len(texts)} distinct texts of "
        f"{np.mean([len(text) for text in texts]):.0f} characters on average; {platform.machine()}, {os.cpu_count()} "
        f"cores, JAX {jax.__version__} on {jax.devices()[0].device_kind}, PyTorch {torch.__version__} with "
        f"{options.threads} threads on the CPU; float32\n"
    )
    print("| encoder | parameters | first step, s | each step, s | the peer, s | peer / ours | peer |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for contest in make_contests(completions, options.group, options.policy, Path(folder)):
            first = seconds(contest.ours)
            assert_same(contest.ours(), contest.theirs())
            times = [(seconds(contest.ours), seconds(contest.theirs)) for _ in range(options.repeats)]
            ours, theirs = map(statistics.median, zip(*times, strict=True))
            print(
                f"| {contest.name} | {contest.parameters / 1e6:.1f} M | {first:.2f} | {ours:.4f} | {theirs:.4f} | "
                f"{theirs / ours:.2f} | {contest.peer} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
