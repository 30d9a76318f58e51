"""Words and keys go to the server they are meant for, and nothing that it answers can harm who reads it."""

import contextlib
import dataclasses
import gzip
import json
import re
import time
import zlib

import pytest
import yaml
from chat_server_fixture import ChatHTTPServer, Raw, complete_all, completion, error
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.chat.call import BadReply
from compeer_jax.chat.client import LARGEST, decompressed, spellings
from compeer_jax.chat.config import ServerConfig, without_login
from compeer_jax.chat.server import ChatServer, ServerGone
from compeer_jax.cli.main import main
from compeer_jax.errors import UserError
from compeer_jax.report.terminal_text import printable
from compeer_jax.rewards.config import RemoteJudgeConfig
from compeer_jax.runs.folder import RunFolder

TALK = [{"role": "user", "content": "my private words"}]


def ask(server: ChatHTTPServer, url: str = "", **settings):
    settings = {"timeout": 20.0, "tries": 1, "backoff": 0.01, "patience": 0.05, "model": "judge", **settings}
    chat = ChatServer(ServerConfig(url=url or server.url, **settings), say=print)
    return complete_all(chat, [TALK])[0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_words_are_sent_on_within_one_origin_only(status):
    with ChatHTTPServer() as other, ChatHTTPServer() as server:
        server.misbehave(Raw(status, "", {"Location": f"{other.url}/chat/completions"}))
        with pytest.raises(ServerGone, match=rf"answers {status} \(it sends requests on to http://127.0.0.1:\d+, "):
            ask(server)
        assert other.asked == []
        assert other.greetings == 0


def test_a_server_that_moves_its_path_still_works():
    with ChatHTTPServer() as server:
        server.misbehave(Raw(307, "", {"Location": "/v1/chat/completions"}))
        assert ask(server) == "Verdict: True"
        server.misbehave(*[Raw(307, "", {"Location": "/v1/chat/completions"})] * 60)
        with pytest.raises(ServerGone, match="sends requests in circles"):
            ask(server)


def bomb(size: int) -> bytes:
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packed.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packed.flush()


@pytest.mark.parametrize("layers", [1, 2])
def test_a_small_reply_that_grows_is_given_up(layers):
    data = bomb(1 << 28)
    began = time.process_time()
    with pytest.raises(BadReply, match="longer than 8 MiB when decompressed" if layers == 1 else "not asked for"):
        decompressed(data, ", ".join(["gzip"] * layers))
    assert time.process_time() - began < 5


@given(st.binary(max_size=300), st.sampled_from(["", "identity", "gzip", "x-gzip", "deflate", "br", "gzip, gzip"]))
def test_any_bytes_in_any_encoding_are_read_or_refused(data, encoding):
    with contextlib.suppress(BadReply):
        assert len(decompressed(data, encoding)) <= LARGEST
    if encoding in ("gzip", "x-gzip"):
        assert decompressed(gzip.compress(data), encoding) == data


def test_an_endless_reply_is_given_up():
    with ChatHTTPServer() as server:
        server.answer = lambda body: Raw(200, " " * (LARGEST + 2))
        with pytest.raises(ServerGone, match="its answer is longer than 8 MiB"):
            ask(server)


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_no_key_or_login_is_repeated(status, monkeypatch, capsys):
    monkeypatch.setenv("COMPEER_TEST_KEY", "sk-very-secret")
    with ChatHTTPServer() as server:
        url = server.url.replace("://", "://alice:URLSECRET@")
        echo = "you sent sk-very-secret, URLSECRET and YWxpY2U6VVJMU0VDUkVU"
        server.answer = lambda body: echo if status == 200 else error(status, echo)
        try:
            said = ask(server, url, api_key_env="COMPEER_TEST_KEY")
        except UserError as gone:
            said = str(gone)
        said += capsys.readouterr().out
        assert "[hidden]" in said
        assert not any(secret in said for secret in ("very-secret", "URLSECRET", "VVJMU0VDUkVU"))


@given(st.text(min_size=6, max_size=20).filter(lambda text: text.isprintable() and "\\" not in text), st.data())
def test_a_key_is_hidden_however_json_spells_it(secret, data):
    def spell(character: str) -> str:
        units = character.encode("utf-16-be").hex(" ", 2).split()
        ways = [json.dumps(character, ensure_ascii=False)[1:-1], "".join(f"\\u{unit}" for unit in units)]
        return data.draw(
            st.sampled_from([*ways, ways[1].upper().replace("U", "u"), "\\/" if character == "/" else ways[0]])
        )

    once = '"' + "".join(map(spell, secret)) + '"'
    assert json.loads(once) == secret
    for said in (secret, once, json.dumps(once)):
        assert re.sub(spellings(secret), b"[hidden]", said.encode()).strip(b'"\\') == b"[hidden]"


def test_an_escaped_key_is_in_no_sentence(monkeypatch, capsys):
    monkeypatch.setenv("COMPEER_TEST_KEY", "sk/very-secret")
    with ChatHTTPServer() as server:
        server.answer = lambda body: Raw(400, '{"error": {"message": "bad key sk\\/very-\\u0073ecret"}}')
        with pytest.raises(UserError, match=r"bad key \[hidden\]"):
            ask(server, api_key_env="COMPEER_TEST_KEY")


@pytest.mark.parametrize("end", ["?api-key=QSECRET", "#QSECRET", "?"])
def test_an_address_with_a_query_is_refused_without_being_shown(end, capsys):
    arguments = ["--output", "x", "--model.path", "y", "--reward.remote.url", f"http://host/v1{end}"]
    assert main(["config", "show", "grpo", *arguments]) == 2
    said = "".join(capsys.readouterr())
    assert "url may have no '?' or '#': name the variable that holds a key as api_key_env" in said
    assert "SECRET" not in said


def test_a_login_is_used_and_stands_nowhere(tmp_path, capsys):
    url = "http://alice:URL%2BSECRET@127.0.0.1:1/v1"
    config = RemoteJudgeConfig(url=url, model="m", timeout=1.0, tries=1, patience=0.0)
    for copy in (config, dataclasses.replace(config, seed=3)):
        assert copy.url == "http://127.0.0.1:1/v1"
        assert copy.login == ("alice", "URL+SECRET")
    folder = RunFolder.open(tmp_path, dataclasses.asdict(config))
    assert yaml.safe_load(folder.config.read_text())["url"] == config.url
    assert "SECRET" not in folder.config.read_text() + json.dumps(dataclasses.asdict(config)) + repr(config)
    with pytest.raises(UserError) as gone:
        ChatServer(config, say=print).check()
    assert "SECRET" not in str(gone.value)
    with pytest.raises(UserError) as malformed:
        ServerConfig(url="http://alice:SEC/RET@host/v1")
    assert "RET" not in str(malformed.value)
    assert main(["config", "show", "grpo", "--output", "x", "--model.path", "y", "--reward.remote.url", url]) == 0
    assert "SECRET" not in capsys.readouterr().out


@given(st.text(st.sampled_from("ab:@% "), min_size=1, max_size=12))
def test_no_login_stays_in_an_address(text):
    address = without_login(f"see http://{text.replace(' ', '')}@host/v1 or not")
    assert address == "see http://host/v1 or not"


def test_openais_key_goes_to_openai_alone_unless_it_is_named(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, f"secret of {name}")
    assert ServerConfig(url="https://api.openai.com/v1").key == "secret of OPENAI_API_KEY"
    for host in ("localhost:8000", "openai.com.evil.example", "notapi.openai.com.example", "evil-api.openai.com"):
        assert ServerConfig(url=f"http://{host}/v1").key == ""
    with ChatHTTPServer(key="secret of OPENAI_API_KEY") as server:
        with pytest.raises(ServerGone, match="wants a key: name the environment variable that holds it as api_key_env"):
            ask(server)
        assert ask(server, api_key_env="OPENAI_API_KEY") == "Verdict: True"


def test_control_sequences_of_a_server_do_not_reach_the_terminal(capsys, tmp_path):
    words = "\x1b]0;pwned\x07\x1b[2J\x1b[31mall is well\u202egnp.exe\x9b1m"
    with ChatHTTPServer(models=["judge", "m\x1b[31m"]) as server:
        for answer in (error(400, words), Raw(200, words), error(500, words)):
            server.answer = lambda body, answer=answer: answer
            with pytest.raises(ServerGone, match="all is well") as gone:
                ask(server)
            assert printable(str(gone.value)) == str(gone.value)
        with pytest.raises(ServerGone, match="it has judge, m") as gone:
            ChatServer(ServerConfig(url=server.url), say=print).check()  # names no model
        assert printable(str(gone.value)) == str(gone.value)
    assert main(["sft", "--output", str(tmp_path), "--model.path", "no\x1b[31m"]) == 2
    assert "\x1b" not in capsys.readouterr().err


@given(st.text())
def test_printable_text_keeps_its_length_and_all_that_is_seen(text):
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(a == b or b == "\ufffd" for a, b in zip(text, shown, strict=True))
    assert not {"\x1b", "\x07", "\x9b", "\r", "\x08"} & set(shown)


def test_a_completion_still_arrives_whole():
    with ChatHTTPServer(lambda body: completion("支持 🙂" * 1000)) as server:
        assert ask(server) == "支持 🙂" * 1000
