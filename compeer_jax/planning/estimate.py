"""Estimate of a step by closed forms: for machines whose compiler is not at hand, and to rank what to compile.

The forms follow the programs as they are: attention through a cache holds its scores, in training a kernel does not
where there is one; weights are gathered layer by layer over `fsdp` and cast to the type of the computation; the LM head
runs on completions alone. They leave out what is small (norms, rotary angles, masks) and all that a compiler does.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax.numpy as jnp
from jax.sharding import AbstractMesh, AxisType

from compeer_jax.generation.padding import bucket
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.depth import is_scanned, what_is_recomputed
from compeer_jax.parallel.mesh import AXES, MeshConfig
from compeer_jax.parallel.topologies import Topology
from compeer_jax.planning.compile_tpu import Compiled
from compeer_jax.planning.counts import Counts, Traffic
from compeer_jax.planning.plan import Plan, make_plan
from compeer_jax.planning.programs import Step, asked_tokens, check_outputs, grpo_step, judge_cards, prefix_tokens
from compeer_jax.planning.shapes import model_shape
from compeer_jax.training.config import GRPOConfig

LOGITS = 64  # columns of logits at a time, as in compeer_jax.rl.logprobs


def estimate(config: GRPOConfig, topology: Topology, step: Step | None = None) -> Plan:
    """A plan by closed forms.

    Args:
        config: the run.
        topology: the machine.
        step: of `abstract_step`, where it is at hand for another number of parts or remat policy.

    Raises:
        UserError: the mesh does not fit the machine, the weights or the outputs.
    """
    start = time.monotonic()
    mesh = MeshConfig(*config.mesh.resolve(topology.devices))
    check_outputs(config, abstract_mesh(mesh))
    step = step or abstract_step(config, topology)
    forms = _forms(config, mesh, step.resident)
    programs = []
    for planned in step.programs:
        arguments = sum(step.resident[name] for name in planned.holds)
        temporaries, phases = forms[planned.name]
        programs.append(Compiled(planned.name, planned.runs, arguments, int(temporaries), 0, phases, 0.0))
    note = "closed forms: kernels, fragmentation and what a compiler does beside are not in them"
    step = replace(step, notes=(*step.notes, note))
    return make_plan(config, topology, mesh, step, programs, start, estimated=True)


def abstract_step(config: GRPOConfig, topology: Topology) -> Step:
    """Abstract step: what lies in memory and runs, on a mesh without devices.

    Raises:
        UserError: the mesh does not fit the machine, the weights or the outputs.
    """
    return grpo_step(config, abstract_mesh(MeshConfig(*config.mesh.resolve(topology.devices))))


def abstract_mesh(mesh: MeshConfig) -> AbstractMesh:
    """A mesh of these sizes, without devices."""
    return AbstractMesh(mesh.sizes, AXES, axis_types=(AxisType.Auto,) * len(AXES))


def _forms(
    config: GRPOConfig, mesh: MeshConfig, resident: Mapping[str, int]
) -> dict[str, tuple[float, dict[str, Counts]]]:
    """Temporaries, and counts by phase, of every program that a step may have."""
    shape, _ = model_shape(config.model.path, "model.path")
    width, kept = jnp.dtype(config.model.dtype).itemsize, jnp.dtype(config.model.param_dtype).itemsize
    kernel = config.model.attention in ("splash", "cudnn") or (config.model.attention == "auto" and width == 2)
    policy = _Model(
        shape,
        mesh,
        width,
        kept=1 if config.model.decode_weights == "int8" else width,
        cached=_cached(shape, config.model.decode_cache, width),
        kernel=kernel,
        gather=config.model.gather,
    )
    outputs = config.prompts_per_step * config.group_size
    prompt, new = bucket(config.data.max_prompt_tokens), config.sampling.max_new_tokens
    minibatch, parts = outputs // config.minibatches, config.gradient_accumulation

    part = policy.rows(outputs // (config.minibatches * parts))
    logprobs = policy.forward(part, prompt + new, prompt + new, heads=new, kernel=kernel).times(
        config.minibatches * parts
    )
    scoring = (policy.working(part, prompt + new), {"": logprobs})
    remat = what_is_recomputed(config.model.remat, is_scanned(config.model.scan_layers, shape.num_hidden_layers))
    forms = {
        "rollout": policy.rollout(config.prompts_per_step, config.group_size, prompt, new),
        "old log-probs": scoring,
        "reference log-probs": scoring,
        "update": policy.update(
            minibatch // parts, parts, prompt, new, remat, resident["policy"] / kept, "base" in resident
        ),
    }
    models = config.reward.models
    for kind, (path, card, _) in judge_cards(config).items():
        width = jnp.dtype(models.dtype).itemsize
        place = MeshConfig(fsdp=models.devices) if models.devices else mesh
        judged = model_shape(path, f"reward.models.{kind}")[0]
        judge = _Model(
            judged,
            place,
            width,
            kept={"none": width, "int8": 1, "nf4": 0.5}[models.quantize],
            cached=_cached(judged, models.decode_cache, width),
            gather=models.gather,
        )
        at_once = min(models.batch_prompts or config.prompts_per_step, config.prompts_per_step)
        times = config.group_size * len(card.conversations)
        rounds = max(map(len, card.conversations))
        forms[f"judge {kind}"] = judge.conversations(
            at_once, times, prefix_tokens(card), asked_tokens(card), rounds * card.max_new_tokens
        )
    return forms


def _cached(shape: DecoderConfig, kept: str, width: int) -> float:
    """Bytes of a number in a cache; in 8 bits with its share of a float32 scale for each token and head."""
    return 1 + 4 / shape.head_dim if kept == "int8" else width


@dataclass(frozen=True)
class _Model:
    """A model on a mesh, computed in a type of `width` bytes.

    `kernel`: its training attention never holds scores; `gather`: it generates with weights gathered once; `kept` and
    `cached`: bytes of a projection's weight, and of a number in a cache, while it generates.
    """

    shape: DecoderConfig
    mesh: MeshConfig
    width: int
    kept: float
    cached: float
    kernel: bool = False
    gather: bool = False

    @property
    def head(self) -> float:
        """Weights of the LM head."""
        return self.shape.vocab_size * self.shape.hidden_size

    @property
    def layers(self) -> float:
        """Weights of all layers."""
        return self.shape.parameter_count - self.head * (1 if self.shape.tie_word_embeddings else 2)

    def rows(self, rows: int) -> int:
        """How many of so many rows a chip computes: all of them, where the mesh does not divide them."""
        split = self.mesh.data * self.mesh.fsdp
        return rows // split if rows % split == 0 else rows

    def forward(self, rows: float, tokens: int, seen: int, heads: int, *, kernel: bool = False) -> Counts:
        """One pass of `rows` rows a chip over `tokens` tokens that see `seen`, `heads` of them through the LM head.

        A kernel computes the half of the scores that are seen, and takes none to memory.
        """
        shape, tensor, fsdp = self.shape, self.mesh.tensor, self.mesh.fsdp
        scores = rows * shape.num_hidden_layers * shape.num_attention_heads * tokens * seen / tensor
        weights = (self.layers + (self.head if heads else 0)) / tensor
        activations = rows * tokens * shape.num_hidden_layers
        inner = (8 * shape.hidden_size + 3 * shape.intermediate_size / tensor) * self.width
        collectives = {}
        if fsdp > 1:
            collectives["all-gather"] = Traffic(1, weights * self.width * (fsdp - 1) / fsdp)
        if tensor > 1:
            reduced = activations * shape.hidden_size * self.width
            collectives["all-reduce"] = Traffic(2 * shape.num_hidden_layers, 4 * reduced * (tensor - 1) / tensor)
        return Counts(
            flops=2 * rows * (tokens * self.layers + heads * self.head) / tensor
            + (2 if kernel else 4) * scores * shape.head_dim,
            bytes=weights * self.width + activations * inner + (0 if kernel else scores * 2 * (4 + self.width)),
            collectives=collectives,
        )

    def working(self, rows: float, tokens: int) -> float:
        """Bytes of one layer, and of the LM head, while they are computed."""
        shape, tensor = self.shape, self.mesh.tensor
        held = 0 if self.kernel else tokens * tokens
        scores = rows * shape.num_attention_heads / tensor * held * (8 + self.width)
        mlp = 3 * rows * tokens * shape.intermediate_size / tensor * self.width
        gathered = (2 * self.layers / shape.num_hidden_layers + self.head) / tensor * self.width
        return scores + mlp + gathered + 3 * rows * LOGITS * shape.vocab_size / tensor * 4

    def cache(self, rows: float, slots: int) -> float:
        """Bytes of keys and values."""
        shape = self.shape
        return (
            2
            * rows
            * slots
            * shape.num_hidden_layers
            * shape.num_key_value_heads
            * shape.head_dim
            * self.cached
            / (self.mesh.tensor)
        )

    def decode(self, rows: float, slots: int, steps: int) -> Counts:
        """`steps` tokens more for each of `rows` rows a chip."""
        step = self.forward(rows, 1, slots, heads=1)
        collectives = dict(step.collectives)
        if self.gather:  # with what was read before
            collectives.pop("all-gather", None)
        fewer = self.layers / self.mesh.tensor * (self.width - self.kept)
        return Counts(step.flops, step.bytes - fewer + self.cache(rows, slots), collectives).times(steps)

    @property
    def cast(self) -> float:
        """Bytes of the weights that generation casts, and gathers or not, before its loop."""
        split = self.mesh.tensor * (1 if self.gather else self.mesh.fsdp)
        return (self.layers * self.kept + 2 * self.head * self.width) / split

    def rollout(self, prompts: int, group_size: int, length: int, new: int) -> tuple[float, dict[str, Counts]]:
        """Temporaries and counts of drawing completions."""
        here, outputs = self.rows(prompts), self.rows(prompts * group_size)
        caches = self.cache(here, length + new) + 2 * self.cache(outputs, length + new)
        scores = here * self.shape.num_attention_heads / self.mesh.tensor * length**2 * (8 + self.width)
        prefill = self.forward(here, length, length, heads=0)
        return caches + scores + self.cast + self.working(here, 1), {
            "prefill": prefill,
            "decode": self.decode(outputs, length + new, new),
        }

    def conversations(
        self, prompts: int, times: int, prefix: int, asked: int, written: int
    ) -> tuple[float, dict[str, Counts]]:
        """Temporaries and counts of a judge's conversations."""
        here, rows = self.rows(prompts), self.rows(prompts * times)
        slots = asked + written
        caches = self.cache(here, prefix) + 2 * self.cache(rows, slots)
        scores = here * self.shape.num_attention_heads / self.mesh.tensor * prefix**2 * (8 + self.width)
        gathered = self.cast if self.gather else 0
        return caches + scores + gathered + self.working(rows, 64), {
            "prefill": self.forward(here, prefix, prefix, heads=0),
            "read": self.forward(rows, asked, prefix + slots, heads=0),
            "write": self.decode(rows, prefix + slots, written),
        }

    def update(
        self, part: int, parts: int, prompt: int, new: int, remat: str, trained: float, adapters: bool
    ) -> tuple[float, dict[str, Counts]]:
        """Temporaries and counts of an optimiser step over `parts` parts of `part` rows.

        Args:
            part, parts: outputs computed at once, and how often.
            prompt, new: tokens.
            remat: of the model.
            trained: weights that learn, on a chip.
            adapters: whether these are adapters, so that the others have no gradients.
        """
        shape, tensor, fsdp, data = self.shape, self.mesh.tensor, self.mesh.fsdp, self.mesh.data
        rows, tokens = self.rows(part), prompt + new
        passes = {"none": 3, "dots": 3.2, "full": 4}[remat] - (1 if adapters else 0)
        counts = self.forward(rows, tokens, tokens, heads=new, kernel=self.kernel).times(passes * parts)
        collectives = dict(counts.collectives)
        if fsdp > 1:
            collectives["reduce-scatter"] = Traffic(parts, parts * trained * 4 * (fsdp - 1))
        if data > 1:
            reduced = Traffic(1, 2 * trained * 4 * (data - 1) / data)
            collectives["all-reduce"] = collectives.get("all-reduce", Traffic()) + reduced
        counts = Counts(counts.flops, counts.bytes + trained * 9 * 4, collectives)
        activation = rows * tokens * shape.num_hidden_layers * self.width
        saved = activation * shape.hidden_size
        if remat != "full":
            heads = (shape.num_attention_heads * 2 + shape.num_key_value_heads * 2) * shape.head_dim
            saved += activation * (2 * shape.hidden_size + (heads + 3 * shape.intermediate_size) / tensor)
        if remat == "none" and not self.kernel:
            scores = rows * shape.num_hidden_layers * shape.num_attention_heads / tensor * tokens**2
            saved += scores * (4 + self.width)
        gradients = trained * 4 * (2 if parts > 1 else 1) + (0 if adapters else self.head / tensor * 4)
        return gradients + saved + self.working(rows, tokens), {"": counts}
