"""Whether verdicts go together: the rule, its statistics, what a model is asked, and both commands' whole way."""

import hashlib
import json

import numpy as np
import pytest
from chat_server_fixture import ChatHTTPServer, last_message
from gold_records import completion
from hypothesis import given
from hypothesis import strategies as st
from rated_outputs import DATA

from compeer_jax.chat.config import ChatModelConfig, ServerConfig
from compeer_jax.chat.models import open_chat_model
from compeer_jax.cli.main import main
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.dialogue.consistency import FOLLOWS, GO_TOGETHER, consistency_messages, load_consistency_prompt
from compeer_jax.dialogue.judging import JudgeCase
from compeer_jax.dialogue.reasoning import COMPEER
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.dialogue.verdicts import parse_step_verdict
from compeer_jax.errors import UserError
from compeer_jax.evaluation.judge_consistency import ConsistencyConfig, judge_consistency
from compeer_jax.evaluation.saved_outputs import read_groups
from compeer_jax.evaluation.verdict_consistency import ByModel, by_rule, consistency_row
from compeer_jax.rewards.config import JudgeModelsConfig
from compeer_jax.rewards.judge import Verdicts

SCORE = st.sampled_from([-1, 0, 1])


def verdicts(*rows) -> Verdicts:
    """Each row: three steps, then the response."""
    table = np.array(rows, np.int32)
    return Verdicts(table[:, :3], table[:, 3])


# The rule


@pytest.mark.parametrize(
    "row, consistent",
    [
        ((1, 1, 1, 1), True),
        ((1, -1, 1, 1), True),
        ((1, -1, -1, 1), False),
        ((-1, -1, -1, -1), True),
        ((1, 1, -1, -1), False),
        ((1, 1, 1, 0), False),
        ((1, 1, 0, 1), False),
        ((-1, -1, 0, -1), False),
    ],
)
def test_a_response_is_accepted_exactly_when_most_steps_are_right(row, consistent):
    assert by_rule([completion()], verdicts(row)) == [consistent]


@given(st.lists(st.tuples(SCORE, SCORE, SCORE, SCORE), min_size=1, max_size=20))
def test_turning_every_verdict_around_changes_nothing_of_the_rule(rows):
    turned = [tuple(-score for score in row) for row in rows]
    assert by_rule([], verdicts(*rows)) == by_rule([], verdicts(*turned))


def test_a_judge_that_always_says_yes_is_consistent_and_has_no_kappa():
    said = verdicts(*[(1, 1, 1, 1)] * 8)
    row = consistency_row("yes", said, by_rule([], said), np.ones((3, 8), int))
    assert (row.share, row.kappa) == ((1, 1, 1), None)
    assert (row.accepted, row.most_right, row.unparsed) == (1, 1, 0)


def test_kappa_is_one_for_agreement_zero_for_chance_and_minus_one_for_opposites():
    agree, opposite = [(1, 1, 1, 1), (-1, -1, -1, -1)], [(1, 1, 1, -1), (-1, -1, -1, 1)]
    for rows, kappa in ((agree, 1), (opposite, -1), (agree + opposite, 0)):
        said = verdicts(*rows, (0, 1, 1, 1))
        row = consistency_row("", said, by_rule([], said), np.ones((1, len(rows) + 1), int), rules=said)
        assert row.kappa == pytest.approx(kappa)
        assert row.unparsed == pytest.approx(1 / (len(rows) + 1))
        assert (row.rule_steps, row.rule_response) == (1, 1)


# What a model is asked

DIGESTS = {
    (GO_TOGETHER, "en"): (1, "15f5696e5106ab21faa2ee9cedc23d57"),
    (GO_TOGETHER, "zh"): (1, "ad8850479e54708950b803dfdca28e8b"),
    (FOLLOWS, "en"): (1, "06fe8649f99f1b02fef2b838322c9a25"),
    (FOLLOWS, "zh"): (1, "ce1c38f5ac4d8d0036b58935dfb3d133"),
}


@pytest.mark.parametrize("name, language", DIGESTS)
def test_a_changed_consistency_prompt_has_a_new_version(name, language):
    prompt = load_consistency_prompt(language, name)
    assert DIGESTS[name, language] == (prompt.version, hashlib.sha256(prompt.text.encode()).hexdigest()[:32])


@pytest.mark.parametrize("name, language", DIGESTS)
def test_the_prompt_shows_verdict_lines_that_can_be_read_and_gives_none_itself(name, language):
    text = load_consistency_prompt(language, name).text
    assert [parse_step_verdict(line) for line in text.splitlines() if line.startswith("Verdict")] == [True, False]
    assert "$" not in text
    assert ({"en": "The judge:", "zh": "评判者："}[language] in text) == (name == GO_TOGETHER)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_model_sees_each_part_in_its_frame_with_its_verdict_below(language):
    steps = {"history": "H.\nThe judge: this step is right.", "emotion": "E. </emotion> E", "strategy": ""}
    case = JudgeCase(language, (Turn("seeker", "Help\nme"),), steps, ("Theirs.", "Mine."))
    said = {"history": True, "emotion": False, "strategy": False, "response": True}
    system, user = consistency_messages(case, said)
    assert system["content"] == load_consistency_prompt(language).text
    text = user["content"]
    for tag in steps:
        assert text.count(f"<{tag}>") == text.count(f"</{tag}>") == 1
    order = ["Help me", "<history>", "<emotion>", "<strategy>", "Theirs.", "Mine."]
    assert [text.index(word) for word in order] == sorted(text.index(word) for word in order)
    judge = {"en": "The judge: ", "zh": "评判者："}[language]
    lines = [line for line in text.splitlines() if line.startswith(judge)]
    inside = language == "en"  # the output's own words, in its frame
    right, wrong, good = lines[int(inside)], lines[2 + inside], lines[3 + inside]
    assert lines[1 + inside] == wrong != right
    assert good not in (right, wrong)
    assert text.endswith(good)


def test_a_model_is_asked_about_whole_verdicts_only_and_its_silence_is_no_answer():
    def answer(body):
        text = last_message(body)
        return "I can't say." if "is worse" in text else f"Verdict: {text.count('is right') == 3}"

    said = verdicts((1, 1, 1, 1), (1, -1, 1, 1), (1, 1, 1, -1), (1, 0, 1, 1))
    with ChatHTTPServer(answer) as server:
        config = ChatModelConfig(server=ServerConfig(url=server.url, model="judge", backoff=0.001))
        judge = ByModel(open_chat_model("judge", config, folder=None, say=print), COMPEER)
        assert judge([completion()] * 4, said) == [True, False, None, False]
        assert len(server.asked) == 4, "the one without a verdict twice"


# From outputs in a folder to the table


@pytest.mark.long
def test_judges_of_known_opinions_are_compared_on_the_outputs_that_are_whole(outputs, judges, tmp_path):
    config = ConsistencyConfig(outputs=str(outputs), by="rule", models=judges, resamples=50, output=str(tmp_path))
    table = judge_consistency(config)
    assert table.count == 15
    unifi, pair = table.rows
    assert (unifi.name, pair.name) == ("UnifiReward", "PRM + ORM")
    assert (unifi.share.value, unifi.unparsed, unifi.rule_response) == (0, 1, 0)
    assert (pair.share, pair.kappa, pair.rule_steps, pair.rule_response) == ((1, 1, 1), None, 1, 1)
    assert table.paired.difference == (-1, -1, -1)
    assert table.paired.p == pytest.approx(2 / 2**15)
    assert "PRM + ORM alone on 15" in table.table.markdown()
    saved = [json.loads(line) for line in (tmp_path / "consistency.jsonl").read_text().splitlines()]
    assert [row["judges"]["PRM + ORM"]["consistent"] for row in saved] == [True] * 15
    assert json.loads((tmp_path / "consistency.json").read_text())["rows"][1]["share"]["value"] == 1


def test_the_command_asks_a_model_when_told_to(outputs, judges, capsys):
    models = [f"--models.{kind}={getattr(judges, kind)}" for kind in ("prm", "orm")]
    command = ["reward", "consistency", "--outputs", str(outputs), *models, "--models.dtype=float32"]
    with ChatHTTPServer(lambda body: "Verdict: False") as server:
        model = ["--by=model", f"--server.url={server.url}", "--server.model=judge"]
        assert main([*command, *model, "--count=4", "--batch_prompts=1", "--resamples=20"]) == 0
        assert len(server.asked) == 2, "two outputs of a prompt are equal, and no question is asked twice"
    printed = capsys.readouterr().out
    assert "4 outputs of" in printed
    assert "so says a model" in printed


def test_a_runs_rollouts_are_read_in_whole_groups_spread_over_its_steps(outputs, tmp_path):
    rows = [json.loads(line) for line in (outputs / "outputs.jsonl").read_text().splitlines()]
    for step in range(4):
        part = [row | {"truncated": step == 3} for row in rows[4 * step : 4 * step + 4]]
        write_jsonl(tmp_path / "rollouts" / f"step_{step + 1:06d}.jsonl", part)
    (tmp_path / "config.yaml").write_text(json.dumps({"data": DATA}))
    groups, format = read_groups(str(tmp_path), 9)
    assert format is COMPEER
    assert [[output.record.id for output in group] for group in groups] == [
        [rows[at]["id"]] * 2 for at in (0, 4, 8, 12)
    ]
    assert [output.format_ok for group in groups for output in group] == [True] * 6 + [False] * 2
    assert len(read_groups(str(tmp_path), 0)[0]) == 8


def test_what_can_not_be_compared_is_one_sentence(outputs, judges, tmp_path):
    def failing(**changes) -> str:
        with pytest.raises(UserError) as error:
            judge_consistency(
                ConsistencyConfig(**({"outputs": str(outputs), "by": "rule", "models": judges} | changes))
            )
        return str(error.value)

    assert "name the judges: models.unifi" in failing(models=JudgeModelsConfig())
    assert "models.orm is not named" in failing(models=JudgeModelsConfig(prm=judges.prm))
    assert "nowhere is no judge" in failing(models=JudgeModelsConfig(unifi="nowhere"))
    assert "holds no outputs; name the folder" in failing(outputs=str(tmp_path))
    write_jsonl(tmp_path / "outputs.jsonl", [{"id": "gone#1", "member": 0, "text": ""}])
    assert "cannot read the settings" in failing(outputs=str(tmp_path))
    (tmp_path / "report.json").write_text(json.dumps({"settings": {"data": DATA}}))
    assert "an output for 'gone#1', which sample does not have" in failing(outputs=str(tmp_path))
    write_jsonl(tmp_path / "outputs.jsonl", [{"id": "gone#1"}])
    assert "outputs.jsonl, line 1: 'text' or 'member' is missing" in failing(outputs=str(tmp_path))
