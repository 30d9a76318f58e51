"""A real chat server for tests: HTTP on a local port, speaking as much of OpenAI's protocol as chat models need.

    with ChatHTTPServer(lambda body: "Verdict: True") as server:
        complete_all(ChatServer(ServerConfig(url=server.url, model="judge"), say=print), [messages])

It answers what its function says, misbehaves as its script says, can go away and come back on the same port, and
remembers what it was asked. Nothing in it thinks: its answers are scripted.
"""

import json
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from compeer_jax.chat.config import ServerConfig

GREETING = "Hello."


@dataclass(frozen=True)
class Raw:
    """A response as it goes over the wire, well-formed or not.

    Attributes:
        status: of HTTP.
        body: its text; None never answers, but keeps the connection.
        headers: beside the usual ones.
    """

    status: int = 200
    body: str | None = ""
    headers: dict[str, str] = field(default_factory=dict)


NEVER = Raw(body=None)


def complete_all(chat, conversations: Iterable[Sequence], **drawn) -> list[str | None]:
    """What a `ChatServer` says to each conversation; None where it has no answer, or one that is not whole."""
    answers = chat.gather(chat.answer(messages, **drawn) for messages in conversations)
    return [answer.text if answer is not None and answer.whole else None for answer in answers]


def error(status: int, message: str = "scripted", *, code: str | None = None, **headers: str) -> Raw:
    """An error as OpenAI words it; headers with "_" for "-"."""
    body = json.dumps({"error": {"message": message, "type": "error", "param": None, "code": code}})
    return Raw(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def completion(
    text: str | list | None, prompt_tokens: int = 7, completion_tokens: int = 3, finish: str | None = "stop", **more
) -> Raw:
    """A well-formed answer, with more in its message."""
    value = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "judge",
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **more}}],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": 10},
    }
    return Raw(200, json.dumps(value))


def last_message(body: dict) -> str:
    """The text that waits for an answer."""
    return body["messages"][-1]["content"]


class ChatHTTPServer:
    """The server; a context manager.

    Args:
        answer: the request's JSON -> what the model says, or the whole response. Called from many threads at once.
        models: what GET /models lists.
        key: the API key it wants, if any.

    Attributes:
        url: to be given to clients.
        script: responses to the next requests, one each; when there is none, `answer` has the word.
        asked: the JSON of each request so far, in the order they came, greetings left out.
        greetings: how many requests only asked whether it works.
        peak: most requests that were under way at once.
    """

    def __init__(
        self,
        answer: Callable[[dict], str | Raw] = lambda body: "Verdict: True",
        *,
        models: Sequence[str] = ("judge",),
        key: str | None = None,
    ):
        self.answer, self.models, self.key = answer, models, key
        self.script: deque[Raw] = deque()
        self.asked: list[dict] = []
        self.greetings = self.peak = self._under_way = 0
        self._lock, self._door = threading.Lock(), threading.Lock()
        self._port, self._http = 0, None
        self.start()

    def start(self) -> None:
        """Opens the port: the same one each time."""
        with self._door:
            self._closing = threading.Event()
            self._http = _HTTP(("127.0.0.1", self._port), _Handler)
            self._http.chat = self
            self._port = self._http.server_address[1]
            self.url = f"http://127.0.0.1:{self._port}/v1"
            threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Closes the port: who asks is refused a connection."""
        with self._door:
            self._closing.set()
            self._http.shutdown()
            self._http.server_close()
            self._http.drop_connections()

    def misbehave(self, *responses: Raw) -> None:
        """Adds to the script."""
        self.script.extend(responses)

    def __enter__(self) -> "ChatHTTPServer":
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def _respond(self, path: str, body: dict | None, authorization: str | None) -> Raw:
        if self.key is not None and authorization != f"Bearer {self.key}":
            return error(401, "Incorrect API key provided")
        if path == "/v1/models":
            return Raw(body=json.dumps({"object": "list", "data": [{"id": name} for name in self.models]}))
        if path != "/v1/chat/completions":
            return error(404, "Not Found")
        with self._lock:
            self._under_way += 1
            self.peak = max(self.peak, self._under_way)
            if last_message(body) == GREETING:
                self.greetings += 1
            else:
                self.asked.append(body)
            scripted = self.script.popleft() if self.script else None
        try:
            if scripted is not None:
                return scripted
            if body["model"] not in self.models:
                return error(404, f"The model `{body['model']}` does not exist.", code="model_not_found")
            said = self.answer(body)
            return said if isinstance(said, Raw) else completion(said)
        finally:
            with self._lock:
                self._under_way -= 1


class _HTTP(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    chat: ChatHTTPServer

    def __init__(self, *args):
        self._connections: set = set()
        super().__init__(*args)

    def process_request(self, request, client_address) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        """Kept-alive connections would outlive the port."""
        for connection in list(self._connections):
            super().shutdown_request(connection)

    def handle_error(self, *_) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(self.server.chat._respond(self.path, None, self.headers["Authorization"]))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._send(self.server.chat._respond(self.path, body, self.headers["Authorization"]))

    def _send(self, response: Raw) -> None:
        if response.body is None:
            self.server.chat._closing.wait()
            return
        data = response.body.encode()
        self.send_response(response.status)
        for name, value in ({"Content-Type": "application/json"} | response.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_) -> None:
        """Tests are quiet."""


def texts(bodies: Iterable[dict]) -> list[str]:
    """The last message of each request."""
    return [last_message(body) for body in bodies]


def verdict(body):
    """A judge that goes by the checksum of what it is shown: any two outputs may get other verdicts."""
    text = last_message(body)
    number = zlib.crc32(text.encode())
    return f"Verdict: {('first', 'second', 'similar', 'neither')[number % 4] if '<first>' in text else number % 2 == 0}"


def plain_settings(server: ServerConfig) -> dict:
    """A server's settings as JSON holds them, for a process of its own; those of pictures are left out."""
    return {name: value for name, value in vars(server).items() if name != "pictures"}
