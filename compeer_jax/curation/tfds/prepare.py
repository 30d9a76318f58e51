"""Preparation of our TensorFlow Datasets from local files; TensorFlow isn't needed, nor the network."""

import contextlib
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from compeer_jax.errors import UserError, unknown

if TYPE_CHECKING:
    from compeer_jax.curation.tfds.local_builder import LocalBuilder

DATASETS = {
    "esconv": "ESConv.json, or the folder that it is in",
    "cer": "the cer folder that `compeer data build` wrote",
}
"""name -> what it is built from."""


def prepare(dataset: str, source: str | Path, data_dir: str | Path) -> Path:
    """Builds a dataset in ArrayRecord, unless it is there already and its source hasn't changed since.

    Args:
        source: a file of ESConv, or the cer folder of the data pipeline.
        data_dir: where TensorFlow Datasets keeps its datasets.

    Returns:
        The dataset's folder: `tfds.builder_from_directory` reads it for ESConv; for CER there is a folder a view in
        it, and a folder a version in each.

    Raises:
        UserError: an unknown dataset, a source that is missing or wrong, `data_dir` can't be written, or TensorFlow
            Datasets is not installed.
    """
    if dataset not in DATASETS:
        raise unknown("dataset", dataset, DATASETS)
    try:
        import array_record  # noqa: F401
        import importlib_resources  # noqa: F401
        import tensorflow_datasets  # noqa: F401
    except ImportError as error:
        raise UserError(
            f'TensorFlow Datasets need the {error.name} package; run pip install "compeer_jax[data]".'
        ) from error
    source, data_dir = Path(source).expanduser(), Path(data_dir).expanduser()
    if not source.exists():
        raise UserError(f"{source} is not there; name {DATASETS[dataset]}.")
    if dataset == "esconv":
        from compeer_jax.curation.tfds.esconv import Esconv

        return _built(Esconv(source=source, data_dir=data_dir))
    from compeer_jax.curation.tfds.cer import VIEWS, Cer

    builders = [Cer(source=source, data_dir=data_dir, config=view) for view in VIEWS]
    filled = [builder for builder in builders if "train" in builder.splits()]
    if not filled:
        raise UserError(f"{source} has no record to train on in any view; annotate more, then build it again.")
    folders = [_built(builder) for builder in filled]
    return folders[0].parents[1]


def _built(builder: "LocalBuilder") -> Path:
    import tensorflow_datasets as tfds

    if builder.up_to_date():
        return Path(builder.data_dir)
    builder.check()  # before a dataset that is there is removed for it
    with tempfile.TemporaryDirectory() as downloads:
        try:
            # What it prints is of downloads, which there are none, and of its passing files.
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                builder.download_and_prepare(
                    download_dir=downloads,
                    download_config=tfds.download.DownloadConfig(
                        # A dataset that is there was built from something else.
                        download_mode=tfds.GenerateMode.REUSE_CACHE_IF_EXISTS,
                        try_download_gcs=False,
                    ),
                )
        except OSError as error:
            raise UserError(
                f"{builder.data_dir} can't be written ({error.strerror or error}); choose another folder."
            ) from error
    return Path(builder.data_dir)
