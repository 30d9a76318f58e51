"""The vision tower in a plan: its closed form against the products that the tower is made of, and what it adds."""

import json
import math

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from compeer_jax.data.pictures import PictureLimits
from compeer_jax.data.policy_data import DataConfig
from compeer_jax.errors import UserError
from compeer_jax.models.source import ModelConfig
from compeer_jax.models.vision import abstract_tower
from compeer_jax.models.vision_config import VisionConfig
from compeer_jax.parallel.mesh import MeshConfig
from compeer_jax.parallel.topologies import parse_topology
from compeer_jax.planning.config import PlanConfig
from compeer_jax.planning.estimate import estimate
from compeer_jax.planning.report import as_json
from compeer_jax.planning.shapes import PUBLISHED
from compeer_jax.planning.tower import picture_flops


def products(jaxpr) -> float:
    """Multiplications and additions of all matrix products in a program, those of its inner programs too."""
    total = 0.0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            output = equation.outvars[0].aval.shape
            if output[-1] > 1:  # else a norm, which may be written as a product
                total += 2.0 * math.prod(output) * math.prod(left[axis] for axis in contracted)
        for inner in jax.tree.leaves(equation.params, is_leaf=lambda value: hasattr(value, "eqns")):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                total += products(inner)
    return total


@pytest.mark.parametrize("side", [4, 12])  # tokens: one window, and nine
def test_the_closed_form_is_the_sum_of_the_towers_products(side):
    vision = VisionConfig(
        hidden_size=48, out_hidden_size=64, depth=3, intermediate_size=40, num_heads=4, fullatt_block_indexes=(1,)
    )
    graphdef, params = abstract_tower(vision)
    patches = 4 * side**2
    given = (
        jax.ShapeDtypeStruct((1, patches, 3, 14, 14), jnp.float32),
        jax.ShapeDtypeStruct((1, patches, 2), jnp.int32),
        jax.ShapeDtypeStruct((1, patches), jnp.bool_),
    )
    traced = jax.make_jaxpr(lambda params, *inputs: nnx.merge(graphdef, params)(*inputs))(params, *given)
    assert products(traced.jaxpr) == picture_flops(vision, patches)


def test_published_shapes_have_as_many_weights_as_the_published_files():
    counts = {name: PUBLISHED[name].parameter_count + PUBLISHED[name].vision.parameter_count for name in SIZES}
    assert counts == SIZES


SIZES = {"Qwen2.5-VL-3B": 3_754_622_976, "Qwen2.5-VL-7B": 8_292_166_656}  # of the files on the Hub


def planned(most: int, **changes) -> dict:
    settings = {
        "topology": "gpu:8xH100-80G",
        "model": ModelConfig("Qwen2.5-VL-7B", dtype="bfloat16", param_dtype="bfloat16"),
        "mesh": MeshConfig(fsdp=-1),
        "data": DataConfig(max_prompt_tokens=1024, pictures=PictureLimits(most)),
        "prompts_per_step": 32,
        "group_size": 4,
    }
    config = PlanConfig(**(settings | changes))
    return as_json(estimate(config, parse_topology(config.topology)))


def test_pictures_add_a_tower_that_is_seen_once_a_prompt_whatever_the_group():
    without, one, two = planned(0), planned(1), planned(2)
    assert [program["name"] for program in one["programs"]] == [
        "tower",
        *(program["name"] for program in without["programs"]),
    ]
    added = one["resident_bytes"].keys() - without["resident_bytes"].keys()
    assert added == {"tower", "pictures"}
    vision = PUBLISHED["Qwen2.5-VL-7B"].vision
    assert one["resident_bytes"]["tower"] == math.ceil(2 * vision.parameter_count / 8)
    assert one["resident_bytes"]["pictures"] == 32 * 256 * 5120 * 2 // 8
    assert two["resident_bytes"]["pictures"] == 2 * one["resident_bytes"]["pictures"]
    tower = [plan["phases"][0] for plan in (one, two)]
    assert tower[0]["flops"] == 4 * picture_flops(vision, 1024)  # 32 pictures on 8 devices
    assert tower[1]["flops"] == 2 * tower[0]["flops"]
    again = planned(1, group_size=8)["phases"][0]
    assert again["flops"] == tower[0]["flops"]
    assert any("pictures: 1 in each prompt, of 256 tokens" in note for note in one["notes"])
    json.dumps(one)


def test_a_model_that_reads_text_alone_can_show_none():
    with pytest.raises(UserError, match=r"data.pictures.most is 1, but the model 'Qwen2.5-7B' reads text alone"):
        planned(1, model=ModelConfig("Qwen2.5-7B", dtype="bfloat16", param_dtype="bfloat16"))
