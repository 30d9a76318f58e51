"""BERTScore on tiny random encoders, against its formula on hidden states that transformers gives."""

import json
import shutil

import numpy as np
import pytest
import torch
from tiny_sentence import torch_model, word_tokenizer
from transformers import AutoModel, AutoTokenizer

from compeer_jax.errors import UserError
from compeer_jax.evaluation.bert_similarity import bert_score

TEXTS = ["i am sad and alone", "", "your exam is near", "tell me more", "i feel sad " * 20]
REFERENCES = ["you are not alone", "tell me", "your exam is near", "i feel sad", "you feel sad"]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """A directory of each kind."""
    folder = tmp_path_factory.mktemp("encoders")
    for kind in ("bert", "roberta"):
        torch_model(kind).save_pretrained(folder / kind)
        word_tokenizer(kind).save_pretrained(folder / kind)
    return folder


def by_formula(text: str, reference: str, directory, layer: int, longest: int) -> float:
    """Greedy matching by cosine: each word, but not the marks around a text, with its best partner, marks included."""
    tokenizer, model = AutoTokenizer.from_pretrained(directory), AutoModel.from_pretrained(directory).eval()
    vectors = []
    for one in (text, reference):
        inputs = tokenizer(one, truncation=True, max_length=longest, return_tensors="pt")
        with torch.no_grad():
            states = model(inputs["input_ids"], output_hidden_states=True).hidden_states[layer][0]
        vectors.append((states / states.norm(dim=1, keepdim=True)).numpy())
    cosines = vectors[0] @ vectors[1].T
    precision, recall = cosines.max(axis=1)[1:-1].mean(), cosines.max(axis=0)[1:-1].mean()
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("kind, layers, longest", [("bert", 0, 23), ("bert", 1, 23), ("roberta", 2, 24)])
def test_scores_are_those_of_the_formula(encoders, kind, layers, longest):
    scores = bert_score(TEXTS, REFERENCES, str(encoders / kind), layers=layers, batch_size=2)
    for row in (0, 2, 3, 4):
        expected = by_formula(TEXTS[row], REFERENCES[row], encoders / kind, layers or 2, longest)
        assert scores.f1[row] == pytest.approx(expected, abs=1e-5)
    assert scores.f1[1] == 0, "an empty answer is like nothing"
    assert scores.f1[2] == pytest.approx(1)
    assert scores.note == f"F1 of {kind}, layer {layers or 2}, not rescaled"


def test_a_baseline_moves_what_is_unrelated_to_zero(encoders, tmp_path):
    file = tmp_path / "tiny.tsv"
    file.write_text("LAYER,P,R,F\n0,0.1,0.1,0.1\n1,0.2,0.2,0.2\n2,0.5,0.5,0.5\n")
    plain = bert_score(TEXTS[2:4], REFERENCES[2:4], str(encoders / "bert"))
    rescaled = bert_score(TEXTS[2:4], REFERENCES[2:4], str(encoders / "bert"), baseline=str(file))
    assert rescaled.f1 == pytest.approx((plain.f1 - 0.5) / 0.5)
    assert rescaled.note.endswith("rescaled by tiny.tsv")


def test_only_empty_answers_need_no_model_to_be_asked(encoders):
    assert (bert_score(["", "  "], ["you", "me"], str(encoders / "bert")).f1 == np.zeros(2)).all()


def test_what_can_not_be_used_is_one_sentence(encoders, tmp_path):
    def failing(directory=encoders / "bert", **settings) -> str:
        with pytest.raises(UserError) as error:
            bert_score(TEXTS, REFERENCES, str(directory), **settings)
        return str(error.value)

    assert (
        failing("nowhere") == "bertscore: nowhere is no directory of a model (it has no config.json); check the path."
    )
    assert failing(layers=3) == f"bertscore_layers is 3; the model in {encoders / 'bert'} has 2."
    assert "bertscore_baseline nowhere can't be read (No such file or directory)" in failing(baseline="nowhere")
    file = tmp_path / "wrong.tsv"
    file.write_text("LAYER,F\n2,0.5\n")
    assert "has not the columns LAYER,P,R,F" in failing(baseline=str(file))
    file.write_text("LAYER,P,R,F\n9,0.5,0.5,0.5\n")
    assert "has no row for layer 2; set bertscore_layers" in failing(baseline=str(file))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "num_hidden_layers": 1}))
    assert "has no weights in safetensors" in failing(tmp_path)
    (tmp_path / "model.safetensors").touch()
    assert "can't be loaded" in failing(tmp_path)
    torch_model("bert", num_hidden_layers=1).save_pretrained(tmp_path)
    word_tokenizer("bert").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))
    assert "lacks the weight encoder.layer.1." in failing(tmp_path)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_in_a_directory_is_never_run(encoders, tmp_path, file):
    directory = tmp_path / "bert"
    shutil.copytree(encoders / "bert", directory)
    (directory / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    values = json.loads((directory / file).read_text()) | {"model_type": "evil", "tokenizer_class": "Evil"}
    classes = {"AutoConfig": "evil.C", "AutoModel": "evil.M", "AutoTokenizer": ["evil.T", None]}
    text = json.dumps(values | {"auto_map": classes}).replace("auto_map", "auto\\u005fmap")
    (directory / file).write_text(text)
    with pytest.raises(UserError, match=rf"{file} names code of its own \(auto_map\), which is not run"):
        bert_score(TEXTS, REFERENCES, str(directory))
    assert not (tmp_path / "ran").exists()


def test_weights_that_can_hold_code_are_refused(encoders, tmp_path):
    directory = tmp_path / "bert"
    shutil.copytree(encoders / "bert", directory)
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(UserError, match="has no weights in safetensors, and others can hold code"):
        bert_score(TEXTS, REFERENCES, str(directory))
    (directory / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"the model in .* can't be loaded"):
        bert_score(TEXTS, REFERENCES, str(directory))
