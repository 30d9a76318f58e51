from collections import Counter

from compeer_jax.data.corpora.reading import sample_dialogues
from compeer_jax.data.silver.records import count_skipped
from compeer_jax.dialogue.taxonomy import STRATEGIES


def test_there_are_dialogues_enough_in_both_languages():
    dialogues = sample_dialogues()
    languages = Counter(dialogue.language for dialogue in dialogues)
    assert languages.total() >= 60
    assert min(languages["en"], languages["zh"]) >= 25
    assert len({dialogue.id for dialogue in dialogues}) == len(dialogues)


def test_each_is_annotated_and_ours_to_give():
    for dialogue in sample_dialogues():
        assert dialogue.licence == "Apache-2.0"
        assert dialogue.emotion_type, dialogue.id
        assert dialogue.problem_type, dialogue.id
        assert dialogue.situation, dialogue.id
    assert not count_skipped(sample_dialogues())


def test_seeker_and_supporter_take_turns():
    for dialogue in sample_dialogues():
        roles = [turn.role for turn in dialogue.turns]
        assert roles == ["seeker", "supporter"] * (len(roles) // 2) + ["seeker"] * (len(roles) % 2), dialogue.id


def test_every_strategy_is_shown_in_both_languages():
    for language in ("en", "zh"):
        used = Counter(
            turn.strategy for dialogue in sample_dialogues() if dialogue.language == language for turn in dialogue.turns
        )
        assert min(used[name] for name in STRATEGIES.names()) >= 5, (language, used)


def test_no_utterance_is_there_twice():
    texts = Counter(turn.content for dialogue in sample_dialogues() for turn in dialogue.turns)
    assert [text for text, count in texts.items() if count > 1 and len(text) > 20] == []
