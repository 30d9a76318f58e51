"""Settings of SFT and GRPO as typed dataclasses; YAML files in `configs/` and the command line set them.

Defaults are the paper's where it gives one (marked *paper*), else the PyTorch trainers'.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from compeer_jax.data.policy_data import ASKED, DataConfig
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.source import ModelConfig
from compeer_jax.parallel.mesh import MeshConfig
from compeer_jax.parallel.processes import ProcessesConfig
from compeer_jax.rewards.config import RewardConfig
from compeer_jax.training.optimizer import OptimizerConfig


@dataclass(frozen=True)
class CheckpointConfig:
    """When to save, and what to keep.

    Args:
        every: steps between checkpoints; the last step is always saved.
        keep_last: how many of the newest to keep.
        keep_best: how many of the best to keep, by valid loss (sft, judges) or mean reward (grpo).
        asynchronous: write while the next steps run.
    """

    every: int = 50
    keep_last: int = 2
    keep_best: int = 1
    asynchronous: bool = True

    def __post_init__(self):
        require_at_least(1, self, "checkpoint.", "every", "keep_last")
        require_at_least(0, self, "checkpoint.", "keep_best")


@dataclass(frozen=True)
class RunConfig:
    """Settings that all training shares.

    Args:
        output: run folder; an interrupted run with the same settings goes on from its last checkpoint.
        steps: optimiser steps.
        gradient_accumulation: microbatches that a batch is computed in, to save memory; the result is the same.
        row_tokens: pack length: examples are packed into rows of at most so many tokens (a longer one has a row of its
            own); the result is the same. 0: one example a row, padded.
        seed: seed of all that is drawn.
        export: write the trained model to OUTPUT/model when done.
    """

    output: str
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    processes: ProcessesConfig = field(default_factory=ProcessesConfig)
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=1e-5))
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    steps: int = 1000
    gradient_accumulation: int = 1
    row_tokens: int = 4096
    seed: int = 0
    export: bool = True

    def __post_init__(self):
        require_at_least(1, self, "", "steps", "gradient_accumulation")
        require_at_least(0, self, "", "row_tokens")


@dataclass(frozen=True)
class SupervisedConfig(RunConfig):
    """Settings that all supervised training shares: `SFTConfig`, and `RewardTrainConfig` in reward_config.py.

    Args:
        batch_size: records an optimiser step; a judge's record may make several conversations (paper: judges 64).
        eval_every: steps between passes over the valid split (0: only at the end).
        eval_records: valid records a pass uses (0: all).
    """

    batch_size: int = 64
    eval_every: int = 100
    eval_records: int = 256

    def __post_init__(self):
        super().__post_init__()
        require_at_least(1, self, "", "batch_size")
        require_at_least(0, self, "", "eval_every", "eval_records")
        require_divides(self, "gradient_accumulation", "batch_size", self.batch_size)


@dataclass(frozen=True)
class SFTConfig(SupervisedConfig):
    """Supervised fine-tuning on (history, reasoned answer) records."""


@dataclass(frozen=True)
class LossConfig:
    """The policy loss, Eq. 2, and the advantages, Eq. 3.

    Args:
        ratio: importance ratio of each token, or of the sequence (GSPO).
        clip_low: 1 - clip_low is the lower bound of the ratio.
        clip_high: 1 + clip_high is the upper bound.
        dual_clip: bound on the loss of negative advantages (off when not given).
        kl_coefficient: weight of the KL to the start model (paper: no such term).
        kl_estimator: estimator of that KL.
        reduction: how tokens are averaged: TRL's grpo, dapo, dr_grpo in this order.
        scale: what advantages are divided by: the group's std, the batch's, or nothing.
        epsilon: added to that std.
        mask_truncated: leave outputs without a stop token out of the loss.
        importance_cap: weigh each token by how much more probable the learner finds it than the sampler did, up to
            this (2 is usual; .inf: no limit), which makes up for outputs of older weights (off when not given).
    """

    ratio: Literal["token", "sequence"] = "token"
    clip_low: float = 0.2
    clip_high: float = 0.2
    dual_clip: float | None = None
    kl_coefficient: float = 0.0
    kl_estimator: Literal["k3", "k1", "k2"] = "k3"
    reduction: Literal["sequence_mean", "token_mean", "fixed_length"] = "sequence_mean"
    scale: Literal["group", "batch", "none"] = "group"
    epsilon: float = 1e-4
    mask_truncated: bool = False
    importance_cap: float | None = None

    def __post_init__(self):
        if self.importance_cap is not None and not self.importance_cap >= 1:
            raise UserError(f"loss.importance_cap is {self.importance_cap}; it must be at least 1, or null for none.")
        require_at_least(0, self, "loss.", "clip_low", "clip_high", "kl_coefficient", "epsilon")
        if self.dual_clip is not None and self.dual_clip <= 1 + self.clip_high:
            raise UserError(
                f"loss.dual_clip is {self.dual_clip}; it must be above 1 + loss.clip_high, or null for none."
            )


@dataclass(frozen=True)
class GRPOConfig(RunConfig):
    """GRPO with a judge and redundancy-aware rewards.

    Args:
        steps: rollouts; each is followed by epochs_per_rollout x minibatches optimiser steps.
        prompts_per_step: prompts of a rollout (paper: 32).
        group_size: outputs a prompt, at least 2 (paper: 4); a step trains prompts_per_step x group_size outputs.
        minibatches: optimiser steps a rollout is divided into.
        epochs_per_rollout: passes over each rollout.
        gradient_accumulation: microbatches that a minibatch is computed in, to save memory; the result is the same.
        row_tokens: pack length: outputs are packed into rows of at most so many tokens to compute them (a longer output
            has a row of its own), those of a prompt behind one copy of it; the result is the same. 0: one output a row,
            padded.
        tokens_per_microbatch: instead of gradient_accumulation: at most so many tokens are computed at once, in as many
            microbatches as that takes (0: off). Rollouts of any lengths then share a program.
        slots: continuous batching: outputs decoded at once (0: all of a step); with fewer, one that has ended makes
            room for one that waits, which saves time where lengths differ, and memory. Those that have ended are judged
            while others decode.
        overlap: off-policy by one step: draw the outputs of the next step while those of this one are judged and learnt
            from, so with weights one step old; needs loss.importance_cap.
        samples_every: steps between entries in samples.md.
    """

    OF_THE_CARD: ClassVar = ASKED

    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=1e-6))
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    steps: int = 300
    prompts_per_step: int = 32
    group_size: int = 4
    minibatches: int = 1
    epochs_per_rollout: int = 1
    tokens_per_microbatch: int = 0
    slots: int = 0
    overlap: bool = False
    samples_every: int = 10

    def __post_init__(self):
        super().__post_init__()
        counts = ("prompts_per_step", "group_size", "minibatches", "epochs_per_rollout", "samples_every")
        require_at_least(1, self, "", *counts)
        require_at_least(0, self, "", "tokens_per_microbatch", "slots")
        if self.group_size == 1:
            raise UserError(
                "group_size is 1, but an output is rated against the others of its group (Eq. 3), so one alone teaches "
                "nothing; take 2 or more (4 in the paper)."
            )
        if self.tokens_per_microbatch and (self.gradient_accumulation > 1 or not self.row_tokens):
            raise UserError(
                "tokens_per_microbatch divides a minibatch of packed rows by itself; take gradient_accumulation 1 and "
                "row_tokens above 0 with it, or leave it 0."
            )
        outputs = self.prompts_per_step * self.group_size
        require_divides(self, "minibatches", "prompts_per_step x group_size", outputs)
        require_divides(self, "gradient_accumulation", "the minibatch", outputs // self.minibatches)
        if self.overlap and self.loss.importance_cap is None:
            raise UserError(
                "overlap learns from outputs of weights one step old; set loss.importance_cap (such as 2), which makes "
                "up for it."
            )
        for name in ("decode_weights", "decode_cache"):
            if getattr(self.model, name) != "dtype" and self.loss.importance_cap is None:
                raise UserError(
                    f"model.{name} {getattr(self.model, name)!r} draws from probabilities that are a little off; set "
                    "loss.importance_cap (such as 2), which makes up for it."
                )
        if self.overlap and self.slots:
            raise UserError(
                "slots are refilled by the host, which overlap leaves to the judge; take slots 0 with overlap."
            )
        if self.sampling.greedy:
            raise UserError(
                "sampling.temperature is 0, so all outputs of a group would be the same; take 1.0 for grpo."
            )
        if self.sampling.repetition_penalty != 1:
            raise UserError(
                f"sampling.repetition_penalty is {self.sampling.repetition_penalty}, so outputs would be drawn from "
                "another distribution than the one that grpo trains; take 1.0."
            )
        if self.loss.ratio == "sequence" and self.loss.reduction == "fixed_length":
            raise UserError(
                "loss.reduction 'fixed_length' needs loss.ratio 'token'; take 'sequence_mean' with 'sequence'."
            )


def require_divides(config: object, name: str, whole_name: str, whole: int) -> None:
    """Raises UserError when field `name` of `config` does not divide `whole`."""
    part = getattr(config, name)
    if whole % part:
        raise UserError(f"{name} is {part}, which does not divide {whole_name} = {whole}; take a divisor.")
