"""What benchmarks' results say: against closed forms, scipy, scikit-learn, statsmodels, and our own Eq. 6."""

import json
import math
from itertools import combinations

import jax
import numpy as np
import pytest
from bench_rows import esc_row, random_esc, random_sage, sage_row
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.feature_extraction.text import CountVectorizer
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from compeer_jax.benchmarks.compare import (
    compare_emotions,
    compare_scores,
    scorer_agreement,
    signed_rank,
)
from compeer_jax.benchmarks.dialogues import DIMENSIONS, write_dialogues
from compeer_jax.benchmarks.measures import (
    AVERAGE,
    CardScores,
    esc_reports,
    resampled,
    sage_reports,
)
from compeer_jax.benchmarks.plots import plot_diversity, plot_trajectories
from compeer_jax.benchmarks.results import (
    Run,
    benchmark_figures,
    read_run,
    results_markdown,
    summarise,
    write_results,
)
from compeer_jax.benchmarks.run import differing
from compeer_jax.benchmarks.tables import odd_averages, p_value, sage_table
from compeer_jax.benchmarks.trajectories import trajectories
from compeer_jax.benchmarks.turn_diversity import (
    cosine,
    diversity_over_turns,
    likeness_sum,
    turn_diversity,
    unit_counts,
)
from compeer_jax.cli.main import main
from compeer_jax.errors import UserError
from compeer_jax.rl.redundancy import cosine_redundancy

DRAWS = {"resamples": 300, "seed": 0}


def scores_of(rows) -> CardScores:
    return CardScores.of(rows)


# ESC-Eval's columns


def test_a_column_is_the_mean_of_scorers_means_times_25():
    rows = [
        esc_row("a", {"rank": [0, 1, 2, 3, 4, 4, 4], "general": 2}),
        esc_row("b", {"rank": [4, 1, 2, 3, 4, 0, 4], "general": 4}),
    ]
    (report,) = esc_reports("ours", rows, **DRAWS)
    # rank's means are 2, 1, 2, 3, 4, 2, 4; general's are 3: the columns lie half way, the average is their mean.
    wanted = [62.5, 50, 62.5, 75, 87.5, 62.5, 87.5]
    assert [report.columns[name].value for name in DIMENSIONS] == wanted
    assert report.columns[AVERAGE].value == pytest.approx(sum(wanted) / 7)
    assert report.by_scorer["rank"]["tech"].value == 100
    assert report.by_scorer["general"][AVERAGE].value == 75
    assert (report.cards, report.missing, report.asked) == (2, 0, 28)


def test_a_card_counts_only_where_all_scorers_scored_it():
    none = [None] * 7
    rows = [
        esc_row("a", {"rank": 3, "general": 0}),
        esc_row("b", {"rank": [None, *[4] * 6], "general": none}),
        esc_row("c", {"rank": -1, "general": [4, *none[1:]]}),
        esc_row("d", {}, ending="no reply"),
    ]
    (report,) = esc_reports("ours", rows, **DRAWS)
    # general is harder, and only the first card has both: what one scorer alone gave moves no mean of the two.
    assert [report.columns[name].value for name in DIMENSIONS] == [37.5] * 7
    assert report.by_scorer["rank"]["tech"].value == 25 * (3 + 4) / 2
    assert report.by_scorer["general"]["fluency"].value == 25 * (0 + 4) / 2
    assert (report.missing, report.asked) == (1 + 7 + 7 + 6 + 14, 56)
    never = [esc_row("a", {"rank": 4, "general": none}), esc_row("b", {"rank": 4, "general": none})]
    (report,) = esc_reports("ours", never, **DRAWS)
    assert (report.columns[AVERAGE].value, report.by_scorer["rank"][AVERAGE].value) == (None, 100.0)


def test_dialogues_without_scores_are_counted():
    none = [None] * 7
    rows = [esc_row("a", {"rank": 4}), esc_row("b", {"rank": 4}), esc_row("c", {}, ending="no reply")]
    (report,) = esc_reports("ours", rows, **DRAWS)
    assert report.endings == {"rounds": 2, "no reply": 1}
    (empty,) = esc_reports("ours", [esc_row("a", {"rank": none})], **DRAWS)
    assert {one.value for one in empty.columns.values()} == {None}
    (never,) = esc_reports("ours", [esc_row("a", {}, ending="budget")], **DRAWS)
    assert (never.missing, never.asked, never.columns[AVERAGE].value) == (0, 0, None)


def test_the_minus_one_of_the_official_reading_is_missing_and_no_score():
    (report,) = esc_reports("ours", [esc_row("a", {"rank": -1}), esc_row("b", {"rank": 3})], **DRAWS)
    assert report.columns["fluency"].value == 75.0
    assert report.missing == 7


def test_languages_stand_apart_and_together():
    rows = [esc_row(f"e{n}", {"rank": 4}) for n in range(3)] + [esc_row("z", {"rank": 0}, language="zh")]
    reports = {report.language: report for report in esc_reports("ours", rows, **DRAWS)}
    assert {name: report.columns["overall"].value for name, report in reports.items()} == {
        "en": 100.0,
        "zh": 0.0,
        "both": 75.0,
    }
    assert [report.cards for report in reports.values()] == [3, 1, 4]


def test_intervals_are_those_of_the_bootstrap_over_cards():
    scores = np.random.default_rng(0).integers(0, 5, 80)
    rows = [esc_row(str(n), {"rank": int(score)}) for n, score in enumerate(scores)]
    (report,) = esc_reports("ours", rows, resamples=20_000, seed=1)
    peer = stats.bootstrap((25 * scores,), np.mean, n_resamples=20_000, method="percentile", rng=0).confidence_interval
    assert report.columns["fluency"][1:] == pytest.approx(tuple(peer), abs=0.35)  # a fiftieth of its width
    # All seven columns are one here, so that their average is no surer: cards are drawn, not scores.
    assert report.columns[AVERAGE][1:] == pytest.approx(report.columns["fluency"][1:])
    assert esc_reports("ours", rows[:1], **DRAWS)[0].columns["fluency"].low is None


def test_broken_and_truncated_replies_are_counted():
    rows = [
        esc_row("a", {}, replies=["one", "two"], problems=("missing:response",)),
        esc_row("b", {}, replies=["three"], truncated=True),
        esc_row("c", {}, replies=["four"]),
    ]
    (report,) = esc_reports("ours", rows, **DRAWS)
    assert (report.broken, report.replies) == (3, 4)


# SAGE


def test_final_emotions_are_averaged_over_dialogues_that_ended():
    rows = [
        sage_row("a", [40, 50, 100], "success"),
        sage_row("b", [40, 9], "failure"),
        sage_row("c", [40, 47], "goodbye"),
        sage_row("d", [40, 44, 52]),
        sage_row("e", [40, 90], "no reply"),
        sage_row("f", [40], "budget"),
    ]
    (report,) = sage_reports("ours", rows, **DRAWS)
    assert report.emotion.value == (100 + 9 + 47 + 52) / 4
    assert (report.success, report.failure, report.missing, report.profiles) == (1, 1, 2, 6)
    assert report.endings == {"success": 1, "failure": 1, "goodbye": 1, "rounds": 1, "no reply": 1, "budget": 1}
    assert report.rounds == (2 + 1 + 1 + 2) / 4
    line = sage_table([report], {}).rows[0]
    assert line[4:9] == [("1", "17 %")] * 4 + [("2", "33 %")]
    (nobody,) = sage_reports("ours", rows[4:], **DRAWS)
    assert (nobody.emotion.value, nobody.rounds, nobody.missing) == (None, None, 2)


def test_trajectories_end_at_the_score():
    rows = random_sage(0)
    (report,) = sage_reports("ours", rows, **DRAWS)
    lines = trajectories(rows, **DRAWS)
    assert len(lines.values) == report.profiles - report.missing == 19
    assert lines.mean[0] == 40
    assert lines.mean[-1] == pytest.approx(report.emotion.value)
    assert (lines.low[-1], lines.high[-1]) == pytest.approx(report.emotion[1:])
    assert ((lines.low <= lines.mean) & (lines.mean <= lines.high)).all()


def test_a_dialogue_that_has_ended_stays_at_its_last_emotion():
    lines = trajectories([sage_row("a", [40, 31, 9], "failure"), sage_row("b", [40, 45, 51, 60])], **DRAWS)
    assert lines.values.tolist() == [[40, 31, 9, 9], [40, 45, 51, 60]]
    assert lines.lengths == (3, 4)
    assert trajectories([sage_row("a", [40, 90], "no reply")], **DRAWS) is None


# Two models on the same cards


def test_differences_are_those_of_scipys_signed_rank_test():
    one, other = scores_of(random_esc(1, shift=0.3)), scores_of(random_esc(2))
    found = {row.measure: row for row in compare_scores(one, other, **DRAWS)}
    assert list(found) == [*DIMENSIONS, AVERAGE]
    for at, name in enumerate(DIMENSIONS):
        differences = []
        for first, second in zip(one.values[:, :, at], other.values[:, :, at], strict=True):
            both = [25 * (a - b) for a, b in zip(first, second, strict=True)]
            differences += [] if any(map(math.isnan, both)) else [sum(both) / len(both)]
        row = found[name]
        assert row.pairs == len(differences)
        assert row.difference.value == pytest.approx(np.mean(differences))
        assert row.p == pytest.approx(stats.wilcoxon(np.round(differences, 9)).pvalue)
        signs = np.sign(np.round(differences, 9)).tolist()
        assert [row.better, row.same, row.worse] == [signs.count(1), signs.count(0), signs.count(-1)]
    corrected = multipletests([found[name].p for name in DIMENSIONS], method="holm")[1]
    assert [found[name].p_holm for name in DIMENSIONS] == pytest.approx(list(corrected))
    assert found[AVERAGE].p_holm is None


def test_exchanging_the_models_mirrors_every_difference():
    one, other = random_esc(1, shift=0.3), random_esc(2)
    forth, back = (compare_scores(scores_of(a), scores_of(b), **DRAWS) for a, b in ((one, other), (other, one)))
    forth += compare_emotions(random_sage(1), random_sage(2), **DRAWS)
    back += compare_emotions(random_sage(2), random_sage(1), **DRAWS)
    for row, mirrored in zip(forth, back, strict=True):
        value, low, high = row.difference
        assert mirrored.difference == pytest.approx((-value, -high, -low) if low is not None else (-value, None, None))
        assert (mirrored.better, mirrored.same, mirrored.worse) == (row.worse, row.same, row.better)
        assert (mirrored.p, mirrored.p_holm) == pytest.approx((row.p, row.p_holm))


def test_a_model_against_itself_does_not_differ():
    scores = scores_of(random_esc(1))
    for row in compare_scores(scores, scores, **DRAWS):
        assert (row.difference, row.p, row.better, row.worse) == ((0.0, None, None), 1.0, 0, 0)


def test_only_what_the_same_scorer_said_of_both_is_compared():
    one = [esc_row("a", {"rank": 4, "general": 0}), esc_row("b", {"rank": 1}), esc_row("only", {"rank": 0})]
    other = [esc_row("b", {"rank": [None, *[2] * 6]}), esc_row("a", {"rank": 3, "third": 0})]
    found = {row.measure: row for row in compare_scores(scores_of(one), scores_of(other), **DRAWS)}
    assert (found["fluency"].pairs, found["fluency"].difference.value) == (1, 25.0)
    assert (found["tech"].pairs, found["tech"].difference.value) == (2, 0.0)
    assert found[AVERAGE].pairs == 1  # b lacks one of the seven
    none = compare_scores(scores_of(one), scores_of([esc_row("a", {"third": 1})]), **DRAWS)
    assert {(row.pairs, row.difference.value, row.p, row.p_holm) for row in none} == {(0, None, None, None)}


def test_successes_are_compared_by_mcnemars_test_and_missing_dialogues_with_nothing():
    endings = ["success"] * 7 + ["rounds"] * 5
    against = ["success", *["rounds"] * 9, "success", "no reply"]
    one = [sage_row(str(n), [40, 100 if end == "success" else 60], end) for n, end in enumerate(endings)]
    other = [sage_row(str(n), [40, 100 if end == "success" else 50], end) for n, end in enumerate(against)]
    found = {row.measure: row for row in compare_emotions(one, other, **DRAWS)}
    success = found["success"]
    assert (success.pairs, success.better, success.same, success.worse) == (11, 6, 4, 1)
    assert success.difference.value == pytest.approx(100 * 5 / 11)
    assert success.p == pytest.approx(mcnemar([[1, 6], [1, 3]], exact=True).pvalue)
    assert (found["failure"].p, found["failure"].difference.value) == (1.0, 0.0)
    assert found["emotion"].difference.value == pytest.approx((6 * 50 + 3 * 10 - 40) / 11)


@pytest.mark.parametrize("count", [1, 2, 6, 13, 14, 40])
@pytest.mark.parametrize("ties", [False, True])
def test_the_signed_rank_test_is_scipys_exact_where_there_are_few(count, ties):
    differences = np.random.default_rng(count).normal(0.4, 1, count)
    differences = np.round(2 * differences) / 2 if ties else differences
    differences = np.where(differences == 0, 0.5, differences)
    assert signed_rank(differences) == pytest.approx(stats.wilcoxon(differences).pvalue)


def test_equal_means_that_differ_by_rounding_are_ties():
    assert signed_rank(np.array([0.1 + 0.2 - 0.3, 1e-12, -1e-12])) == 1.0
    assert signed_rank(np.array([])) is None


# Two scorers


def test_agreement_is_quadratic_kappa_and_spearman():
    scores = scores_of(random_esc(5, count=60))
    found = {row.dimension: row for row in scorer_agreement(scores)}
    assert list(found) == [*DIMENSIONS, "all"]
    for at, name in enumerate((*DIMENSIONS, "all")):
        of = slice(None) if name == "all" else slice(at, at + 1)
        one, other = scores.values[:, 0, of].ravel(), scores.values[:, 1, of].ravel()
        both = ~np.isnan(one + other)
        one, other = one[both], other[both]
        # Cohen's kappa with quadratic weights, by its definition: 1 - observed / expected squared difference.
        expected = np.mean([(a - b) ** 2 for a in one for b in other])
        row = found[name]
        assert row.kappa == pytest.approx(1 - np.mean((one - other) ** 2) / expected)
        assert row.spearman == pytest.approx(np.corrcoef(stats.rankdata(one), stats.rankdata(other))[0, 1])
        assert row.same == pytest.approx((one == other).mean())
        assert row.pairs == both.sum()


def test_agreement_is_nothing_where_it_is_not_defined():
    def found(first, second):
        rows = [esc_row(str(n), {"x": a, "y": b}) for n, (a, b) in enumerate(zip(first, second, strict=True))]
        return scorer_agreement(scores_of(rows))[0][3:]

    assert found([2, 2, 2], [2, 2, 2]) == (3, None, None, 1.0)
    assert found([2, 2, 2], [1, 2, 3]) == (3, 0.0, None, pytest.approx(1 / 3))
    assert found([0, 4, None], [4, 0, 4]) == (2, -1.0, pytest.approx(-1), 0.0)
    assert found([None, -1], [1, 2]) == (0, None, None, None)
    assert scorer_agreement(scores_of([esc_row("a", {"x": 1})])) == []


# Diversity over turns

TALKS = [
    ["I hear you, that is hard.", "That is hard, I hear you.", "Have you slept?", ""],
    ["I hear you.", "What would help you now?", "I hear you, I hear you."],
    ["Tell me more.", "What would help?"],
]


def test_redundancy_is_that_of_equation_6():
    """Within: s_hi with the model's own earlier replies as history; across: the mean s_in of a turn's replies."""
    count = CountVectorizer(token_pattern=r"\w+", lowercase=True).fit([reply for talk in TALKS for reply in talk])
    vectors = [count.transform(talk).toarray().astype(np.float32) for talk in TALKS]
    *turns, every = turn_diversity(TALKS)
    redundancy = jax.jit(cosine_redundancy)
    places = [(talk, at) for at in range(1, 4) for talk in vectors if at < len(talk)]
    history = np.stack([np.resize(talk, (4, talk.shape[1])) for talk, _ in places])
    mask = np.array([np.arange(4) < at for _, at in places])
    s_hi = np.ravel(redundancy(np.stack([talk[[at]] for talk, at in places]), history, mask)[1])
    assert every.within == pytest.approx(s_hi.mean(), abs=1e-6)
    assert turns[0].within is None
    for at, entry in enumerate(turns):
        if at:
            mine = [value for value, (_, place) in zip(s_hi, places, strict=True) if place == at]
            assert entry.within == pytest.approx(np.mean(mine), abs=1e-6)
        there = [talk[at] for talk in vectors if at < len(talk)]
        assert entry.replies == len(there)
        if len(there) == 1:
            assert entry.across is None
        else:
            group = np.stack(there)[None]
            s_in = redundancy(group, np.zeros_like(group[:, :1]), np.zeros((1, 1), bool))[0]
            assert entry.across == pytest.approx(float(s_in.mean()), abs=1e-6)


def test_diversity_in_numbers_that_a_person_can_check():
    first, second, every = turn_diversity([["好的 好的", "a b"], ["好的", "a c"]])
    assert (first.words, second.words, every.words) == (3, 2, 2.5)  # a Chinese character is a word
    assert first.across == pytest.approx(1.0)
    assert second.across == pytest.approx(0.5)  # one word of two is shared
    assert every.across == pytest.approx(0.75)
    assert (first.distinct_1, first.distinct_2) == (pytest.approx(2 / 6), pytest.approx(2 / 4))  # 好的, 的好
    assert (second.distinct_1, second.distinct_2) == (3 / 4, 1.0)
    assert (every.turn, every.replies, every.within) == (0, 4, 0.0)
    (only, whole) = turn_diversity([[""]])
    assert only == whole._replace(turn=1) == (1, 1, None, None, None, None, 0.0)
    assert turn_diversity([]) == turn_diversity([[], []]) == []


texts = st.lists(st.text("abc 好的", max_size=8), max_size=6)


@given(texts)
def test_likeness_in_one_pass_is_that_of_all_pairs(replies):
    vectors = [unit_counts(list(reply.replace(" ", ""))) for reply in replies]
    pairs = sum(cosine(one, other) for one, other in combinations(vectors, 2))
    assert likeness_sum(vectors) == pytest.approx(pairs, abs=1e-9)


@settings(max_examples=30)
@given(st.lists(texts, max_size=4), st.randoms())
def test_the_order_of_dialogues_changes_nothing(dialogues, random):
    shuffled = list(dialogues)
    random.shuffle(shuffled)
    for one, other in zip(turn_diversity(dialogues), turn_diversity(shuffled), strict=True):
        assert all(a == b or a == pytest.approx(b, abs=1e-9) for a, b in zip(one, other, strict=True))
        shares = (one.within, one.across, one.distinct_1, one.distinct_2)
        assert all(share is None or -1e-9 <= share <= 1 + 1e-9 for share in shares)


def test_a_model_that_always_says_the_same_is_all_redundant():
    rows = [sage_row(str(n), [40, 41, 42, 43], replies=["慢慢来"] * 3) for n in range(4)]
    for entry in diversity_over_turns(rows):
        assert entry.across == pytest.approx(1)
        assert entry.within == (None if entry.turn == 1 else pytest.approx(1))


# Tables, files and pictures


@pytest.fixture
def runs(tmp_path):
    """Folders of two models on both benchmarks."""
    for seed, model in enumerate(("ours", "plain")):
        shift = 0.5 * (1 - seed)
        write_dialogues(tmp_path / f"esc_{model}", random_esc(seed, model=model, shift=shift))
        write_dialogues(tmp_path / f"sage_{model}", random_sage(seed, model=model, drift=2 * shift))
    return tmp_path


def read_all(folder):
    return [read_run(folder / f"{kind}_{model}") for kind in ("esc", "sage") for model in ("plain", "ours")]


def test_the_same_runs_give_the_same_files(runs):
    figures = runs / "figures.yaml"
    figures.write_text("GPT: {average: 70.5, emotion: 61.2, success: 20}\nours: {fluency: 75}\n")
    found = [
        write_results(read_all(runs), runs / name, published=benchmark_figures(str(figures)))
        for name in ("one", "other")
    ]
    names = {path.name for path in (runs / "one").iterdir()}
    assert names == {"results.json", "results.md", "emotions.png", "diversity_esc-eval.png", "diversity_sage.png"}
    for name in names:
        assert (runs / "one" / name).read_bytes() == (runs / "other" / name).read_bytes()
    kept = json.loads((runs / "one" / "results.json").read_text(), parse_constant=pytest.fail)
    esc, sage = kept
    assert [one["benchmark"] for one in kept] == ["esc-eval", "sage"]
    assert esc["reports"][2]["columns"]["average"]["value"] == found[0][0].reports[2].columns["average"].value
    assert [(row["first"], row["second"], row["language"]) for row in esc["comparisons"]] == [
        ("ours", "plain", language) for language in ("en", "zh", "both")
    ]
    assert sage["comparisons"][0]["differences"][0]["difference"]["low"] > 0  # 20 a dialogue, in the mean
    assert len(sage["emotions"]["ours"]["mean"]) == 21


def test_tables_lay_published_figures_beside(runs):
    figures = {
        "GPT": {"average": 70.5, "zh_fluency": 61.0, "emotion": 61.25},
        "ours": {"fluency": 75.0, "success": 20.0},
    }
    text = results_markdown(summarise(read_all(runs), published=figures, **DRAWS))
    assert "| GPT, published | 70.50 | 61.25 | – | – |" in text
    assert "| GPT, published | – | – | – | – | – | – | – | – | 70.50 | – | – |" in text
    assert "|   published | – | 75.00 | – | – | – | – | – | – | – | – | – |" in text
    assert "| GPT, published | – | 61.00 | – | – | – | – | – | – | – | – | – |" in text
    assert "| GPT, published | – | – | 61.25 | – | – | – | – | – | – | – |" in text
    assert "|   published | – | – | – | 20 | – | – | – | – | – | – |" in text
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        "## ESC-Eval and SAGE",
        "## ESC-Eval, both languages",
        "## ESC-Eval, English",
        "## ESC-Eval, Chinese",
        "## ESC-Eval: ours against plain",
        "## Agreement between scorers on plain",
        "## Agreement between scorers on ours",
        "## ESC-Eval: diversity over turns",
        "## SAGE",
        "## SAGE: ours against plain",
        "## SAGE: diversity over turns",
    ]
    for heading in ("Fluency | Expression | Empathy | Information | Skillful | Humanoid | Overall | Average",
                    "Sentient | Success | Failure | goodbye | all rounds | missing"):  # fmt: skip
        assert heading in text


def test_a_published_average_that_is_not_the_mean_is_said():
    seven = dict(zip(DIMENSIONS, (80, 70, 60, 50, 40, 30, 20), strict=True))
    figures = {
        "InternLM3": seven | {"average": 49.70},
        "exact": seven | {"average": 50.0},
        "rounded": seven | {"average": 50.005},
    }
    assert odd_averages(figures) == [
        "InternLM3: the published average 49.70 is 0.30 below the mean of its seven columns, 50.00."
    ]
    assert odd_averages({"half": {"fluency": 80, "average": 10}}) == []


def test_what_stands_in_a_name_stays_in_its_cell():
    rows = [sage_row("a", [40, 60]), sage_row("b", [40, 70])]
    (found,) = summarise([Run("[red] a|b", "sage", rows)], **DRAWS)
    table = found.tables[0]
    assert table.markdown("##").splitlines()[4].startswith("| [red] a\\|b | Chinese | 2 | 65.0 (60–70) |")
    from rich.console import Console

    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table.rich())
    assert "[red] a|b" in console.export_text()


def test_pictures_are_drawn_of_whatever_there_is(tmp_path):
    lines = {f"model {n} $x$": trajectories(random_sage(n, count=1 + n), **DRAWS) for n in range(3)}
    plot_trajectories(lines, tmp_path / "emotions.png")
    plot_diversity({"one": {"en": turn_diversity([["a"]])}}, tmp_path / "short.png")
    plot_diversity({"one": {"en": turn_diversity(TALKS)}, "$y": {"zh": turn_diversity(TALKS)}}, tmp_path / "long.png")
    for name in ("emotions", "short", "long"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError, match="There are no replies to draw in"):
        plot_diversity({"one": {"en": []}}, tmp_path / "none.png")
    with pytest.raises(UserError, match="There is no dialogue to draw in"):
        plot_trajectories({}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_a_run_without_a_word_has_a_table_and_no_picture(tmp_path):
    write_dialogues(tmp_path, [sage_row("a", [40], "budget", replies=[])])
    (found,) = write_results([read_run(tmp_path)], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"dialogues.jsonl", "results.json", "results.md"}
    assert [table.title for table in found.tables] == ["SAGE"]


def test_only_the_same_scenarios_are_compared_and_other_conditions_are_said():
    prompts, models = {"esc_role": 1, "compeer": 1}, {"a": {"seed": 1}, "r": {"seed": 2}, "s": {}}
    played = {"tested": "a", "role": "r", "scorers": ["s"], "rounds": 5, "prompts": prompts, "models": models}
    same = played | {"tested": "b", "prompts": {"esc_role": 1}, "models": {"b": {}, "r": {"seed": 2}, "s": {}}}
    assert differing(played, same) == differing(played, {}) == []
    own = [settings | {"prompts": {"esc_role": 1, "own.en": words}} for settings, words in ((played, "x"), (same, "y"))]
    assert differing(*own) == []  # what each tested model is told is its own matter
    other = same | {"rounds": 3, "models": {"b": {}, "r": {"seed": 9}, "s": {}}}
    assert differing(played, other) == ["models", "rounds"]
    one = Run("one", "esc-eval", [esc_row("a", {"s": 3}), esc_row("b", {"s": 3})], settings=played)
    two = Run("two", "esc-eval", [esc_row("a", {"s": 2}), esc_row("b", {"s": 0}, card="another")], settings=other)
    (found,) = summarise([one, two], **DRAWS)
    (row,) = found.comparisons
    assert (row.common, row.others, row.differences[0].difference.value) == (1, 1, -25.0)
    notes = found.tables[1].notes
    assert notes[:2] == [
        "1 ids of both are left out, as their scenarios differ.",
        "Careful: the two runs differ in models, rounds too.",
    ]
    strangers = Run("three", "esc-eval", [esc_row("z", {"s": 2})])
    (found,) = summarise([one, strangers], **DRAWS)
    assert found.tables[1].notes[0] == "They have no scenario in common."


@pytest.mark.parametrize("seed", range(3))
def test_resamples_hold_as_many_dialogues_as_there_are(seed):
    weights = resampled(17, 50, seed)
    assert weights.shape == (50, 17)
    assert set(weights.sum(axis=1).tolist()) == {17}
    assert resampled(1, 50, seed).shape == (0, 1)


def test_p_values_read_as_papers_print_them():
    assert [p_value(p) for p in (None, 0.00099, 0.001, 0.0491, 1.0)] == ["–", "< 0.001", "0.001", "0.049", "1.000"]


# Bad input


def test_folders_that_cannot_be_read_are_named(tmp_path, runs):
    with pytest.raises(UserError, match="nowhere"):
        read_run(tmp_path / "nowhere")
    write_dialogues(tmp_path / "mixed", [esc_row("a", {}), sage_row("b", [40, 41])])
    with pytest.raises(
        UserError, match=r"mixed holds dialogues of several benchmarks \(esc-eval, sage\); keep each in"
    ):
        read_run(tmp_path / "mixed")
    write_dialogues(tmp_path / "models", [esc_row("a", {}), esc_row("b", {}, model="plain")])
    with pytest.raises(UserError, match=r"several models \(ours, plain\)"):
        read_run(tmp_path / "models")
    twice = [read_run(runs / "esc_ours"), read_run(runs / "esc_plain")._replace(name="ours")]
    with pytest.raises(UserError, match=r"esc_ours and .*esc_plain are both of ours; give one another name"):
        summarise(twice)
    with pytest.raises(UserError, match=r"against: unknown model 'oors'; did you mean 'ours'\?"):
        summarise(twice[:1], against="oors")


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ("ours: {fluency: 101}", "fluency is 101; it must be a number from 0 to 100."),
        ("ours: {fluencey: 50}", "unknown metric 'fluencey'; did you mean 'fluency'?"),
        ("ours: {emotion: high}", "emotion is 'high'; it must be a number from 0 to 100."),
    ],
)
def test_wrong_figures_are_named(tmp_path, runs, capsys, figures, sentence):
    (tmp_path / "figures.yaml").write_text(figures)
    folder = str(runs / "esc_ours")
    code = main(
        ["eval", "benchmarks", f"--runs=[{folder}]", f"--output={tmp_path}/o", f"--published={tmp_path}/figures.yaml"]
    )
    assert code == 2
    assert sentence in capsys.readouterr().err
