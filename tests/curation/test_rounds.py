import itertools
import json
import math
from collections import Counter

import numpy as np
import pytest
from build_folder import dialogue, given_rows, read_rows, workspace
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from compeer_jax.curation.config import RoundsConfig
from compeer_jax.curation.rounds.rows import Reference, Round, rounds_of
from compeer_jax.curation.rounds.stage import ROUNDS, STAGE, round_probabilities, sample_rounds
from compeer_jax.curation.stage import REJECTED, read_card, run_stage
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.errors import UserError
from compeer_jax.structure import structured, unstructured

DRAWS = 20_000
LEAST_P = 1e-3  # a right sampler fails a chi-square test of ours once in a thousand seeds; the seeds are fixed


@pytest.mark.parametrize("rounds", (1, 2, 3, 7, 40))
def test_probabilities_are_the_normal_density_at_the_rounds_numbers(rounds):
    density = [stats.norm.pdf(k, loc=rounds / 2, scale=rounds / 4) for k in range(1, rounds + 1)]
    np.testing.assert_allclose(round_probabilities(rounds), np.array(density) / sum(density), rtol=1e-12)


def test_the_middle_is_likeliest_and_the_closing_rounds_least():
    eight = round_probabilities(8)
    assert eight.argmax() + 1 == 4
    assert eight.argmin() + 1 == 8
    assert eight[3 - 1] == pytest.approx(eight[5 - 1])  # as far from N/2
    assert eight[4 - 1] / eight[8 - 1] == pytest.approx(math.e**2)


@given(st.integers(1, 500), st.integers(1, 60), st.integers(0, 99))
def test_drawn_rounds_are_different_in_order_and_as_many_as_can_be(rounds, count, seed):
    drawn = sample_rounds(rounds, count, np.random.default_rng(seed))
    assert drawn == sorted(set(drawn))
    assert len(drawn) == min(count, rounds)
    assert set(drawn) <= set(range(1, rounds + 1))


def test_a_dialogue_of_one_round_gives_it():
    assert round_probabilities(1) == [1]
    assert sample_rounds(1, 1, np.random.default_rng(0)) == [1]


@pytest.mark.parametrize("count", (3, 4, 100))
def test_a_dialogue_with_no_more_than_are_wanted_gives_all(count):
    assert sample_rounds(3, count, np.random.default_rng(0)) == [1, 2, 3]


def test_the_first_draw_follows_eq_1():
    generator = np.random.default_rng(1)
    drawn = Counter(sample_rounds(9, 1, generator)[0] for _ in range(DRAWS))
    seen = [drawn[k] for k in range(1, 10)]
    assert stats.chisquare(seen, DRAWS * round_probabilities(9)).pvalue > LEAST_P
    # The test can tell: equal probabilities would not pass.
    assert stats.chisquare(seen).pvalue < 1e-12


@pytest.mark.parametrize("rounds, count", ((4, 2), (6, 2), (5, 3)))
def test_sets_of_rounds_come_as_often_as_drawing_one_after_another_gives(rounds, count):
    probabilities = round_probabilities(rounds)
    expected: Counter = Counter()
    for order in itertools.permutations(range(rounds), count):
        chance, left = 1.0, 1.0
        for index in order:
            chance *= probabilities[index] / left
            left -= probabilities[index]
        expected[tuple(sorted(index + 1 for index in order))] += chance
    assert sum(expected.values()) == pytest.approx(1)
    generator = np.random.default_rng(2)
    seen = Counter(tuple(sample_rounds(rounds, count, generator)) for _ in range(DRAWS))
    sets = sorted(expected)
    assert stats.chisquare([seen[s] for s in sets], [DRAWS * expected[s] for s in sets]).pvalue > LEAST_P


def test_no_round_and_none_wanted_are_errors():
    with pytest.raises(UserError, match=r"^a dialogue of 0 rounds has none to choose from; leave it out\.$"):
        round_probabilities(0)
    with pytest.raises(UserError, match=r"^0 rounds of a dialogue are wanted; it must be at least 1\.$"):
        sample_rounds(3, 0, np.random.default_rng(0))


def test_rounds_are_the_turns_that_answer_the_seeker():
    turns = (
        Turn("supporter", "Hello, I am here."),
        Turn("seeker", "Hi."),
        Turn("supporter", " What happened? ", "Question"),
        Turn("seeker", "I lost my job."),
        Turn("supporter", "", images=("smile.png",)),
        Turn("seeker", "Are you there?"),
        Turn("supporter", "I am."),
        Turn("seeker", "Thanks."),
    )
    talk = Dialogue("a", "en", "mine", "CC0 1.0", turns, situation="Laid off.", emotion_type="fear")
    first, second = rounds_of(talk)
    assert (first.id, first.round, first.rounds) == ("a#2", 1, 2)
    assert first.history == turns[:2]
    assert first.reference == Reference("What happened?", "Question")
    assert (second.id, second.round, second.reference) == ("a#6", 2, Reference("I am."))
    assert (second.dialogue, second.situation, second.emotion_type) == ("a", "Laid off.", "fear")
    assert rounds_of(Dialogue("b", "en", "mine", "CC0 1.0", turns[:2])) == []


def test_a_round_is_what_its_json_says():
    for number in rounds_of(Dialogue.from_json(dialogue("a", 3, provenance=[{"stage": "corpora"}]), "a")):
        assert structured(Round, json.loads(json.dumps(unstructured(number))), "r") == number
        assert number.provenance == ({"stage": "corpora"},)


ROUND = unstructured(rounds_of(Dialogue.from_json(dialogue("a", 2), "a"))[0])


@pytest.mark.parametrize(
    "change, sentence",
    (
        ({"round": 3}, "r: round 3 of 2 can't be; mend the row."),
        ({"round": 0}, "r: field 'round' must be a whole number from 1, found 0."),
        ({"rounds": "2"}, "r: field 'rounds' must be a whole number, found a string."),
        ({"dialogue": ""}, "r: field 'dialogue' must be a string that is not empty."),
        ({"reference": "Hm."}, "r: field 'reference' must be an object, found a string."),
        ({"reference": {"response": " "}}, "r: field 'reference.response' must be a string that is not empty."),
        ({"reference": {"response": "Hm.", "stategy": "Question"}}, "r, reference: unknown field 'stategy'; did you"),
        ({"history": []}, "r: field 'history' must be a list of at least one turn."),
        ({"provenance": {"stage": "x"}}, "r: field 'provenance' must be a list, found an object."),
        ({"situations": "x"}, "r: unknown field 'situations'; did you mean 'situation'?"),
    ),
)
def test_a_broken_round_is_named_with_its_field(change, sentence):
    with pytest.raises(UserError) as error:
        structured(Round, ROUND | change, "r")
    assert str(error.value).startswith(sentence)


def test_the_stage_samples_each_dialogue_by_its_id(tmp_path):
    rows = [dialogue("long", 9, provenance=[{"stage": "corpora", "record": 0}]), dialogue("short", 1)]
    silent = dialogue("silent", 1) | {"turns": [{"role": "seeker", "content": "Hello?"}]}
    work = workspace(tmp_path, rounds=RoundsConfig(per_dialogue=3), seed=5)
    given_rows(work, "filter", [*rows, silent])
    assert run_stage(STAGE, work)
    made = [structured(Round, row, "row") for row in read_rows(work, "rounds", ROUNDS)]
    generator = np.random.default_rng([*b"5/long"])
    assert [(row.dialogue, row.round) for row in made] == [
        *(("long", k) for k in sample_rounds(9, 3, generator)),
        ("short", 1),
    ]
    assert made[0].provenance == (
        {"stage": "corpora", "record": 0},
        {"stage": "rounds", "per_dialogue": 3, "seed": 5},
    )
    (left_out,) = read_rows(work, "rounds", REJECTED)
    assert (left_out["where"], left_out["reason"]) == (
        "silent",
        "no round: no supporter's turn answers the seeker",
    )
    assert read_card(work.folder / "rounds")["counts"] == {
        "sources": {"test": {"dialogues": 2, "rounds": 10, "sampled": 4}}
    }


def test_other_dialogues_and_their_order_change_nothing(tmp_path):
    rows = [dialogue(f"d{n}", 8) for n in range(12)]
    chosen = []
    for name, given_order in (("all", rows), ("some", rows[::-3])):
        work = workspace(tmp_path / name)
        given_rows(work, "filter", given_order)
        run_stage(STAGE, work)
        chosen.append({row["id"]: row for row in read_rows(work, "rounds", ROUNDS)})
    assert set(chosen[1]) < set(chosen[0])
    assert all(chosen[0][id] == row for id, row in chosen[1].items())


def test_no_dialogue_gives_no_round_and_a_broken_row_is_left_out(tmp_path):
    work = workspace(tmp_path)
    given_rows(work, "filter", [])
    run_stage(STAGE, work)
    assert read_rows(work, "rounds", ROUNDS) == []
    given_rows(work, "filter", [dialogue("a", 2) | {"language": "fr"}, dialogue("b", 2)])
    assert run_stage(STAGE, work)
    assert {row["dialogue"] for row in read_rows(work, "rounds", ROUNDS)} == {"b"}
    (left_out,) = read_rows(work, "rounds", REJECTED)
    assert left_out["where"] == "filter/dialogues.jsonl, line 1"
    assert left_out["reason"].startswith("not a dialogue's row: unknown language 'fr'")
