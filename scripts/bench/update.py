"""Times one GRPO update beside PyTorch (eager, and compiled with a fused AdamW) and Tunix's learner.

python scripts/bench/update.py [--shape a|b|0.5b|1.5b|7b] [--dtype float32] [--group 4] [--outputs 16] [--prompt 64]
    [--new 64] [--remat none] [--repeats 5] [--ways ours apart eager compiled tunix] [--tunix DIR] [--patience 180]

Same random weights, prompts, completions and advantages for all; `group` completions have the same prompt. The clipped
loss of one update a rollout, without a KL term and with the mean over tokens of each completion; gradients clipped at
norm 1; AdamW. Logits exist at the completions' positions only, in PyTorch too. Ours computes a prompt once for its
completions, as `compeer grpo` does; "one a row" is ours without that, on the tokens that the others compute. Every way
runs in a process of its own and waits while another works. The gradient's norm at the first step is printed for each:
in float32 they must agree.

Peak memory is that of the device on a GPU, and on CPU that of the process, libraries and loading included. The share
of the peak is of 6 · parameters · tokens and attention's products over the best rate of a square matrix product,
measured here in the same dtype, with the tokens that one completion a row has; so sharing prompts raises it.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import peers

OURS, APART, EAGER, COMPILED, TUNIX = (
    "compeer_jax",
    "compeer_jax, one a row",
    "PyTorch, eager",
    "PyTorch, torch.compile, fused AdamW",
    "Tunix",
)
NAMES = {"ours": OURS, "apart": APART, "eager": EAGER, "compiled": COMPILED, "tunix": TUNIX}
LEARNING_RATE = 1e-6
STEP = {"update": []}
Step = Callable[
    [], list[float]
]  # takes an optimiser step; the gradient's norm and the device's peak memory (0: unknown)


class Case(NamedTuple):
    """What every way is to learn from."""

    folder: str
    shape: str
    dtype: str
    group: int
    outputs: int
    prompt: int
    new: int
    remat: str

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Prompts [outputs, prompt], completions [outputs, new], advantages [outputs]."""
        numbers, vocabulary = np.random.default_rng(0), peers.SHAPES[self.shape].vocabulary
        prompts = numbers.integers(2, vocabulary - 1, (self.outputs // self.group, self.prompt))
        completions = numbers.integers(2, vocabulary - 1, (self.outputs, self.new))
        advantages = numbers.normal(size=self.outputs).astype(np.float32)
        return prompts.repeat(self.group, axis=0).astype(np.int32), completions.astype(np.int32), advantages

    def operations(self) -> float:
        """Of an update on one completion a row, forward and backward; the head at completions only."""
        shape, tokens = peers.SHAPES[self.shape], self.outputs * (self.prompt + self.new)
        heads, size = shape.heads, shape.head_dim
        a_layer = shape.hidden * size * (2 * heads + 2 * shape.kv_heads) + 3 * shape.hidden * shape.mlp
        attention = 12 * shape.layers * heads * size * tokens * (self.prompt + self.new) / 2  # half is masked
        head = 6 * shape.hidden * shape.vocabulary * self.outputs * self.new
        return 6 * shape.layers * a_layer * tokens + attention + head


# ---- the ways, each imported in its own process only


def ours(case: Case, row_tokens: int) -> Step:
    import jax
    from flax import nnx

    from compeer_jax.generation.sampling import SamplingConfig
    from compeer_jax.models.decoder import Qwen2
    from compeer_jax.parallel.mesh import MeshConfig, make_mesh
    from compeer_jax.training.config import GRPOConfig
    from compeer_jax.training.optimizer import OptimizerConfig, make_optimizer
    from compeer_jax.training.policy_update import PolicyBatch
    from compeer_jax.training.step import GRPOStep
    from compeer_jax.training.update import init_state

    mesh, prompts = make_mesh(MeshConfig()), case.outputs // case.group
    sampling = SamplingConfig(case.new)
    config = GRPOConfig(output="", sampling=sampling, row_tokens=row_tokens, prompts_per_step=prompts)
    options = {"dtype": case.dtype, "param_dtype": case.dtype}
    model = Qwen2.from_pretrained(case.folder, mesh=mesh, remat=case.remat, **options)
    graphdef, params = nnx.split(model, nnx.Param)
    del model
    optimizer = make_optimizer(OptimizerConfig(learning_rate=LEARNING_RATE), 10**6)
    width = peers.SHAPES[case.shape].hidden
    grpo = GRPOStep(config, graphdef, optimizer, mesh, hidden_size=width, stop_ids=(), pad_id=0)
    prompts, completions, advantages = case.arrays()
    real = np.ones(completions.shape, bool)
    batch = PolicyBatch(
        prompts=prompts,
        prompt_mask=np.ones(prompts.shape, bool),
        completions=completions,
        mask=real,
        trained=real,
        advantages=advantages,
        sampler_logps=np.zeros(completions.shape, np.float32),
    )
    state = init_state(params, optimizer, mesh)
    del params

    def step() -> list[float]:
        nonlocal state
        state, metrics = grpo.update(state, batch)
        jax.block_until_ready(state)
        memory = jax.local_devices()[0].memory_stats() or {}
        return [float(metrics["grad_norm"]), memory.get("peak_bytes_in_use", 0)]

    return step


def torch(case: Case, compiled: bool) -> Step:
    import torch
    from transformers import AutoModelForCausalLM

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, case.dtype)
    model = AutoModelForCausalLM.from_pretrained(case.folder, dtype=dtype, attn_implementation="sdpa").to(device)
    model.train()
    if case.remat != "none":
        model.gradient_checkpointing_enable({"use_reentrant": False})
    options = {"lr": LEARNING_RATE, "weight_decay": 0.0}
    optimizer = torch.optim.AdamW(model.parameters(), **options, fused=compiled)
    prompts, completions, advantages = (torch.tensor(array, device=device) for array in case.arrays())
    tokens = torch.cat([prompts, completions], dim=1).long()
    targets, advantages = completions.long()[..., None], advantages[:, None]

    def loss_of(tokens):
        # All tokens are real: without a mask, attention is the causal kernel.
        logits = model(tokens, logits_to_keep=case.new + 1, use_cache=False).logits[:, :-1]
        logps = torch.log_softmax(logits.float(), dim=-1).gather(-1, targets)[..., 0]
        ratio = torch.exp(logps - logps.detach())
        gain = torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)
        return -gain.mean(dim=1).mean()

    loss_of = torch.compile(loss_of) if compiled else loss_of

    def step() -> list[float]:
        loss_of(tokens).backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return [norm.item(), torch.cuda.max_memory_allocated() if device == "cuda" else 0]

    return step


def tunix(case: Case) -> Step:
    import jax
    import jax.numpy as jnp
    import optax
    from tunix.rl import algo_core, common
    from tunix.rl.grpo.grpo_learner import GRPOConfig
    from tunix.sft.peft_trainer import PeftTrainer, TrainingConfig

    mesh = jax.make_mesh((jax.device_count(), 1), ("fsdp", "tp"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    prompts, completions, advantages = map(jnp.asarray, case.arrays())
    example = common.TrainExample(
        prompt_ids=prompts,
        prompt_mask=jnp.ones_like(prompts, bool),
        completion_ids=completions,
        completion_mask=jnp.ones_like(completions, bool),
        advantages=advantages,
        ref_per_token_logps=None,
        old_per_token_logps=None,
    )
    algorithm = GRPOConfig(num_generations=case.group, num_iterations=1, beta=0.0, epsilon=0.2)
    algorithm.temperature = 1.0  # the learner copies it from the settings of its rollouts
    with mesh:
        model = peers.tunix_model(case.folder, case.shape, case.dtype)
        optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(LEARNING_RATE, weight_decay=0.0))
        trainer = PeftTrainer(model, optimizer, TrainingConfig(eval_every_n_steps=10**6, max_steps=10**6))
        pad, end = 0, peers.SHAPES[case.shape].vocabulary

        def loss(model, train_example):
            return algo_core.grpo_loss_fn(model, train_example, algo_config=algorithm, pad_id=pad, eos_id=end)

        # As its GRPOLearner sets its trainer up.
        trainer = trainer.with_loss_fn(loss, has_aux=True).with_gen_model_input_fn(lambda x: {"train_example": x})
        train_step, _ = trainer.jit_train_and_eval_step(cache_nnx_graph=True)

    def step() -> list[float]:
        with mesh:
            _, _, norm = jax.block_until_ready(train_step(example))
        memory = jax.local_devices()[0].memory_stats() or {}
        return [float(norm), memory.get("peak_bytes_in_use", 0)]

    return step


def make(way: str, case: Case) -> Step:
    if way in (OURS, APART):
        return ours(case, row_tokens=4096 if way == OURS else 0)
    return tunix(case) if way == TUNIX else torch(case, compiled=way == COMPILED)


def matmul_rate(dtype: str) -> float:
    """Operations a second of the best of some square matrix products."""
    import time

    import jax
    import jax.numpy as jnp

    size = 2048 if jax.default_backend() == "cpu" else 8192
    x = jnp.ones((size, size), dtype)
    multiply = jax.jit(lambda x: x @ x)
    multiply(x).block_until_ready()
    seconds = []
    for _ in range(10):
        begin = time.perf_counter()
        multiply(x).block_until_ready()
        seconds.append(time.perf_counter() - begin)
    return 2 * size**3 / min(seconds)


# ---- the parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shape", choices=peers.SHAPES, default="a")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--group", type=int, default=4, help="completions that have the same prompt")
    parser.add_argument("--outputs", type=int, default=16, help="completions of an update")
    parser.add_argument("--prompt", type=int, default=64)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument(
        "--remat", default="none", choices=["none", "dots", "full"], help="other than none: in PyTorch too"
    )
    parser.add_argument("--ways", nargs="*", choices=NAMES, default=list(NAMES))
    peers.add_worker_options(parser)
    parser.set_defaults(patience=180.0)
    args = parser.parse_args()
    if args.way:
        if args.way == "rate":
            return peers.answer(lambda: matmul_rate(args.case[0]))
        step = None

        def respond() -> list[float]:
            nonlocal step
            if step is None:  # Tunix compiles twice: before its optimiser's state has come out of a step, and after
                step = make(args.way, Case(*args.case))
                first = step()
                step()
                return first
            return step()

        return peers.answer(respond)

    ways = {NAMES[name]: sys.executable for name in args.ways}
    if TUNIX in ways:
        ways[TUNIX] = peers.tunix_python(args.tunix)
        if ways[TUNIX] is None:
            print("Tunix isn't installed here; --tunix DIR measures it from a virtual environment.")
            del ways[TUNIX]
    with tempfile.TemporaryDirectory() as folder:
        case = Case(folder, args.shape, args.dtype, args.group, args.outputs, args.prompt, args.new, args.remat)
        peers.save_model_apart(folder, args.shape, args.dtype)
        print(
            f"{args.shape}, {args.dtype}; {args.outputs} completions of {args.new} tokens, {args.group} a prompt of "
            f"{args.prompt}; remat {args.remat}"
        )
        print(
            f"{peers.machine(pythons=[ways[TUNIX]] if TUNIX in ways else [])}; medians of {args.repeats}, interleaved"
        )
        rates, _ = peers.start(__file__, {"rate": sys.executable}, [args.dtype], STEP, args.patience)
        rate = max(said.result for said in peers.interleave(rates, STEP, 2)["rate", "update"])
        workers, first = peers.start(__file__, ways, case, STEP, args.patience)
        warm = peers.interleave(workers, STEP, args.repeats)

    seconds = {way: peers.median_seconds(said) for (way, _), said in warm.items()}
    print(f"matrix products: {rate / 1e9:.0f} GFLOP/s; an update: {case.operations() / 1e9:.0f} GFLOP")
    print("| way | seconds | least-most | share of the peak | peak memory, GiB | start, s | first gradient norm |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for way, median in seconds.items():
        said = warm[way, "update"]
        spread = f"{min(one.seconds for one in said):.3f}-{max(one.seconds for one in said):.3f}"
        memory = max(one.result[1] or one.peak_bytes for one in said) / 2**30
        share = case.operations() / median / rate
        begin = first[way, "update"]
        print(
            f"| {way} | {median:.3f} | {spread} | {share:.0%} | {memory:.2f} | {begin.seconds:.1f} | "
            f"{begin.result[0]:.6g} |"
        )
    for name, others in (("PyTorch", (EAGER, COMPILED)), ("Tunix", (TUNIX,))):
        best = min((seconds[peer] for peer in others if peer in seconds), default=None)
        for way in (OURS, APART):
            if best and way in seconds:
                print(f"{way}: {best / seconds[way]:.2f} x the best of {name}")


if __name__ == "__main__":
    main()
