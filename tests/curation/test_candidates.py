"""The candidates stage, against a scripted chat model: what it says is written in the test, it thinks nothing."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from chat_server_fixture import GREETING, ChatHTTPServer, error, last_message
from scripted_chat import Scripted

from compeer_jax.chat.config import ChatModelConfig, ServerConfig
from compeer_jax.chat.models import ChatModels, Malformed
from compeer_jax.curation.candidates.rows import Candidate
from compeer_jax.curation.candidates.stage import STAGE, parse_output
from compeer_jax.curation.config import BuildConfig, CandidatesConfig
from compeer_jax.curation.rows import read_rows
from compeer_jax.curation.stage import Workspace, read_card, run_stage
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.dialogue.reasoning import CARE, COMPEER, ReasonedTurn
from compeer_jax.errors import UserError
from compeer_jax.structure import structured, unstructured

TURN = ReasonedTurn(
    {"history": "She lost her job.", "emotion": "She is afraid.", "strategy": "She needs to be heard."},
    {
        "stage": "exploration",
        "sentiment": "negative",
        "emotion": "fear",
        "intensity": "4",
        "strategy": "Reflection of feelings",
    },
    "That sounds frightening.",
)


def round_row(number: int, language: str = "en", **more) -> dict:
    """A row as the rounds stage writes it."""
    return {
        "id": f"talk-{number}#1",
        "dialogue": f"talk-{number}",
        "language": language,
        "source": "esconv",
        "licence": "CC-BY-NC-4.0",
        "history": [{"role": "seeker", "content": f"I lost job number {number}."}],
        "reference": {"response": "I am sorry to hear that.", "strategy": "Reflection of feelings"},
        "round": 1,
        "rounds": 8,
        "provenance": [{"stage": "corpora", "file": "a.json"}, {"stage": "rounds", "seed": 0}],
        **more,
    }


def work_with(folder, rows, models, **settings) -> Workspace:
    """A pipeline's folder with these rounds in it, and these models to ask."""
    config = BuildConfig(
        output=str(folder),
        models={name: ChatModelConfig(path=name) for name in models},  # the models are opened by the tests
        candidates=CandidatesConfig(models=list(models), **settings),
    )
    write_jsonl(folder / "rounds" / "rounds.jsonl", rows)
    return Workspace(config, folder, models, lambda line: None)


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_model_answers_each_round(tmp_path):
    rows = [round_row(1, situation="Laid off in May."), round_row(2, "zh", emotion_type="fear", problem_type="job")]
    models = {name: Scripted(f"{name}-7b", lambda messages, draw: COMPEER.render(TURN)) for name in ("red", "blue")}
    work = work_with(tmp_path, rows, models)
    assert run_stage(STAGE, work)
    made = list(read_rows(tmp_path / "candidates" / "candidates.jsonl", Candidate))
    assert [candidate.id for candidate in made] == ["talk-1#1/red", "talk-2#1/red", "talk-1#1/blue", "talk-2#1/blue"]
    for candidate, row in zip(made, rows * 2, strict=True):
        assert candidate.turn == TURN
        kept = {name: value for name, value in row.items() if name not in ("id", "provenance")}
        assert {name: unstructured(candidate)[name] for name in kept} == kept
        assert list(candidate.provenance[:-1]) == row["provenance"]
    last = made[2].provenance[-1]
    assert {"stage": "candidates", "model": "blue-7b", "prompt": "compeer v2", "draw": 0}.items() <= last.items()
    assert len(last["settings_sha"]) == 12 != made[0].provenance[-1]["settings_sha"]
    asked = models["red"].asked[1].messages
    assert [message["role"] for message in asked] == ["system", "user"]
    assert asked[1]["content"] == "I lost job number 2."
    assert "阶段" in asked[0]["content"]
    counts = read_card(tmp_path / "candidates")["counts"]
    assert counts["rounds"] == 0  # no card of the rounds stage here
    spent = {"answers": 2, "prompt_tokens": 20, "completion_tokens": 10, "cost": 0.5}
    assert counts["models"]["red"]["spent"] == spent
    assert counts["models"]["red"]["candidates"] == 2


def test_what_stays_malformed_is_set_aside_with_its_text(tmp_path):
    good = COMPEER.render(TURN)
    says = {
        1: lambda draw: good,
        2: lambda draw: "I am sorry." if draw == 0 else good,
        3: lambda draw: good.replace("Stage: exploration", "Stage: listening"),
        4: lambda draw: None,
        5: lambda draw: "  \n",
        6: lambda draw: f"Sure!\n{good}",
    }

    def say(messages, draw):
        return says[int(messages[-1]["content"].rstrip(".").rsplit(" ", 1)[1])](draw)

    model = Scripted("red", say)
    work = work_with(tmp_path, [round_row(number) for number in says], {"red": model}, tries=3)
    run_stage(STAGE, work)
    made = list(read_rows(tmp_path / "candidates" / "candidates.jsonl", Candidate))
    assert [(candidate.dialogue, candidate.provenance[-1]["draw"]) for candidate in made] == [
        ("talk-1", 0),
        ("talk-2", 1),
    ]
    rejected = lines(tmp_path / "candidates" / "rejected.jsonl")
    assert [(row["where"], row["reason"]) for row in rejected] == [
        ("talk-3#1/red", "not in the format (label stage)"),
        ("talk-4#1/red", "no reply"),
        ("talk-5#1/red", "an empty reply"),
        ("talk-6#1/red", "not in the format (extra text)"),
    ]
    assert rejected[0]["row"]["text"] == says[3](0)
    assert Counter(request.draw for request in model.asked) == {0: 6, 1: 5, 2: 4}
    counts = read_card(tmp_path / "candidates")["counts"]["models"]["red"]
    assert counts["asked_again"] == 1
    assert sum(counts["set_aside"].values()) == 4


def test_no_models_and_no_rounds(tmp_path):
    said = []
    work = replace(work_with(tmp_path / "a", [round_row(1)], {}), say=said.append)
    run_stage(STAGE, work)
    assert (tmp_path / "a" / "candidates" / "candidates.jsonl").read_text() == ""
    assert said == ["candidates: candidates.models names no chat model, so no round is answered."]
    run_stage(STAGE, work_with(tmp_path / "b", [], {"red": Scripted("red", None)}))
    assert list(read_rows(tmp_path / "b" / "candidates" / "candidates.jsonl", Candidate)) == []


def test_a_model_that_never_keeps_to_the_format_is_named(tmp_path):
    said = []
    models = {"red": Scripted("red", lambda messages, draw: "I am sorry.")}
    run_stage(STAGE, replace(work_with(tmp_path, [round_row(1), round_row(2)], models), say=said.append))
    assert said == [
        "candidates: none of red's answers could be used, most often for: not in the format (extra text); see "
        "rejected.jsonl."
    ]


def test_a_changed_setting_makes_it_run_again_and_a_changed_waiting_time_does_not(tmp_path):
    work = work_with(tmp_path, [round_row(1)], {"red": Scripted("red", lambda messages, draw: COMPEER.render(TURN))})
    assert run_stage(STAGE, work)
    assert not run_stage(STAGE, work)

    def with_server(**server):
        changed = ChatModelConfig(server=ServerConfig(model="red", **server))
        return replace(work, config=replace(work.config, models={"red": changed}))

    assert run_stage(STAGE, with_server())
    assert not run_stage(STAGE, with_server(timeout=5.0, concurrency=2, patience=1.0))
    assert run_stage(STAGE, with_server(temperature=0.1))


def test_a_candidate_survives_json_and_names_what_is_wrong(tmp_path):
    row = round_row(1) | {"id": "talk-1#1/red", "steps": dict(TURN.steps), "labels": dict(TURN.labels)}
    row["response"] = TURN.response
    candidate = structured(Candidate, row, "here")
    assert structured(Candidate, json.loads(json.dumps(unstructured(candidate))), "here") == candidate
    assert candidate.sections(COMPEER)["emotion"] == (
        "She is afraid.\nSentiment: negative ; Emotion: fear ; Intensity: 4"
    )
    chinese = replace(candidate, language="zh").sections(COMPEER)
    assert chinese["history"] == "She lost her job.\n阶段：探索"
    wrong = {
        "here: unknown field 'replay'; it can be one of": row | {"replay": 1},
        "here: field 'reference' must be an object, found a string.": row | {"reference": "I am sorry."},
        "here: unknown step 'histroy'; did you mean 'history'?": row | {"steps": {"histroy": "x"}},
        "here: unknown stage 'listening'": row | {"labels": {"stage": "listening"}},
        "here: field 'rounds' must be a whole number from 1, found 0.": row | {"rounds": 0},
        "here, provenance 1: must be an object, found a string.": row | {"provenance": ["a"]},
    }
    for sentence, bad in wrong.items():
        with pytest.raises(UserError) as caught:
            structured(Candidate, bad, "here")
        assert str(caught.value).startswith(sentence)


def test_prompt_and_format_must_go_together():
    assert CandidatesConfig(format="care", prompt="care_brief").prompt == "care_brief"
    with pytest.raises(UserError) as caught:
        CandidatesConfig(format="care")
    assert str(caught.value) == (
        "candidates.prompt, with the format care: unknown prompt 'compeer'; it can be one of: care, care_brief."
    )


def test_a_run_that_ends_half_way_asks_nothing_twice(tmp_path):
    """With a real server on a local port, whose answers are scripted: every fifth is malformed at the first try. One
    request at a time, as those that are under way when a run ends can only be asked again.
    """

    def answer(body):
        if last_message(body) == GREETING:
            return "Hello."
        number = int(last_message(body).rstrip(".").rsplit(" ", 1)[1])
        return "I am sorry." if number % 5 == 0 and body["seed"] == 0 else COMPEER.render(TURN)

    rows = [round_row(number) for number in range(40)]
    files, asked = [], []
    with ChatHTTPServer(answer, models=["red"]) as server:
        config = ServerConfig(url=server.url, model="red", concurrency=1, tries=1, backoff=0.01, patience=0.0)
        for name, stops in (("whole", ()), ("halted", (3, 17, 30, 44))):
            server.asked = []
            made = tmp_path / name / "candidates" / "candidates.jsonl"
            for stop in (*stops, None):
                server.answer = answer if stop is None else _until(stop, server, answer)
                folder = tmp_path / name / "answers"
                models = ChatModels({"red": ChatModelConfig(server=config)}, folder=folder, say=print)
                work = work_with(tmp_path / name, rows, models)
                if stop is None:
                    run_stage(STAGE, work)
                else:
                    with pytest.raises(UserError, match="401"):
                        run_stage(STAGE, work)
                    assert not made.exists()
                models.close()
            files.append(made.read_bytes())
            asked.append(server.asked)
    assert files[0] == files[1]
    seen = [json.dumps([body["messages"], body["seed"]]) for body in asked[1] if "refused" not in body]
    assert len(seen) == len(set(seen)) == len(asked[0]) == 40 + 8


def _until(stop, server, answer):
    """Answers until the server has given `stop` answers in all; from then on each request is refused, and marked."""

    def say(body):
        if last_message(body) != GREETING and sum("refused" not in body for body in server.asked) > stop:
            body["refused"] = True
            return error(401, "no more credit")
        return answer(body)

    return say


def test_an_output_is_taken_whole_or_not_at_all():
    assert parse_output(COMPEER, COMPEER.render(TURN, "zh")) == TURN
    with pytest.raises(Malformed, match=r"^not in the format \(extra text\)$"):
        parse_output(CARE, COMPEER.render(TURN))
