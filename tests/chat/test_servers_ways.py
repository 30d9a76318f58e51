"""What servers answer in place of words: it ends in a sentence, or in a reply with its ending, never in a traceback."""

import json
import sys

import pytest
from chat_server_fixture import GREETING, ChatHTTPServer, Raw, complete_all, completion, error, last_message
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from compeer_jax.chat.config import ServerConfig
from compeer_jax.chat.response import Refused, Unavailable, complaint, failure, read_answer
from compeer_jax.chat.server import ChatServer, ServerGone
from compeer_jax.chat.types import WHY_NOT, Answer
from compeer_jax.errors import UserError
from compeer_jax.report.terminal_text import printable

TALK = [{"role": "user", "content": "Rate."}]


def client(server, **more) -> ChatServer:
    settings = {
        "url": server.url,
        "model": "judge",
        "tries": 1,
        "backoff": 0.001,
        "patience": 0.0,
        "timeout": 5.0,
    } | more
    return ChatServer(ServerConfig(**settings), say=lambda line: None)


def one_sentence(error: Exception) -> bool:
    """Whether it is a line for a person, of bounded length, that a terminal shows as it is."""
    text = str(error)
    return "\n" not in text and len(text) < 1000 and printable(text) == text


# Whole replies and others


@pytest.mark.parametrize(
    "finish, ending",
    [
        *[
            (word, "whole")
            for word in (
                "stop",
                "STOP",
                "Stop",
                "stop ",
                "FINISH_REASON_STOP",
                "None",
                "eos",
                "eos_token",
                "end_turn",
                "stop_sequence",
                "",
                None,
            )
        ],
        *[(word, "cut") for word in ("length", "max_tokens", "abort", "error", "insufficient_system_resource", 3)],
        *[(word, "refused") for word in ("content_filter", "SAFETY", "refusal")],
        *[(word, "silent") for word in ("tool_calls", "function_call")],
    ],
)
def test_how_a_reply_ended_is_what_the_server_says_of_it(finish, ending):
    answer = read_answer(completion("Verdict: True", finish=finish).body)
    assert (answer.ending, answer.whole, answer.text) == (ending, ending == "whole", "Verdict: True")
    assert answer.fault == WHY_NOT.get(ending, "")


@pytest.mark.parametrize(
    "top, more, ending",
    [
        ({"error": {"message": "upstream died"}}, {}, "cut"),
        ({}, {"error": {"message": "upstream died"}}, "cut"),
        ({"error": None, "status": "completed"}, {"error": {}}, "whole"),
        ({"stop_reason": "max_tokens"}, {}, "cut"),
        ({}, {"stop_reason": "max_tokens"}, "cut"),
        ({"done_reason": "length"}, {}, "cut"),
        ({"status": "incomplete"}, {}, "cut"),
        ({}, {"native_finish_reason": "MAX_TOKENS"}, "cut"),
        ({}, {"native_finish_reason": "SAFETY"}, "refused"),
        ({}, {"native_finish_reason": "STOP"}, "whole"),
        ({}, {"stop_reason": 128009}, "whole"),  # vLLM's: the token, or the words, that it stopped at
        ({}, {"stop_reason": "</s>"}, "whole"),
        ({}, {"stop_reason": None}, "whole"),
    ],
)
@pytest.mark.parametrize("finish", ["stop", None])
def test_a_reply_is_whole_only_if_nothing_else_says_otherwise(finish, top, more, ending):
    value = json.loads(completion("Verdict: True", finish=finish).body) | top
    value["choices"][0] |= more
    assert read_answer(json.dumps(value)).ending == ending


def test_an_end_that_is_told_elsewhere_goes_before_its_length():
    value = json.loads(completion("Verdict: True", completion_tokens=8, finish="None").body)
    assert read_answer(json.dumps(value), longest=8).ending == "cut"
    assert read_answer(json.dumps(value | {"done_reason": "stop"}), longest=8).ending == "whole"


def test_a_server_that_does_not_say_how_a_reply_ended_is_told_by_its_length():
    for tokens, ending in ((7, "whole"), (8, "cut")):
        text = completion("Verdict: True", completion_tokens=tokens, finish=None).body
        assert read_answer(text, longest=8).ending == ending


@pytest.mark.parametrize(
    "content, more, ending",
    [
        (None, {}, "silent"),
        (" \n", {}, "silent"),
        ([], {}, "silent"),
        (None, {"refusal": "I can't."}, "refused"),
        ("Verdict: True", {"refusal": ["I can't."]}, "refused"),
        ("Verdict: True", {"refusal": " "}, "whole"),
        ("Verdict: True", {"refusal": []}, "whole"),
        ([{"type": "text", "text": "Verdict: True"}, {"type": "refusal", "refusal": "No."}], {}, "refused"),
        (None, {"reasoning_content": "Verdict: True"}, "thinking"),
        ("", {"reasoning": "Verdict: True"}, "thinking"),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}], {}, "thinking"),
        ("<think>Verdict: True", {}, "thinking"),
        ("<think>Hm.</think>\n", {}, "thinking"),
        ("<think>Hm.</think>\nVerdict: True", {}, "whole"),
        ("Verdict: True", {"reasoning_content": "Hm."}, "whole"),
        ([{"type": "text", "text": "Verdict:"}, {"type": "text", "text": " True"}], {}, "whole"),
    ],
)
def test_a_reply_without_words_says_why(content, more, ending):
    answer = read_answer(completion(content, **more).body)
    assert answer.ending == ending
    assert ending != "whole" or answer.text.strip() == "Verdict: True"


def test_what_is_not_whole_is_asked_anew_by_this_process_and_the_next_and_then_kept(tmp_path):
    replies = [completion("Verdict: Tr", finish="length"), completion(None), completion("<think>Verdict: True")]
    replies += [error(400, "filtered", code="content_filter"), completion("Verdict: False")]
    with ChatHTTPServer(lambda body: replies[len(server.asked) - 1]) as server:
        for said in (None, None, None, None, "Verdict: False", "Verdict: False"):
            chat = ChatServer(ServerConfig(url=server.url, model="judge"), say=print, folder=tmp_path)
            assert complete_all(chat, [TALK]) == [said]
            assert chat.usage.broken_off == (said is None)
        assert len(server.asked) == len(replies)


# Before a run


def test_a_check_asks_with_the_settings_of_the_run():
    least = error(400, "Invalid 'max_tokens': Expected a value >= 16, but got 1 instead.")
    with ChatHTTPServer(lambda body: "Hello." if body["max_tokens"] >= 16 else least) as server:
        client(server).check()
        client(server, max_tokens=16).check()
        with pytest.raises(ServerGone, match=r"leave that out with extra: \{max_tokens: null\}"):
            client(server, max_tokens=4).check()
        client(server, max_tokens=4, extra={"max_tokens": 20}).check()


@pytest.mark.parametrize(
    "reply, sentence",
    [
        (
            completion(None, reasoning_content="Hi."),
            r"thoughts alone, .*chat_template_kwargs.* max_tokens",
        ),
        (completion("<think>Hello? Well", finish="length"), r"thoughts alone"),
        (completion(None), r"answers without a word; look at its log"),
        (completion("", finish="tool_calls"), r"answers without a word"),
        (completion(None, refusal="No."), r"refuses to answer a greeting"),
    ],
)
def test_a_server_that_answers_a_greeting_without_words_is_refused_before_the_run(reply, sentence):
    with ChatHTTPServer(lambda body: reply) as server:
        with pytest.raises(ServerGone, match=sentence) as caught:
            client(server).check()
        assert one_sentence(caught.value)
        assert server.greetings == 2  # a second draw may have words
        server.answer = lambda body: reply if server.greetings % 2 else completion("Hello, I", finish="length")
        client(server).check()


# Errors


@pytest.mark.parametrize(
    "code, kind",
    [
        *[(code, "busy") for code in (429, "429", 503, 529, "rate_limit_exceeded", "overloaded_error")],
        *[(code, "refused") for code in (401, 400, "404", "invalid_api_key", "insufficient_quota")],
        *[(code, "broken") for code in (500, 502, None, "strange", 7, [], {"a": 1}, True)],
    ],
)
@pytest.mark.parametrize("place", ["body", "choice"])
def test_an_error_within_a_200_is_what_its_code_says(code, kind, place):
    said = {"error": {"message": "Provider returned error", "code": code}}
    body = said | {"choices": None} if place == "body" else {"choices": [said | {"finish_reason": "error"}]}
    with pytest.raises((Unavailable, Refused)) as caught:
        read_answer(json.dumps(body))
    found = getattr(caught.value, "fault", "refused")
    assert (found, "Provider returned error" in str(caught.value)) == (kind, True)


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("name", ["seed", "temperature", "max_tokens"])
def test_a_setting_that_a_server_does_not_know_is_named_with_the_mend(status, name):
    detail = {"detail": [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}]}
    with ChatHTTPServer(lambda body: Raw(status, json.dumps(detail)) if name in body else "Hello.") as server:
        with pytest.raises(ServerGone) as caught:
            client(server).check()
        assert f"answers {status} (body.{name}: Extra inputs are not permitted)" in str(caught.value)
        assert f"leave that out with extra: {{{name}: null}}." in str(caught.value)
        client(server, extra={name: None}).check()


NAMES = (
    *("choices", "message", "content", "error", "code", "type", "detail", "loc", "msg", "refusal", "finish_reason"),
    *(
        "reasoning_content",
        "text",
        "usage",
        "object",
        "completion_tokens",
        "completion_tokens_details",
        "reasoning_tokens",
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=300)
@given(JSON)
def test_no_json_has_the_reader_say_anything_but_a_reply_or_why_there_is_none(value):
    try:
        answer = read_answer(json.dumps(value), longest=5)
    except (Unavailable, Refused) as none:
        said = none
    else:
        said = None
        assert isinstance(answer, Answer)
        assert answer.whole == (answer.ending == "whole") == (not answer.fault)
        assert answer.text.strip() or not answer.whole
    assert said is None or one_sentence(said)
    assert isinstance(failure(None, complaint(json.dumps(value))), Unavailable | Refused)


CODECS = ["utf-8", "zlib_codec", "base64", "utf-7", "idna", "punycode", "none", "\x01"]
BODIES = st.one_of(
    JSON.map(json.dumps),
    st.text(max_size=40),
    st.builds(
        lambda text, finish, more: completion(text, finish=finish, **more).body,
        st.none() | st.text(max_size=20) | JSON,
        st.none() | st.sampled_from(["stop", "length", "error"]) | JSON,
        st.dictionaries(st.sampled_from(["refusal", "reasoning_content", "tool_calls"]), JSON, max_size=2),
    ),
)
RESPONSES = st.builds(
    lambda status, body, codec, header: Raw(
        status, body, {"Content-Type": f"application/json; charset={codec}"} | header
    ),
    st.sampled_from(
        [200, 200, 200, 201, 204, 301, 307, 400, 401, 403, 404, 407, 413, 418, 422, 429, 500, 503, 529, 599]
    ),
    BODIES.map(lambda text: text.encode("utf-8", "replace").decode()),
    st.sampled_from(CODECS),
    st.dictionaries(
        st.sampled_from(["Retry-After", "Location", "Content-Encoding", "x-should-retry"]),
        st.sampled_from(["0", "-1", "soon", "/v1", "http://[", "gzip", "br", "true", "\x7f"]),
        max_size=2,
    ),
)


@pytest.fixture(scope="module")
def odd_server():
    with ChatHTTPServer() as server:
        yield server


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=RESPONSES, rest=RESPONSES, greets=st.booleans())
@example(first=error(200), rest=Raw(200, ""), greets=True)
def test_whatever_comes_over_the_wire_a_check_and_a_question_end_in_a_sentence_or_a_reply(
    odd_server, first, rest, greets
):
    odd_server.answer = lambda body: "Hello." if greets and last_message(body) == GREETING else rest
    for ask in (lambda chat: chat.check(), lambda chat: complete_all(chat, [TALK])):
        odd_server.script.clear()
        odd_server.misbehave(first)
        try:
            said = ask(client(odd_server))
        except UserError as sentence:
            said = sentence
        if isinstance(said, UserError):
            assert one_sentence(said)
        else:
            assert said in (None, [None]) or said[0].strip()


# What the environment names


@pytest.fixture
def bare(monkeypatch):
    """An environment that names no proxies and no certificates."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        (
            "HTTP_PROXY",
            "http://127.0.0.1:9",
            r"behind the proxy of HTTP_PROXY, can't be reached .*\.1 into NO_PROXY",
        ),
        ("http_proxy", "http://127.0.0.1:9", r"behind the proxy of http_proxy, can't be reached"),
        ("ALL_PROXY", "http://127.0.0.1:9", r"behind the proxy of ALL_PROXY, can't be reached"),
        ("ALL_PROXY", "socks5://127.0.0.1:9", r"of ALL_PROXY, needs the socksio package; run pip install socksio, or"),
        ("HTTP_PROXY", "gopher://127.0.0.1:9", r"behind the proxy of HTTP_PROXY, can't be asked \(.*gopher"),
        ("SSL_CERT_FILE", "/nowhere/at.all", r"can't be asked \(.*\); mend .* certificates that the environment names"),
    ],
)
def test_a_proxy_and_certificates_that_do_not_work_are_a_sentence(bare, name, value, sentence):
    bare.setitem(sys.modules, "socksio", None)  # which not everybody has installed
    with ChatHTTPServer() as server:
        bare.setenv(name, value)
        with pytest.raises(ServerGone, match=sentence) as caught:
            client(server).check()
        assert one_sentence(caught.value)
        with pytest.raises(ServerGone):
            complete_all(client(server), [TALK])
        bare.delenv(name)
        client(server).check()
        bare.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        bare.setenv("NO_PROXY", "127.0.0.1")
        client(server).check()


def test_a_key_that_no_header_can_hold_is_named_not_shown(bare):
    with ChatHTTPServer(key="key") as server:
        for value in ("k\u00e9y-of-mine", "key-of\nmine", "key-of\x1bmine"):
            bare.setenv("COMPEER_TEST_KEY", value)
            with pytest.raises(UserError, match="the environment variable COMPEER_TEST_KEY holds line ends") as caught:
                client(server, api_key_env="COMPEER_TEST_KEY").check()
            assert "mine" not in str(caught.value)
        bare.setenv("COMPEER_TEST_KEY", "key\r\n")  # as files with Windows' line ends give it
        client(server, api_key_env="COMPEER_TEST_KEY").check()


@pytest.mark.usefixtures("bare")
def test_a_server_that_does_not_speak_tls_is_a_sentence():
    with ChatHTTPServer() as server, pytest.raises(ServerGone) as caught:
        client(server, url=server.url.replace("http:", "https:")).check()
    assert "can't be reached" in str(caught.value)
    assert one_sentence(caught.value)
