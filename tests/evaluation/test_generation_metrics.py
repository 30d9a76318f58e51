"""Generation metrics: golden values derived by hand, formulas written apart, and answers from a file to a table."""

import json
import math
import sys
from collections import Counter

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.cli.main import main
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.errors import UserError
from compeer_jax.evaluation.answers import read_answers
from compeer_jax.evaluation.diversity import distinct_n, self_bleu
from compeer_jax.evaluation.estimates import library
from compeer_jax.evaluation.generation_metrics import GenerationEvalConfig, rate_generation
from compeer_jax.evaluation.generation_report import METRICS
from compeer_jax.evaluation.generation_tokens import tokens_of
from compeer_jax.evaluation.published_figures import read_figures
from compeer_jax.evaluation.text_overlap import BETA, Overlap, bleu, installed_wordnet, meteor, rouge_l

FLAVOURS = ("standard", "esconv")
WORDS = st.lists(st.sampled_from("abcd"), max_size=9)
PAIRS = st.lists(st.tuples(WORDS, WORDS.filter(bool)), min_size=1, max_size=6)

# "the cat sat on the mat" against "the cat is on the mat":
# 1-grams the (2), cat, on, mat of 6; 2-grams "the cat", "on the", "the mat" of 5; 3-grams "on the mat" of 4; no 4-gram
# of 3, which smoothing makes 1/(2·3). The lengths are equal, so no brevity penalty.
CAT, MAT = ["the", "cat", "sat", "on", "the", "mat"], ["the", "cat", "is", "on", "the", "mat"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_bleu_of_one_sentence_by_hand(flavour):
    precisions = [5 / 6, 3 / 5, 1 / 4, 1 / 6]
    expected = [math.prod(precisions[:n]) ** (1 / n) for n in (1, 2, 3, 4)]
    assert bleu([CAT], [MAT], flavour) == pytest.approx(expected)
    assert expected[:3] == pytest.approx([5 / 6, math.sqrt(1 / 2), 1 / 2])


def test_the_flavours_of_bleu_differ_in_texts_of_fewer_words_than_n():
    # With "thank you", which is right: 7 of 8 words, 4 of 6 2-grams. It has no 3-gram, which NLTK counts as a wrong
    # one: 1 of 4 or of 5. So with 4-grams, 0 of 3 or of 4, smoothed to 1/6 or 1/8.
    texts, references = [["thank", "you"], CAT], [["thank", "you"], MAT]
    first = [7 / 8, math.sqrt(7 / 8 * 4 / 6)]
    standard = [(7 / 8 * 4 / 6 * 1 / 4) ** (1 / 3), (7 / 8 * 4 / 6 * 1 / 4 * 1 / 6) ** (1 / 4)]
    esconv = [(7 / 8 * 4 / 6 * 1 / 5) ** (1 / 3), (7 / 8 * 4 / 6 * 1 / 5 * 1 / 8) ** (1 / 4)]
    assert bleu(texts, references, "standard") == pytest.approx(first + standard)
    assert bleu(texts, references, "esconv") == pytest.approx(first + esconv)


def test_an_empty_answer_makes_the_corpus_too_short():
    # 6 words against 6 + 2: brevity penalty exp(1 - 8/6). NLTK has a wrong word of the empty answer besides.
    texts, references = [CAT, []], [MAT, ["thank", "you"]]
    assert bleu(texts, references, "standard")[0] == pytest.approx(math.exp(1 - 8 / 6) * 5 / 6)
    assert bleu(texts, references, "esconv")[0] == pytest.approx(math.exp(1 - 8 / 6) * 5 / 7)
    for flavour in FLAVOURS:
        assert bleu([[], []], references, flavour) == [0, 0, 0, 0]


def bleu_by_formula(texts, references, flavour: str) -> list[float]:
    """Papineni et al. (2002), no match counted as 1/2, then 1/4 …; in the esconv flavour each text has an n-gram."""

    def grams(words, n):
        return Counter(zip(*(words[at:] for at in range(n)), strict=False))

    said, wanted = sum(map(len, texts)), sum(map(len, references))
    if not said:
        return [0.0] * 4
    brevity = min(1.0, math.exp(1 - wanted / said))
    result, logs, zeros = [], [], 0
    for n in (1, 2, 3, 4):
        good = sum((grams(a, n) & grams(b, n)).total() for a, b in zip(texts, references, strict=True))
        every = sum(max(int(flavour == "esconv"), len(a) - n + 1, 0) for a in texts)
        zeros += not good
        logs.append(math.log(good / every if good else 2.0**-zeros / every) if every else -math.inf)
        result.append(brevity * math.exp(sum(logs) / n))
    no_word_matches = not any((grams(a, 1) & grams(b, 1)).total() for a, b in zip(texts, references, strict=True))
    return [0.0] * 4 if no_word_matches else result


@pytest.mark.parametrize("flavour", FLAVOURS)
@given(pairs=PAIRS)
def test_bleu_is_that_of_the_formula_and_of_its_counts(flavour, pairs):
    texts, references = map(list, zip(*pairs, strict=True))
    found = bleu(texts, references, flavour)
    assert found == pytest.approx(bleu_by_formula(texts, references, flavour))
    overlap = Overlap.of(texts, references, flavour)
    assert overlap.bleu(np.ones((1, len(texts)), int))[:, 0] == pytest.approx(found)
    twice = np.arange(len(texts))[None] % 3
    repeated = [row for row, times in enumerate(twice[0]) for _ in range(times)]
    if repeated:
        again = bleu([texts[row] for row in repeated], [references[row] for row in repeated], flavour)
        assert overlap.bleu(twice)[:, 0] == pytest.approx(again)


def test_rouge_l_by_hand():
    # "the cat" of 3 and of 6 words: precision 2/3, recall 1/3. F1 = 2·(2/9)/1; with β² = 1.44,
    # 2.44·(2/9)/(1/3 + 1.44·2/3) = 122/291.
    texts, references = ["The cat sat"], ["The cat is on the mat."]
    assert rouge_l(texts, references, split=False) == pytest.approx([4 / 9])
    assert rouge_l([["the", "cat", "sat"]], [MAT], split=True, beta=BETA) == pytest.approx([122 / 291])
    assert rouge_l(["", "a"], ["the cat", "b"], split=False).tolist() == [0, 0]
    assert rouge_l([[], ["我"]], [["我"], ["你"]], split=True).tolist() == [0, 0]


@given(PAIRS, st.sampled_from([1.0, BETA]))
def test_rouge_l_is_f_of_the_longest_common_subsequence(pairs, beta):
    def common(one, other) -> int:
        row = [0] * (len(other) + 1)
        for word in one:
            diagonal = 0
            for at, same in enumerate(other, start=1):
                diagonal, row[at] = row[at], diagonal + 1 if word == same else max(row[at], row[at - 1])
        return row[-1]

    expected = []
    for text, reference in pairs:
        longest = common(text, reference)
        share = len(text) + beta**2 * len(reference)  # F = (1 + β²) LCS / (words + β² words of the reference) at P, R
        expected.append((1 + beta**2) * longest / share)
    texts, references = map(list, zip(*pairs, strict=True))
    assert rouge_l(texts, references, split=True, beta=beta) == pytest.approx(expected)


def test_meteor_by_hand():
    # NLTK aligns "the" with the last "the": two matches in two chunks. P = 2/3, R = 1/3,
    # Fmean = (2/9)/(0.9·2/3 + 0.1·1/3) = 20/57, penalty 0.5·(2/2)³.
    assert meteor([["the", "cat", "sat"]], [MAT]) == pytest.approx([10 / 57])
    # Stems match in one chunk of two: 1 - 0.5·(1/2)³.
    assert meteor([["feelings", "hurt"]], [["feeling", "hurt"]]) == pytest.approx([15 / 16])
    # 我 你 of 我 很 懂 你 and 我 懂 你: with 懂 three matches in two chunks; P = 3/4, R = 1.
    fmean = 3 / 4 / (0.9 * 3 / 4 + 0.1)
    assert meteor([list("我很懂你")], [list("我懂你")]) == pytest.approx([fmean * (1 - 0.5 * (2 / 3) ** 3)])
    assert meteor([[], ["a"]], [["b"], ["b"]]).tolist() == [0, 0]


def test_meteor_takes_synonyms_from_a_wordnet_that_is_there(tmp_path, monkeypatch):
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for part in ("noun", "verb", "adj", "adv"):
        for name in (f"data.{part}", f"index.{part}", f"{part}.exc"):
            (folder / name).write_text("")
    for name in ("index.sense", "cntlist.rev"):
        (folder / name).write_text("")
    (folder / "lexnames").write_text("00 adj.all 3\n01 adj.pert 3\n02 adv.all 4\n03 noun.Tops 1\n")
    (folder / "data.noun").write_text("00000000 03 n 02 fear 0 dread 0 000 | something that troubles  \n")
    (folder / "index.noun").write_text("dread n 1 0 1 0 00000000  \nfear n 1 0 1 0 00000000  \n")
    texts, references = [["my", "fear"]], [["my", "dread"]]
    monkeypatch.setattr("nltk.data.path", [])
    assert installed_wordnet() is None
    monkeypatch.setattr("nltk.data.path", [str(tmp_path)])
    # Two of two in one chunk; without synonyms, one of two: P = R = 1/2, Fmean = 1/2, penalty 1/2.
    assert meteor(texts, references, installed_wordnet()) == pytest.approx([15 / 16])
    assert meteor(texts, references) == pytest.approx([1 / 4])


def test_distinct_of_esconv_drops_the_last_n_gram_of_each_text():
    texts = [["a", "b", "a"], ["a", "b"]]
    assert (distinct_n(texts, 1), distinct_n(texts, 2)) == pytest.approx((2 / 5, 2 / 3))
    assert (distinct_n(texts, 1, drop_last=True), distinct_n(texts, 2, drop_last=True)) == pytest.approx((2 / 3, 1))
    assert distinct_n([["a"], []], 1, drop_last=True) == 0


@given(st.lists(WORDS, max_size=7))
def test_self_bleu_is_sacrebleus_of_each_text_against_all_others(texts):
    lines = [" ".join(words) for words in texts if words]
    if len(lines) < 2:
        assert self_bleu(texts) == 0
        return
    metric = sacrebleu.BLEU(tokenize="none", effective_order=True)
    scores = [metric.sentence_score(line, lines[:row] + lines[row + 1 :]).score for row, line in enumerate(lines)]
    assert self_bleu(texts) == pytest.approx(np.mean(scores) / 100)


# Tokens


def test_tokens_of_each_kind():
    text = "I'm sad. You're OK, 我很难过！"
    assert tokens_of("auto", "en").split("I'm sad. OK?") == ["i'm", "sad", ".", "ok", "?"]
    assert tokens_of("auto", "en", "esconv").split("I'm sad. You're OK.") == [
        *("i", "'m", "sad", ".", "you", "'re", "ok", "."),
    ]
    assert tokens_of("auto", "zh").split(text)[-5:] == ["我", "很", "难", "过", "！"]
    assert tokens_of("jieba", "zh").split("我 今天很难过。") == ["我", "今天", "很", "难过", "。"]
    for kind in ("words", "characters", "jieba"):
        assert tokens_of(kind, "en").split(" \n") == []


def test_chinese_has_no_words_between_spaces():
    with pytest.raises(
        UserError, match=r"^tokens: 'words' are not told apart by spaces in Chinese; take characters or"
    ):
        tokens_of("words", "zh")


@pytest.mark.parametrize("language, name", [("en", "13a"), ("zh", "zh")])
def test_standard_bleu_is_what_sacrebleu_gives_by_itself(language, name):
    texts = ["I'm sorry, that's hard.", "It will pass 我想！", "", "You 难过 can (maybe) rest."]
    references = ["I'm so sorry. That's hard!", "It will 会过去的。", "Hello.", "You can rest 吧, maybe."]
    split = tokens_of("auto", language).split
    ours = bleu([split(text) for text in texts], [split(text) for text in references])
    assert ours[3] == pytest.approx(
        sacrebleu.BLEU(lowercase=True, tokenize=name).corpus_score(texts, [references]).score / 100
    )


# From a file to the table

ENGLISH = [
    ("a", "the cat sat on the mat", "the cat is on the mat", "Question", "Question"),
    ("b", "thank you", "thank you", "Question", "Information"),
    ("c", "", "Hello there", None, "Others"),
]
KEYS = ("id", "response", "reference", "strategy", "gold_strategy")
ROWS = [
    *({"language": "en"} | dict(zip(KEYS, row, strict=True)) for row in ENGLISH),
    {"language": "zh"} | dict(zip(KEYS, ("d", "我很懂你", "我懂你", "提问", "提问"), strict=True)),
]


@pytest.fixture
def answers(tmp_path):
    write_jsonl(tmp_path / "answers.jsonl", ROWS)
    return str(tmp_path / "answers.jsonl")


def values(report) -> dict[str, float | None]:
    return {metric: estimate.value for metric, estimate in report.scores.items()}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_each_language_has_its_own_figures_by_hand(answers, flavour):
    english, chinese = rate_generation(GenerationEvalConfig(answers, flavour=flavour)).reports
    assert (english.name, english.count, chinese.name, chinese.count) == ("en", 3, "zh", 1)
    found = values(english)
    # 7 of 8 words (of 9, counting the empty answer as NLTK does) against 10: see the derivations above.
    assert found["bleu_1"] == pytest.approx(math.exp(1 - 10 / 8) * 7 / (8 if flavour == "standard" else 9))
    # 5 of 6 words in order, both of two, none.
    assert found["rouge_l"] == pytest.approx((5 / 6 + 1 + 0) / 3)
    # the cat sat on the mat, thank you: 7 different words of 8; without the last of each, 5 of 6.
    assert found["distinct_1"] == pytest.approx(7 / 8 if flavour == "standard" else 5 / 6)
    # Right once of three. Question 2·1/(2+1), Information 0, Others 0.
    assert (found["strategy_accuracy"], found["strategy_f1"]) == pytest.approx((1 / 3, 2 / 9))
    # One mistake: Question has the preference of both, 2 and 0, the other six have 1.
    assert found["strategy_bias"] == pytest.approx(math.sqrt(2 / 8))
    assert (found["no_strategy"], found["empty"], found["length"]) == pytest.approx((1 / 3, 1 / 3, 8 / 3))
    assert "bertscore" not in found
    found = values(chinese)
    # 3 characters of 4 match; the longest common subsequence is all of the reference.
    assert found["bleu_1"] == pytest.approx(3 / 4)
    beta = 1.44 if flavour == "esconv" else 1
    assert found["rouge_l"] == pytest.approx((1 + beta) * 3 / (4 + beta * 3))
    assert (found["strategy_accuracy"], found["strategy_bias"], found["self_bleu"]) == (1, 0, 0)


def test_intervals_hold_the_figures_and_come_from_the_seed(tmp_path):
    generator = np.random.default_rng(0)
    rows = [
        ROWS[row] | {"id": f"{number}", "member": member}
        for number in range(30)
        for member, row in enumerate(generator.integers(3, size=2).tolist())
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    config = {"outputs": str(tmp_path / "rows.jsonl"), "member": -1, "resamples": 200}
    (report,) = rate_generation(GenerationEvalConfig(**config)).reports
    for metric, estimate in report.scores.items():
        if metric in ("distinct_1", "distinct_2", "self_bleu", "no_strategy", "strategy_bias"):
            assert estimate.low is None
        else:
            assert estimate.low <= estimate.value <= estimate.high, metric
    assert report.scores["bleu_2"].low < report.scores["bleu_2"].high
    assert rate_generation(GenerationEvalConfig(**config)).reports == [report]
    (other,) = rate_generation(GenerationEvalConfig(**config, seed=1)).reports
    assert values(other) == values(report)
    assert other.scores["bleu_2"] != report.scores["bleu_2"]


def test_the_command_prints_and_writes_the_table_with_published_figures_beside(answers, tmp_path, capsys):
    published = tmp_path / "published.yaml"
    published.write_text("CARE: {bleu_1: 15.01, bertscore: 16.75}\nen: {meteor: 14.56}\n")
    folder = tmp_path / "out"
    command = ["eval", "generation", f"--outputs={answers}", f"--published={published}", f"--output={folder}"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "3 en, 1 zh" in printed
    assert "CARE, published" in printed
    assert "words and punctuation of mteval-v13a" in printed
    lines = [line.split(" | ") for line in (folder / "generation.md").read_text().splitlines() if line.startswith("|")]
    assert lines[0] == ["| metric", "en", "en, published", "zh", "CARE, published |"]
    cells = {line[0].removeprefix("| "): [cell.removesuffix(" |") for cell in line[1:]] for line in lines}
    assert cells["METEOR"][1] == "14.56"
    assert cells["BERTScore"] == ["–", "–", "–", "16.75"]
    assert cells["BLEU-1"][2:] == ["75.00", "15.01"]
    content = json.loads((folder / "generation.json").read_text())
    assert content["rows"][1]["scores"]["bleu_1"]["value"] == pytest.approx(0.75)
    assert content["settings"]["flavour"] == "standard"
    assert read_answers(str(folder / "answers.jsonl")) == read_answers(answers)


def test_answers_that_name_no_strategies_are_not_blamed_for_it(tmp_path):
    rows = [{name: value for name, value in row.items() if name != "strategy"} for row in ROWS[:3]]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    table = rate_generation(GenerationEvalConfig(str(tmp_path / "rows.jsonl")))
    assert not [metric for metric in table.metrics if "strategy" in metric]
    write_jsonl(tmp_path / "again.jsonl", (answer.to_json() for answer in read_answers(str(tmp_path / "rows.jsonl"))))
    assert read_answers(str(tmp_path / "again.jsonl")) == read_answers(str(tmp_path / "rows.jsonl"))
    assert "strategy accuracy" not in table.table.markdown()


def test_a_strategy_that_there_is_not_is_none(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", [ROWS[0] | {"strategy": "Hypnosis"}])
    (report,) = rate_generation(GenerationEvalConfig(str(tmp_path / "rows.jsonl"))).reports
    assert (values(report)["strategy_accuracy"], values(report)["no_strategy"]) == (0, 1)


# From a folder

DATA = {"path": "sample", "silver_quotes": False, "prompt": "compeer_brief"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What `compeer eval --output` leaves: first outputs that are the references, second ones that lack their end."""
    folder = tmp_path_factory.mktemp("outputs")
    records, rows = load_records(DataConfig(**DATA)).test, []
    for record in records:
        text = COMPEER.render(record.reference, record.language)
        rows += [{"id": record.id, "member": 0, "text": text}, {"id": record.id, "member": 1, "text": text[:-11]}]
    write_jsonl(folder / "outputs.jsonl", rows)
    (folder / "report.json").write_text(json.dumps({"settings": {"data": DATA}}))
    return folder


def test_references_rated_against_themselves_are_perfect(folder):
    table = rate_generation(GenerationEvalConfig(str(folder)))
    assert [report.name for report in table.reports] == ["en", "zh"]
    for report in table.reports:
        found = values(report)
        whole = [found[metric] for metric in ("bleu_4", "rouge_l", "strategy_accuracy", "strategy_f1")]
        assert whole == pytest.approx([1, 1, 1, 1])
        assert (found["strategy_bias"], found["empty"], found["no_strategy"]) == (0, 0, 0)


def test_malformed_outputs_are_empty_and_wrong_unless_what_is_found_shall_count(folder):
    for report in rate_generation(GenerationEvalConfig(str(folder), member=1)).reports:
        found = values(report)
        assert [found[metric] for metric in ("bleu_1", "rouge_l", "meteor", "strategy_accuracy")] == [0, 0, 0, 0]
        assert (found["empty"], found["no_strategy"], found["strategy_bias"]) == (1, 1, None)
    for report in rate_generation(GenerationEvalConfig(str(folder), member=1, malformed="found")).reports:
        assert (values(report)["bleu_4"], values(report)["strategy_accuracy"]) == pytest.approx((1, 1))
    counts = [report.count for report in rate_generation(GenerationEvalConfig(str(folder), member=-1)).reports]
    assert sum(counts) == 2 * len(read_answers(str(folder)))


def test_answers_of_a_folder_can_be_kept_as_a_file(folder, tmp_path):
    rated = GenerationEvalConfig(str(folder), member=-1, output=str(tmp_path))
    reports = rate_generation(rated).reports
    assert rate_generation(GenerationEvalConfig(str(tmp_path / "answers.jsonl"), member=-1)).reports == reports


# What can't be rated


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"response": None}, "field 'response' must be a string, found null."),
        ({"reference": " "}, "field 'reference' must be a string that is not empty."),
        ({"language": "fr"}, "unknown language 'fr'; it can be one of: en, zh."),
        ({"gold_stategy": "Question"}, "unknown field 'gold_stategy'; did you mean 'gold_strategy'?"),
        ({"gold_strategy": "Hypnosis"}, "unknown strategy 'Hypnosis'"),
        ({"strategy": 3}, "field 'strategy' must be a string, found a number."),
        ({"member": -1}, "field 'member' must be a whole number from 0, found -1."),
        ({"id": "a"}, "id 'a' is that of {path}, line 1 too; give each of several answers to one prompt a number"),
    ],
)
def test_a_row_that_is_no_answer_is_named(tmp_path, change, sentence):
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [ROWS[0], ROWS[1] | change])
    with pytest.raises(UserError) as error:
        read_answers(str(path))
    assert str(error.value).startswith(f"{path}, line 2: {sentence.replace('{path}', str(path))}")


def test_settings_that_do_not_fit_are_one_sentence(answers, folder, tmp_path):
    def failing(*arguments: str) -> str:
        with pytest.raises(UserError) as error:
            rate_generation(GenerationEvalConfig(*arguments[:1], **dict(one.split("=") for one in arguments[1:])))
        return str(error.value)

    assert failing("nowhere").startswith("nowhere is no folder or file; name the folder of a `compeer eval --output`")
    assert failing(str(tmp_path / "sub")).startswith(f"{tmp_path / 'sub'} is no folder or file")
    assert "name the folder instead of outputs.jsonl" in failing(str(folder / "outputs.jsonl"))
    assert "in Chinese; take characters or jieba" in failing(answers, "tokens=words")
    assert "published figures nowhere can't be read" in failing(answers, "published=nowhere")
    assert "bertscore: nowhere is no directory of a model" in failing(answers, "bertscore=nowhere")
    with pytest.raises(UserError, match=r"member is 2; the outputs in .* have members 0 to 1, and -1 takes all\."):
        read_answers(str(folder), 2)
    with pytest.raises(UserError, match="member is -2; it must be at least -1"):
        GenerationEvalConfig(answers, member=-2)


def test_a_library_that_is_not_there_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(UserError, match=r"needs jieba, .*; run pip install \"compeer_jax\[evaluation\]\"\.$"):
        library("jieba")


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("[1]", "must be rows of metrics, e.g. Theirs: {bleu_1: 15.0}."),
        ("CARE: {bleu_5: 1}", "CARE: unknown metric 'bleu_5'; did you mean 'bleu_"),
        ("CARE: {bleu_1: 150}", "CARE: bleu_1 is 150; it must be a number from 0 to 100."),
        ("CARE: {strategy_bias: 4}", "it must be a number from 0 to 3."),
        ("CARE: {bleu_1: true}", "bleu_1 is True"),
        ("CARE: {bleu_1: yes}", "bleu_1 is 'yes'"),
        ("CARE: {", "are not YAML"),
    ],
)
def test_published_figures_that_can_not_be_are_named(tmp_path, text, sentence):
    path = tmp_path / "published.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_figures(str(path), METRICS)
    assert sentence in str(error.value)


# The command


def test_eval_without_an_action_still_rates_a_model_and_its_settings_are_shown(capsys):
    assert main(["config", "show", "eval", "--group_size", "3"]) == 0
    assert "group_size: 3" in capsys.readouterr().out
    assert main(["config", "show", "eval", "generation", "--outputs", "somewhere", "--flavour=esconv"]) == 0
    shown = capsys.readouterr().out
    assert {"outputs: somewhere", "flavour: esconv"} <= set(shown.splitlines())
    assert main(["eval", "generatoin"]) == 2
    assert "unknown eval action 'generatoin'; did you mean 'generation'?" in capsys.readouterr().err
    assert main(["eval", "generation", "--outputs", "a", "--flavor", "esconv"]) == 2
    assert "unknown config key 'flavor'; did you mean 'flavour'?" in capsys.readouterr().err
    assert main(["eval", "--steps", "3"]) == 2
    assert "unknown config key 'steps'" in capsys.readouterr().err


def test_several_outputs_stand_side_by_side_as_each_alone(answers, tmp_path):
    write_jsonl(tmp_path / "others.jsonl", [row | {"response": "thank you"} for row in ROWS[:2]])
    config = GenerationEvalConfig(answers, name="before", beside={"after": str(tmp_path / "others.jsonl")})
    table = rate_generation(config)
    assert [report.name for report in table.reports] == ["before, en", "before, zh", "after"]
    alone = rate_generation(GenerationEvalConfig(str(tmp_path / "others.jsonl"))).reports
    assert [report.scores for report in table.reports[2:]] == [report.scores for report in alone]
    assert [line.partition(":")[0] for line in table.table.notes[1:]] == ["before, en; after", "before, zh"]
