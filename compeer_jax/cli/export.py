"""Commands that write what other programs read: a model for transformers, a dataset for TensorFlow Datasets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class ExportConfig:
    """Settings of an export.

    Args:
        run: run folder of `compeer sft`, `compeer reward train` or `compeer grpo`.
        output: directory to write.
        step: of the checkpoint: a number, or the last one, or the best (by valid loss; for grpo by mean reward).
        merge: write the adapters of a run with `model.lora` merged into their model; else they are written by
            themselves, as PEFT has them.
    """

    run: str
    output: str
    step: int | Literal["last", "best"] = "last"
    merge: bool = False


def export(config: ExportConfig) -> int:
    """The step whose model is written."""
    from compeer_jax.training.export import export_run

    return export_run(config.run, config.output, step=config.step, merge=config.merge)


@dataclass(frozen=True)
class TFDSConfig:
    """Settings of an export to TensorFlow Datasets.

    Args:
        dataset: "esconv", from ESConv.json; "cer", from the folder that `compeer data build` made.
        source: that file or folder.
        data_dir: where TensorFlow Datasets keeps its datasets.
    """

    dataset: Literal["esconv", "cer"] = "cer"
    source: str = "runs/cer/cer"
    data_dir: str = "~/tensorflow_datasets"


def export_tfds(config: TFDSConfig) -> Path:
    """The dataset's folder."""
    from compeer_jax.curation.tfds.prepare import prepare

    return prepare(config.dataset, config.source, config.data_dir)
