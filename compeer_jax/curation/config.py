"""The settings of the data pipeline, one section a stage. Each stage's command takes them all and uses its own."""

from dataclasses import dataclass, field
from typing import Literal

from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.curation.privacy.masking import KINDS, check_kinds
from compeer_jax.data.corpora.config import CorpusConfig, Licences
from compeer_jax.dialogue.prompts import check_prompt
from compeer_jax.errors import UserError, require_at_least, unknown


@dataclass(frozen=True)
class PrivacyConfig:
    """Settings of the masking of personal data in texts, the first thing that is done.

    Args:
        kinds: of spans that are masked.
    """

    kinds: list[str] = field(default_factory=lambda: list(KINDS))

    def __post_init__(self):
        check_kinds(self.kinds, "privacy.kinds")


@dataclass(frozen=True)
class FilterConfig:
    """Settings of the filter: which dialogues are left out.

    Args:
        min_exchanges: fewest exchanges, that is seeker's turns with a supporter's answer.
        max_turn_characters: longest turn.
        similarity: dialogues whose shingles have at least this Jaccard similarity are near-duplicates; the first stays.
        permutations: of MinHash; more are more exact and take more memory.
        model: name of the chat model that looks for incoherent or machine-like dialogues ("": none does).
        tries: times that it is asked about a dialogue.
    """

    min_exchanges: int = 2
    max_turn_characters: int = 4000
    similarity: float = 0.8
    permutations: int = 128
    model: str = ""
    tries: int = 2

    def __post_init__(self):
        require_at_least(1, self, "filter.", "min_exchanges", "max_turn_characters", "tries")
        require_at_least(16, self, "filter.", "permutations")
        if not 0 < self.similarity <= 1:
            raise UserError(f"filter.similarity is {self.similarity}; it must be above 0 and at most 1.")


@dataclass(frozen=True)
class RoundsConfig:
    """Settings of the rounds of a dialogue that are learnt from (Eq. 1).

    Args:
        per_dialogue: rounds sampled from each dialogue (N_s, which the paper doesn't state); dialogues with fewer give
            all they have.
    """

    per_dialogue: int = 2

    def __post_init__(self):
        require_at_least(1, self, "rounds.", "per_dialogue")


@dataclass(frozen=True)
class CandidatesConfig:
    """Outputs of chat models for each sampled round.

    Args:
        models: names of the chat models that answer each round.
        format: of the reasoning.
        prompt: name of the system prompt.
        tries: times that a model is asked before its malformed output is set aside.
    """

    models: list[str] = field(default_factory=list)
    format: Literal["compeer", "care"] = "compeer"
    prompt: str = "compeer"
    tries: int = 2

    def __post_init__(self):
        require_at_least(1, self, "candidates.", "tries")
        check_prompt(self.prompt, self.format, "candidates")


@dataclass(frozen=True)
class AnnotationConfig:
    """Settings of the annotation: who says whether steps are right and which answer is better.

    Args:
        imports: files that annotators have filled in: exports of Label Studio in JSON, or our CSV.
        drafts: names of chat models that annotate too; what they say is always marked as a model's. None judges what it
            wrote itself, under whatever name: of a model that is among candidates.models, too, the others judge.
        prompt: name of the judge's prompt that they are asked with.
        tries: times that a model is asked for a verdict.
        annotators: how many annotate each item before a third is asked about those that differ (paper: 2).
        people: names of those who annotate (the paper has 20). Each task is dealt to `annotators` of them, evenly, in
            files of their own, and what these differ on to one who hasn't seen it. Without names, there is one file
            with all tasks, to be given to each annotator.
    """

    imports: list[str] = field(default_factory=list)
    drafts: list[str] = field(default_factory=list)
    prompt: str = "judge"
    tries: int = 2
    annotators: int = 2
    people: list[str] = field(default_factory=list)

    def __post_init__(self):
        require_at_least(1, self, "annotation.", "tries")
        require_at_least(2, self, "annotation.", "annotators")
        if self.people:
            self._check_people()

    def _check_people(self):
        for name in self.people:
            if not all(sign.isalnum() or sign in "-_" for sign in name) or not name or len(name) > 40:
                raise UserError(
                    f"annotation.people names {name!r}; a name is of letters, digits, - and _, and at most 40 of them, "
                    "as it is that of a folder."
                )
        known = [name.casefold() for name in self.people]
        for name, folded in zip(self.people, known, strict=True):
            if known.count(folded) > 1:
                raise UserError(f"annotation.people names {name!r} twice; give each person a name of their own.")
        if len(self.people) <= self.annotators:
            raise UserError(
                f"annotation.people names {len(self.people)}, and annotation.annotators is {self.annotators}; name at "
                f"least {self.annotators + 1}, as somebody else is asked where those differ."
            )


@dataclass(frozen=True)
class PersonalityConfig:
    """Rewriting of records to other personalities.

    Args:
        model: name of the chat model that describes and rewrites ("": the stage makes nothing). Its max_tokens must
            hold a whole talk, say 2,000.
        encoder: directory of a sentence-embedding model for the descriptions and for meaning drift; "" compares
            character n-grams instead (scikit-learn's TF-IDF).
        clusters: of descriptions; 0 takes the elbow of the curve of SSE.
        max_clusters: the curve's end.
        similarity: least cosine between a rewritten turn and the one it was. Unset: 0.5 with an encoder; 0.1 without,
            as character n-grams tell likeness of wording, of which a good paraphrase has little.
        check_strategy: whether the model is asked for the strategy of rewritten replies, which must be the original's.
        rewrite_steps: whether the reasoning steps are rewritten with the talk, so that what they quote is said there;
            without, they stay as they were written on the original talk. One more answer a rewrite.
        tries: times that the model is asked.
    """

    model: str = ""
    encoder: str = ""
    clusters: int = 0
    max_clusters: int = 16
    similarity: float | None = None
    check_strategy: bool = True
    rewrite_steps: bool = False
    tries: int = 2

    def __post_init__(self):
        require_at_least(1, self, "personality.", "tries")
        require_at_least(0, self, "personality.", "clusters")
        require_at_least(3, self, "personality.", "max_clusters")
        if self.similarity is not None and not -1 <= self.similarity <= 1:
            raise UserError(f"personality.similarity is {self.similarity}; a cosine is from -1 to 1.")


@dataclass(frozen=True)
class CERConfig:
    """The dataset itself. What is held out is counted in samples: candidates with all four labels.

    Args:
        valid: held out to choose by: a share of the samples if below 1, else a number of them.
        test: held out to report on, likewise. By default the paper's 574 samples; of fewer than its 2,785 samples (it
            counts 11.14k labels, four a sample) its share, about a fifth.
    """

    valid: float = 0.05
    test: float | None = None

    def __post_init__(self):
        given = {"valid": self.valid} | ({} if self.test is None else {"test": self.test})
        for name, value in given.items():
            if not value > 0 or (value >= 1 and value != int(value)):
                raise UserError(
                    f"cer.{name} is {value}; it must be a share between 0 and 1, or a whole number of samples."
                )
        shares = [value for value in given.values() if value < 1]
        if sum(shares) >= 1:
            raise UserError(f"cer.valid is {self.valid} and cer.test {self.test}; they must be less than 1 together.")


@dataclass(frozen=True)
class BuildConfig:
    """Building data, from corpora to a dataset.

    Args:
        output: folder of the pipeline, with a folder for each stage.
        corpora: what is read.
        licences: which of it may be used: licences that allow commercial use, those that allow research, or all,
            unknown ones too.
        models: chat models by names of your own, which the stages refer to.
        seed: of all that is drawn.
        privacy: what is masked.
        filter: which dialogues are left out.
        rounds: which rounds are learned from.
        candidates: who answers them.
        annotation: who judges the answers.
        personality: how records are rewritten.
        cer: how the dataset is split.
    """

    output: str = "runs/cer"
    corpora: list[CorpusConfig] = field(default_factory=list)
    licences: Licences = "research"
    models: dict[str, ChatModelConfig] = field(default_factory=dict)
    seed: int = 0
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)
    rounds: RoundsConfig = field(default_factory=RoundsConfig)
    candidates: CandidatesConfig = field(default_factory=CandidatesConfig)
    annotation: AnnotationConfig = field(default_factory=AnnotationConfig)
    personality: PersonalityConfig = field(default_factory=PersonalityConfig)
    cer: CERConfig = field(default_factory=CERConfig)

    def __post_init__(self):
        named = {
            "candidates.models": self.candidates.models,
            "annotation.drafts": self.annotation.drafts,
            "filter.model": [self.filter.model],
            "personality.model": [self.personality.model],
        }
        for setting, names in named.items():
            for name in filter(None, names):
                if name not in self.models:
                    raise unknown("chat model", name, self.models or ["(models is empty)"], setting)
