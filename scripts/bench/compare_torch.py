"""The same GRPO in PyTorch and here, update by update: losses, gradient norms, and every parameter after each update.

python scripts/bench/compare_torch.py [--shape tiny|a|b] [--updates 20] [--learning_rate 1e-5] [--plot FILE.png]

TRL's GRPOTrainer trains as a user would run it: it samples with transformers, asks a reward function, normalises the
rewards, takes its loss (clipped ratio and KL to the start model), clips the gradient, steps PyTorch's AdamW with a
linear schedule. We start from the same weights and are given what it sampled and how that was rewarded, nothing else:
advantages, old and reference log-probabilities, loss, gradients and optimiser are ours. Each rollout serves two
updates, so that the ratio leaves 1. All in float32 on CPU.

Printed for every update: how far we are apart, relative to PyTorch's largest value: of the loss and gradient norm over
the run, of a parameter over that tensor. "Of the way" compares how far each tensor has moved from the start instead,
relative to its own way: stricter, and the optimiser magnifies rounding there (a gradient's sign decides Adam's first
step, however small it is). The command fails if a difference of the first kind is above 1e-4.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# vocabulary, hidden size, MLP size, layers, query heads, key-value heads, and the deviation of the random weights
SHAPES = {
    "tiny": (48, 32, 48, 2, 4, 2, 0.2),
    "a": (8192, 256, 1024, 8, 8, 2, 0.05),  # 9.7 M parameters
    "b": (16384, 384, 1536, 6, 6, 2, 0.05),  # 19.3 M parameters
}
EPOCHS = 2  # updates a rollout
LIMIT = 1e-4


@dataclass(frozen=True)
class Case:
    """What both sides train.

    Attributes:
        shape: a key of SHAPES.
        updates: optimiser steps.
        prompts, group_size: of a rollout.
        prompt, new: the longest prompt and completion, in tokens.
        learning_rate: falls linearly to 0 at the last update.
        loss: settings that TRL's trainer and `LossConfig` both know.
    """

    shape: str = "tiny"
    updates: int = 20
    prompts: int = 4
    group_size: int = 4
    prompt: int = 16
    new: int = 16
    temperature: float = 0.8
    learning_rate: float = 3e-4
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    loss: dict[str, Any] = field(
        default_factory=lambda: {"clip_low": 0.2, "clip_high": 0.28, "kl_coefficient": 0.05, "reduction": "token_mean"}
    )


class Update(NamedTuple):
    """One optimiser step of either side; `params` by their Hugging Face names, after the step."""

    loss: float
    grad_norm: float
    params: dict[str, np.ndarray]


class Sampled(NamedTuple):
    """What TRL's loss was given for one update: rows in its order, and where each stood in the rollout."""

    prompts: np.ndarray
    prompt_mask: np.ndarray
    completions: np.ndarray
    mask: np.ndarray
    row: np.ndarray
    rewards: np.ndarray  # of the whole rollout, row by row


def even_tokens(completion_ids, **_) -> list[float]:
    """The reward: the share of a completion's tokens with an even id."""
    return [float(np.mean(np.asarray(ids) % 2 == 0)) for ids in completion_ids]


def save_start(case: Case, folder: str) -> None:
    """Random weights, biases and norms too, so that no mistake hides behind a 0 or a 1; in Hugging Face's layout."""
    from flax import nnx

    from compeer_jax.models.config import DecoderConfig
    from compeer_jax.models.decoder import Qwen2

    *sizes, deviation = SHAPES[case.shape]
    tied = case.shape != "tiny"
    config = DecoderConfig(*sizes, rope_theta=1e4, tie_word_embeddings=tied, initializer_range=deviation)
    model = Qwen2(config, rngs=nnx.Rngs(0), param_dtype="float32")
    flat, numbers = nnx.to_flat_state(nnx.state(model, nnx.Param)), np.random.default_rng(0)
    for path, param in flat:
        if path[-1] in ("bias", "scale"):
            param[...] += 0.1 * numbers.normal(size=param.shape).astype("float32")
    model.save_pretrained(folder)


# ---- PyTorch


def train_trl(case: Case, folder: str) -> tuple[list[Update], list[Sampled]]:
    """Trains with TRL's trainer; gives each update, and what its loss was computed on."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    losses, params, sampled = [], [], []

    class Recording(GRPOTrainer):
        def _generate_and_score_completions(self, inputs):
            rows = super()._generate_and_score_completions(inputs)
            return rows | {"row": torch.arange(len(rows["advantages"]))}  # TRL shuffles the rows after this

        def _calculate_rewards(self, *args):
            self.rewards = super()._calculate_rewards(*args)
            return self.rewards

        def _compute_loss(self, model, inputs):
            names = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "row")
            sampled.append(Sampled(*(inputs[name].numpy().copy() for name in names), self.rewards[:, 0].numpy().copy()))
            loss = super()._compute_loss(model, inputs)
            losses.append(loss.item())
            return loss

    class Snapshots(TrainerCallback):
        def on_step_end(self, args, state, control, model, **_):
            params.append({name: value.detach().numpy().copy() for name, value in model.named_parameters()})

    vocabulary = SHAPES[case.shape][0]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.generation_config.eos_token_id = list(range(1, 1 + max(1, vocabulary // 24)))  # so that lengths differ
    numbers = np.random.default_rng(0)
    lengths = numbers.integers(2, case.prompt + 1, case.prompts * case.updates)
    texts = [" ".join(f"w{token}" for token in numbers.integers(2, vocabulary, length)) for length in lengths]
    trainer = Recording(
        model,
        reward_funcs=even_tokens,
        args=GRPOConfig(
            output_dir=f"{folder}/trl",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to=[],
            disable_tqdm=True,
            save_strategy="no",
            logging_steps=1,
            max_steps=case.updates,
            per_device_train_batch_size=case.prompts * case.group_size,
            num_generations=case.group_size,
            num_iterations=EPOCHS,
            max_completion_length=case.new,
            temperature=case.temperature,
            learning_rate=case.learning_rate,
            lr_scheduler_type="linear",
            weight_decay=case.weight_decay,
            max_grad_norm=case.max_grad_norm,
            epsilon=case.loss["clip_low"],
            epsilon_high=case.loss["clip_high"],
            beta=case.loss["kl_coefficient"],
            use_bias_correction_kl=False,
            loss_type={"sequence_mean": "grpo", "token_mean": "dapo", "fixed_length": "dr_grpo"}[
                case.loss["reduction"]
            ],
        ),
        train_dataset=Dataset.from_list([{"prompt": text} for text in texts]),
        processing_class=words(vocabulary),
        callbacks=[Snapshots()],
    )
    trainer.train()
    norms = [row["grad_norm"] for row in trainer.state.log_history if "grad_norm" in row]
    return [Update(*step) for step in zip(losses, norms, params, strict=True)], sampled


def words(vocabulary: int, eos: int = 1):
    """A tokenizer of the words w1, w2, …, one token each; `eos` is the id of the token that ends a text."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    ids = {"<pad>": 0} | {f"w{index}": index for index in range(1, vocabulary) if index != eos} | {"<eos>": eos}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")


# ---- ours


def train_ours(case: Case, folder: str, sampled: list[Sampled]) -> list[Update]:
    """Trains on the same samples with the functions that `compeer grpo` trains with."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from compeer_jax.generation.sampling import SamplingConfig
    from compeer_jax.models.decoder import Qwen2
    from compeer_jax.models.hf_names import hf_tensors
    from compeer_jax.parallel.mesh import MeshConfig, make_mesh
    from compeer_jax.rl.advantages import group_advantages
    from compeer_jax.training.config import GRPOConfig, LossConfig
    from compeer_jax.training.optimizer import OptimizerConfig, make_optimizer
    from compeer_jax.training.policy_update import PolicyBatch
    from compeer_jax.training.step import GRPOStep
    from compeer_jax.training.update import init_state

    def snapshot(params) -> dict[str, np.ndarray]:
        flat = dict(nnx.to_flat_state(params))
        return {tensor.name: tensor.to_hf(np.asarray(flat[tensor.path][...])) for tensor in hf_tensors(params)}

    mesh = make_mesh(MeshConfig(), jax.devices()[:1])
    config = GRPOConfig(
        output="",
        sampling=SamplingConfig(max_new_tokens=case.new, temperature=case.temperature),
        loss=LossConfig(**case.loss),
        prompts_per_step=case.prompts,
        group_size=case.group_size,
        optimizer=OptimizerConfig(
            learning_rate=case.learning_rate,
            schedule="linear",
            weight_decay=case.weight_decay,
            max_grad_norm=case.max_grad_norm,
        ),
    )
    model = Qwen2.from_pretrained(folder, mesh=mesh, dtype="float32", param_dtype="float32")
    width = model.config.hidden_size
    graphdef, params = nnx.split(model, nnx.Param)
    reference = jax.tree.map(lambda x: x.copy(), params)  # the update gives its state's memory away
    optimizer = make_optimizer(config.optimizer, case.updates)
    grpo = GRPOStep(config, graphdef, optimizer, mesh, hidden_size=width, stop_ids=(), pad_id=0)
    state, updates = init_state(params, optimizer, mesh), []
    for count, part in enumerate(sampled):
        rewards = jnp.asarray(part.rewards).reshape(-1, case.group_size)
        batch = PolicyBatch(
            prompts=part.prompts.astype(np.int32),
            prompt_mask=part.prompt_mask > 0,
            completions=part.completions.astype(np.int32),
            mask=part.mask > 0,
            trained=part.mask > 0,
            advantages=np.asarray(group_advantages(rewards)).reshape(-1)[part.row],
            sampler_logps=np.zeros(part.mask.shape, np.float32),  # for a metric that isn't compared
        )
        if count % EPOCHS == 0:
            old_logps = grpo.logprobs(state.params, batch)
        batch = batch._replace(old_logps=old_logps, ref_logps=grpo.logprobs(reference, batch))
        state, metrics = grpo.update(state, batch)
        updates.append(Update(float(metrics["loss"]), float(metrics["grad_norm"]), snapshot(state.params)))
    return updates


# ---- how far apart


class Difference(NamedTuple):
    """Of one update, relative; `tensor` is the one whose values differ most."""

    loss: float
    grad_norm: float
    params: float
    tensor: str
    way: float


def differences(theirs: list[Update], ours: list[Update], start: dict[str, np.ndarray]) -> list[Difference]:
    """How far our updates are from theirs; see the top of this file for what each is relative to."""
    loss_scale = max(abs(step.loss) for step in theirs)
    norm_scale = max(step.grad_norm for step in theirs)

    def apart(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a - b).max() / max(np.abs(b).max(), np.finfo(np.float32).tiny))

    found = []
    for their, our in zip(theirs, ours, strict=True):
        of = {name: apart(our.params[name], value) for name, value in their.params.items()}
        ways = [apart(our.params[name] - start[name], value - start[name]) for name, value in their.params.items()]
        worst = max(of, key=of.get)
        found.append(
            Difference(
                abs(our.loss - their.loss) / loss_scale,
                abs(our.grad_norm - their.grad_norm) / norm_scale,
                of[worst],
                worst,
                max(ways),
            )
        )
    return found


def compare(case: Case) -> tuple[list[Update], list[Update], list[Difference]]:
    """Trains both; gives PyTorch's updates, ours, and the differences."""
    from safetensors.numpy import load_file

    with tempfile.TemporaryDirectory() as folder:
        save_start(case, folder)
        theirs, sampled = train_trl(case, folder)
        start = load_file(f"{folder}/model.safetensors")
        ours = train_ours(case, folder, sampled)
    return theirs, ours, differences(theirs, ours, start)


def plot(theirs: list[Update], ours: list[Update], found: list[Difference], title: str, path: Path) -> None:
    """Both curves over each other, and the differences below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6.5), layout="constrained")
    axes = figure.subplots(2, 2)
    updates = np.arange(1, len(theirs) + 1)
    for panel, name, label in ((axes[0, 0], "loss", "Loss"), (axes[0, 1], "grad_norm", "Gradient norm")):
        panel.plot(
            updates, [getattr(step, name) for step in theirs], color="C1", lw=5, alpha=0.45, label="TRL, PyTorch"
        )
        panel.plot(updates, [getattr(step, name) for step in ours], color="C0", lw=1.4, label="compeer_jax")
        panel.set_title(label)
        panel.legend()
    lower = {"loss": "loss", "grad_norm": "gradient norm"}
    for name, label in lower.items():
        axes[1, 0].semilogy(updates, [max(getattr(step, name), 1e-9) for step in found], label=label)
    axes[1, 0].set_title("Relative difference")
    for name, label in {"params": "of a value", "way": "of the way from the start"}.items():
        axes[1, 1].semilogy(updates, [getattr(step, name) for step in found], label=label)
    axes[1, 1].set_title("Largest relative difference over all parameters")
    for panel in axes[1]:
        panel.axhline(LIMIT, color="0.6", lw=1, ls="--")
        panel.set_xlabel("update")
        panel.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=110)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shape", choices=SHAPES, default="a")
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--learning_rate", type=float, default=1e-5, help="falls linearly to 0 at the last update")
    parser.add_argument("--plot", type=Path, help="where to draw the curves")
    args = parser.parse_args()
    case = Case(args.shape, args.updates, learning_rate=args.learning_rate)
    theirs, ours, found = compare(case)

    print("| update | loss, TRL | ours | gradient norm, TRL | ours | loss | norm | parameters | of the way |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for count, (their, our, apart) in enumerate(zip(theirs, ours, found, strict=True), 1):
        values = f"{their.loss:+.6f} | {our.loss:+.6f} | {their.grad_norm:.6f} | {our.grad_norm:.6f}"
        relative = " | ".join(f"{number:.1e}" for number in (apart.loss, apart.grad_norm, apart.params, apart.way))
        print(f"| {count} | {values} | {relative} |")
    worst = max(found, key=lambda step: step.params)
    largest = max(max(step.loss, step.grad_norm, step.params) for step in found)
    print(f"parameters: at most {worst.params:.1e}, in {worst.tensor}")
    print(f"largest relative difference: {largest:.1e} (limit {LIMIT:.0e})")
    if args.plot:
        title = f"GRPO, shape {args.shape}, {args.updates} updates: TRL's trainer and compeer_jax on the same samples"
        plot(theirs, ours, found, title, args.plot)
    return int(not largest <= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
