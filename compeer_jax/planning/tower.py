"""The vision tower in a plan, by closed forms: it is frozen and sees each picture once, so no compiler is asked.

A picture of n tokens is 4 n patches. In each block a patch goes through the block's products, and meets the patches of
its window (8 x 8), or in a few blocks those of its whole picture. What fills up windows that a picture's edge cuts,
norms and rotary angles are left out. What the tower gives is kept for all the rows of a prompt.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from compeer_jax.generation.padding import bucket
from compeer_jax.models.vision_config import VisionConfig
from compeer_jax.parallel.mesh import MeshConfig
from compeer_jax.planning.counts import Counts, Traffic
from compeer_jax.training.config import GRPOConfig

AT_ONCE = 8  # pictures that the tower sees together, as `data.seen_pictures` has it by default
TOWER, STATES = "tower", "pictures"


@dataclass(frozen=True)
class TowerPlan:
    """What pictures add to a step.

    Attributes:
        resident: bytes on each device, by name: the tower, and what it gave for a step's prompts.
        temporaries: bytes that the tower takes while it runs.
        counts: of the tower over a step's pictures.
        note: what was assumed.
    """

    resident: dict[str, int]
    temporaries: int
    counts: Counts
    note: str


def tower_plan(config: GRPOConfig, vision: VisionConfig, mesh: MeshConfig) -> TowerPlan:
    """The plan for prompts that all show as many pictures as they may, each as large as it may be."""
    limits, width = config.data.pictures, jnp.dtype(config.model.dtype).itemsize
    pictures = config.prompts_per_step * limits.most
    rows = mesh.data * mesh.fsdp
    split = mesh.fsdp * mesh.tensor
    patches = vision.patches_per_token * limits.max_tokens
    here = -(-pictures // rows)
    weights = vision.parameter_count * width
    flops = here * picture_flops(vision, patches) / mesh.tensor
    batches = -(-pictures // max(AT_ONCE, rows))
    read = batches * weights / mesh.tensor
    inner = 8 * vision.hidden_size + 3 * vision.intermediate_size
    moved = read + here * patches * vision.depth * inner * width
    gathered = {"all-gather": Traffic(batches, read * (mesh.fsdp - 1) / mesh.fsdp)} if mesh.fsdp > 1 else {}
    seen = bucket(patches)
    scores = max(1, AT_ONCE // rows) * vision.num_heads * seen**2 * (4 + width)
    resident = {
        TOWER: -(-weights // split),
        STATES: -(-pictures * limits.max_tokens * vision.state_size * width // rows),
    }
    note = (
        f"pictures: {limits.most} in each prompt, of {limits.max_tokens} tokens, all new; the tower's {vision.depth} "
        "blocks by closed forms"
    )
    return TowerPlan(resident, int(scores), Counts(flops, moved, gathered), note)


def picture_flops(vision: VisionConfig, patches: int) -> float:
    """Multiplications and additions of the tower over a picture of so many patches."""
    d, f = vision.hidden_size, vision.intermediate_size
    window = (vision.window_size // vision.patch_size) ** 2
    whole = len(vision.fullatt_block_indexes)
    products = 2 * patches * (3 * vision.patch_size**2 * d + vision.depth * (4 * d * d + 3 * d * f))
    met = patches * (whole * patches + (vision.depth - whole) * min(window, patches))
    return products + 4 * met * d
