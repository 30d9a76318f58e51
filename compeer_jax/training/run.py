"""A training run's I/O: its folder, mesh, model, checkpoints, metrics and progress. The loops stay plain.

A checkpoint holds weights, optimiser and the place in the data. Random keys are made from seed and step number, both of
which the run folder has, so nothing random needs saving.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import PyTree

from compeer_jax.data.pictures import PictureLimits
from compeer_jax.data.seen_pictures import SeenPictures
from compeer_jax.errors import StopAsked, UserError
from compeer_jax.models.frozen_base import FrozenBase
from compeer_jax.models.lora import join as join_adapters
from compeer_jax.models.peft_files import CONFIG as ADAPTER_CONFIG
from compeer_jax.models.saving import check_replaceable
from compeer_jax.models.source import load_model, model_directory, model_shape
from compeer_jax.models.tokenizer import chat_ids, load_tokenizer
from compeer_jax.parallel.exchange import from_first, is_first
from compeer_jax.parallel.mesh import make_mesh, platform
from compeer_jax.parallel.processes import join
from compeer_jax.progress import Progress
from compeer_jax.runs.checkpoints import Checkpoints
from compeer_jax.runs.curves import plot_curves
from compeer_jax.runs.folder import RunFolder
from compeer_jax.runs.identity import open_folder
from compeer_jax.runs.metrics import MetricWriter, read_metrics
from compeer_jax.runs.signals import StopSignals
from compeer_jax.training.adapter_export import keep_adapter_config
from compeer_jax.training.config import GRPOConfig, RunConfig
from compeer_jax.training.export import best_by, export_run, keep_base
from compeer_jax.training.memory import check_program, check_state, gigabytes, program_bytes
from compeer_jax.training.optimizer import learning_rate_at, make_optimizer
from compeer_jax.training.policy_card import PolicyCard
from compeer_jax.training.update import TrainState, init_state

log = logging.getLogger(__name__)


def open_run(config: RunConfig, kind: str, *, optimizer_steps: int) -> "Run":
    """Makes or reopens the run folder, and finds the mesh and the tokenizer: all that is quick to check.

    Args:
        config: the settings of the run.
        kind: "sft", "reward" (a judge) or "grpo": a title, and what the best checkpoint is chosen by.
        optimizer_steps: of the whole run; the learning-rate schedule ends there.
    """
    join(config.processes)
    folder = open_folder(config)
    if config.export:  # found now rather than when all is trained
        described_in = ADAPTER_CONFIG if config.model.lora.rank else "config.json"
        from_first(lambda: check_replaceable(folder.model, described_in=described_in))
    mesh = make_mesh(config.mesh)
    tokenizer = load_tokenizer(model_directory(config.model.path))
    return Run(config, kind, folder, mesh, tokenizer, optimizer_steps)


class Run:
    """One run of training.

    Attributes:
        config: its settings.
        folder: its files.
        mesh: where its arrays live.
        tokenizer: of the model.
        optimizer: an optax transformation.
        base: the frozen model that the run's adapters stand on; None in a run that trains the whole model.
        frozen: its weights; there after `start`. None in a run that trains the whole model.
        model_config: the model's shape; there after `start`.
        graphdef: the model without its weights; there after `start`.
        reference_params: the weights that the run started from; there after `start` when a KL term needs them.
        stop: what signals have asked for.
        writer: of the metrics; in process 0, once `start` was there.
        skipped_in_row: how many steps in a row, up to the last one, had an update skipped.
    """

    def __init__(self, config, kind: str, folder: RunFolder, mesh, tokenizer, optimizer_steps: int):
        self.config, self.kind, self.folder, self.mesh, self.tokenizer = config, kind, folder, mesh, tokenizer
        self.optimizer_steps = optimizer_steps
        self.optimizer = make_optimizer(config.optimizer, optimizer_steps)
        self.stop_ids, self.pad_id = chat_ids(tokenizer)
        self.checkpoints: Checkpoints | None = None
        self.progress: Progress | None = None
        self.writer: MetricWriter | None = None
        self.reference_params = None
        self.base = FrozenBase(config.model, mesh) if config.model.lora.rank else None
        self.frozen = None
        self.stop = StopSignals()
        self.skipped_in_row = 0
        self._said: set[str] = set()

    def start(self, batches) -> tuple[TrainState, int]:
        """Loads the model, or the last checkpoint over it, and sets `batches` to where they were.

        Returns:
            The state, and the number of the next step, counted from 1.
        """
        config = self.config
        params = self._load()
        if isinstance(config, GRPOConfig) and config.loss.kl_coefficient:
            # The update gives its state's memory away, so what is to be kept of it needs a copy of its own.
            self.reference_params = self.whole(jax.tree.map(lambda x: x.copy(), params))
        start = model_directory(config.model.path)
        from_first(lambda: keep_base(self.folder, self.model_config, self.tokenizer, start))
        if self.base is not None:
            from_first(lambda: keep_adapter_config(self.folder, self.base))
        state = init_state(params, self.optimizer, self.mesh)
        del params
        best_metric, best_mode = best_by(vars(config))
        self.checkpoints = Checkpoints(
            self.folder.checkpoints,
            keep_last=config.checkpoint.keep_last,
            keep_best=config.checkpoint.keep_best,
            best_metric=best_metric,
            best_mode=best_mode,
            asynchronous=config.checkpoint.asynchronous,
        )
        done = 0
        if self.checkpoints.latest_step() is not None:
            wanted = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state)
            del state  # its memory is wanted for what is restored
            done, state, position = self.checkpoints.restore(wanted)
            batches.set_state(position["batches"])
            self.say(f"Going on after step {done}, from the checkpoint in {self.folder.checkpoints}.")
        self.progress = Progress(total=config.steps, title=self.kind, done=done, quiet=not is_first())
        self.skipped_in_row = from_first(lambda: self._rewind(done))
        return state, done + 1

    def _load(self) -> nnx.State:
        """Reads the model; returns what learns of it, which is its adapters where it has some."""
        if self.base is not None:
            self.model_config, self.frozen = self.base.model_config, self.base.params
            self.graphdef, _ = self.base.abstract()
            return self.base.first_adapters(self.config.seed)
        if platform() == "cpu" and jax.process_count() == 1:
            shape = model_shape(model_directory(self.config.model.path))
            check_state(shape.parameter_count, jnp.dtype(self.config.model.param_dtype).itemsize)
        model = load_model(self.config.model, self.mesh)
        self.model_config = model.config
        self.graphdef, params = nnx.split(model, nnx.Param)
        return params

    def check_sees(self, limits: PictureLimits, setting: str) -> None:
        """Raises UserError where pictures are asked for of a model that reads text alone."""
        if limits.most and model_shape(model_directory(self.config.model.path)).vision is None:
            raise UserError(
                f"{setting}.most is {limits.most}, but the model {self.config.model.path} reads text alone; give one "
                f"that sees, such as Qwen2.5-VL, or set {setting}.most to 0."
            )

    def open_tower(self) -> SeenPictures:
        """The vision tower of the model that the run starts from, which never learns."""
        model = self.config.model
        return SeenPictures.from_pretrained(model_directory(model.path), mesh=self.mesh, dtype=model.dtype)

    def check_program(self, program: Callable, what: str, *given: PyTree) -> None:
        """Compiles a program, says what memory it takes, and makes sure that it fits.

        Args:
            program: made by `jax.jit`; it does not compile again when it is called with the same shapes.
            what: it computes.
            given: its arguments.

        Raises:
            UserError: it takes more memory than the machine has left.
        """
        if (needed := program_bytes(program.lower(*given).compile())) is None:
            return
        held = sum(leaf.nbytes for leaf in jax.tree.leaves(given) if isinstance(leaf, jax.Array))
        self.say(f"{what}: {gigabytes(needed)} of memory while it computes, beside {gigabytes(held)} that it is given.")
        if platform() == "cpu":
            check_program(needed, what)

    def whole(self, params: nnx.State) -> nnx.State:
        """The weights that the graph computes with: the params of the state and, if those are adapters, the frozen."""
        return join_adapters(params, self.frozen)

    def _rewind(self, done: int) -> int:
        """Opens the metrics after step `done`; how many steps in a row, up to it, had an update skipped."""
        self.writer = MetricWriter(self.folder)
        self.writer.rewind(done)
        skipped = takewhile(lambda row: row.get("skipped"), reversed(read_metrics(self.folder.metrics)))
        return len(list(skipped))

    def check_context(self, tokens: int, setting: str) -> None:
        """Raises UserError when so many tokens are more than the model's context; `setting` is what to lower."""
        if tokens > self.model_config.max_position_embeddings:
            raise UserError(
                f"The longest example has {tokens} tokens, more than the model's context of "
                f"{self.model_config.max_position_embeddings} (max_position_embeddings); lower {setting}."
            )

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """The mesh, the signals and the bar of the loop; whatever ends it, checkpoints being written are finished.

        Raises:
            UserError: a computation of several processes failed, most likely since one of them is gone.
        """
        together, whole = True, False
        with self.stop:  # until what is being written is finished
            try:
                with jax.set_mesh(self.mesh), self.progress:
                    yield
                whole = True
            except (jax.errors.JaxRuntimeError, ValueError) as error:
                # On CPUs a connection that is lost while a program starts comes as ValueError.
                if jax.process_count() == 1 or (isinstance(error, ValueError) and "Gloo" not in str(error)):
                    raise
                together = False
                raise UserError(
                    f"process {jax.process_index()} of {jax.process_count()} can't go on, most likely since another "
                    f"one is gone ({str(error).splitlines()[0][:160]}); start all processes again, and the run goes on "
                    "from its last checkpoint."
                ) from error
            finally:
                with self.stop.shielded():
                    if together:  # a checkpoint can't be finished without the others
                        self.checkpoints.wait()
                    if self.writer is not None:
                        self.writer.close()
                    if not whole:
                        self.folder.release()

    def learning_rate(self, update: int) -> float:
        """The rate of optimiser step `update`, counted from 0 (or before it, while all updates were skipped)."""
        return float(learning_rate_at(self.config.optimizer, self.optimizer_steps, max(0, update)))

    def log(self, step: int, metrics: Mapping[str, float], shown: tuple[str, ...]) -> None:
        """Writes a step's metrics; the bar shows those in `shown`.

        Raises:
            UserError: too many steps in a row had an update skipped; the checkpoint before them is kept as it is.
        """
        if self.writer is not None:
            self.writer.write(step, metrics)
        self.progress.update(step, {name: metrics[name] for name in shown if name in metrics})
        if not metrics["skipped"]:
            self.skipped_in_row = 0
            if metrics["grad_norm"] == 0:
                why = self._why_zero(metrics)
                self.say_once("zero gradient", f"Step {step}: the gradient is 0, so that update teaches nothing{why}.")
            return
        self.skipped_in_row += 1
        name = next((name for name in ("loss", "grad_norm") if not math.isfinite(metrics[name])), "a gradient")
        self.say(f"Step {step}: {name} is not finite; that update is skipped, and the weights stay as they were.")
        if self.skipped_in_row >= self.config.optimizer.max_skipped:
            kept = self.checkpoints.latest_step()
            raise UserError(
                f"{name} was not finite in {self.skipped_in_row} steps in a row, up to step {step} "
                f"(optimizer.max_skipped); "
                + ("no checkpoint is there yet" if kept is None else f"the checkpoint of step {kept} is whole")
                + ": lower the learning rate (in a new output folder), or look at the data of these steps."
            )

    @staticmethod
    def _why_zero(metrics: Mapping[str, float]) -> str:
        return ": the outputs of every group have equal rewards" if metrics.get("frac_reward_zero_std") == 1 else ""

    def _worthless(self) -> str:
        """A sentence where no step of the run can have taught anything; else ""."""
        rows = read_metrics(self.folder.metrics)
        if not rows:
            return ""
        steps = f"in each of {len(rows)} steps" if len(rows) > 1 else "in its one step"
        nothing = "so the run taught nothing: the model is the one that it started from"
        if all(row["skipped"] for row in rows):
            return f"The loss or its gradient was not finite {steps}, {nothing}."
        if all(row["learning_rate"] == 0 for row in rows):
            return f"The learning rate was 0 {steps}, {nothing}; lower optimizer.warmup_steps, or take more steps."
        if all(row["skipped"] or row["grad_norm"] == 0 or row["learning_rate"] == 0 for row in rows):
            return f"The gradient was 0 {steps}{self._why_zero(rows[-1])}, {nothing}."
        return ""

    def save(self, step: int, state: TrainState, batches, metrics: Mapping[str, float], *, last: bool) -> None:
        """Saves a checkpoint when its interval is over, and redraws the curves.

        None is due after a step that skipped an update: should the weights be what spoils the gradients, the
        checkpoints before must not make room for them.

        Raises:
            StopAsked, KeyboardInterrupt: a signal came; this step is saved, due or not.
        """
        due = last or (step % self.config.checkpoint.every == 0 and not metrics["skipped"])
        if due:
            position = {"batches": batches.get_state()}
            self.checkpoints.save(step, state, position, dict(metrics))
        if not last:
            with self.saved_on_error(step, state, batches.get_state(), metrics):
                self.raise_if_stopped()
        if due and is_first():
            self.draw_curves()

    @contextmanager
    def saved_on_error(self, step: int, state: TrainState, position, metrics: Mapping[str, float]) -> Iterator[None]:
        """A block of work on the step after `step`: given up for a reason that may pass, it leaves `step` saved.

        Args:
            step: the last one done.
            state: after it.
            position: of the batches after it.
            metrics: of it; empty when this start of the run has done none.
        """
        try:
            with self.stop.interruptible():
                yield
        except (UserError, KeyboardInterrupt, StopAsked):
            with self.stop.shielded():
                if metrics and step not in self.checkpoints.all_steps():
                    self.checkpoints.save(step, state, {"batches": position}, metrics)
            raise

    def raise_if_stopped(self) -> None:
        """Raises StopAsked, or KeyboardInterrupt, when a signal has come; for use in a `saved_on_error` block."""
        received = self.stop.received()
        if received == "SIGINT":
            raise KeyboardInterrupt
        if received:
            raise StopAsked(f"{received} came; the steps done are saved, and the same command goes on after them.")

    def finish(self, *, export: bool) -> Path:
        """Closes the checkpoints and exports the last one.

        Raises:
            UserError: nothing was learnt; all files are there all the same.
        """
        self.checkpoints.close()
        if export:
            export_run(self.folder.path, self.folder.model)
            what = "The model is" if self.base is None else f"The adapters of {self.base.name} are"
            self.say(f"{what} in {self.folder.model}.")
        self.folder.release()
        if said := from_first(self._worthless):
            raise UserError(said)
        return self.folder.path

    def draw_curves(self) -> None:
        """Draws curves.png anew from metrics.jsonl."""
        plot_curves(read_metrics(self.folder.metrics), self.folder.curves, f"{self.kind}: {self.folder.path.name}")

    def keep_card(self, card: PolicyCard) -> None:
        """Writes the policy's card: its prompt, format and limits."""

        def write() -> None:
            self.folder.base.mkdir(exist_ok=True)
            card.write(self.folder.base)

        from_first(write)

    def say_left_out(self, count: int, of: int, what: str) -> None:
        """Logs how many records were too long, if any."""
        if count:
            self.say(f"{count} of {of} {what} records exceed data.max_prompt_tokens or max_answer_tokens: left out.")

    def say_once(self, topic: str, line: str) -> None:
        """One line, unless this start of the run has said something on that topic."""
        if topic not in self._said:
            self._said.add(topic)
            self.say(line)

    def say(self, line: str) -> None:
        """One line to the person at the terminal, from process 0."""
        if not is_first():
            return
        if self.progress is not None:
            self.progress.say(line)
        else:
            log.info(line)
