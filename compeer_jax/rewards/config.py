"""Settings of rewards: judges, encoders of Eq. 6, and the redundancy reweighting."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from compeer_jax.chat.config import ServerConfig
from compeer_jax.dialogue.reasoning import FormatRule
from compeer_jax.errors import UserError, require_at_least, unknown
from compeer_jax.models.load_config import DecodeConfig
from compeer_jax.models.quantized import Storage
from compeer_jax.models.source import ModelConfig
from compeer_jax.rl.redundancy import Cosine, LengthMean, Sign


@dataclass(frozen=True)
class PartWeights:
    """Weights of the parts of a judge's reward; the paper adds them up, so 1 each.

    Args:
        history: verdict on the first step.
        emotion: verdict on the second.
        strategy: verdict on the third.
        response: verdict on the answer.
        format: whether the form is kept.
    """

    history: float = 1.0
    emotion: float = 1.0
    strategy: float = 1.0
    response: float = 1.0
    format: float = 1.0

    def __post_init__(self):
        require_at_least(0, self, "reward.weights.", *self.__dataclass_fields__)


@dataclass(frozen=True)
class JudgeLoadConfig(DecodeConfig):
    """Settings of a judge in this process: how it is loaded, and how it draws.

    Args:
        quantize: keep its projections as they are, in 8 bits (half of bfloat16's memory, and of what is read for every
            token), or in 4 (NormalFloat), as `model.lora.quantize` keeps a base; a judge of adapters on the run's own
            base has that as it is.
        temperature: of the judge's replies; 0 takes the likeliest token.
        retry_temperature: of the second try, where a reply had no verdict.
        batch_prompts: prompts judged at once, with all their outputs; their caches must fit the memory (0: all).
        devices: 0 puts the judge on the run's mesh; n puts it on the last n devices, its weights split over them.
    """

    quantize: Storage = "none"
    temperature: float = 0.0
    retry_temperature: float = 1.0
    batch_prompts: int = 32
    devices: int = 0

    def __post_init__(self):
        require_at_least(0, self, "reward.models.", "temperature", "batch_prompts", "devices")
        if not self.retry_temperature > 0:
            raise UserError(
                f"reward.models.retry_temperature is {self.retry_temperature}; it must be above 0, or a second try "
                "would say what the first did."
            )

    def model(self, directory: str | Path) -> ModelConfig:
        """Settings of the model in a judge's directory, but for `quantize`."""
        return ModelConfig(
            str(directory),
            param_dtype=self.dtype,
            **{name: getattr(self, name) for name in DecodeConfig.__dataclass_fields__},
        )


@dataclass(frozen=True)
class JudgeModelsConfig(JudgeLoadConfig):
    """Judges that live in this process, made by `compeer reward train`.

    Args:
        unifi: directory of the judge of steps and response in one conversation (judge: unifi).
        prm: directory of the judge of steps (judge: prm_orm).
        orm: directory of the judge of responses alone (judge: prm_orm).
    """

    unifi: str = ""
    prm: str = ""
    orm: str = ""


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


@dataclass(frozen=True)
class HierarchyConfig:
    """CARE's reward by rules, level upon level. The paper's weights are not public; these are ours.

    Args:
        format: what a well-formed output earns.
        nodes: what all nodes, in order, earn.
        strategy: what the annotated strategy earns.
        hierarchy: whether a level counts only if all before it are fully earned.
        partial: whether some of the nodes, in order, earn their share.
    """

    format: float = 1.0
    nodes: float = 1.0
    strategy: float = 1.0
    hierarchy: bool = True
    partial: bool = False

    def __post_init__(self):
        require_at_least(0, self, "reward.hierarchical.", "format", "nodes", "strategy")


EncoderKind = Literal["token_counts", "hidden_states", "sentence"]
ENCODERS = get_args(EncoderKind)
Compared = Literal["response", "output"]
"""Of an output: its response alone, or all that was written, reasoning and tags included."""


@dataclass(frozen=True)
class EncoderConfig:
    """Encoder of texts for the cosines of Eq. 6. See compeer_jax/rewards/encoders.py for what each costs.

    Args:
        kind: "token_counts" (no model), "hidden_states" (mean over tokens of the frozen start policy's last hidden
            states), or "sentence" (a sentence-embedding model).
        path: with "sentence": directory in sentence-transformers' layout, or a hub id.
        dtype: with "sentence": type of its weights and of the computation.
        max_tokens: longer texts are clipped (or at the model's own limit, where that is less); token counts never are.
        batch_size: texts a model reads at once.
        compares: what o_i is in Eq. 6: the "response", or the whole "output".
    """

    kind: EncoderKind = "token_counts"
    path: str = ""
    dtype: Literal["float32", "bfloat16"] = "float32"
    max_tokens: int = 512
    batch_size: int = 64
    compares: Compared = "response"

    def __post_init__(self):
        if self.kind not in ENCODERS:
            raise unknown("reward.encoder.kind", self.kind, ENCODERS)
        if self.compares not in get_args(Compared):
            raise unknown("reward.encoder.compares", self.compares, get_args(Compared))
        require_at_least(1, self, "reward.encoder.", "max_tokens", "batch_size")
        if self.kind == "sentence" and not self.path:
            raise UserError(
                "reward.encoder.kind 'sentence' needs reward.encoder.path: a directory in sentence-transformers' "
                "layout, or a hub id."
            )
        if self.kind != "sentence" and self.path:
            raise UserError(
                f"reward.encoder.path is {self.path!r}, which kind {self.kind!r} does not read; "
                "take kind 'sentence', or leave the path out."
            )


@dataclass(frozen=True)
class RewardConfig:
    """Settings of the reward: what is rewarded, and how redundancy counts (Eq. 5-7).

    Args:
        judge: "unifi" or "prm_orm" (see models), "remote" (see remote), "rules" (gold annotations), "hierarchical"
            (form, nodes, strategy: CARE), or the dotted path of a function (see compeer_jax/rewards/reward.py).
        models: the judges of "unifi" and "prm_orm".
        remote: the chat server of "remote", asked about steps and response in one conversation.
        hierarchical: levels of "hierarchical".
        weights: what each part of a judge's reward counts.
        format: what earns the format's point. "strict": every part and label is there, once, in order, with nothing
            else around; "paper": every step and the response are there. An output that was cut off never has it.
        both_orders: ask a judge that is a model about the two answers in both orders, after the same steps; a
            preference counts only where it is the same in both, else the response counts 0.
        encoder: what Eq. 6 compares, and how it becomes vectors.
        cosine: "plain" is the paper's Eq. 6; "positive" counts cosines below 0 as 0 (token counts never have any).
        reweighting: divide rewards by redundancy, Eq. 5; off is the paper's UR variant, on its URP.
        sign: "paper" divides negative rewards too, so that redundancy pays there; "aware" multiplies them.
        alpha: steepness in Eq. 7, above 0 (paper: 0.5).
        beta: length at which redundancy counts half, Eq. 7 (paper: 5).
        length_unit: unit of lengths in Eq. 7.
        length_of: whose length that is, the response's or the whole output's.
        length_mean: its mean over the outputs of a prompt, or over all outputs of a step.
    """

    judge: str = "rules"
    models: JudgeModelsConfig = field(default_factory=JudgeModelsConfig)
    remote: RemoteJudgeConfig = field(default_factory=RemoteJudgeConfig)
    hierarchical: HierarchyConfig = field(default_factory=HierarchyConfig)
    weights: PartWeights = field(default_factory=PartWeights)
    format: FormatRule = "strict"
    both_orders: bool = False
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    cosine: Cosine = "plain"
    reweighting: bool = True
    sign: Sign = "aware"
    alpha: float = 0.5
    beta: float = 5.0
    length_unit: Literal["tokens", "words", "characters"] = "tokens"
    length_of: Compared = "response"
    length_mean: LengthMean = "group"

    def __post_init__(self):
        require_at_least(0, self, "reward.", "beta")
        if not self.alpha > 0:
            raise UserError(
                f"reward.alpha is {self.alpha:g}; it must be above 0 (at 0, Eq. 7 weighs redundancy by one half at "
                "any length). reward.reweighting: false switches reweighting off."
            )
