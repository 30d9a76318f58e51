"""all-MiniLM-L6-v2, as an encoder of Eq. 6, gives sentence-transformers' vectors."""

import jax
import numpy as np
from sentence_transformers import SentenceTransformer

from compeer_jax.models.packaged import packaged_directory
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.rewards.text_models import sentence_embedder

TEXTS = [
    "I failed my exam and I don't know how to tell my parents.",
    "You didn't pass, and you are afraid of what they will say?",
    "Have you eaten?",
    "Ok",
    "He said: “It's over”, and left; naïve, wasn't I?  😢 我很难过。",
    "word " * 700,  # longer than it reads
]


def test_vectors_equal_sentence_transformers():
    expected = SentenceTransformer(str(packaged_directory("minilm")), device="cpu").encode(TEXTS, convert_to_numpy=True)
    mesh = make_mesh(MeshConfig(data=1), jax.devices()[:1])
    embed = sentence_embedder("minilm", mesh=mesh, batch_size=4)
    ours = np.asarray(embed(TEXTS))
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    assert ours[0] @ ours[1] > ours[0] @ ours[2]
