"""Settings of a judge behind a chat server."""

from dataclasses import dataclass

from compeer_jax.chat.config import ServerConfig
from compeer_jax.errors import UserError


@dataclass(frozen=True)
class RemoteJudgeConfig(ServerConfig):
    """A judge behind a server that speaks OpenAI's chat completions.

    Args:
        prompt: name of the judge's prompt.
        retry_temperature: of the second try, where a reply had no verdict.
    """

    prompt: str = "judge"
    retry_temperature: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        if not self.retry_temperature > 0:
            raise UserError(
                f"the remote judge's retry_temperature is {self.retry_temperature}; it must be above 0, or a second "
                "try would say what the first did."
            )
