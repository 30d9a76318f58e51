"""Advantages, log-probabilities and loss against TRL's own GRPOTrainer: the same batch, the same numbers.

A tiny random Qwen2 runs in PyTorch. TRL computes its loss and the gradient of every parameter. We take the hidden
states before the LM head, compute the loss with our functions, and send the gradient that we find for the hidden states
back through PyTorch: if a value or derivative of ours were off, some parameter's gradient would be.
"""

from collections import defaultdict
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from compeer_jax.rl.advantages import equal_reward_share, group_advantages
from compeer_jax.rl.logprobs import token_logprobs
from compeer_jax.rl.policy_loss import policy_loss

pytestmark = pytest.mark.long

GROUP = 4
LENGTH = 10
TEMPERATURE = 0.8
CLIP_LOW, CLIP_HIGH = 0.2, 0.28
KL_COEFFICIENT = 0.1
DUAL_CLIP = 1.4

REDUCTIONS = {"grpo": "sequence_mean", "bnpo": "token_mean", "dapo": "token_mean", "dr_grpo": "fixed_length"}


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
    from trl import GRPOConfig, GRPOTrainer

    vocabulary = {"<pad>": 0, "<eos>": 1} | {f"w{index}": index for index in range(2, 48)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(vocabulary),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            initializer_range=0.2,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=1,
            pad_token_id=0,
        )
    )
    trainer = GRPOTrainer(
        model,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=GRPOConfig(
            output_dir=str(tmp_path_factory.mktemp("trl")),
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to=[],
            per_device_train_batch_size=2 * GROUP,
            num_generations=GROUP,
            max_completion_length=LENGTH,
            temperature=TEMPERATURE,
            epsilon=CLIP_LOW,
            epsilon_high=CLIP_HIGH,
            use_bias_correction_kl=False,
        ),
        train_dataset=Dataset.from_list([{"prompt": "w2"}]),
        processing_class=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", model_max_length=64
        ),
    )
    model.train()
    trainer.current_gradient_accumulation_steps = 1
    return trainer


def generate(trainer) -> dict:
    """TRL's own rollout, rewards and advantages for two prompts of unequal length."""
    return trainer._generate_and_score_completions([{"prompt": "w3 w9 w27"}] * GROUP + [{"prompt": "w5"}] * GROUP)


@pytest.fixture(scope="module")
def batch(trainer) -> dict:
    """A rollout with lengths from 0 to all, and old and reference log-probs far enough away that every clip acts."""
    batch = generate(trainer)
    lengths = torch.tensor([10, 1, 4, 0, 10, 7, 2, 9])
    batch["completion_mask"] = (torch.arange(LENGTH) < lengths[:, None]).int()
    batch["num_items_in_batch"] = batch["completion_mask"].sum()
    batch["advantages"] = torch.tensor([0.9, -1.2, 0.4, -0.1, -1.0, 1.3, 0.0, -0.7])
    with torch.no_grad():
        logps, _, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model,
            torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1),
            torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1),
            LENGTH,
        )
    noise = torch.Generator().manual_seed(1)
    row_shift = torch.tensor([-0.5, 0.5, 0.0, 0.0, 0.4, 0.5, 0.0, -0.6])  # so that whole sequences are clipped too
    batch["old_per_token_logps"] = logps + row_shift[:, None] + 0.3 * torch.randn(logps.shape, generator=noise)
    batch["ref_per_token_logps"] = logps + 0.5 * torch.randn(logps.shape, generator=noise)
    return batch


def gradients(model) -> dict[str, np.ndarray]:
    return {name: parameter.grad.numpy().copy() for name, parameter in model.named_parameters()}


def trl_loss(trainer, batch, loss_type, level, with_kl, with_dual_clip):
    trainer.loss_type = loss_type
    trainer.importance_sampling_level = level
    trainer.beta = KL_COEFFICIENT if with_kl else 0.0
    trainer.args.delta = DUAL_CLIP if with_dual_clip else None
    trainer._metrics["train"] = defaultdict(list)
    trainer.model.zero_grad()
    loss = trainer._compute_loss(trainer.model, batch)
    loss.backward()
    metrics = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    return loss.item(), gradients(trainer.model), metrics


def our_loss(model, batch, loss_type, level, with_kl, with_dual_clip):
    tokens = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    attention_mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    model.zero_grad()
    states = model.model(tokens, attention_mask=attention_mask).last_hidden_state[:, -LENGTH - 1 : -1]

    @jax.jit
    def loss(hidden, head):
        logps, _ = token_logprobs(hidden, head, targets, temperature=TEMPERATURE, chunk=4)
        return policy_loss(
            logps,
            array(batch["old_per_token_logps"]),
            array(batch["advantages"]),
            array(batch["completion_mask"]) > 0,
            ratio=level,
            clip_low=CLIP_LOW,
            clip_high=CLIP_HIGH,
            dual_clip=DUAL_CLIP if with_dual_clip else None,
            kl_coefficient=KL_COEFFICIENT if with_kl else 0.0,
            ref_logps=array(batch["ref_per_token_logps"]) if with_kl else None,
            reduction=REDUCTIONS[loss_type],
            fixed_length=LENGTH,
        )

    def array(tensor):
        return jnp.asarray(tensor.detach().numpy())

    targets = array(batch["completion_ids"])
    (value, metrics), (to_hidden, to_head) = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(
        array(states), array(model.lm_head.weight).T
    )
    states.backward(torch.from_numpy(np.array(to_hidden)))
    model.lm_head.weight.grad = torch.from_numpy(np.array(to_head.T))
    return float(value), gradients(model), {name: float(number) for name, number in metrics.items()}


@pytest.mark.parametrize(
    "loss_type, level, with_kl, with_dual_clip",
    [
        *product(REDUCTIONS, ["token", "sequence"], [True], [True]),
        ("grpo", "token", False, False),
        ("dapo", "token", False, True),
        ("dr_grpo", "token", True, False),
        ("grpo", "sequence", False, False),
    ],
)
def test_loss_gradients_and_metrics_are_those_of_trl(trainer, batch, loss_type, level, with_kl, with_dual_clip):
    case = (loss_type, level, with_kl, with_dual_clip)
    theirs, their_gradients, their_metrics = trl_loss(trainer, batch, *case)
    ours, our_gradients, our_metrics = our_loss(trainer.model, batch, *case)

    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
    for name, expected in their_gradients.items():
        error = np.abs(our_gradients[name] - expected).max() / np.abs(expected).max()
        assert error < 1e-4, f"{name}: {error:.1e}"

    # TRL counts a row without tokens among the sequences that were not clipped; we leave it out.
    rows = batch["completion_mask"].any(1)
    counted = rows.float().mean().item() if level == "sequence" else 1.0
    assert our_metrics["clip_low"] > 0
    assert our_metrics["clip_high"] > 0
    np.testing.assert_allclose(our_metrics["clip_low"] * counted, their_metrics["clip_ratio/low_mean"], rtol=1e-5)
    np.testing.assert_allclose(our_metrics["clip_high"] * counted, their_metrics["clip_ratio/high_mean"], rtol=1e-5)
    np.testing.assert_allclose(our_metrics["clip_ratio"] * counted, their_metrics["clip_ratio/region_mean"], rtol=1e-5)
    if with_kl:
        np.testing.assert_allclose(our_metrics["kl"], their_metrics["kl"], rtol=1e-4)


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
@pytest.mark.parametrize("second_group", [[0.5, -2.0, 3.0, 0.5], [1.1, 1.1, 1.1, 1.1]])
def test_advantages_of_a_rollout_are_those_of_trl(trainer, scale, second_group):
    rewards = [[5.0, -1.0, 2.0, 2.0], second_group]
    trainer.reward_funcs = [lambda completions, **_: [*rewards[0], *rewards[1]]]
    trainer.scale_rewards = scale
    trainer._metrics["train"] = defaultdict(list)
    theirs = generate(trainer)["advantages"].numpy().reshape(2, GROUP)
    np.testing.assert_allclose(group_advantages(jnp.array(rewards), scale=scale), theirs, rtol=1e-5, atol=1e-5)
    if scale != "batch":  # where TRL looks at the deviation of the batch
        [share] = trainer._metrics["train"]["frac_reward_zero_std"]
        assert equal_reward_share(jnp.array(rewards)) == share
