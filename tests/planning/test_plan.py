"""Plans for machines that are not here: compiled for a small TPU slice, estimated for GPUs, searched, explained."""

import dataclasses
import json
import sys

import jax
import pytest
from jax.sharding import AbstractMesh, AxisType
from tiny import tiny_config

from compeer_jax.cli.main import main
from compeer_jax.data.policy_data import DataConfig
from compeer_jax.errors import UserError
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.source import ModelConfig
from compeer_jax.parallel.mesh import AXES, MeshConfig, make_mesh
from compeer_jax.parallel.topologies import parse_topology
from compeer_jax.planning.abstract_run import abstract_weights
from compeer_jax.planning.compile_tpu import compile_program
from compeer_jax.planning.config import PlanConfig
from compeer_jax.planning.estimate import estimate
from compeer_jax.planning.explain import explain
from compeer_jax.planning.plan import plan_tpu
from compeer_jax.planning.programs import grpo_step
from compeer_jax.planning.report import as_json
from compeer_jax.planning.search import meshes, search
from compeer_jax.planning.shapes import PUBLISHED, model_shape
from compeer_jax.rewards.config import JudgeModelsConfig, RewardConfig
from compeer_jax.training.config import LossConfig

pytestmark = pytest.mark.long

SHAPE = {
    "vocab_size": 512,
    "hidden_size": 256,
    "intermediate_size": 512,
    "head_dim": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
PROMPTS, GROUP, PROMPT, NEW = 4, 4, 64, 32


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A model of which there is the config.json alone."""
    path = tmp_path_factory.mktemp("shape")
    (path / "config.json").write_text(json.dumps(tiny_config(**SHAPE).to_hf()))
    return path


@pytest.fixture(scope="module")
def config(directory):
    """Every program that a step can have."""
    return PlanConfig(
        topology="v5e:2x2",
        model=ModelConfig(path=str(directory), scan_layers=True, remat="full"),
        mesh=MeshConfig(fsdp=-1),
        data=DataConfig(max_prompt_tokens=PROMPT),
        sampling=SamplingConfig(max_new_tokens=NEW),
        reward=RewardConfig(judge="unifi", models=JudgeModelsConfig(unifi=str(directory), scan_layers=True)),
        loss=LossConfig(kl_coefficient=0.1),
        prompts_per_step=PROMPTS,
        group_size=GROUP,
        minibatches=2,
    )


@pytest.fixture(scope="module")
def compiled(config):
    return plan_tpu(config, parse_topology(config.topology))


class TestCompiledForTPU:
    def test_it_has_every_program_of_a_step(self, compiled):
        names = [program.name for program in compiled.programs]
        assert names == ["rollout", "judge unifi", "old log-probs", "reference log-probs", "update"]
        assert [phase.name for phase in compiled.phases][:2] == ["rollout: prefill", "rollout: decode"]
        assert {"judge unifi: read", "judge unifi: write"} <= {phase.name for phase in compiled.phases}

    def test_a_chip_holds_its_share_of_the_weights_and_the_optimiser(self, compiled):
        count = tiny_config(**SHAPE).parameter_count
        assert compiled.resident["policy"] == pytest.approx(count * 4 / 4, rel=0.01)  # small biases are on each
        assert compiled.resident["optimizer"] == pytest.approx(2 * compiled.resident["policy"], rel=0.01)
        assert compiled.resident["reference"] == compiled.resident["policy"]
        assert compiled.resident["judge unifi"] == compiled.resident["policy"] / 2  # in bfloat16

    def test_the_compiler_counts_what_is_held_among_a_program_s_arguments(self, compiled):
        """Sizes by closed form and by the compiler, which pads small arrays: biases of two layers to sixteen."""
        for program, held in zip(compiled.programs, compiled.held, strict=True):
            assert 0.95 * held <= program.arguments <= held + 2**21, program.name

    def test_scoring_counts_the_products_of_its_formula(self, compiled):
        shape = tiny_config(**SHAPE)
        layers = shape.num_hidden_layers
        rows, length = PROMPTS * GROUP / 4, 128  # of 96 tokens; rows are as long as a multiple of the kernel's block
        weights = layers * (2 * 256 * 256 + 2 * 256 * 128 + 3 * 256 * 512)
        products = 2 * weights * rows * length + 2 * 256 * 512 * rows * NEW
        computed = 128**2  # the kernel's least block, to which the 96 tokens are filled up
        scores = 4 * rows * layers * shape.num_attention_heads * shape.head_dim * computed
        (phase,) = (phase for phase in compiled.phases if phase.name == "old log-probs")
        assert phase.counts.flops == products + scores

    def test_an_update_of_which_all_layers_are_computed_again_counts_about_four_passes(self, compiled):
        counts = {phase.name: phase.counts for phase in compiled.phases}
        assert 3.5 <= counts["update"].flops / counts["old log-probs"].flops <= 4.0

    def test_it_fits_and_is_timed(self, compiled):
        assert compiled.fits
        assert compiled.highest < 2**30
        assert compiled.step_seconds == pytest.approx(sum(phase.roofline.seconds for phase in compiled.phases))
        assert 0 < compiled.efficiency < 1
        longest = max(compiled.phases, key=lambda phase: phase.roofline.seconds)
        assert longest.roofline.bound in ("compute", "memory", "links")

    def test_it_does_not_fit_a_chip_with_less_memory(self, compiled):
        chip = dataclasses.replace(compiled.topology.chip, hbm=compiled.highest - 1)
        smaller = dataclasses.replace(compiled.topology, chip=chip)
        assert not dataclasses.replace(compiled, topology=smaller).fits

    def test_a_judge_reads_and_writes_together_on_tpus(self, compiled):
        """The planner compiles what a TPU runs, though the machine at hand has none."""
        written = next(phase for phase in compiled.phases if phase.name == "judge unifi: write")
        assert written.counts.flops > 0

    def test_json_has_the_same_numbers(self, compiled):
        values = json.loads(json.dumps(as_json(compiled, explain(compiled.params))))
        assert values["fits"] is True
        assert values["peak_bytes"] == compiled.highest
        assert [program["name"] for program in values["programs"]] == [p.name for p in compiled.programs]
        assert values["phases"][-1]["flops"] == compiled.phases[-1].counts.flops
        assert {weight["name"] for weight in values["weights"]} >= {"embedding", "layers.mlp.down.kernel"}

    def test_the_estimate_is_near_what_the_compiler_says(self, config, compiled):
        estimated = estimate(config, parse_topology(config.topology))
        assert estimated.resident == compiled.resident
        counts = {phase.name: phase.counts for phase in compiled.phases}
        for phase in estimated.phases:
            assert phase.counts.flops == pytest.approx(counts[phase.name].flops, rel=0.35), phase.name

    def test_a_search_compiles_the_best_by_estimate(self, config):
        few = dataclasses.replace(
            config, reward=RewardConfig(), loss=LossConfig(), minibatches=1, search=True, search_compiles=1
        )
        said = []
        plans = search(few, parse_topology(few.topology), said.append)
        (plan,) = plans
        assert plan.fits
        assert not plan.estimated
        assert "choices estimated" in said[0]


class TestEstimatedForGPUs:
    ARGUMENTS = ("plan", "--config", "configs/qwen2.5-7b_grpo.yaml")

    def test_the_paper_s_run_on_eight_of_them(self, capsys):
        assert main([*self.ARGUMENTS, "--topology", "gpu:8xH100-80G"]) == 0
        shown = capsys.readouterr().out
        assert "estimated by closed forms" in shown
        assert "the published shape of Qwen2.5-7B" in shown
        assert "Fits: " in shown

    def test_what_does_not_fit_is_one_sentence_and_a_status(self, capsys):
        model = ("--model.path", "Qwen/Qwen2.5-72B-Instruct", "--reward.judge", "rules")
        assert main([*self.ARGUMENTS, *model, "--topology", "gpu:8xA100-40G"]) == 2
        sentence = capsys.readouterr().err.splitlines()[-1]
        assert sentence.startswith("compeer plan: the run does not fit gpu:8xA100-40G: update needs ")
        assert sentence.endswith("--search tries other meshes, micro-batches and remat policies.")
        assert main([*self.ARGUMENTS, *model, "--topology", "gpu:8xA100-40G", "--search"]) == 2
        assert "nothing of the " in capsys.readouterr().err

    def test_json_alone_is_printed(self, capsys):
        assert main([*self.ARGUMENTS, "--topology", "gpu:8xH100-80G", "--json", "--explain"]) == 0
        values = json.loads(capsys.readouterr().out)
        assert values["estimated"] is True
        assert values["mesh"] == {"data": 1, "fsdp": 8, "tensor": 1}
        assert len(values["weights"]) == 15

    def test_a_search_ranks_every_mesh_that_divides(self, config):
        topology = parse_topology("gpu:8xH100-80G")
        plans = search(dataclasses.replace(config, search=True), topology)
        assert all(plan.fits for plan in plans)
        assert [plan.step_seconds for plan in plans] == sorted(plan.step_seconds for plan in plans)
        assert {plan.mesh.tensor for plan in plans} == {1, 2}  # the model has two key-value heads
        assert {plan.config.model.remat for plan in plans} == {"none", "dots", "full"}

    def test_a_search_in_which_nothing_divides_says_so(self, config):
        odd = dataclasses.replace(config, prompts_per_step=3, group_size=3, minibatches=1)
        with pytest.raises(UserError, match="No mesh of 8 chips divides both the weights and the outputs of a step"):
            search(odd, parse_topology("gpu:8xH100-80G"))


class TestShapes:
    @pytest.mark.parametrize(
        "name, billions",
        [
            ("0.5B", 0.494),
            ("1.5B", 1.544),
            ("3B", 3.086),
            ("7B", 7.616),
            ("14B", 14.77),
            ("32B", 32.76),
            ("72B", 72.71),
        ],
    )
    def test_published_shapes_have_the_published_number_of_parameters(self, name, billions):
        """Model cards of Qwen2.5."""
        assert PUBLISHED[f"Qwen2.5-{name}"].parameter_count / 1e9 == pytest.approx(billions, rel=2e-3)

    @pytest.mark.parametrize(
        "path, name",
        [
            ("Qwen/Qwen2.5-7B-Instruct", "7B"),
            ("runs/qwen2.5-7b_sft/model", "7B"),
            ("runs/qwen2.5_0.5b", "0.5B"),
            ("qwen2.5-72B", "72B"),
            ("Qwen2.5-1.5B", "1.5B"),
        ],
    )
    def test_a_name_in_the_path_tells(self, path, name):
        assert model_shape(path, "model.path")[0] == PUBLISHED[f"Qwen2.5-{name}"]

    def test_a_config_json_comes_first(self, directory):
        shape, source = model_shape(str(directory), "model.path")
        assert shape == DecoderConfig.from_json(directory)
        assert source == f"{directory}/config.json"

    def test_neither_is_one_sentence(self):
        with pytest.raises(UserError, match=r"^model.path is 'runs/mine', which holds no config.json"):
            model_shape("runs/mine", "model.path")


class TestExplained:
    @staticmethod
    def places(**sizes):
        mesh = AbstractMesh(MeshConfig(**sizes).sizes, AXES, axis_types=(AxisType.Auto,) * 3)
        weights = abstract_weights(PUBLISHED["Qwen2.5-0.5B"], ModelConfig(scan_layers=True), mesh)
        return {place.name: place for place in explain(weights.whole)}

    def test_weights_are_where_their_axes_put_them(self):
        place = self.places(fsdp=4, tensor=2)["layers.mlp.down.kernel"]
        assert place.axes == ("layers", "mlp", "embed")
        assert place.split == ("", "tensor=2", "fsdp=4")
        assert place.bytes == 24 * 4864 * 896 * 4 / 8
        assert place.copies == 1

    def test_large_weights_that_are_everywhere_warn(self):
        warned = {name for name, place in self.places(data=8).items() if place.warning}
        assert {"embedding", "layers.mlp.up.kernel"} <= warned
        assert "norm.scale" not in warned
        assert self.places(data=8)["embedding"].warning.startswith(
            "embedding [151936, 896] lies whole on each of 8 chips, 519 MiB a chip"
        )

    def test_none_warns_where_they_are_split_or_there_is_one_chip(self):
        assert not any(place.warning for place in self.places(fsdp=8).values())
        assert not any(place.warning for place in self.places().values())


class TestMistakes:
    def test_no_compiler(self, config, monkeypatch):
        monkeypatch.setitem(sys.modules, "libtpu", None)
        with pytest.raises(UserError) as error:
            plan_tpu(config, parse_topology("v5e:2x2"))
        assert str(error.value) == (
            "Planning for v5e:2x2 needs the TPU compiler, which libtpu holds: pip install 'compeer_jax[plan]'."
        )

    def test_outputs_that_the_mesh_does_not_divide(self, config):
        with pytest.raises(UserError, match="the 1 outputs that gradient_accumulation 8 computes at once"):
            plan_tpu(dataclasses.replace(config, gradient_accumulation=8), parse_topology("v5e:2x2"))

    def test_heads_that_the_mesh_does_not_divide(self, config):
        with pytest.raises(UserError, match=r"'kv_heads' dimension of 2 cannot be split over tensor=4"):
            plan_tpu(dataclasses.replace(config, mesh=MeshConfig(tensor=4)), parse_topology("v5e:2x2"))

    def test_no_topology(self, capsys):
        assert main(["plan", "--config", "configs/qwen2.5-7b_grpo.yaml"]) == 2
        assert capsys.readouterr().err == (
            "compeer plan: topology is empty; name the machine to plan for, such as v5e:8x8 or gpu:8xH100-80G.\n"
        )


def test_every_mesh_of_eight():
    found = {mesh.sizes for mesh in meshes(8)}
    assert len(found) == 10
    assert all(data * fsdp * tensor == 8 for data, fsdp, tensor in found)


class TestWeakScaling:
    """Batch and devices grow together: on simulated CPU devices, each device's share of an update stays what it was."""

    @pytest.fixture(scope="class")
    def update(self, directory):
        def compiled(prompts, **sizes):
            config = PlanConfig(
                topology="gpu:8xH100-80G",  # not looked at: the devices are the mesh's
                model=ModelConfig(path=str(directory), scan_layers=True, dtype="float32"),
                data=DataConfig(max_prompt_tokens=PROMPT),
                sampling=SamplingConfig(max_new_tokens=NEW),
                prompts_per_step=prompts // 2,
                group_size=2,
                mesh=MeshConfig(**sizes),
            )
            mesh = make_mesh(config.mesh, jax.devices()[: max(config.mesh.sizes)])
            return compile_program(grpo_step(config, mesh).programs[-1])

        return compiled

    def test_operations_a_device_stay_and_the_links_carry_the_gradients(self, update):
        alone, data, fsdp = update(2), update(16, data=8), update(16, fsdp=8)
        weights = tiny_config(**SHAPE).parameter_count * 4
        assert data.phases[""].flops == fsdp.phases[""].flops == alone.phases[""].flops
        # The sum over devices reads and writes each gradient, and the optimiser's loop is handed a copy of it.
        assert 0 <= data.phases[""].bytes - alone.phases[""].bytes <= 4 * weights
        assert alone.phases[""].received == 0
        # Of each weight its gradient, twice on a ring; the tied head's comes in parts that the loop over it adds up.
        assert 1.0 <= data.phases[""].received / (2 * weights * 7 / 8) <= 1.3
        assert data.arguments == pytest.approx(alone.arguments, rel=0.01)
        assert fsdp.arguments == pytest.approx(alone.arguments / 8, rel=0.1)
