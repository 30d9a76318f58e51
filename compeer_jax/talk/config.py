"""Settings of the terminal chat."""

from dataclasses import dataclass, field
from typing import ClassVar

from compeer_jax.chat.config import ServerConfig
from compeer_jax.data.pictures import PictureLimits
from compeer_jax.data.policy_data import ASKED, FormatName
from compeer_jax.dialogue.danger.numbers import check_country
from compeer_jax.dialogue.prompts import check_prompt, load_prompt
from compeer_jax.dialogue.reasoning import OUTPUT_FORMATS, ReasoningFormat
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.source import ModelConfig
from compeer_jax.parallel.mesh import MeshConfig


@dataclass(frozen=True)
class ChatPromptConfig:
    """Settings of the prompt: the model is asked as it was trained.

    Args:
        format: reasoning format of its outputs.
        prompt: name of the system prompt.
        max_prompt_tokens: longest prompt of a model in this process; a longer talk loses its oldest turns.
        pictures: how many pictures it is shown, and how large; only a model that sees can have any.
    """

    format: FormatName = "compeer"
    prompt: str = "compeer"
    max_prompt_tokens: int = 2048
    pictures: PictureLimits = field(default_factory=PictureLimits)

    def __post_init__(self):
        require_at_least(1, self, "data.", "max_prompt_tokens")

    @property
    def reasoning(self) -> ReasoningFormat:
        """The format by its name."""
        return OUTPUT_FORMATS[self.format]


@dataclass(frozen=True)
class ChatConfig:
    """A conversation with a model at the terminal.

    Args:
        model: the model to talk with, in this process.
        server: a chat server's model to talk with instead: give server.url and server.model.
        data: how it is asked.
        sampling: how a model in this process draws.
        mesh: where a model in this process lives.
        language: of the prompt, of the notices and of what the program says itself.
        country: where the person is, an ISO 3166 code such as US, for emergency numbers and help lines ("": not known).
        judge: directory of a judge that /judge asks ("": rules, which know form and repetition alone).
        tries: how often the model is asked before a malformed output stands, or the program answers in its place.
        reasoning: show the reasoning from the start.
        image: files of pictures that the model is shown with your first words; /image shows it more.
        seed: seed of the sampling.
        output: folder for the transcript ("": the talk is not kept).
    """

    OF_THE_CARD: ClassVar = (*ASKED, "sampling.max_new_tokens", "language")

    model: ModelConfig = field(default_factory=ModelConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    data: ChatPromptConfig = field(default_factory=ChatPromptConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    language: Language = "en"
    country: str = ""
    judge: str = ""
    tries: int = 2
    reasoning: bool = False
    image: list[str] = field(default_factory=list)
    seed: int = 0
    output: str = "runs/chat"

    def __post_init__(self):
        require_at_least(1, self, "", "tries")
        check_country(self.country)
        load_prompt(self.data.prompt, self.language)
        check_prompt(self.data.prompt, self.data.format, "data")
        if self.server.model and self.model.path != ModelConfig().path:
            raise UserError("model.path and server.model are both set, but one model answers; leave one out.")
