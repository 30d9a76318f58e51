"""Our BERT and RoBERTas equal transformers' in float32, whatever stands beside a text."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from tiny_sentence import torch_model
from transformers import XLMRobertaForMaskedLM

from compeer_jax.errors import UserError
from compeer_jax.models.bert_config import BertConfig
from compeer_jax.models.sentence import load_text_model

LENGTHS = np.array([24, 1, 13, 7])
KINDS = ("bert", "roberta", "xlm-roberta")


def ragged(pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Texts of these lengths, padded on the right. A padding token stands within the third, as if it were a word."""
    real = np.arange(24) < LENGTHS[:, None]
    tokens = np.where(real, np.random.default_rng(0).integers(2, 24, real.shape), pad_id)
    tokens[2, 5] = pad_id
    return tokens, real


@jax.jit
def run(model: nnx.Module, tokens, segment_ids):
    return model(tokens, segment_ids=segment_ids)


@pytest.mark.parametrize("scan_layers", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_equal_transformers(kind, scan_layers, tmp_path):
    theirs = torch_model(kind)
    theirs.save_pretrained(tmp_path)
    ours, longest = load_text_model(tmp_path, mesh=None, dtype=jnp.float32, scan_layers=scan_layers)
    tokens, real = ragged(theirs.config.pad_token_id)
    with torch.no_grad():
        expected = theirs(torch.tensor(tokens), attention_mask=torch.tensor(real).long()).last_hidden_state.numpy()
    hidden = np.asarray(run(ours, jnp.asarray(tokens), jnp.asarray(real, jnp.int32)))
    assert longest == 24
    assert np.abs(hidden - expected)[real].max() <= 1e-5
    assert np.isfinite(hidden).all()


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_packed_texts_and_padding_on_the_left_change_nothing(kind, tmp_path):
    torch_model(kind).save_pretrained(tmp_path)
    model, _ = load_text_model(tmp_path, mesh=None, dtype=jnp.float32)
    first, second = np.random.default_rng(1).integers(2, 24, (2, 8))
    alone = [
        np.asarray(run(model, jnp.asarray(text[None]), jnp.ones((1, 8), jnp.int32)))[0] for text in (first, second)
    ]
    packed = np.concatenate([[9, 9, 9], first, second])[None]
    segments = np.array([[0] * 3 + [1] * 8 + [2] * 8])
    together = np.asarray(run(model, jnp.asarray(packed), jnp.asarray(segments)))[0]
    np.testing.assert_allclose(together[3:11], alone[0], atol=1e-5)
    np.testing.assert_allclose(together[11:], alone[1], atol=1e-5)


def test_a_checkpoint_with_a_head_is_read_for_its_body(tmp_path):
    body = torch_model("xlm-roberta")
    whole = XLMRobertaForMaskedLM(body.config).eval()
    whole.roberta.load_state_dict(body.state_dict(), strict=False)
    whole.save_pretrained(tmp_path)
    ours, _ = load_text_model(tmp_path, mesh=None, dtype=jnp.float32)
    tokens, real = ragged(1)
    with torch.no_grad():
        expected = body(torch.tensor(tokens), attention_mask=torch.tensor(real).long()).last_hidden_state.numpy()
    hidden = run(ours, jnp.asarray(tokens), jnp.asarray(real, jnp.int32))
    assert np.abs(np.asarray(hidden) - expected)[real].max() <= 1e-5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_type": "robertta"}, "did you mean 'roberta'"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'; only 'gelu' is built"),
        ({"position_embedding_type": "alibi"}, "only 'absolute' is built"),
        ({"is_decoder": True}, "is_decoder is True"),
        ({"auto_map": {"AutoModel": "modeling.Model"}}, "auto_map"),
        ({"hidden_size": None}, "the key 'hidden_size' is missing"),
        ({"num_attention_heads": 5}, "is not a multiple of num_attention_heads 5"),
    ],
    ids=str,
)
def test_a_config_that_cannot_be_built_is_refused_by_name(changes, sentence):
    values = torch_model("bert").config.to_dict() | changes
    with pytest.raises(UserError, match=sentence):
        BertConfig.from_hf(values)
