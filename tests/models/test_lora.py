"""Adapters on a frozen model: against the merged model, against PEFT over transformers, and what learns."""

import dataclasses
import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from peft import LoraConfig as PeftConfig
from peft import PeftModel, get_peft_model
from tiny import random_policy_batch, tiny_model
from tiny_decoder import torch_model
from transformers import AutoModelForCausalLM

from compeer_jax.errors import UserError
from compeer_jax.generation.engine import Engine
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.frozen_base import FrozenBase
from compeer_jax.models.lora import TARGETS, LoRAConfig, join, merge_adapters
from compeer_jax.models.peft_files import read_adapter_config, save_adapters
from compeer_jax.models.quantized import NF4, block_size
from compeer_jax.models.source import ModelConfig, load_model
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.sharding import place_batch
from compeer_jax.training.config import LossConfig
from compeer_jax.training.optimizer import OptimizerConfig, make_optimizer
from compeer_jax.training.policy_update import count_whole, make_policy_loss
from compeer_jax.training.update import init_state, make_update

LORA = LoRAConfig(rank=3, alpha=6.0)
TOKENS = jax.random.randint(jax.random.key(3), (4, 9), 0, 64)


class Words:
    """A tokenizer that has nothing to save."""

    def save_pretrained(self, directory):
        Path(directory, "tokenizer.json").write_text("{}")


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("base") / "model"
    tiny_model().save_pretrained(path)
    return path


def base_of(directory, mesh=None, *, lora=LORA, **options) -> FrozenBase:
    config = ModelConfig(str(directory), dtype="float32", lora=lora, **options)
    return FrozenBase(config, mesh or one_device())


def one_device():
    return make_mesh(MeshConfig(data=1), jax.devices()[:1])


def shaken(adapters: nnx.State, size: float = 0.1) -> nnx.State:
    """Adapters that do something, B being zero at the start."""
    return jax.tree.map(lambda leaf: leaf + size * jax.random.normal(jax.random.key(leaf.size), leaf.shape), adapters)


def logits(graphdef, params, mesh=None) -> np.ndarray:
    def compute(params):
        model = nnx.merge(graphdef, params)
        return model.logits(model(TOKENS))

    with jax.set_mesh(mesh or one_device()):
        return np.asarray(jax.jit(compute)(params))


# What an adapted model computes


@pytest.mark.parametrize(
    ("scan_layers", "targets"),
    [(False, tuple(TARGETS)), (True, tuple(TARGETS)), (False, ("q_proj", "down_proj"))],
    ids=["unrolled", "scanned", "two_of_seven"],
)
def test_an_adapted_model_computes_what_the_merged_one_does(directory, scan_layers, targets):
    lora = dataclasses.replace(LORA, targets=targets)
    base = base_of(directory, scan_layers=scan_layers, lora=lora)
    graphdef, _ = base.abstract()
    adapters = shaken(base.first_adapters(0))
    assert {path[-3] for path, _ in nnx.to_flat_state(adapters)} == {TARGETS[target][1] for target in targets}

    plain = load_model(dataclasses.replace(base.config, lora=LoRAConfig()), None)
    plain_graphdef, weights = nnx.split(plain, nnx.Param)
    unadapted = logits(plain_graphdef, weights)
    merged = logits(plain_graphdef, merge_adapters(weights, adapters, lora.scale))
    adapted = logits(graphdef, join(adapters, base.params))
    np.testing.assert_allclose(adapted, merged, atol=3e-5)
    assert np.abs(adapted - unadapted).max() > 0.1


def test_new_adapters_change_nothing_and_are_uniform_within_peft_s_bounds(directory):
    base = base_of(directory)
    graphdef, _ = base.abstract()
    adapters = base.first_adapters(seed=1)
    plain = nnx.split(load_model(ModelConfig(str(directory), dtype="float32"), None), nnx.Param)
    np.testing.assert_array_equal(logits(graphdef, join(adapters, base.params)), logits(*plain))
    flat = dict(nnx.to_flat_state(adapters))
    for path, param in flat.items():
        values = np.asarray(param[...])
        if path[-1] == "b":
            assert not values.any()
        else:
            bound = 1 / math.sqrt(math.prod(values.shape[:-1]))
            assert 0.8 * bound < np.abs(values).max() <= bound
    first, second = flat["layers", 0, "mlp", "up", "adapter", "a"], flat["layers", 1, "mlp", "up", "adapter", "a"]
    assert not np.allclose(first[...], second[...])


@pytest.mark.parametrize(("scan_layers", "quantize"), [(False, "none"), (True, "int8"), (True, "nf4")])
def test_eight_devices_compute_what_one_does(directory, scan_layers, quantize):
    lora = dataclasses.replace(LORA, quantize=quantize)
    found = []
    for sizes, devices in (MeshConfig(data=1), jax.devices()[:1]), (MeshConfig(fsdp=4, tensor=2), jax.devices()):
        mesh = make_mesh(sizes, devices)
        base = base_of(directory, mesh, lora=lora, scan_layers=scan_layers)
        params = join(shaken(base.first_adapters(0)), base.params)
        found.append(logits(base.abstract()[0], params, mesh))
    np.testing.assert_allclose(*found, atol=3e-5)


# Few bits


@pytest.mark.parametrize("scan_layers", [False, True], ids=["unrolled", "scanned"])
@pytest.mark.parametrize("quantize", ["int8", "nf4"])
def test_every_weight_of_a_quantised_base_is_within_half_a_step_of_the_weight(directory, quantize, scan_layers):
    plain = dict(nnx.to_flat_state(base_of(directory, scan_layers=scan_layers).params))
    base = base_of(directory, lora=dataclasses.replace(LORA, quantize=quantize), scan_layers=scan_layers)
    model = nnx.merge(base.abstract()[0], join(base.first_adapters(0), base.params))
    kernels = 0
    for path, kernel in plain.items():
        if path[-1] != "kernel":
            np.testing.assert_array_equal(dict(nnx.to_flat_state(base.params))[path][...], kernel[...])
            continue
        kernels += 1
        held = model
        for name in path:
            held = held[name] if isinstance(name, int) else getattr(held, name)
        wanted, contract = np.asarray(kernel[...], np.float64), 2 if path[-2] == "output" else 1
        lead = int(scan_layers)
        # NumPy's own: the largest weight of each block of inputs, and half of the widest step of the code.
        shape = wanted.shape
        inputs = shape[lead + contract - 1]
        block = inputs if quantize == "int8" else block_size(inputs)
        split = wanted.reshape(*shape[: lead + contract - 1], inputs // block, block, *shape[lead + contract :])
        axes = (lead + contract,) if quantize == "nf4" else tuple(range(lead, lead + contract + 1))
        largest = np.abs(split).max(axis=axes, keepdims=True)
        step = 1 / 127.5 if quantize == "int8" else np.diff(NF4).max()
        bound = np.broadcast_to(largest * step / 2, split.shape).reshape(shape)
        assert (np.abs(np.asarray(held[...]) - wanted) <= bound * 1.0001).all(), path
        assert held.values.dtype == (jnp.int8 if quantize == "int8" else jnp.uint4)
    assert kernels == (7 if scan_layers else 14)


def test_the_codes_and_values_are_those_of_qwix():
    import qwix

    from compeer_jax.models.quantized import dequantize

    weights = jax.random.normal(jax.random.key(0), (3, 128, 6), jnp.float32)
    for how in (
        {"qtype": "nf4", "channelwise_axes": (0, 2), "tiled_axes": {1: 64}},
        {"qtype": jnp.int8, "channelwise_axes": (0, 2)},
    ):
        made = qwix.quantize(weights, **how)
        storage = "nf4" if how["qtype"] == "nf4" else "int8"
        np.testing.assert_array_equal(dequantize(made.qvalue, made.scale, storage), qwix.dequantize(made))


def test_a_quantised_base_takes_a_quarter_or_an_eighth_of_float32_in_a_compiled_program(directory):
    def argument_bytes(quantize):
        base = base_of(directory, lora=dataclasses.replace(LORA, quantize=quantize), scan_layers=True)
        _, params = base.abstract()
        kernels = {path: leaf for path, leaf in nnx.to_flat_state(params) if "kernel" in path}
        compiled = jax.jit(lambda kernels: kernels).lower(nnx.from_flat_state(list(kernels.items()))).compile()
        return compiled.memory_analysis().argument_size_in_bytes

    whole = argument_bytes("none")
    weights = whole // 4
    # One float32 scale an output (32 to 64 inputs each); in 4 bits, one each 4 inputs for o_proj, whose heads are 4.
    assert argument_bytes("int8") <= weights * (1 + 4 / 32) + 1000
    assert argument_bytes("nf4") <= weights * (0.5 + 4 / 4) + 1000


# PEFT


@pytest.mark.parametrize(
    ("family", "scan_layers"), [("qwen2", False), ("qwen2", True), ("qwen3", True), ("llama", False)]
)
def test_peft_loads_our_adapters_over_transformers_with_equal_logits(tmp_path, family, scan_layers):
    torch_model(family=family).save_pretrained(tmp_path / "model")
    lora = dataclasses.replace(LORA, targets=("q_proj", "v_proj", "o_proj", "up_proj", "down_proj"))
    base = base_of(tmp_path / "model", lora=lora, scan_layers=scan_layers)
    adapters = shaken(base.first_adapters(0))
    save_adapters(tmp_path / "adapters", adapters, lora, base.name, Words())

    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model", attn_implementation="eager")
    theirs = PeftModel.from_pretrained(model, tmp_path / "adapters").eval()
    with torch.no_grad():
        wanted = theirs(torch.tensor(np.asarray(TOKENS))).logits.numpy()
    ours = logits(base.abstract()[0], join(adapters, base.params))
    np.testing.assert_allclose(ours, wanted, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama"])
def test_adapters_that_peft_wrote_load_here_with_equal_logits(tmp_path, family):
    torch_model(family=family).save_pretrained(tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model", attn_implementation="eager")
    settings = {"task_type": "CAUSAL_LM", "target_modules": ["k_proj", "o_proj", "gate_proj"]}
    theirs = get_peft_model(model, PeftConfig(r=4, lora_alpha=12, init_lora_weights=False, **settings)).eval()
    theirs.save_pretrained(tmp_path / "adapters")
    with torch.no_grad():
        wanted = theirs(torch.tensor(np.asarray(TOKENS))).logits.numpy()

    lora, name = read_adapter_config(tmp_path / "adapters")
    assert (lora.rank, lora.alpha, lora.targets) == (4, 12.0, ("k_proj", "o_proj", "gate_proj"))
    assert name == str(tmp_path / "model")
    base = base_of(tmp_path / "adapters", lora=lora)
    adapted = logits(base.abstract()[0], join(base.first_adapters(0), base.params))
    np.testing.assert_allclose(adapted, wanted, atol=2e-4, rtol=1e-4)
    config = ModelConfig(str(tmp_path / "adapters"), dtype="float32", scan_layers=True)
    merged = logits(*nnx.split(load_model(config, one_device()), nnx.Param))
    np.testing.assert_allclose(merged, wanted, atol=2e-4, rtol=1e-4)


# What learns


def test_an_update_moves_the_adapters_alone_and_its_optimiser_holds_no_more(directory):
    mesh = make_mesh(MeshConfig(fsdp=4, tensor=2))
    base = base_of(directory, mesh, lora=dataclasses.replace(LORA, quantize="int8"))
    graphdef, _ = base.abstract()
    adapters = base.first_adapters(0)
    before = jax.tree.map(np.asarray, base.params)
    optimizer = make_optimizer(OptimizerConfig(learning_rate=1e-2), 3)
    update = make_update(
        make_policy_loss(graphdef, LossConfig(), SamplingConfig(max_new_tokens=12)), optimizer, whole=count_whole
    )
    with jax.set_mesh(mesh):
        state = init_state(adapters, optimizer, mesh)
        count = sum(leaf.size for leaf in jax.tree.leaves(state.params))
        moments = sum(leaf.size for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim)
        assert moments == 2 * count
        for _ in range(2):  # B is 0 at first, so A has no gradient in the first update
            state, metrics = update(state, place_batch(random_policy_batch(), mesh), base.params)
    assert float(metrics["grad_norm"]) > 0
    for (path, old), (_, new) in zip(
        nnx.to_flat_state(base.first_adapters(0)), nnx.to_flat_state(state.params), strict=True
    ):
        assert np.abs(np.asarray(new[...]) - np.asarray(old[...])).max() > 1e-4, path
    jax.tree.map(np.testing.assert_array_equal, jax.tree.map(np.asarray, base.params), before)


def test_the_gradient_of_an_adapter_is_that_of_the_merged_weight_through_its_product(directory):
    """dL/dA = s · dL/dW · Bᵀ and dL/dB = s · Aᵀ · dL/dW, W being the weight of the merged model."""
    base = base_of(directory)
    graphdef, _ = base.abstract()
    adapters = shaken(base.first_adapters(0))
    config = LossConfig()
    batch = jax.tree.map(jnp.asarray, random_policy_batch())

    def loss_of(graphdef):
        loss = make_policy_loss(graphdef, config, SamplingConfig(max_new_tokens=12))
        return lambda params: loss(params, batch, count_whole(batch))[0]

    adapted, frozen = loss_of(graphdef), base.params
    gradient = jax.jit(jax.grad(lambda adapters: adapted(join(adapters, frozen))))
    found = dict(nnx.to_flat_state(gradient(adapters)))
    plain_graphdef, weights = nnx.split(load_model(ModelConfig(str(directory), dtype="float32"), None), nnx.Param)
    merged = merge_adapters(weights, adapters, LORA.scale)
    wanted = dict(nnx.to_flat_state(jax.jit(jax.grad(loss_of(plain_graphdef)))(merged)))
    flat = dict(nnx.to_flat_state(adapters))
    for part, name in TARGETS.values():
        path = ("layers", 1, part, name)
        a, b = (np.asarray(flat[(*path, "adapter", side)][...]) for side in "ab")
        slope = np.asarray(wanted[(*path, "kernel")][...]).reshape(math.prod(a.shape[:-1]), -1)
        low, high = a.reshape(-1, LORA.rank), b.reshape(LORA.rank, -1)
        for side, expected in ("a", slope @ high.T), ("b", low.T @ slope):
            got = np.asarray(found[(*path, "adapter", side)][...]).reshape(expected.shape)
            np.testing.assert_allclose(got, LORA.scale * expected, atol=2e-5, err_msg=f"{path} {side}")


def test_an_engine_draws_from_an_adapted_model_what_it_draws_from_the_merged_one(directory):
    base = base_of(directory)
    adapters = shaken(base.first_adapters(0))
    plain = nnx.split(load_model(ModelConfig(str(directory), dtype="float32"), None), nnx.Param)
    merged = merge_adapters(plain[1], adapters, LORA.scale)
    drawn = []
    for graphdef, params in (base.abstract()[0], join(adapters, base.params)), (plain[0], merged):
        sampling = SamplingConfig(max_new_tokens=10, temperature=0.0)
        engine = Engine(graphdef, sampling=sampling, stop_ids=(1,), pad_id=0)
        drawn.append(engine.generate(params, [[5, 6, 7], [9]], jax.random.key(0)))
    np.testing.assert_array_equal(drawn[0].tokens, drawn[1].tokens)
    np.testing.assert_allclose(drawn[0].logps, drawn[1].logps, atol=1e-4)


# Mistakes


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rank": -1}, "model.lora.rank is -1; it must be at least 0."),
        ({"rank": 2, "alpha": 0.0}, "model.lora.alpha is 0.0; it must be above 0."),
        ({"rank": 2, "targets": ("q_pro",)}, "model.lora.targets: unknown projection 'q_pro'; did you mean 'q_proj'?"),
        ({"rank": 2, "targets": ()}, "model.lora.targets is empty; name some of q_proj, k_proj, v_proj, o_proj, "),
        ({"quantize": "nf4"}, "model.lora.quantize is 'nf4', but model.lora.rank is 0: a whole model can't be trained"),
    ],
)
def test_a_wrong_setting_is_one_sentence(settings, sentence):
    with pytest.raises(UserError) as raised:
        LoRAConfig(**settings)
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"peft_type": "IA3"}, "the adapters are of kind 'IA3'; only 'LORA' can be read."),
        ({"use_dora": True}, "use_dora is True, which is not supported; train adapters without it."),
        ({"bias": "all"}, "bias is 'all', which is not supported; train adapters without it."),
        ({"rank_pattern": {"q_proj": 8}}, "rank_pattern is {'q_proj': 8}, which is not supported; train adapters"),
        ({"target_modules": "all-linear"}, "target_modules has 'all-linear'; it can hold q_proj, k_proj, v_proj, "),
        ({"target_modules": ["embed_tokens"]}, "target_modules has 'embed_tokens'; it can hold q_proj, k_proj, "),
        ({"base_model_name_or_path": None}, "names no base_model_name_or_path; write there the model that the"),
        ({"r": 0}, "r is 0; it must be a whole number above 0"),
        ({"lora_alpha": "x"}, "lora_alpha is 'x'; it must be a number above 0."),
    ],
)
def test_adapters_that_we_can_t_use_are_refused_in_one_sentence(directory, tmp_path, changes, sentence):
    adapters = saved(directory, tmp_path)
    path = adapters / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(UserError) as raised:
        load_model(ModelConfig(str(adapters), dtype="float32"), None)
    assert str(raised.value).startswith(str(path))
    assert sentence in str(raised.value)


def saved(directory, tmp_path) -> Path:
    base = base_of(directory)
    save_adapters(tmp_path / "adapters", base.first_adapters(0), LORA, base.name, Words())
    return tmp_path / "adapters"


def test_adapters_whose_model_is_gone_or_whose_rank_is_another_are_refused(directory, tmp_path):
    adapters = saved(directory, tmp_path)
    with pytest.raises(
        UserError, match=r"have rank 3, and model\.lora\.rank is 8: set it so to train them on, or start"
    ):
        base_of(adapters, lora=LoRAConfig(rank=8, alpha=6.0))
    path = adapters / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": str(tmp_path / "gone")}))
    with pytest.raises(UserError, match=r"the adapters in .* are for .*gone: model .* is no directory; give"):
        base_of(adapters)


def test_adapters_of_a_model_of_another_size_are_refused_by_the_tensor(directory, tmp_path):
    adapters = saved(directory, tmp_path)
    tiny_model(intermediate_size=48).save_pretrained(tmp_path / "other")
    path = adapters / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": str(tmp_path / "other")}))
    with pytest.raises(UserError, match=r"mlp\.\w+\.lora_\w\.weight has shape .*, but adapter_config\.json asks for"):
        base_of(adapters).first_adapters(0)


def test_a_directory_of_something_else_is_not_replaced_by_adapters(directory, tmp_path):
    base = base_of(directory)
    with pytest.raises(UserError, match=r"so it is no model to replace"):
        save_adapters(directory, base.first_adapters(0), LORA, base.name, Words())
