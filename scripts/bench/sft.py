"""Times a step of SFT beside TRL's SFTTrainer, with each one's peak memory, at the depth of real models.

python scripts/bench/sft.py [--shape smollm2|0.5b|a|b] [--rows 2] [--length 896] [--trained 448] [--repeats 3]
    [--ways ours trl] [--patience 900]

Same random weights, tokens and positions for both, in float32: `rows` rows of `length` tokens, of which the last
`trained` of each train. AdamW, gradients clipped at norm 1, nothing accumulated. TRL has its defaults but for gradient
checkpointing, which is off. Every way runs in a process of its own, so that its peak is its own, and waits while the
other works. Processor seconds are those that all cores gave to a step: on a machine that others use too, they say more
than the time that passed.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import peers
from rl_step import Turns

OURS, TRL = "compeer_jax", "TRL's SFTTrainer"
NAMES = {"ours": OURS, "trl": TRL}
LEARNING_RATE = 1e-5
STEPS = 1000  # more than are asked for
STEP = {"step": []}
Step = Callable[[], float]  # takes an optimiser step; processor seconds that it took


class Case(NamedTuple):
    """What both are to learn from."""

    folder: str
    shape: str
    rows: int
    length: int
    trained: int

    def tokens(self) -> np.ndarray:
        numbers = np.random.default_rng(0)
        return numbers.integers(2, peers.SHAPES[self.shape].vocabulary - 1, (self.rows, self.length)).astype(np.int32)


def ours(case: Case) -> Step:
    import jax
    from flax import nnx

    from compeer_jax.data.batches import TokenBatch
    from compeer_jax.models.decoder import Qwen2
    from compeer_jax.parallel.mesh import MeshConfig, make_mesh
    from compeer_jax.parallel.sharding import place_batch
    from compeer_jax.training.optimizer import OptimizerConfig, make_optimizer
    from compeer_jax.training.supervised import count_trained, make_supervised_loss
    from compeer_jax.training.update import init_state, make_update

    mesh = make_mesh(MeshConfig())
    graphdef, params = nnx.split(Qwen2.from_pretrained(case.folder, mesh=mesh), nnx.Param)
    optimizer = make_optimizer(OptimizerConfig(learning_rate=LEARNING_RATE), STEPS)
    state = init_state(params, optimizer, mesh)
    del params
    trained = np.arange(case.length - case.trained, case.length, dtype=np.int32)
    shape = (case.rows, case.length)
    batch = TokenBatch(case.tokens(), np.ones(shape, np.int32), np.tile(trained, (case.rows, 1)))
    update = make_update(make_supervised_loss(graphdef), optimizer, whole=count_trained)

    def step() -> None:
        nonlocal state
        state, metrics = update(state, place_batch(batch, mesh), None)
        jax.block_until_ready((state, metrics))

    return step


def trl(case: Case) -> Step:
    from compare_torch import words
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    vocabulary = peers.SHAPES[case.shape].vocabulary
    before = case.length - case.trained
    rows = [{"input_ids": row, "labels": [-100] * before + row[before:]} for row in case.tokens().tolist()] * STEPS

    class Waits(TrainerCallback):
        def __init__(self, turns: Turns):
            self.turns = turns

        def on_step_begin(self, *_, **__):
            self.turns.boundary()

    def train(turns: Turns) -> None:
        SFTTrainer(
            AutoModelForCausalLM.from_pretrained(case.folder, dtype="float32"),
            args=SFTConfig(
                output_dir=f"{case.folder}/trl",
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                report_to=[],
                disable_tqdm=True,
                save_strategy="no",
                logging_steps=STEPS,
                max_steps=STEPS,
                max_length=case.length,
                per_device_train_batch_size=case.rows,
                learning_rate=LEARNING_RATE,
                lr_scheduler_type="constant",
                max_grad_norm=1.0,
                dataset_kwargs={"skip_prepare_dataset": True},
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=words(vocabulary, eos=vocabulary - 1),
            callbacks=[Waits(turns)],
        ).train()

    return Turns(train).step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shape", choices=peers.SHAPES, default="smollm2")
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--length", type=int, default=896)
    parser.add_argument("--trained", type=int, default=448)
    parser.add_argument("--ways", nargs="*", choices=NAMES, default=list(NAMES))
    peers.add_worker_options(parser)
    parser.set_defaults(patience=900.0, repeats=3)
    args = parser.parse_args()
    if args.way:
        step = None

        def respond() -> float:
            nonlocal step
            if step is None:
                step = {OURS: ours, TRL: trl}[args.way](Case(*args.case))
            start = time.process_time()
            step()
            return time.process_time() - start

        return peers.answer(respond)

    with tempfile.TemporaryDirectory() as folder:
        case = Case(folder, args.shape, args.rows, args.length, args.trained)
        peers.save_model_apart(folder, args.shape)
        print(f"{args.shape}, float32; {args.rows} rows of {args.length} tokens, {args.trained} of each train")
        print(f"{peers.machine(('jax', 'torch', 'transformers', 'trl'))}; medians of {args.repeats}, interleaved")
        workers, first = peers.start(
            __file__, {NAMES[name]: sys.executable for name in args.ways}, case, STEP, args.patience
        )
        warm = peers.interleave(workers, STEP, args.repeats)
    print("| way | a step, s | processor s | start and first step, s | peak memory, GiB |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for (way, _), said in warm.items():
        processor = np.median([one.result for one in said])
        print(
            f"| {way} | {peers.median_seconds(said):.2f} | {processor:.1f} | {first[way, 'step'].seconds:.1f} "
            f"| {said[-1].peak_bytes / 2**30:.2f} |"
        )
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
