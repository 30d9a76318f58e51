"""Settings of chat models: in this process, behind a server, and which of the two."""

import base64
import os
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from compeer_jax.data.pictures import PictureLimits
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.models.load_config import LoadConfig

OWN_HOST, OWN_KEY = "api.openai.com", "OPENAI_API_KEY"
_LOGIN = re.compile(r"(?<=//)(?:[^/\s@?#]*+@)++")


class Address(str):
    """The address of a server. A login that stood in it is no part of the string, so that it gets into no file or
    sentence.

    Attributes:
        login: the user's name and password, as `http://NAME:PASSWORD@…` gave them.
    """

    login: tuple[str, str]

    def __new__(cls, url: str) -> "Address":
        """Takes an address off its login."""
        address, parts = super().__new__(cls, without_login(url)), urlsplit(url)
        address.login = unquote(parts.username or ""), unquote(parts.password or "")
        return address

    def __deepcopy__(self, _: object) -> "Address":
        return self  # it never changes


def without_login(text: str) -> str:
    """`text` without the logins in the addresses that it holds."""
    return _LOGIN.sub("", text)


@dataclass(frozen=True)
class ServerConfig:
    """A model behind a server that speaks OpenAI's chat completions, such as vLLM, SGLang or a hosted one.

    Args:
        url: the server's address, up to and including "/v1".
        model: the model's name there.
        api_key_env: the environment variable that holds the key, if the server wants one. Without a name there is no
            key, but for OpenAI's own servers: they get OPENAI_API_KEY.
        concurrency: most requests under way at once.
        requests_per_minute: most requests sent in a minute, evenly spread (0: no limit but the server's own).
        timeout: seconds for one request.
        tries: times a request is tried before the server is looked after.
        backoff: seconds before the second try; doubled for each one after, up to a minute.
        patience: seconds to wait for a server that does not answer before giving up (-1: for ever).
        cache: folder in which answers are kept ("": in the run's folder, where there is a run).
        temperature: of the model's draws; 0 takes the likeliest token.
        max_tokens: longest answer.
        seed: of the model's draws, where the server has seeds.
        pictures: how many of a conversation's pictures the model is shown, the last ones, and how large; for any other
            it reads a word. Only a model that sees can have any.
        extra: further fields of each request, for example {top_p: 0.9}; null leaves one of ours out.
    """

    url: str = "http://localhost:8000/v1"
    model: str = ""
    api_key_env: str = ""
    concurrency: int = 32
    requests_per_minute: float = 0.0
    timeout: float = 60.0
    tries: int = 3
    backoff: float = 1.0
    patience: float = 3600.0
    cache: str = ""
    temperature: float = 0.0
    max_tokens: int = 512
    seed: int = 0
    pictures: PictureLimits = field(default_factory=PictureLimits)
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        of = "the chat server's "
        require_at_least(1, self, of, "concurrency", "tries", "max_tokens")
        require_at_least(0, self, of, "temperature", "backoff", "requests_per_minute")
        require_at_least(-1, self, of, "patience")
        if not self.timeout > 0:
            raise UserError(f"{of}timeout is {self.timeout}; it must be above 0.")
        if not _is_address(self.url):
            shown = "no address" if "@" in self.url else repr(self.url)  # a malformed one may hold a password anywhere
            raise UserError(f"{of}url is {shown}; it must be like http://localhost:8000/v1.")
        if re.search(r"[?#]", self.url):  # what comes after may be a key
            raise UserError(
                f"{of}url may have no '?' or '#': name the variable that holds a key as api_key_env, and give other "
                "settings as extra."
            )
        if without_login(self.url) != self.url:
            object.__setattr__(self, "url", Address(self.url))
        if self.url.rstrip("/").endswith("/completions"):
            raise UserError(f"{of}url is {self.url!r}; leave out what comes after /v1.")

    @property
    def own(self) -> bool:
        """Whether the server is OpenAI's."""
        return self.host == OWN_HOST or self.host.endswith(f".{OWN_HOST}")

    @property
    def key_name(self) -> str:
        """The environment variable whose value is sent as the key; "" for none."""
        return self.api_key_env or (OWN_KEY if self.own else "")

    @property
    def key(self) -> str:
        """The key; "" where there is none.

        Raises:
            UserError: what is there can be no key, as no header can hold it.
        """
        key = os.environ.get(self.key_name, "").strip() if self.key_name else ""
        if not (key.isascii() and key.isprintable()):
            raise UserError(
                f"the environment variable {self.key_name} holds line ends or letters that no key has; set it anew."
            )
        return key

    @property
    def host(self) -> str:
        """The server's machine, by name or number."""
        return urlsplit(self.url).hostname or ""

    @property
    def proxy(self) -> str:
        """The environment variable that names the proxy through which requests go; "" where they go straight."""
        from urllib.request import getproxies, proxy_bypass

        if proxy_bypass(self.host):
            return ""
        for name in (f"{urlsplit(self.url).scheme}_proxy", "all_proxy"):
            if getproxies().get(name.removesuffix("_proxy")):
                return next((one for one in (name, name.upper()) if os.environ.get(one)), "the system's settings")
        return ""

    @property
    def login(self) -> tuple[str, str] | None:
        """The user's name and password that the address held; None without."""
        return getattr(self.url, "login", None)

    @property
    def secrets(self) -> list[str]:
        """Secrets that the server alone may read: key, login."""
        login = ":".join(self.login or ())
        return [self.key, login.partition(":")[2], base64.b64encode(login.encode()).decode()]


@dataclass(frozen=True)
class LocalChatConfig(LoadConfig):
    """Settings of a model in this process.

    Args:
        temperature: of the draws; 0 takes the likeliest token.
        top_p: draws come from the smallest set of tokens with this probability.
        max_tokens: longest answer.
        batch_size: chats answered together; it changes answers no more than rounding does.
        seed: of the draws.
        pictures: how many of a conversation's pictures the model is shown, the last ones, and how large; for any other
            it reads a word. Only a model that sees can have any.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 512
    batch_size: int = 32
    seed: int = 0
    pictures: PictureLimits = field(default_factory=PictureLimits)

    def __post_init__(self):
        require_at_least(1, self, "a chat model's local.", "max_tokens", "batch_size")
        require_at_least(0, self, "a chat model's local.", "temperature")
        if not 0 < self.top_p <= 1:
            raise UserError(f"a chat model's local.top_p is {self.top_p}; it must be above 0 and at most 1 (off).")


@dataclass(frozen=True)
class ChatModelConfig:
    """One chat model: a Hugging Face directory in this process, or a model behind a server.

    Args:
        path: the directory; "" for a server.
        local: how it answers, if it is in this process.
        server: where it is and how it answers, if it is behind a server.
        prompt_price: of a million tokens that it reads, in a currency of yours.
        completion_price: of a million tokens that it writes.
    """

    path: str = ""
    local: LocalChatConfig = field(default_factory=LocalChatConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    prompt_price: float = 0.0
    completion_price: float = 0.0

    def __post_init__(self):
        require_at_least(0, self, "a chat model's ", "prompt_price", "completion_price")
        if not self.path and not self.server.model:
            raise UserError("a chat model needs a path, or server.url and server.model; give one.")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port or a bracket
        return False
