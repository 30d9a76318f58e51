"""`compeer data tfds`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from compeer_jax.cli.configure import parse_config

DESCRIPTION = "Writes a dataset for TensorFlow Datasets, in ArrayRecord; neither TensorFlow nor the network is needed."


@dataclass(frozen=True)
class TFDSConfig:
    """What is written where.

    Args:
        dataset: "esconv", from ESConv.json; "cer", from the folder that `compeer data build` made.
        source: that file or folder.
        data_dir: where TensorFlow Datasets keeps its datasets.
    """

    dataset: Literal["esconv", "cer"] = "cer"
    source: str = "runs/cer/cer"
    data_dir: str = "~/tensorflow_datasets"


CONFIG = TFDSConfig


def run(arguments: Sequence[str]) -> None:
    config = parse_config(CONFIG, arguments, command="data tfds", description=DESCRIPTION)
    from compeer_jax.curation.tfds.prepare import prepare

    print(f"The dataset is in {prepare(config.dataset, config.source, config.data_dir)}.")
