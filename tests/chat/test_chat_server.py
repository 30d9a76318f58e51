"""Chat models behind a server, against a real one on a local port that misbehaves as scripted."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing

import pytest
from chat_server_fixture import NEVER, ChatHTTPServer, Raw, complete_all, completion, error, last_message, texts
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.chat.answers import FILE, AnswerStore, answer_key
from compeer_jax.chat.call import retry_after
from compeer_jax.chat.config import ServerConfig
from compeer_jax.chat.response import Unavailable, read_answer
from compeer_jax.chat.server import ChatServer, ServerGone
from compeer_jax.chat.types import Answer
from compeer_jax.errors import UserError


def talk(*words):
    return [[{"role": "user", "content": word}] for word in words]


def echo(body):
    return last_message(body).upper()


def client(server, *, say=lambda line: None, folder=None, **settings):
    settings = {"model": "judge", "backoff": 0.01, "url": server.url} | settings
    return ChatServer(ServerConfig(**settings), say=say, folder=folder)


def test_answers_come_in_the_order_of_the_questions_and_are_counted():
    with ChatHTTPServer(echo) as server:
        chat = client(server)
        words = [f"word {index}" for index in range(40)]
        assert complete_all(chat, talk(*words)) == [word.upper() for word in words]
        assert sorted(texts(server.asked)) == sorted(words)
        assert (chat.usage.calls, chat.usage.answers, chat.usage.cached) == (40, 40, 0)
        assert (chat.usage.prompt_tokens, chat.usage.completion_tokens) == (280, 120)


def test_a_request_holds_the_settings_and_the_number_of_the_draw(monkeypatch):
    with ChatHTTPServer(echo, key="secret") as server:
        monkeypatch.setenv("COMPEER_TEST_KEY", "secret")
        settings = {"temperature": 0.5, "max_tokens": 9, "seed": 10, "api_key_env": "COMPEER_TEST_KEY"}
        chat = client(server, extra={"top_p": 0.9, "max_tokens": None, "max_completion_tokens": 8}, **settings)
        complete_all(chat, talk("a"))
        complete_all(chat, talk("a"), draw=2, temperature=1.0)
        shared = {"model": "judge", "messages": talk("a")[0], "top_p": 0.9, "max_completion_tokens": 8}
        assert server.asked == [shared | {"temperature": 0.5, "seed": 10}, shared | {"temperature": 1.0, "seed": 12}]


def test_no_more_requests_than_allowed_are_under_way_and_so_many_are():
    barrier = threading.Barrier(5)  # lets requests pass only in fives

    def together(body):
        barrier.wait(timeout=30)
        return "yes"

    with ChatHTTPServer(together) as server:
        assert complete_all(client(server, concurrency=5), talk(*map(str, range(15)))) == ["yes"] * 15
        assert server.peak == 5


def test_an_answer_is_asked_for_once_by_this_process_and_the_next(tmp_path):
    with ChatHTTPServer(echo) as server:
        first, second = client(server, folder=tmp_path), client(server, folder=tmp_path)
        assert complete_all(first, talk("a", "b", "a")) == ["A", "B", "A"]  # the same at once
        assert complete_all(second, talk("b", "a", "c")) == ["B", "A", "C"]
        assert Counter(texts(server.asked)) == {"a": 1, "b": 1, "c": 1}
        assert (second.usage.cached, second.usage.answers) == (2, 1)
        complete_all(second, talk("a"), draw=1)
        complete_all(client(server, folder=tmp_path, temperature=0.3), talk("a"))
        assert Counter(texts(server.asked))["a"] == 3  # another draw and other settings are other questions


def test_a_folder_in_the_config_comes_before_the_runs(tmp_path):
    with ChatHTTPServer(echo) as server:
        complete_all(client(server, folder=tmp_path / "run", cache=str(tmp_path / "mine")), talk("a"))
        assert (tmp_path / "mine" / FILE).exists()
        assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_a_killed_process_leaves_all_its_answers(tmp_path):
    """Killed with SIGKILL during its fifth question, one at a time: four are kept, the fifth is asked again."""
    words = [f"{index}" for index in range(8)]

    def kill_at_the_fifth(body):
        if len(server.asked) == 5:
            os.kill(process.pid, signal.SIGKILL)
            return NEVER
        return echo(body)

    program = (
        "import sys\nfrom compeer_jax.chat.config import ServerConfig\nfrom compeer_jax.chat.server import ChatServer\n"
        "config = ServerConfig(url=sys.argv[1], model='judge', concurrency=1)\n"
        "asks = [[{'role': 'user', 'content': str(i)}] for i in range(8)]\n"
        "chat = ChatServer(config, say=print, folder=sys.argv[2])\n"
        "chat.gather(chat.answer(ask) for ask in asks)\n"
    )
    with ChatHTTPServer(kill_at_the_fifth) as server:
        process = subprocess.Popen([sys.executable, "-c", program, server.url, str(tmp_path)])
        assert process.wait(timeout=60) == -signal.SIGKILL
        assert texts(server.asked) == words[:5]
        assert complete_all(client(server, folder=tmp_path, concurrency=1), talk(*words)) == words
        assert Counter(texts(server.asked)) == Counter(words) + Counter([words[4]])


def test_it_works_where_a_loop_is_running():
    async def notebook(chat):
        return complete_all(chat, talk("a"))

    with ChatHTTPServer(echo) as server:
        chat = client(server)
        assert asyncio.run(notebook(chat)) == ["A"]
        server.misbehave(error(401))
        with pytest.raises(ServerGone, match="401"):
            asyncio.run(notebook(client(server)))


def test_async_code_can_ask_by_itself():
    async def both(chat):
        async with chat:
            return (await chat.answer(talk("a")[0])).text, (await chat.answer(talk("b")[0])).text

    with ChatHTTPServer(echo) as server:
        assert asyncio.run(both(client(server))) == ("A", "B")


# What a server may say wrong, and what we say then.


@pytest.mark.parametrize(
    "response, sentence",
    [
        (error(401), "answers 401 (scripted); it wants a key: put it in the environment variable COMPEER_NO_KEY"),
        (error(403, "no access"), "answers 403 (no access); the key in the environment variable COMPEER_NO_KEY has no"),
        (error(404), "answers 404 (scripted); mend its url, which ends in /v1 on most servers, or the model's name."),
        (error(400, "too long"), "answers 400 (too long); if the conversation is too long for the model, shorten it"),
        (error(429, "pay", code="insufficient_quota"), "answers 429 (pay); the account's quota is used up; raise it"),
        (Raw(418, "I'm a teapot"), "answers 418 (I'm a teapot); look at its log, or mend its url."),
        (error(500), "does not work (status 500: scripted); look at its log, or mend its url."),
        (Raw(200, "<html>Log in</html>"), "no chat completion: '<html>Log in</html>'); look at its log, or mend its"),
    ],
)
def test_a_check_says_in_one_sentence_what_is_wrong(response, sentence):
    with ChatHTTPServer() as server:
        server.misbehave(response)
        with pytest.raises(ServerGone) as caught:
            client(server, api_key_env="COMPEER_NO_KEY").check()
    assert f"The chat server at {server.url} " in str(caught.value)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_check_passes_a_server_that_works_or_is_only_busy():
    with ChatHTTPServer() as server:
        client(server).check()
        server.misbehave(error(429), error(503, "loading the model"))
        client(server).check()
        client(server).check()
        assert server.greetings == 3
        assert not server.asked


def test_a_check_names_the_models_that_there_are():
    with ChatHTTPServer(models=("qwen2.5-7b", "llama")) as server:
        with pytest.raises(ServerGone, match=r"did you mean 'qwen2.5-7b'\?"):
            client(server, model="Qwen2.5-7B").check()
        with pytest.raises(ServerGone, match=r"which model to use, by its name there; it has qwen2.5-7b, llama\."):
            client(server, model="").check()


def test_a_check_of_nobody_says_so():
    with ChatHTTPServer() as server:
        pass
    with pytest.raises(ServerGone, match=r"can't be reached \(Connection refused\); start it, or mend its url\."):
        client(server).check()


def test_a_wrong_key_is_told_from_a_missing_one(monkeypatch):
    monkeypatch.setenv("COMPEER_TEST_KEY", "wrong")
    sentence = "does not take the key in the environment variable COMPEER_TEST_KEY"
    with ChatHTTPServer(key="right") as server, pytest.raises(ServerGone, match=sentence):
        client(server, api_key_env="COMPEER_TEST_KEY").check()


def test_a_server_that_never_answers_is_late():
    with ChatHTTPServer() as server:
        server.misbehave(NEVER)
        with pytest.raises(ServerGone, match=r"does not work \(no answer within 0.2 s\)"):
            client(server, timeout=0.2).check()


def test_a_refusal_ends_the_others_and_what_was_answered_is_kept(tmp_path):
    with ChatHTTPServer(lambda body: error(403) if last_message(body) == "c" else echo(body)) as server:
        with pytest.raises(ServerGone, match="403"):
            complete_all(client(server, folder=tmp_path, concurrency=1), talk("a", "b", "c", "d"))
        assert texts(server.asked) == ["a", "b", "c"]  # once: a refusal is not tried again
        server.answer = echo
        assert complete_all(client(server, folder=tmp_path), talk("a", "b")) == ["A", "B"]
        assert len(server.asked) == 3


# Trouble that passes.


def test_passing_trouble_is_not_worth_a_word():
    lines = []
    with ChatHTTPServer(echo) as server:
        server.misbehave(error(500), error(429), error(503), Raw(200, "garbage"))
        words = list("abcdefgh")
        assert complete_all(client(server, say=lines.append, concurrency=2, tries=5), talk(*words)) == list("ABCDEFGH")
        assert len(server.asked) == len(words) + 4
    assert lines == []


def test_a_server_that_asks_for_time_gets_it():
    with ChatHTTPServer(echo) as server:
        server.misbehave(error(429, Retry_After="0.4"))
        began = time.monotonic()
        assert complete_all(client(server), talk("a")) == ["A"]
        assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize(
    "header, seconds",
    [
        ("3", 3),
        ("0.5", 0.5),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0),
        *[(nonsense, 0) for nonsense in ("-2", "nan", "inf", "soon", "", None)],
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(header, seconds):
    assert retry_after(header, now=10.0) == seconds


def test_a_server_that_dies_pauses_the_work_and_all_goes_on_when_it_is_back(tmp_path):
    """It dies at the tenth of 30 questions, is brought up by whoever reads the line, and nothing is asked in vain."""
    lines = []
    dying = threading.Event()

    def die_at_the_tenth(body):
        if len(server.asked) == 10 and not dying.is_set():
            dying.set()
            server.stop()
        return echo(body)

    def say(line):
        lines.append(line)
        if "has not answered" in line:
            server.start()

    words = [f"word {index}" for index in range(30)]
    with ChatHTTPServer(die_at_the_tenth) as server:
        chat = client(server, say=say, folder=tmp_path, concurrency=4, tries=2)
        assert complete_all(chat, talk(*words)) == [word.upper() for word in words]
        again = Counter(texts(server.asked)) - Counter(words)
        assert again.total() <= 4  # those that were under way
    pause, back = lines
    assert f"The chat server at {server.url} has not answered since " in pause
    assert "next try within 1 s." in pause
    assert f"Ctrl-C is safe, as all answers so far are kept in {tmp_path / FILE}." in pause
    assert "answers again, after " in back


def test_a_limit_on_requests_is_not_worth_a_word_while_others_get_through():
    """One request is put off until all others are served, and each time until the server has answered another."""
    others, lines = [f"word {index}" for index in range(20)], []
    arrived = threading.Condition()
    count = [0]

    def put_off(body):
        with arrived:
            if last_message(body) != "late":
                count[0] += 1
                arrived.notify_all()
                return echo(body)
            seen = count[0]
            # With two under way, the second to arrive from now on shows that the first has been answered.
            assert arrived.wait_for(lambda: count[0] >= min(seen + 2, len(others)), timeout=30)
            return echo(body) if count[0] == len(others) else error(429)

    with ChatHTTPServer(put_off) as server:
        chat = client(server, say=lines.append, concurrency=2, backoff=0.001)
        assert complete_all(chat, talk("late", *others)) == ["LATE", *(word.upper() for word in others)]
        assert Counter(texts(server.asked))["late"] > 4
    assert lines == []


@pytest.mark.parametrize("response", [error(500), error(429), Raw(200, "<html>"), Raw(502, "")])
def test_a_server_that_answers_nobody_pauses_the_work_too(response):
    lines = []

    def say(line):
        lines.append(line)
        server.answer = echo

    with ChatHTTPServer(lambda body: response) as server:
        assert complete_all(client(server, say=say, tries=2), talk("a", "b", "c")) == ["A", "B", "C"]
    assert len(lines) == 2


def test_patience_ends(tmp_path):
    words = list("abcdef")
    with ChatHTTPServer(lambda body: echo(body) if last_message(body) in "abc" else error(503, "loading")) as server:
        with pytest.raises(ServerGone) as caught:
            complete_all(client(server, folder=tmp_path, patience=0.0, concurrency=1), talk(*words))
        assert "has not answered for 0 s (status 503: loading); start it, then run the same command" in str(
            caught.value
        )
        server.answer = echo
        server.asked.clear()
        assert complete_all(client(server, folder=tmp_path), talk(*words)) == list("ABCDEF")
        assert sorted(texts(server.asked)) == ["d", "e", "f"]


@pytest.fixture
def control_c():
    """Ctrl-C as at a terminal; a shell's background jobs, of which tests may be one, begin with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("control_c")
def test_control_c_is_safe(tmp_path):
    def say(line):
        signal.raise_signal(signal.SIGINT)

    with ChatHTTPServer(echo) as server:
        chat = client(server, say=say, folder=tmp_path, tries=1)
        assert complete_all(chat, talk("a", "b")) == ["A", "B"]
        server.stop()
        with pytest.raises(KeyboardInterrupt):
            complete_all(chat, talk("a", "b", "c"))
        server.start()
        assert complete_all(client(server, folder=tmp_path), talk("a", "b", "c")) == ["A", "B", "C"]
        assert sorted(texts(server.asked)) == ["a", "b", "c"]


# Answers that are none.


NO_COMPLETIONS = [
    "<html>busy</html>",
    "",
    "[]",
    "{}",
    "null",
    '{"choices": []}',
    '{"choices": [{}]}',
    '{"choices": [{"message": null}]}',
    '{"choices": [{"message": {"content": 3}}]}',
    '{"choices": {"0": 1}}',
    '{"choices": [{"message": {"content": "cut o',
    "[" * 100_000,
    "9" * 5000,
]


@pytest.mark.parametrize("text", NO_COMPLETIONS, ids=lambda text: text[:30])
def test_what_is_no_chat_completion_is_no_answer(text):
    with pytest.raises(Unavailable, match="is no chat completion"):
        read_answer(text)


IN_MEMORY = AnswerStore(None)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(st.sampled_from(["choices", "message", "content", "usage", "prompt_tokens"]), x)
        ),
    )
)
def test_no_json_breaks_the_reader(value):
    try:
        answer = read_answer(json.dumps(value))
    except Unavailable:
        return
    IN_MEMORY.put("key", answer)
    assert IN_MEMORY.get("key") == answer


@pytest.mark.parametrize("bad", [Raw(200, "<html>"), error(500, "I crash on this one")], ids=["garbage", "500"])
def test_a_request_that_the_server_breaks_on_has_no_reply_and_the_others_have(bad):
    lines = []
    with ChatHTTPServer(lambda body: bad if "poison" in last_message(body) else echo(body)) as server:
        chat = client(server, say=lines.append, concurrency=1)
        assert complete_all(chat, talk("a", "poison", "b", "poison 2")) == ["A", None, "B", None]
        assert chat.usage.no_reply == 2
        assert Counter(texts(server.asked))["poison"] == 5  # three tries, and two more once a greeting is answered
    assert len(lines) == 1
    assert "answers, but not one of the requests" in lines[0]


@pytest.mark.parametrize(
    "content, text",
    [
        ("half \ud83d", "half \ufffd"),
        ("a\0b 😀", "a\0b 😀"),
        ([{"type": "thinking", "thinking": []}, {"type": "text", "text": "a "}, "b"], "a b"),
    ],
)
def test_an_odd_answer_is_an_answer(content, text, tmp_path):
    with ChatHTTPServer(lambda body: completion(content)) as server:
        assert complete_all(client(server, folder=tmp_path), talk("a")) == [text]
        assert complete_all(client(server, folder=tmp_path), talk("a")) == [text]
        assert len(server.asked) == 1


def test_a_stormy_server_gives_the_same_answers_as_a_calm_one():
    """Questions fail up to four times, each time in another way: 200 of them, none lost, none mixed up."""
    faults = [error(500), error(429, Retry_After="0.01"), Raw(200, "{"), Raw(503, ""), Raw(200, '{"choices": []}')]
    lock, tries = threading.Lock(), Counter()

    def stormy(body):
        index = int(last_message(body).split()[-1])
        with lock:
            tries[index] += 1
        return echo(body) if tries[index] > index % 5 else faults[(index + tries[index]) % len(faults)]

    words = [f"word {index}" for index in range(200)]
    with ChatHTTPServer(stormy) as server:
        chat = client(server, concurrency=16, tries=6, backoff=0.001)
        assert complete_all(chat, talk(*words)) == [word.upper() for word in words]
        assert chat.usage.no_reply == 0
        assert tries == {index: index % 5 + 1 for index in range(200)}


# Settings and files.


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"url": "localhost:8000"}, "must be like http://localhost:8000/v1"),
        ({"url": "http://localhost:port/v1"}, "must be like http://localhost:8000/v1"),
        ({"url": "http://host/v1/chat/completions"}, "leave out what comes after /v1"),
        ({"concurrency": 0}, "concurrency is 0; it must be at least 1"),
        ({"timeout": 0.0}, "timeout is 0.0; it must be above 0"),
        ({"patience": -2.0}, "patience is -2.0; it must be at least -1"),
        ({"temperature": -0.1}, "temperature is -0.1; it must be at least 0"),
    ],
)
def test_settings_out_of_range_are_named(settings, sentence):
    with pytest.raises(UserError, match=sentence):
        ServerConfig(**settings)


def test_a_folder_that_holds_something_else_is_named(tmp_path):
    (tmp_path / FILE).write_text("not a database, " * 100)
    with pytest.raises(UserError, match=rf"answers can't be kept in {tmp_path / FILE} \(file is not a database\)"):
        AnswerStore(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="answers can't be kept in"):
        AnswerStore(tmp_path / "file" / "below")


def test_kept_answers_are_counted_over_all_runs(tmp_path):
    first = AnswerStore(tmp_path)
    first.put("a", Answer("one", 5, 2))
    first.put("b", Answer("two", 7, 1))
    second = AnswerStore(tmp_path)
    assert second.get("a") == Answer("one", 5, 2)
    assert second.get("c") is None
    assert second.total() == (2, 12, 3)
    assert AnswerStore(None).total() == (0, 0, 0)


def test_keys_differ_in_every_part_of_a_request():
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}], "temperature": 0.0}
    keys = {
        answer_key("u", body, 0),
        answer_key("v", body, 0),
        answer_key("u", body, 1),
        answer_key("u", body | {"model": "n"}, 0),
        answer_key("u", body | {"temperature": 1.0}, 0),
        answer_key("u", body | {"messages": [{"role": "user", "content": "ä"}]}, 0),
    }
    assert len(keys) == 6
    assert answer_key("u", dict(reversed(body.items())), 0) in keys


def test_answers_are_counted_by_model(tmp_path):
    store = AnswerStore(tmp_path)
    store.put("a", Answer("one", 5, 2), "qwen")
    store.put_all({"b": Answer("two", 7, 1), "c": Answer("three", 1, 1)}, "llama")
    store.put("d", Answer("four", 1, 0))
    assert AnswerStore(tmp_path).total_by_model() == {"": (1, 1, 0), "llama": (2, 8, 2), "qwen": (1, 5, 2)}
    assert AnswerStore(None).total_by_model() == {}


def test_answers_kept_together_are_kept_all_or_none(tmp_path):
    store = AnswerStore(tmp_path)
    with pytest.raises(UserError, match="answers can't be kept in"):
        store.put_all({"a": Answer("one"), "b": Answer(None)})
    assert store.get("a") is None
    store.put_all({"a": Answer("one")})  # and it goes on
    assert AnswerStore(tmp_path).get("a") == Answer("one")


def test_a_file_of_before_models_had_names_is_opened_and_extended(tmp_path):
    with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
        database.execute(
            "CREATE TABLE answers (key TEXT PRIMARY KEY, text TEXT NOT NULL, "
            "prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL) WITHOUT ROWID"
        )
        database.execute("INSERT INTO answers VALUES ('a', 'one', 5, 2)")
    first, second = AnswerStore(tmp_path), AnswerStore(tmp_path)
    assert first.get("a") is None  # nobody knows whether it is whole, but what it cost is known
    second.put("b", Answer("two", 7, 1), "qwen")
    assert first.get("b") == Answer("two", 7, 1)
    assert first.total_by_model() == {"": (1, 5, 2), "qwen": (1, 7, 1)}


def test_requests_are_spread_over_a_minute():
    """600 a minute: a tenth of a second apart, also those that are tried again."""
    lock, count = threading.Lock(), [0]

    def put_one_off(body):
        with lock:
            count[0] += 1
            return error(429) if count[0] == 2 else echo(body)

    with ChatHTTPServer(put_one_off) as server:
        began = time.monotonic()
        words = list("abcdef")
        assert complete_all(client(server, requests_per_minute=600.0), talk(*words)) == list("ABCDEF")
        assert time.monotonic() - began >= 6 * 0.1 - 0.01
    assert count == [7]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_alone_is_refused_may_be_skipped(status):
    def refuse_some(body):
        return error(status, "too long") if "long" in last_message(body) else echo(body)

    lines = []
    with ChatHTTPServer(refuse_some) as server:
        chat = ChatServer(ServerConfig(url=server.url, model="judge"), say=lines.append, skip_refused=True)
        assert complete_all(chat, talk("a", "a long one", "b", "another long one")) == ["A", None, "B", None]
        assert (chat.usage.refused, chat.usage.no_reply) == (2, 0)
        assert Counter(texts(server.asked))["a long one"] == 1
    assert lines == [
        f"The chat server at {server.url} refuses one of the requests (status {status}: too long); that one, and "
        "others like it, count as no reply."
    ]


def test_a_refusal_of_all_requests_ends_the_run_even_where_one_would_be_skipped():
    with ChatHTTPServer(lambda body: error(400, "what is top_q?")) as server:
        chat = ChatServer(ServerConfig(url=server.url, model="judge"), say=print, skip_refused=True)
        with pytest.raises(ServerGone, match=r"answers 400 \(what is top_q\?\); if the conversation is too long"):
            complete_all(chat, talk("a", "b"))
