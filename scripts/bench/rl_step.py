"""Times whole GRPO steps (rollout, reward, update) beside TRL's GRPOTrainer and Tunix's GRPOLearner.

python scripts/bench/rl_step.py [--shape a|b] [--dtype float32] [--group 4] [--outputs 16] [--prompt 64] [--new 64]
    [--judge 0] [--repeats 5] [--ways ours overlap trl compiled tunix] [--tunix DIR] [--patience 180]

Random weights and prompts, the same for all; sampling at temperature 1 over the whole vocabulary; nothing stops a
completion. The reward is a rule on the decoded text. One update a rollout: the clipped loss without a KL term,
gradients clipped at norm 1, AdamW. Each trainer runs its own loop, as its documentation sets it up, in a process of its
own, and waits between its steps while another takes one. Ours is what `compeer grpo` does in a step, with this rule as
its judge.

"overlap" is ours with the next step's outputs drawn while this step's are judged; that pays where a judge takes time
but not this device's, which `--judge` seconds of waiting in the reward stand for. "compiled" is TRL with torch.compile,
for those who wait for it. Tunix (package google-tunix) is taken from this environment or from the virtual environment
`--tunix`, which is made if it isn't there.
"""

import argparse
import queue
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import peers

OURS, OVERLAP, TRL, COMPILED, TUNIX = "compeer_jax", "compeer_jax, overlap", "TRL", "TRL, torch.compile", "Tunix"
LEARNING_RATE = 1e-6
STEPS = 100_000  # more than are asked for


class Case(NamedTuple):
    """What every way is to train."""

    folder: str
    shape: str
    dtype: str
    group: int
    outputs: int
    prompt: int
    new: int
    judge: float

    @property
    def prompts(self) -> int:
        """How many a step has."""
        return self.outputs // self.group

    def texts(self) -> Iterator[list[str]]:
        """The prompts of each step, of `prompt` words each."""
        numbers = np.random.default_rng(0)
        while True:
            tokens = numbers.integers(2, peers.SHAPES[self.shape].vocabulary - 1, (self.prompts, self.prompt))
            yield [" ".join(f"w{token}" for token in row) for row in tokens]

    def tokenizer(self):
        """One whose end token is a number that the model doesn't have."""
        from compare_torch import words

        vocabulary = peers.SHAPES[self.shape].vocabulary
        return words(vocabulary, eos=vocabulary)

    def rewards(self, completions: list[str], **_) -> list[float]:
        """The share of a text's words whose number is even, after as long as the judge takes."""
        time.sleep(self.judge)
        return even_words(completions)


def even_words(completions: list[str]) -> list[float]:
    return [np.mean([int(word[1:]) % 2 == 0 for word in text.split() if word[0] == "w"]) for text in completions]


class Turns:
    """Lets a trainer with a loop of its own take one step at a time: it calls `boundary` before each."""

    def __init__(self, train: Callable[["Turns"], None]):
        self.go, self.done = queue.Queue(), queue.Queue()
        self.train = train
        threading.Thread(target=self._run, daemon=True).start()
        self.done.get()  # it stands before its first step

    def _run(self) -> None:
        try:
            self.train(self)
        except BaseException:
            traceback.print_exc()
        self.done.put("ended")

    def boundary(self) -> None:
        self.done.put("stands")
        self.go.get()

    def step(self) -> None:
        self.go.put(None)
        if self.done.get() == "ended":
            raise SystemExit("The trainer ended, or failed; BENCH_STDERR=1 shows what it printed.")


# ---- the ways, each imported in its own process only


def ours(case: Case, overlap: bool) -> Callable[[], None]:
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from compeer_jax.generation.sampling import SamplingConfig
    from compeer_jax.models.decoder import Qwen2
    from compeer_jax.parallel.mesh import MeshConfig, make_mesh
    from compeer_jax.rl.advantages import group_advantages
    from compeer_jax.training.config import GRPOConfig, LossConfig
    from compeer_jax.training.optimizer import OptimizerConfig, make_optimizer
    from compeer_jax.training.step import GRPOStep
    from compeer_jax.training.update import init_state

    tokenizer, vocabulary = case.tokenizer(), peers.SHAPES[case.shape].vocabulary
    config = GRPOConfig(
        output="",
        sampling=SamplingConfig(case.new),
        loss=LossConfig(importance_cap=2.0 if overlap else None),
        overlap=overlap,
        prompts_per_step=case.prompts,
        group_size=case.group,
        optimizer=OptimizerConfig(learning_rate=LEARNING_RATE),
    )
    mesh = make_mesh(MeshConfig())
    options = {"dtype": case.dtype, "param_dtype": case.dtype}
    graphdef, params = nnx.split(Qwen2.from_pretrained(case.folder, mesh=mesh, **options), nnx.Param)
    optimizer = make_optimizer(config.optimizer, STEPS)
    width = peers.SHAPES[case.shape].hidden
    grpo = GRPOStep(config, graphdef, optimizer, mesh, hidden_size=width, stop_ids=(vocabulary,), pad_id=0)
    state, texts, key = init_state(params, optimizer, mesh), case.texts(), jax.random.key(0)
    del params

    def draw(number: int):
        prompts = tokenizer(next(texts))["input_ids"]
        return prompts, grpo.roll_out(state.params, prompts, jax.random.fold_in(key, number))

    ahead, number = None, 0

    def step() -> None:
        nonlocal state, ahead, number
        prompts, rollout = ahead or draw(number)
        rollout, number = jax.device_get(rollout), number + 1
        ahead = draw(number) if overlap else None
        rewards = case.rewards(tokenizer.batch_decode(rollout.tokens))
        rewards = jnp.asarray(rewards, jnp.float32).reshape(case.prompts, case.group)
        batch = grpo.batch(state.params, rollout, prompts, np.asarray(group_advantages(rewards)))
        state, metrics = grpo.learn(state, batch, key)
        jax.block_until_ready((state, metrics, ahead))  # nothing of ours goes on in the turns of others

    return step


def trl(case: Case, compiled: bool) -> Callable[[], None]:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    on_gpu = torch.cuda.is_available()
    texts = case.texts()
    rows = [{"prompt": text} for _ in range(2000 // case.prompts) for text in next(texts)]

    class Waits(TrainerCallback):
        def __init__(self, turns: Turns):
            self.turns = turns

        def on_step_begin(self, *_, **__):
            if on_gpu:
                torch.cuda.synchronize()
            self.turns.boundary()

    def train(turns: Turns) -> None:
        model = AutoModelForCausalLM.from_pretrained(case.folder, dtype=getattr(torch, case.dtype))
        trainer = GRPOTrainer(
            model,
            reward_funcs=case.rewards,
            args=GRPOConfig(
                output_dir=f"{case.folder}/trl",
                use_cpu=not on_gpu,
                bf16=case.dtype == "bfloat16",
                gradient_checkpointing=False,
                torch_compile=compiled,
                report_to=[],
                disable_tqdm=True,
                save_strategy="no",
                logging_steps=STEPS,
                max_steps=STEPS,
                per_device_train_batch_size=case.outputs,
                num_generations=case.group,
                max_completion_length=case.new,
                temperature=1.0,
                beta=0.0,
                loss_type="grpo",
                learning_rate=LEARNING_RATE,
                lr_scheduler_type="constant",
                max_grad_norm=1.0,
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=case.tokenizer(),
            callbacks=[Waits(turns)],
        )
        trainer.train()

    return Turns(train).step


def tunix(case: Case) -> Callable[[], None]:
    import jax
    import optax
    from flax import nnx
    from tunix.rl.grpo.grpo_learner import GRPOConfig, GRPOLearner
    from tunix.rl.rl_cluster import ClusterConfig, RLCluster, RLTrainingConfig, Role
    from tunix.rl.rollout.base_rollout import RolloutConfig

    vocabulary = peers.SHAPES[case.shape].vocabulary

    class Words:
        """The tokenizer of `Case.tokenizer`, as Tunix wants one."""

        def encode(self, text: str) -> list[int]:
            return [int(word[1:]) for word in text.split()]

        def decode(self, ids) -> str:
            return " ".join(f"w{token}" for token in ids)

        def bos_id(self) -> int:
            return 0  # none is put in front

        def eos_id(self) -> int:
            return vocabulary

        def pad_id(self) -> int:
            return 0

    def train(turns: Turns) -> None:
        mesh = jax.make_mesh((jax.device_count(), 1), ("fsdp", "tp"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
        with mesh:
            model = peers.tunix_model(case.folder, case.shape, case.dtype)
            cluster = RLCluster(
                actor=model,
                tokenizer=Words(),
                cluster_config=ClusterConfig(
                    role_to_mesh={Role.ACTOR: mesh, Role.REFERENCE: mesh, Role.ROLLOUT: mesh},
                    training_config=RLTrainingConfig(
                        actor_optimizer=optax.chain(
                            optax.clip_by_global_norm(1.0), optax.adamw(LEARNING_RATE, weight_decay=0.0)
                        ),
                        eval_every_n_steps=STEPS,
                        max_steps=STEPS,
                    ),
                    rollout_config=RolloutConfig(
                        max_tokens_to_generate=case.new,
                        max_prompt_length=case.prompt,
                        kv_cache_size=case.prompt + case.new,
                        temperature=1.0,
                        top_p=1.0,
                        eos_tokens=[vocabulary],
                    ),
                ),
            )
            learner = GRPOLearner(
                rl_cluster=cluster,
                algo_config=GRPOConfig(num_generations=case.group, num_iterations=1, beta=0.0, epsilon=0.2),
                reward_fns=lambda prompts, completions, **_: case.rewards(completions),
            )

            def steps():
                for texts in case.texts():
                    jax.block_until_ready(nnx.state(cluster.actor_trainer.model))
                    turns.boundary()
                    yield {"prompts": np.array(texts)}

            learner.train(steps())

    return Turns(train).step


def make(way: str, case: Case) -> Callable[[], None]:
    if way in (OURS, OVERLAP):
        return ours(case, overlap=way == OVERLAP)
    return tunix(case) if way == TUNIX else trl(case, compiled=way == COMPILED)


# ---- the parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shape", choices=peers.SHAPES, default="a")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--group", type=int, default=4, help="outputs a prompt")
    parser.add_argument("--outputs", type=int, default=16, help="outputs a step")
    parser.add_argument("--prompt", type=int, default=64)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--judge", type=float, default=0.0, help="seconds that the reward waits for")
    names = {"ours": OURS, "overlap": OVERLAP, "trl": TRL, "compiled": COMPILED, "tunix": TUNIX}
    parser.add_argument("--ways", nargs="*", choices=names, default=["ours", "trl", "compiled", "tunix"])
    peers.add_worker_options(parser)
    parser.set_defaults(patience=180.0)
    args = parser.parse_args()
    if args.way:
        return peers.answer(make(args.way, Case(*args.case)))

    ways = {names[name]: sys.executable for name in args.ways}
    if TUNIX in ways:
        ways[TUNIX] = peers.tunix_python(args.tunix)
        if ways[TUNIX] is None:
            print("Tunix isn't installed here; --tunix DIR measures it from a virtual environment.")
            del ways[TUNIX]
    with tempfile.TemporaryDirectory() as folder:
        peers.save_model_apart(folder, args.shape, args.dtype)
        case = Case(folder, args.shape, args.dtype, args.group, args.outputs, args.prompt, args.new, args.judge)
        work = f"{case.prompts} prompts x {case.group} outputs, {case.prompt} + {case.new} tokens, judge {case.judge} s"
        pythons = [python for python in ways.values() if python != sys.executable]
        print(f"{args.shape}, {args.dtype}; {work}\n{peers.machine(('jax', 'torch', 'transformers', 'trl'), pythons)}")
        requests = {"step": []}
        workers, first = peers.start(__file__, ways, case, requests, args.patience)
        for worker in workers:  # a second step: what a loop compiles or allocates in its second round only
            worker.run([])
        order = [worker.way for worker in workers]
        warm = {way: answers for (way, _), answers in peers.interleave(workers, requests, args.repeats).items()}

    print(f"\nMedians of {args.repeats} warm steps, interleaved")
    print("| way | a step, s | least-most | first step, s | peak memory, MiB | time x ours |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for way in order:
        seconds = [said.seconds for said in warm[way]]
        ratio = f"{peers.median_seconds(warm[way]) / peers.median_seconds(warm[OURS]):.2f}" if OURS in warm else "-"
        print(
            f"| {way} | {peers.median_seconds(warm[way]):.3f} | {min(seconds):.3f}-{max(seconds):.3f} "
            f"| {first[way, 'step'].seconds:.1f} | {warm[way][-1].peak_bytes / 2**20:.0f} | {ratio} |"
        )


if __name__ == "__main__":
    main()
