"""What an encoder's vectors must not depend on, and what they must: redundancy is a fact about texts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from gold_records import record
from tiny import tiny_config
from tiny_sentence import sentence_directory, word_tokenizer

from compeer_jax.dialogue.reasoning import ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError
from compeer_jax.models.decoder import Qwen2
from compeer_jax.models.source import ModelConfig
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.rewards.config import EncoderConfig
from compeer_jax.rewards.encoders import make_encoder
from compeer_jax.rewards.reward import Completion
from compeer_jax.rewards.text_models import hidden_state_embedder
from compeer_jax.rl.redundancy import cosine_redundancy

RESPONSES = ["you are not alone", "your exam is near .", "you are not alone", ""]
ONE_DEVICE = MeshConfig()
HISTORIES = {"first": ["i am sad", "", "they left me and i feel alone"], "second": ["i cannot sleep"]}


@pytest.fixture(scope="module")
def directories(tmp_path_factory) -> dict[str, str]:
    """A policy to start from, and a sentence-embedding model."""
    policy, sentence = tmp_path_factory.mktemp("policy"), tmp_path_factory.mktemp("sentence")
    Qwen2(tiny_config(initializer_range=0.3), rngs=nnx.Rngs(0)).save_pretrained(policy)
    sentence_directory(sentence, "xlm-roberta", max_position_embeddings=130)
    return {"hidden_states": str(policy), "sentence": str(sentence)}


def encoder(kind: str, directories, mesh=ONE_DEVICE, **settings):
    path = directories["sentence"] if kind == "sentence" else ""
    model = ModelConfig(directories["hidden_states"], dtype="float32")
    config = EncoderConfig(kind, path, **settings)
    return make_encoder(config, tokenizer=word_tokenizer("qwen2"), model=model, mesh=make_mesh(mesh))


@pytest.fixture(scope="module", params=["token_counts", "hidden_states", "sentence"])
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def encode(kind, directories):
    return encoder(kind, directories, batch_size=8)


def completion(response: str, history: list[str]) -> Completion:
    changed = record()
    changed = type(changed)(**vars(changed) | {"history": tuple(Turn("seeker", text) for text in history)})
    return Completion(changed, "", ReasonedTurn({}, {}, response))


def batch(*names: str, responses=RESPONSES) -> list[Completion]:
    return [completion(response, HISTORIES[name]) for name in names for response in responses]


def redundancy(encode, completions, group_size=4) -> tuple[np.ndarray, np.ndarray]:
    s_in, s_hi = jax.jit(cosine_redundancy)(*encode(completions, group_size))
    return np.asarray(s_in), np.asarray(s_hi)


def test_equal_responses_have_cosine_one_and_an_empty_one_is_redundant_to_nothing(encode):
    encoded = encode(batch("first"), 4)
    first, second, again, empty = encoded.outputs[0]
    assert np.dot(first, again) / np.linalg.norm(first) / np.linalg.norm(again) == pytest.approx(1, abs=1e-6)
    assert np.dot(first, second) / np.linalg.norm(first) / np.linalg.norm(second) < 0.999
    assert not empty.any()
    assert encoded.history_mask.tolist() == [[True, True, True, False]]
    s_in, s_hi = jax.jit(cosine_redundancy)(*encoded)
    assert s_in[0, 3] == s_hi[0, 3] == 0
    assert s_in[0, 0] >= 1 / 3


def test_a_response_that_repeats_the_history_is_as_redundant_as_can_be(encode):
    repeats = batch("second", responses=["i cannot sleep", "tell me more"])
    _, s_hi = redundancy(encode, repeats, 2)
    assert s_hi[0, 0] == pytest.approx(1, abs=1e-6)
    assert s_hi[0, 1] < 0.999


def test_other_prompts_in_the_batch_change_nothing(encode):
    alone = redundancy(encode, batch("first"))
    longer = batch("second", responses=["they left me " * 9, "all", "sleep sleep", "you are sad"])
    for place, among in enumerate([batch("first") + longer, longer + batch("first")]):
        np.testing.assert_allclose([x[place] for x in redundancy(encode, among)], [x[0] for x in alone], atol=2e-6)


def test_the_order_of_a_group_orders_its_redundancies_and_changes_none(encode):
    order = [2, 3, 1, 0]
    plain = redundancy(encode, batch("first", responses=["i am sad", "tell me more", "you left", "sleep"]))
    moved = redundancy(encode, batch("first", responses=["you left", "sleep", "tell me more", "i am sad"]))
    for before, after in zip(plain, moved, strict=True):
        np.testing.assert_allclose(before[:, order], after, atol=2e-6)


def test_token_counts_do_not_see_the_order_of_words_and_the_models_do(kind, encode):
    vectors = encode(batch("second", responses=["you left me", "me left you"]), 2).outputs[0]
    assert np.allclose(vectors[0], vectors[1], atol=1e-3) == (kind == "token_counts")


def test_a_mesh_of_eight_devices_gives_what_one_gives(kind, encode, directories):
    one = encode(batch("first", "second"), 4)
    config = MeshConfig(data=2, fsdp=2, tensor=2)
    on_eight = encoder(kind, directories, config, batch_size=8)
    with jax.set_mesh(make_mesh(config)):  # as within a run
        eight = on_eight(batch("first", "second"), 4)
    for left, right in zip(one, eight, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)


def test_a_batch_of_nothing_but_empty_texts_has_no_redundancy(encode):
    silent = [completion("", []) for _ in range(4)]
    s_in, s_hi = redundancy(encode, silent, 2)
    assert not s_in.any()
    assert not s_hi.any()


def test_hidden_states_are_the_mean_over_a_texts_own_tokens(directories):
    encoded = encoder("hidden_states", directories)(batch("first"), 4)
    graphdef, params = nnx.split(Qwen2.from_pretrained(directories["hidden_states"]))
    run, tokenizer = jax.jit(lambda params, tokens: nnx.merge(graphdef, params)(tokens)), word_tokenizer("qwen2")

    def mean(text: str) -> np.ndarray:
        ids = tokenizer.encode(text, add_special_tokens=False)
        return np.asarray(run(params, jnp.asarray([ids])))[0].mean(axis=0)

    np.testing.assert_allclose(encoded.outputs[0, 1], mean(RESPONSES[1]), atol=1e-5)
    np.testing.assert_allclose(encoded.history[0, 2], mean(HISTORIES["first"][2]), atol=1e-5)


def test_texts_of_many_lengths_and_numbers_share_a_few_programs(directories):
    model = ModelConfig(directories["hidden_states"], dtype="float32")
    tokenizer, mesh = word_tokenizer("qwen2"), make_mesh(MeshConfig())
    embed = hidden_state_embedder(model, tokenizer=tokenizer, mesh=mesh, batch_size=8)
    for seed in range(6):
        lengths = np.random.default_rng(seed).integers(1, 33, 8 + 7 * seed)
        vectors = embed([" ".join(["sad"] * length) for length in lengths])
        assert vectors.shape == (len(lengths), 32)
    assert embed.compilations <= 2  # lengths up to 16, and up to 32


def test_a_text_is_clipped_where_the_config_says(directories):
    long, short = "tell me more " * 60, "tell me more tell me"
    vectors = encoder("hidden_states", directories, max_tokens=5)(batch("second", responses=[long, short]), 2).outputs
    np.testing.assert_allclose(vectors[0, 0], vectors[0, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"kind": "sentence"}, "needs reward.encoder.path"),
        ({"path": "somewhere"}, "which kind 'token_counts' does not read"),
        ({"batch_size": 0}, "reward.encoder.batch_size is 0; it must be at least 1"),
        ({"max_tokens": 0}, "reward.encoder.max_tokens is 0"),
        ({"kind": "sentences"}, "did you mean 'sentence'"),
    ],
)
def test_settings_that_make_no_encoder_are_refused(settings, sentence):
    with pytest.raises(UserError, match=sentence):
        EncoderConfig(**settings)


def test_a_policy_directory_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot read the model's config"):
        encoder("hidden_states", {"hidden_states": str(tmp_path)})
