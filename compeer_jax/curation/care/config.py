"""The settings of `compeer data care`."""

from dataclasses import dataclass, field

from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.curation.config import BuildConfig, PrivacyConfig
from compeer_jax.data.corpora.config import CorpusConfig, Licences
from compeer_jax.errors import require_at_least, unknown


@dataclass(frozen=True)
class CareDataConfig:
    """CARE's training data: a corpus with annotated strategies, each reply with the four nodes that lead to it.

    Args:
        output: folder of the pipeline; `data.path` of `compeer sft` is the folder `care` in it.
        corpus: its dialogues; strategies are known of ESConv, ExTES and of dialogues in our own form.
        licences: which of it may be used: licences that allow commercial use, those that allow research, or all,
            unknown ones too.
        split: JSON file with row numbers of train, valid and test; without one the dialogues are split by `split_seed`.
        split_seed: seed of the split by dialogue (70 % train, 15 % valid, 15 % test), as that of `data.split_seed`.
        privacy: what is masked before a chat model sees it.
        models: chat models by names of your own.
        writer: name of the chat model that writes the nodes ("": none; they are silver, from templates).
        checker: name of the chat model that checks each chain ("": the rules alone do).
        tries: times that a model is asked before its malformed answer is set aside.
        limit: use at most this many dialogues of each split, spread over it (0: all).
        seed: of the templates of silver chains.
        quotes: whether silver chains quote the seeker; without, they are shorter, for very small models.
    """

    output: str = "runs/care_data"
    corpus: CorpusConfig = field(default_factory=lambda: CorpusConfig(path="sample"))
    licences: Licences = "research"
    split: str = ""
    split_seed: int = 13
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    models: dict[str, ChatModelConfig] = field(default_factory=dict)
    writer: str = ""
    checker: str = ""
    tries: int = 2
    limit: int = 0
    seed: int = 0
    quotes: bool = True

    def __post_init__(self):
        require_at_least(1, self, "", "tries")
        require_at_least(0, self, "", "limit")
        for setting in ("writer", "checker"):
            name = getattr(self, setting)
            if name and name not in self.models:
                raise unknown("chat model", name, self.models or ["(models is empty)"], setting)

    @property
    def build(self) -> BuildConfig:
        """The settings of the stages that every dataset begins with."""
        return BuildConfig(
            output=self.output,
            corpora=[self.corpus],
            licences=self.licences,
            models=self.models,
            privacy=self.privacy,
        )
