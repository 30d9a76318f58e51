"""Chat models by name: one way to ask a model behind a server or in this process, against a scripted server."""

from collections import Counter
from itertools import count

import pytest
from chat_server_fixture import ChatHTTPServer, completion, error, last_message, texts
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.chat.config import ChatModelConfig, ServerConfig
from compeer_jax.chat.models import ChatModels, Malformed, Parsed, SetAside, ask_each
from compeer_jax.chat.types import Answer, ChatRequest, Spent
from compeer_jax.errors import UserError


def chat(word):
    return [{"role": "user", "content": word}]


def requests(*words, draw=0):
    return [ChatRequest(chat(word), draw) for word in words]


def echo(body):
    return last_message(body).upper()


def served(server, *, prices=(0.0, 0.0), **settings) -> ChatModelConfig:
    settings = {"model": "judge", "backoff": 0.01, "url": server.url} | settings
    return ChatModelConfig(server=ServerConfig(**settings), prompt_price=prices[0], completion_price=prices[1])


def models_of(folder=None, say=lambda line: None, **configs) -> ChatModels:
    return ChatModels(configs, folder=folder, say=say)


def test_answers_come_in_the_order_of_the_requests_with_what_they_cost():
    with ChatHTTPServer(echo) as server:
        models = models_of(echo=served(server, prices=(2.0, 10.0)))
        model = models["echo"]
        model.check()
        words = [f"word {index}" for index in range(30)]
        assert [answer.text for answer in model.answer(requests(*words))] == [word.upper() for word in words]
        assert model.spent == models.spent() == Spent(30, 30 * 7, 30 * 3, 0.00132)


def test_what_was_answered_before_counts_as_spent_but_is_not_asked_again(tmp_path):
    with ChatHTTPServer(echo) as server:
        first, second = (models_of(tmp_path, echo=served(server)) for _ in range(2))
        first["echo"].answer(requests("a", "b"))
        first.close()
        assert [answer.text for answer in second["echo"].answer(requests("b", "a", "b"))] == ["B", "A", "B"]
        assert sorted(texts(server.asked)) == ["a", "b"]
        assert second.spent() == Spent(3, 21, 9)


def test_models_share_a_folder_without_sharing_answers(tmp_path):
    with ChatHTTPServer(lambda body: body["model"], models=("one", "two")) as server:
        models = models_of(tmp_path, one=served(server, model="one"), two=served(server, model="two"))
        assert [models[name].answer(requests("a"))[0].text for name in models] == ["one", "two"]
        assert models["one"].server.store.total_by_model() == {"one": (1, 7, 3), "two": (1, 7, 3)}


def test_a_further_draw_of_a_greedy_model_is_drawn_by_chance():
    with ChatHTTPServer(echo) as server:
        models = models_of(greedy=served(server), warm=served(server, temperature=0.4, seed=5))
        models["greedy"].answer([*requests("a"), *requests("a", draw=1)])
        models["warm"].answer([*requests("b"), *requests("b", draw=2)])
        drawn = sorted((last_message(body), body["seed"], body["temperature"]) for body in server.asked)
        assert drawn == [("a", 0, 0.0), ("a", 1, 1.0), ("b", 5, 0.4), ("b", 7, 0.4)]


def test_settings_tell_models_apart_and_hold_no_secret(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    server = ServerConfig(url="http://me:word@host:8000/v1", model="m", extra={"top_p": 0.9})
    model = models_of(a=ChatModelConfig(server=server))["a"]
    assert model.settings == {
        "url": "http://host:8000/v1",
        "model": "m",
        "temperature": 0.0,
        "max_tokens": 512,
        "seed": 0,
        "extra": {"top_p": 0.9},
    }


def test_one_request_that_the_server_breaks_on_has_no_answer_and_costs_nothing():
    with ChatHTTPServer(lambda body: error(500) if last_message(body) == "bad" else echo(body)) as server:
        model = models_of(a=served(server, concurrency=1))["a"]
        assert [answer and answer.text for answer in model.answer(requests("a", "bad", "b"))] == ["A", None, "B"]
        assert model.spent.answers == 2


# Names and configs.


def test_an_unknown_name_is_told_the_nearest():
    with ChatHTTPServer() as server, pytest.raises(UserError, match=r"did you mean 'qwen'\?"):
        models_of(qwen=served(server), llama=served(server))["qwem"]


def test_a_config_names_a_directory_or_a_server():
    with pytest.raises(UserError, match=r"a chat model needs a path, or server\.url and server\.model; give one\."):
        ChatModelConfig()
    with pytest.raises(UserError, match=r"a chat model's prompt_price is -1\.0; it must be at least 0"):
        ChatModelConfig(path="somewhere", prompt_price=-1.0)


# Asking about each of many items, against a model that does as a script says.


class Scripted:
    """A chat model that says what a function of the last message and the draw says; it can't think."""

    def __init__(self, say):
        self.name, self.settings, self.spent = "scripted", {}, Spent()
        self._say, self.asked = say, []

    def check(self):
        """Always there."""

    def answer(self, requests):
        self.asked.append([(request.messages[-1]["content"], request.draw) for request in requests])
        answers = [self._say(*asked) for asked in self.asked[-1]]
        return [answer if answer is None else Answer(answer) for answer in answers]

    def close(self):
        """Holds nothing."""


def number(item, text):
    if not text.isdigit():
        raise Malformed("no number")
    return item, int(text)


def test_a_refused_answer_is_asked_for_again_and_the_rest_is_not():
    model = Scripted(lambda word, draw: "7" if word == "good" or draw else "seven")
    got = list(ask_each(model, ["good", "late"], chat, number, tries=3))
    assert got == [("good", Parsed(("good", 7), 0)), ("late", Parsed(("late", 7), 1))]
    assert model.asked == [[("good", 0), ("late", 0)], [("late", 1)]]


def test_what_is_never_right_is_set_aside_with_the_last_text_and_its_fault():
    model = Scripted(lambda word, draw: None if word == "silent" else f"{word} {draw}")
    got = dict(ask_each(model, ["bad", "silent"], chat, number, tries=2))
    assert got == {"bad": SetAside("no number", "bad 1"), "silent": SetAside("no reply", "")}


def test_items_are_streamed_a_chunk_at_a_time():
    endless = ask_each(Scripted(lambda word, draw: word), (str(n) for n in count()), chat, number, chunk=4)
    assert [next(endless)[1].value[1] for _ in range(6)] == list(range(6))


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 4), st.integers(1, 5))
def test_every_item_comes_back_once_and_in_order(needs, tries, chunk):
    """An item's number is the first draw at which it is answered well."""
    items = list(enumerate(needs))
    model = Scripted(lambda word, draw: "1" if draw >= int(word) else "no")
    got = list(ask_each(model, items, lambda item: chat(str(item[1])), number, tries=tries, chunk=chunk))
    assert [item for item, _ in got] == items
    for (_, need), result in got:
        assert result.draw == need if need < tries else isinstance(result, SetAside)
    assert Counter(draw for asked in model.asked for _, draw in asked) == Counter(
        draw for need in needs for draw in range(min(need + 1, tries))
    )


prices = st.builds(Spent, *[st.integers(0, 10**6)] * 3, st.integers(0, 10**12).map(lambda nanos: nanos / 10**9))


@given(st.lists(prices), prices)
def test_what_a_stage_spent_does_not_depend_on_what_was_spent_before(before, stage):
    before = sum(before, Spent())
    assert (before + stage) - before == stage


def test_tokens_that_the_server_does_not_count_are_none():
    with ChatHTTPServer(lambda body: completion("x", prompt_tokens=-1, completion_tokens=4)) as server:
        model = models_of(a=served(server))["a"]
        model.answer(requests("a"))
        assert model.spent == Spent(1, 0, 4)
