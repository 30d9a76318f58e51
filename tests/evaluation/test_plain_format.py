"""Plain replies: CARE's baselines, from corpora without annotations to the tables they stand in."""

import json

import jax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.chat.config import ServerConfig
from compeer_jax.cli.configure import parse_config
from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.jsonl import read_jsonl, write_jsonl
from compeer_jax.data.policy_data import DataConfig, encode_examples, encode_prompts, load_records
from compeer_jax.data.silver.judging import silver_judge_records
from compeer_jax.dialogue.reasoning import FORMATS, PLAIN, ReasonedTurn
from compeer_jax.errors import UserError
from compeer_jax.evaluation.evaluate import EvalConfig, evaluate
from compeer_jax.evaluation.generation_metrics import GenerationEvalConfig, rate_generation
from compeer_jax.evaluation.policy_report import policy_table
from compeer_jax.evaluation.served_replies import RepliesConfig, write_replies
from compeer_jax.models.tokenizer import load_tokenizer
from compeer_jax.people.pairs import read_replies
from compeer_jax.rewards.config import RewardConfig
from compeer_jax.rewards.judge_card import JudgeCard
from compeer_jax.rewards.load import load_reward
from compeer_jax.rewards.reward import reference_completion
from compeer_jax.talk.config import ChatConfig, ChatPromptConfig
from compeer_jax.training.small_model import SmallModelConfig, make_small_model

TAGS = [f"<{close}{tag}>" for form in FORMATS.values() for tag in form.tags for close in ("", "/", "\\")]
AUGESC = [["usr", "I failed my exam."], ["sys", "That hurts."], ["usr", "Yes."], ["sys", "What now?"]]
EXTES = {
    "scene": "Breakups",
    "description": "She left.",
    "content": [{"User": "She left."}, {"AI": "I am sorry.", "AI Strategy": "Emotional Validation"}, {"User": "Why?"}],
}


@given(st.lists(st.sampled_from(TAGS) | st.text(max_size=20), max_size=8).map("".join))
def test_all_of_a_plain_text_is_the_reply_whatever_tags_it_holds(text):
    turn = PLAIN.parse(text)
    assert turn == ReasonedTurn({}, {}, text.strip(), () if text.strip() else ("empty:response",))
    assert turn.format_ok == bool(text.strip())
    if turn.format_ok:
        assert PLAIN.render(turn) == PLAIN.section(turn, "response") == text.strip()
    else:
        with pytest.raises(UserError, match="cannot be written without a text for <response>"):
            PLAIN.render(turn)


@given(st.lists(st.sampled_from(["<think>", "</think>", "<\\think>", *TAGS]) | st.text(max_size=9)).map("".join))
def test_a_plain_reply_comes_back_as_it_was_and_thoughts_are_no_part_of_it(text):
    if text.strip():
        written = PLAIN.render(ReasonedTurn({}, {}, text))
        assert PLAIN.parse(written) == ReasonedTurn({}, {}, text.strip())
        assert PLAIN.parse(f"<think>{TAGS[0]}</think>{written}").response == text.strip()
    assert PLAIN.parse(f"<think>{text.replace('think', '')}").problems == ("empty:response",)


def corpus(tmp_path, name, row):
    path = tmp_path / name
    lines = [row] * 12 if isinstance(row, list) else [row | {"scene": f"Scene {number}"} for number in range(12)]
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return str(path)


def test_corpora_without_annotations_give_a_record_for_each_reply(tmp_path):
    augesc, extes = corpus(tmp_path, "augesc.txt", AUGESC), corpus(tmp_path, "extes.jsonl", EXTES)
    splits = load_records(DataConfig(path=augesc, format="plain", prompt="plain"))
    replies = [record.reference.response for part in (splits.train, splits.valid, splits.test) for record in part]
    assert sorted(replies) == ["That hurts."] * 12 + ["What now?"] * 12
    first = splits.train[0]
    assert (first.source, first.licence, first.reference.steps, first.reference.labels) == (
        "augesc",
        "unknown",
        {},
        {},
    )
    assert "Replies, train / valid / test: 16 / 4 / 4." in splits.summary
    (record, *_) = load_records(DataConfig(path=extes, format="plain", prompt="plain")).train
    assert (record.id[:8], record.situation) == ("extes-00", "She left.")
    assert set(record.reference.labels) == {"strategy"}
    with pytest.raises(UserError, match=r"gives no silver record; its dialogues need an emotion_type, and supporter"):
        load_records(DataConfig(path=augesc))
    with pytest.raises(UserError, match=r"^The train split of .* gives no record; its dialogues need supporter turns"):
        load_records(DataConfig(path=corpus(tmp_path, "mute.txt", AUGESC[:1]), format="plain", prompt="plain"))


def test_a_file_is_read_in_the_form_of_its_first_row_and_keeps_its_own_ids(tmp_path):
    chat = {
        "id": "7",
        "messages": [{"role": "user", "content": "我很难过。"}, {"role": "assistant", "content": "我在。"}],
    }
    write_jsonl(tmp_path / "clinic.jsonl", [chat])
    (dialogue,), report = read_corpus(tmp_path / "clinic.jsonl")
    assert (dialogue.id, dialogue.source, dialogue.language) == ("clinic-7", "clinic", "zh")
    assert (dialogue.licence, report.utterances) == ("unknown", 2)


def test_plain_and_silver_records_of_a_corpus_have_the_same_ids_and_replies():
    plain, care = (load_records(DataConfig(format=name, prompt=name)) for name in ("plain", "care"))
    assert [(one.id, one.reference.response) for one in plain.test] == [
        (one.id, one.reference.response) for one in care.test
    ]
    assert not any(record.source.startswith("silver") for record in plain.test)


@pytest.mark.parametrize("judge", ["rules", "unifi", "prm_orm", "remote", "hierarchical"])
def test_judges_of_steps_refuse_plain_replies_in_a_sentence(judge):
    with pytest.raises(UserError, match=r"reward.judge '.*'plain'.* bring a reward of your own, by its dotted path\.$"):
        load_reward(RewardConfig(judge=judge), PLAIN)


def test_a_reward_of_the_users_own_rates_plain_replies():
    record = load_records(DataConfig(format="plain", prompt="plain")).test[0]
    reward = load_reward(RewardConfig(judge="user_rewards.length"), PLAIN)
    assert reward([reference_completion(record, PLAIN)], jax.random.key(0)).total == len(record.reference.response)


def test_no_judge_is_made_for_outputs_without_all_steps():
    for name in ("plain", "care_no_plan"):
        with pytest.raises(UserError, match=f"no judge rates outputs of the format '{name}'; set data.format to"):
            JudgeCard("unifi", name)
    with pytest.raises(UserError, match="no judge rates outputs of the format 'plain'"):
        silver_judge_records([], PLAIN, seed=0)


def test_a_prompt_that_asks_for_another_format_is_one_sentence(model, tmp_path):
    tokenizer = load_tokenizer(model)
    records = load_records(DataConfig(limit=1)).train
    for format, prompt, asks in (
        ("plain", "compeer_brief", "plain, plain_brief"),
        ("care", "compeer", "care, care_brief"),
        ("care_no_plan", "care", "care_no_plan, care_brief_no_plan"),
        ("compeer", "plain", "compeer, compeer_brief"),
    ):
        data = DataConfig(format=format, prompt=prompt)
        sentence = rf"^data\.prompt, with the format {format}: unknown prompt '{prompt}'; .*it can be one of: {asks}\.$"
        for encode in (encode_examples, encode_prompts):
            with pytest.raises(UserError, match=sentence):
                encode(records, tokenizer, data)
        with pytest.raises(UserError, match=sentence):
            ChatConfig(data=ChatPromptConfig(format, prompt))
        with pytest.raises(UserError, match=sentence):
            write_replies(RepliesConfig(output=str(tmp_path), server=ServerConfig(model="m"), data=data), print)


def test_only_the_reply_is_learnt_from(model):
    data = DataConfig(format="plain", prompt="plain_brief", limit=4)
    records = load_records(data).train
    tokenizer = load_tokenizer(model)
    for record in records:
        example = encode_examples(records, tokenizer, data)[record.id]
        learnt = tokenizer.decode(example.tokens[example.loss_mask].tolist())
        assert learnt == record.reference.response + "<|im_end|>"


def outputs_of_references(folder, change=lambda text: text):
    """What `compeer eval --output` leaves of a plain model whose replies are the real ones."""
    records = load_records(DataConfig(format="plain", prompt="plain")).test
    write_jsonl(
        folder / "outputs.jsonl",
        [{"id": one.id, "member": 0, "text": change(one.reference.response)} for one in records],
    )
    (folder / "report.json").write_text(json.dumps({"settings": {"data": {"format": "plain", "prompt": "plain"}}}))
    return records


def test_saved_replies_stand_in_the_tables_without_what_they_do_not_have(tmp_path):
    records = outputs_of_references(tmp_path)
    table = rate_generation(GenerationEvalConfig(str(tmp_path)))
    assert sum(one.count for one in table.reports) == len(records)
    for report in table.reports:
        assert report.scores["bleu_4"].value == pytest.approx(1)
        assert not {"strategy_accuracy", "strategy_f1", "strategy_bias", "no_strategy"} & report.scores.keys()
    replies = read_replies(str(tmp_path))
    assert {one.id: one.reference.response for one in records} == {id: one.response for id, one in replies.items()}


def test_a_reply_with_tags_is_hidden_from_annotators_and_a_cut_one_is_no_answer(tmp_path):
    outputs_of_references(tmp_path, lambda text: f"<response>{text}")
    assert {reply.response for reply in read_replies(str(tmp_path)).values()} == {""}
    rows = [row | {"text": "I", "truncated": True} for _, row in read_jsonl(tmp_path / "outputs.jsonl")]
    write_jsonl(tmp_path / "outputs.jsonl", rows)
    for report in rate_generation(GenerationEvalConfig(str(tmp_path))).reports:
        assert report.scores["empty"].value == 1


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model that has learnt nothing."""
    shape = {"hidden_size": 16, "layers": 1, "heads": 2, "kv_heads": 2, "intermediate_size": 16, "context": 512}
    data = DataConfig(format="plain", prompt="plain_brief")
    output = str(tmp_path_factory.mktemp("plain") / "start")
    return make_small_model(SmallModelConfig(output=output, data=data, vocab_size=2048, **shape))


def rated(model, output, *more):
    arguments = f"""--model.path {model} --model.dtype float32 --data.format plain --data.prompt plain_brief
        --data.max_prompt_tokens 400 --sampling.max_new_tokens 4 --group_size 1 --records 3 --output {output}"""
    return evaluate(parse_config(EvalConfig, [*arguments.split(), *more], command="eval", description=""))


def test_a_model_is_rated_on_the_records_of_another_and_its_cut_replies_are_said(model, tmp_path):
    report, completions = rated(model, tmp_path / "a")
    assert (report.stage, report.strategy, report.rules, report.judge) == (None, None, None, None)
    table = policy_table({"plain": report})
    assert ("rules" in table.headings, len(table.rows[0])) == (False, len(table.headings))
    saved = [row for _, row in read_jsonl(tmp_path / "a" / "outputs.jsonl")]
    assert [row.get("truncated", False) for row in saved] == [one.truncated for one in completions]
    asked = [saved[2]["id"], saved[0]["id"]]
    write_jsonl(tmp_path / "other" / "outputs.jsonl", [saved[2], saved[0]])
    _, same = rated(model, tmp_path / "b", "--records_of", str(tmp_path / "other"))
    assert [one.record.id for one in same] == asked
    with pytest.raises(UserError, match=r"answers '.*', which is not in the valid split of sample, or is too long"):
        rated(model, tmp_path / "c", "--records_of", str(tmp_path / "a"), "--split", "valid")
    with pytest.raises(UserError, match=r"holds no outputs\.jsonl; name the folder of a `compeer eval --output` run"):
        rated(model, tmp_path / "c", "--records_of", str(tmp_path))
