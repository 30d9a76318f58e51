"""Nothing in training rewards an output that passes over a danger: not a judge, a weight, a sign, nor a setting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from compeer_jax.data.record import Record
from compeer_jax.dialogue.danger.find import danger_in_talk
from compeer_jax.dialogue.danger.wording import written_reply
from compeer_jax.dialogue.reasoning import CARE, COMPEER, ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.rewards.config import PartWeights, RewardConfig
from compeer_jax.rewards.load import load_reward
from compeer_jax.rewards.reward import Completion
from compeer_jax.rl.advantages import SCALES
from compeer_jax.rl.reward_shaping import RewardSettings, floored, shape_rewards, shape_verdicts
from compeer_jax.rl.reward_sweep import sweep_rewards

B, G, K, U, D = 2, 4, 5, 3, 6
numbers = st.floats(-10, 10, width=32, allow_subnormal=False)


def outputs():
    """Verdicts, weights, embeddings, history, its mask, lengths, and what was missed."""
    return st.tuples(
        arrays(np.float32, (B, G, K), elements=st.sampled_from([-1.0, 0.0, 1.0])),
        arrays(np.float32, (K,), elements=numbers),
        arrays(np.float32, (B, G, D), elements=numbers),
        arrays(np.float32, (B, U, D), elements=numbers),
        arrays(bool, (B, U)),
        arrays(np.int32, (B, G), elements=st.integers(0, 200)),
        arrays(bool, (B, G)),
    )


@given(
    outputs(),
    st.sampled_from(["paper", "aware"]),
    st.sampled_from(["group", "batch", "none"]),
    st.sampled_from(["plain", "positive"]),
    st.booleans(),
    st.floats(0.01, 10),
    st.floats(-20, 20),
)
@settings(max_examples=200)
def test_whatever_the_verdicts_weights_and_equations_a_miss_is_never_encouraged(
    case, sign, scale, cosine, reweighting, alpha, beta
):
    *batch, missed = case
    options = {"sign": sign, "scale": scale, "cosine": cosine, "reweighting": reweighting}
    options |= {"alpha": alpha, "beta": beta}
    shaped = shape_verdicts(*batch, missed=missed, **options)
    plain = shape_verdicts(*batch, **options)
    assert (np.asarray(shaped.advantages)[missed] <= 1e-5).all()
    assert (np.asarray(shaped.rewards)[missed] <= 0).all()
    np.testing.assert_array_equal(np.asarray(shaped.rewards)[~missed], np.asarray(plain.rewards)[~missed])
    if not missed.any():
        np.testing.assert_array_equal(shaped.advantages, plain.advantages)


@given(outputs(), st.integers(0, 2), st.booleans(), st.booleans(), st.floats(0.01, 10), st.floats(-20, 20))
@settings(max_examples=100)
def test_no_setting_of_a_sweep_encourages_a_miss_and_all_are_what_a_run_would_do(
    case, scale, aware, reweighting, alpha, beta
):
    verdicts, weights, *_, lengths, missed = case
    shaped = shape_verdicts(
        *case[:-1],
        missed=missed,
        sign="aware" if aware else "paper",
        scale=SCALES[scale],
        reweighting=reweighting,
        alpha=alpha,
        beta=beta,
    )
    switches = (np.array([value]) for value in (reweighting, alpha, beta, aware))
    one = RewardSettings(*switches, weights[None], np.array([scale]))
    redundancy = np.asarray(shaped.s_in)[None], np.asarray(shaped.s_hi)[None]
    swept = sweep_rewards(one, verdicts[None], *redundancy, lengths[None], missed=missed[None])
    assert (np.asarray(swept.advantages)[0, 0][missed] <= 1e-5).all()
    np.testing.assert_allclose(swept.rewards[0, 0], shaped.rewards, rtol=1e-4, atol=1e-4)


@given(arrays(np.float32, (B, G), elements=numbers), arrays(bool, (B, G)))
def test_a_miss_has_the_least_of_its_group_and_the_others_keep_theirs(rewards, missed):
    after = np.asarray(floored(jnp.asarray(rewards.T), jnp.asarray(missed.T)).T)
    for row, bad, new in zip(rewards, missed, after, strict=True):
        assert (new[bad] == min(row.min(), 0)).all()
        assert (new[~bad] == row[~bad]).all()


HISTORY = {
    "en": (Turn("seeker", "I can't go on. I have saved up my pills, and tonight I am going to kill myself."),),
    "zh": (Turn("seeker", "我撑不下去了。我攒够了安眠药，今晚就打算自杀。"),),
}
CALM = {"en": (Turn("seeker", "My boss gave me more work again."),), "zh": (Turn("seeker", "老板又给我加活了。"),)}
IGNORES = {"en": "That sounds tiring. What do you like to cook?", "zh": "听起来挺累的。你平时喜欢做什么菜？"}
GOLD = {"stage": "exploration", "sentiment": "negative", "emotion": "sadness", "intensity": "5", "strategy": "Question"}


def completion(format, language: str, response: str, *, calm: bool = False) -> Completion:
    """An output that keeps the format and has every gold label, so that every judge by rule likes it."""
    labels = {label.name: GOLD[label.name] for label in format.labels}
    turn = ReasonedTurn(dict.fromkeys(format.tags[:-1], "Words."), labels, response)
    history = (CALM if calm else HISTORY)[language]
    record = Record(
        id=f"{language} {calm}", language=language, source="test", licence="none", history=history, reference=turn
    )
    return Completion(record, format.render(turn, language), turn)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "format, config",
    [
        (COMPEER, RewardConfig(judge="rules")),
        (COMPEER, RewardConfig(judge="rules", weights=PartWeights(response=9.0, format=0.0))),
        (CARE, RewardConfig(judge="hierarchical")),
        (COMPEER, RewardConfig(judge="user_rewards.likes_everything")),
        (CARE, RewardConfig(judge="user_rewards.likes_everything")),
    ],
)
def test_every_reward_sees_who_passes_over_a_danger(language, format, config):
    helps = written_reply(danger_in_talk(HISTORY[language]).kinds, language)
    items = [completion(format, language, text) for text in (IGNORES[language], helps)]
    items += [completion(format, language, text, calm=True) for text in (IGNORES[language], helps)]
    rewards = load_reward(config, format)(items, jax.random.key(0))
    assert rewards.missed.tolist() == [True, False, False, False]
    assert rewards.total[0] <= 0
    assert rewards.diagnostics["safety/in_danger"] == 0.5
    assert rewards.diagnostics["safety/missed"] == 0.25
    plain = rewards.total[2]
    assert rewards.total[1] == plain  # who helps loses nothing
    words = np.zeros((1, 2, D), np.float32)
    shaped = shape_rewards(
        rewards.total[None, :2],
        words,
        words,
        np.ones((1, 2), bool),
        np.full((1, 2), 9),
        missed=rewards.missed[None, :2],
    )
    assert shaped.advantages[0, 0] <= 0
