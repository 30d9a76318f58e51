import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.dialogue.schema import Dialogue, Turn, merge_adjacent
from compeer_jax.dialogue.taxonomy import EMOTIONS, LANGUAGES, STRATEGIES
from compeer_jax.errors import UserError

text = st.text(min_size=1).filter(str.strip)
intensity = st.none() | st.integers(1, 5)
images = st.lists(text, max_size=2).map(tuple)
caption = st.none() | text
strategy = st.none() | st.sampled_from(STRATEGIES.names())
turns = st.one_of(
    st.builds(Turn, st.just("seeker"), text, st.none(), images, caption),
    st.builds(Turn, st.just("supporter"), text, strategy, images, caption),
)
dialogues = st.builds(
    Dialogue,
    id=text,
    language=st.sampled_from(LANGUAGES),
    source=text,
    licence=text,
    turns=st.lists(turns, min_size=1, max_size=5).map(tuple),
    situation=st.none() | text,
    emotion_type=st.none() | st.sampled_from(EMOTIONS.names()),
    problem_type=st.none() | text,
    initial_intensity=intensity,
    final_intensity=intensity,
    provenance=st.lists(st.dictionaries(text, st.none() | st.integers() | text, max_size=2), max_size=2).map(tuple),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


def good() -> dict:
    return {
        "id": "demo-0001",
        "language": "en",
        "source": "demo",
        "licence": "CC0",
        "turns": [
            {"role": "seeker", "content": "I failed my exam."},
            {"role": "supporter", "content": "That must hurt.", "strategy": "Reflection of Feelings"},
        ],
    }


def with_turn(**changes) -> dict:
    obj = good()
    obj["turns"][1] |= changes
    return obj


@given(dialogues)
def test_the_json_form_holds_the_whole_dialogue(dialogue):
    line = json.dumps(dialogue.to_json(), ensure_ascii=False)
    assert Dialogue.from_json(json.loads(line), "here") == dialogue


def test_what_is_not_set_is_left_out():
    assert Dialogue.from_json(good(), "here").to_json() == with_turn(strategy="Reflection of feelings")


def test_provenance_comes_last_and_a_dialogue_with_it_still_has_a_hash():
    steps = [{"stage": "corpora", "record": 1}, {"stage": "privacy"}]
    dialogue = Dialogue.from_json(good() | {"provenance": steps}, "here")
    assert list(dialogue.to_json())[-1] == "provenance"
    assert dialogue.to_json()["provenance"] == steps
    assert len({dialogue, Dialogue.from_json(good() | {"provenance": steps}, "here")}) == 1


def test_labels_become_canonical():
    dialogue = Dialogue.from_json(good() | {"emotion_type": "悲伤"}, "here")
    assert dialogue.emotion_type == "sadness"
    assert dialogue.turns[1].strategy == "Reflection of feelings"


@pytest.mark.parametrize(
    "obj, message",
    [
        ([], "expected a JSON object, found a list"),
        (None, "expected a JSON object, found null"),
        ({k: v for k, v in good().items() if k != "licence"}, "field 'licence' is missing"),
        (good() | {"id": None}, "field 'id' is missing"),
        (good() | {"id": 7}, "field 'id' must be a string, found a number"),
        (good() | {"source": " "}, "field 'source' is empty"),
        (good() | {"language": "fr"}, "unknown language 'fr'"),
        (good() | {"emotion_type": "bored"}, "unknown emotion 'bored'"),
        (good() | {"emotion": "anger"}, "unknown field 'emotion'; did you mean 'emotion_type'"),
        (good() | {"initial_intensity": "4"}, "field 'initial_intensity' must be a whole number from 1 to 5"),
        (good() | {"final_intensity": True}, "field 'final_intensity' must be a whole number from 1 to 5"),
        (good() | {"final_intensity": 6}, "found 6"),
        (good() | {"provenance": {"stage": "corpora"}}, "field 'provenance' must be a list of objects."),
        (good() | {"provenance": ["corpora"]}, "field 'provenance' must be a list of objects."),
        (good() | {"turns": []}, "field 'turns' must be a list of at least one turn"),
        (good() | {"turns": "hello"}, "field 'turns' must be a list"),
        (good() | {"turns": ["hello"]}, "turn 1: expected a JSON object, found a string"),
        (with_turn(role="user"), "turn 2: unknown role 'user'"),
        (with_turn(content="\n"), "turn 2: field 'content' is empty"),
        (with_turn(content="a\ud800"), "turn 2: field 'content' holds half of a surrogate pair"),
        (with_turn(strategy="Interpretation"), "turn 2: unknown strategy 'Interpretation'"),
        (with_turn(role="seeker"), "turn 2: field 'strategy' belongs to supporter turns"),
        (with_turn(images="a.png"), "turn 2: field 'images' must be a list of strings"),
        (with_turn(images=[1]), "turn 2: field 'images' must be a string, found a number"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_place_and_the_field(obj, message):
    with pytest.raises(UserError) as caught:
        Dialogue.from_json(obj, "a.jsonl, line 3")
    assert str(caught.value).startswith("a.jsonl, line 3")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(json_values, st.sampled_from([*good(), "situation", "emotion_type", "initial_intensity", "strange"]))
def test_any_json_is_read_or_refused_in_words(value, field):
    for obj in (value, good() | {field: value}, good() | {"turns": [value]}, with_turn(strategy=value, content=value)):
        try:
            dialogue = Dialogue.from_json(obj, "here")
        except UserError as error:
            assert str(error).startswith("here")  # noqa: PT017
        else:
            assert Dialogue.from_json(dialogue.to_json(), "again") == dialogue


def test_an_image_may_stand_without_words():
    assert Turn.from_json({"role": "seeker", "content": "", "images": ["a.png"]}, "here").images == ("a.png",)


def test_merging_keeps_words_and_images_in_order_and_the_last_strategy():
    merged, joins = merge_adjacent(
        [
            Turn("seeker", "Hi."),
            Turn("supporter", "Hello.", "Others", ("a.png",), "A smile."),
            Turn("supporter", "How are you?", "Question"),
            Turn("supporter", "Take your time.", None, ("b.png",), "A nod."),
            Turn("seeker", "Not well."),
        ]
    )
    assert joins == 2
    assert merged == (
        Turn("seeker", "Hi."),
        Turn("supporter", "Hello.\nHow are you?\nTake your time.", "Question", ("a.png", "b.png"), "A smile. A nod."),
        Turn("seeker", "Not well."),
    )


@given(st.lists(turns, max_size=8))
def test_merged_roles_alternate_and_nothing_is_lost(some):
    merged, joins = merge_adjacent(some)
    assert len(merged) + joins == len(some)
    assert all(a.role != b.role for a, b in itertools.pairwise(merged))
    assert "\n".join(turn.content for turn in merged) == "\n".join(turn.content for turn in some)
    assert merge_adjacent(merged) == (merged, 0)
