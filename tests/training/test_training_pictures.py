"""Training with pictures: losses and gradients are those of transformers, and runs learn, go on, and keep the tower."""

import itertools
import shutil

import jax
import numpy as np
import pytest
import torch
from flax import nnx
from PIL import Image
from safetensors.numpy import load_file
from small_runs import weights
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from compeer_jax.data.batches import TokenBatch
from compeer_jax.data.chat import Example, example_tokens
from compeer_jax.data.example_pictures import ExamplePictures
from compeer_jax.data.pictures import PictureLimits
from compeer_jax.data.record import Record
from compeer_jax.data.seen_pictures import SeenPictures
from compeer_jax.dialogue.reasoning import PLAIN, ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import abstract, from_pretrained
from compeer_jax.models.hf_names import decoder_names, hf_tensors
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.runs.metrics import read_metrics
from compeer_jax.training.config import SFTConfig
from compeer_jax.training.sft import train_sft
from compeer_jax.training.supervised import count_trained, make_supervised_loss
from compeer_jax.training.supervised_rows import SupervisedRows

LIMITS = PictureLimits(2, max_tokens=12)
LOSS, GRADIENTS = 5e-5, 5e-5  # as check_port.py has them, of the largest
SHOWN = ((84, 56), (56, 112), (84, 84))
CHANGES = (
    *("--data.path", "sample_faces", "--data.pictures.most", "2", "--data.pictures.max_tokens", "12"),
    *("--data.max_prompt_tokens", "224", "--data.limit", "8", "--batch_size", "4", "--eval_records", "4"),
)


@pytest.fixture(scope="module")
def examples(seeing, tmp_path_factory) -> list[list[Example]]:
    """Of talks with two pictures, with none, and with one."""
    folder = tmp_path_factory.mktemp("faces")
    paths = [str(folder / f"{number}.png") for number in range(len(SHOWN))]
    for number, (path, size) in enumerate(zip(paths, SHOWN, strict=True)):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)).save(path)
    histories = [
        (Turn("seeker", "Look.", images=tuple(paths[:2])),),
        (Turn("seeker", "I can't sleep."),),
        (Turn("seeker", "This was May.", images=(paths[2],)), Turn("supporter", "I see."), Turn("seeker", "Bad.")),
    ]
    answers = ("You look tired.", "Since when is that so?", "What happened then?")
    settings = {"format": PLAIN, "prompt": "plain_brief", "max_tokens": 400, "pictures": LIMITS}
    made = []
    for history, answer in zip(histories, answers, strict=True):
        reference, of = ReasonedTurn({}, {}, answer), {"language": "en", "source": "test", "licence": "CC0"}
        record = Record(id=f"talk-{len(made)}", history=history, reference=reference, **of)
        made.append([example_tokens(seeing[2], record, **settings)])
    return made


@pytest.fixture(scope="module")
def wanted(seeing, examples):
    """Loss and gradients of transformers: the mean over the answers' tokens."""
    _, model, _ = seeing
    process = Qwen2VLImageProcessorPil(size={"shortest_edge": 4 * 784, "longest_edge": 12 * 784})
    model.zero_grad()
    total, count = torch.zeros(()), sum(int(example.loss_mask[1:].sum()) for (example,) in examples)
    for (example,) in examples:
        ids = torch.tensor(example.tokens[None].astype(np.int64))
        shown = {"mm_token_type_ids": (ids == model.config.image_token_id).long()}
        if example.pictures:
            images = [Image.open(picture.path) for picture in example.pictures]
            shown |= process(images=images, return_tensors="pt")
        logps = model(input_ids=ids, attention_mask=torch.ones_like(ids), **shown).logits[0, :-1].log_softmax(-1)
        picked = logps.gather(1, ids[0, 1:, None])[:, 0]
        total = total - picked[torch.tensor(example.loss_mask[1:])].sum() / count
    total.backward()
    learnt = (one for one in model.named_parameters() if "visual" not in one[0] or "merger" in one[0])
    return total.item(), {name: one.grad.numpy() for name, one in learnt}


def rows_of(path, examples, row_tokens: int) -> SupervisedRows:
    mesh = make_mesh(MeshConfig(data=1), jax.devices()[:1])
    shown = ExamplePictures(SeenPictures.from_pretrained(path, mesh=mesh, dtype="float32"), LIMITS)
    config = SFTConfig(output="", batch_size=len(examples), row_tokens=row_tokens)
    return SupervisedRows(examples, config, mesh, 64, 0, shown)


@pytest.mark.parametrize("row_tokens", [0, 1024], ids=["one a row", "packed"])
def test_loss_and_gradients_of_language_model_and_merger_are_those_of_transformers(
    seeing, examples, wanted, row_tokens
):
    rows = rows_of(seeing[0], examples, row_tokens)
    assert rows.packed == bool(row_tokens)
    batch = rows.training_batch(examples)
    assert batch.pictures.states.shape[1] >= 14
    model = from_pretrained(seeing[0])
    graphdef, params = nnx.split(model, nnx.Param)
    loss = make_supervised_loss(graphdef)
    (value, _), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(params, batch, count_trained(batch))
    assert float(value) == pytest.approx(wanted[0], abs=LOSS)
    flat = dict(nnx.to_flat_state(gradients))
    tensors = hf_tensors(gradients, decoder_names(model.config).newer)
    ours = {one.name: one.to_hf(np.asarray(flat[one.path][...])) for one in tensors}
    assert ours.keys() == wanted[1].keys()
    for name, gradient in wanted[1].items():
        error = np.abs(ours[name] - gradient).max() / max(1.0, np.abs(gradient).max())
        assert error <= GRADIENTS, name
    assert all(np.abs(gradient).max() > 1e-6 for name, gradient in ours.items() if "merger" in name)


def test_batches_have_room_for_the_pictures_of_any_records_in_few_shapes(seeing, examples):
    records = [examples[index] for index in np.random.default_rng(0).integers(0, 3, 24)]
    rows, image = rows_of(seeing[0], records, 1024), DecoderConfig.from_json(seeing[0]).vision.image_token_id
    batches = [rows.training_batch(records), rows.training_batch([examples[0]] * 24), rows.training_batch(examples)]
    sizes = {tuple(leaf.shape for leaf in jax.tree.leaves(batch)) for batch in batches}
    assert len(sizes) <= len(rows.shapes) <= 4
    for batch, count in zip(batches, (sum(one.pictures != () for (one,) in records), 24, 2), strict=True):
        assert batch.positions.shape == (*batch.tokens.shape, 3)
        shown = batch.pictures.index >= 0
        assert (shown == (batch.tokens == image)).all()
        assert shown.any(axis=1).sum() <= count
        for row, index in enumerate(batch.pictures.index):  # each state stands for one token
            assert sorted(index[index >= 0]) == list(range((index >= 0).sum()))
            assert batch.pictures.states[row].any(axis=1).sum() == (index >= 0).sum()


def test_without_pictures_the_loss_is_the_program_of_qwen2(seeing):
    config = DecoderConfig.from_json(seeing[0])
    plain = {name: getattr(config, name) for name in ("vocab_size", "hidden_size", "intermediate_size", "rope_theta")}
    plain |= {name: getattr(config, name) for name in vars(config) if name.startswith(("num_", "max_", "rms_"))}
    ids = jax.ShapeDtypeStruct((2, 12), np.int32)
    batch = TokenBatch(ids, ids, jax.ShapeDtypeStruct((2, 5), np.int32))

    def program(config) -> str:
        graphdef, params = abstract(config)
        loss = make_supervised_loss(graphdef)
        return jax.jit(lambda params, batch: loss(params, batch, 3)[0]).lower(params, batch).as_text()

    assert program(config) == program(DecoderConfig(**plain))


@pytest.mark.long
def test_a_run_learns_with_pictures_goes_on_where_it_was_and_keeps_the_tower(seeing, configure, tmp_path):
    path = seeing[0]
    start = load_file(path / "model.safetensors")

    def train(output: str, steps: int):
        return train_sft(
            configure(SFTConfig, "--model.path", str(path), *CHANGES, "--steps", str(steps), output=output)
        )

    whole = train("whole", 4)
    first = train("parts", 2)
    shutil.rmtree(first / "model")
    parts = train("parts", 4)
    learnt, again = weights(whole), weights(parts)
    assert learnt.keys() == start.keys()
    for name, value in learnt.items():
        np.testing.assert_array_equal(again[name], value, name)
        tower = name.startswith("visual.") and "merger" not in name
        assert np.array_equal(value, start[name]) == tower, name
    losses = [row["loss"] for row in read_metrics(whole / "metrics.jsonl")]
    assert all(later < earlier for earlier, later in itertools.pairwise(losses[::3]))
    _, report = Qwen2_5_VLForConditionalGeneration.from_pretrained(whole / "model", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]


def test_a_model_that_reads_text_alone_is_refused(configure):
    with pytest.raises(UserError, match=r"data.pictures.most is 2, but the model .* reads text alone; give one that"):
        train_sft(configure(SFTConfig, *CHANGES))
