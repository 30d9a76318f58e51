import json
from collections import Counter

import pytest

from compeer_jax.data.corpora.reading import sample_dialogues
from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.data.silver.records import count_skipped
from compeer_jax.dialogue.taxonomy import STRATEGIES
from compeer_jax.errors import UserError


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


@pytest.mark.parametrize("language", ["en", "zh"])
def test_records_of_one_language_are_those_of_all_that_are_in_it(language):
    everything, chosen = load_records(DataConfig()), load_records(DataConfig(language=language))
    for split in ("train", "valid", "test"):
        records = getattr(chosen, split)
        assert records
        assert records == [record for record in getattr(everything, split) if record.language == language]


def test_a_file_without_the_language_is_one_sentence(tmp_path):
    path = tmp_path / "en.jsonl"
    path.write_text("".join(f"{json.dumps(one.to_json())}\n" for one in sample_dialogues() if one.language == "en"))
    with pytest.raises(UserError, match=r"The train split of .*en\.jsonl in data\.language 'zh' gives no silver"):
        load_records(DataConfig(path=str(path), language="zh"))
