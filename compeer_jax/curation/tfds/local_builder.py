"""The base of our TensorFlow Datasets builders: they read files that the user has, and write ArrayRecord."""

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from compeer_jax.curation.stage import file_hash
from compeer_jax.dialogue.danger.withheld import VERSION, WITHHELD
from compeer_jax.errors import UserError

log = logging.getLogger(__name__)

SOURCES = "sources"


class LocalBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A builder that reads local files and nothing else: it has nothing to download.

    Args:
        source: what it is built from; not needed to read a dataset that has been built.
        file_format: of the files that it writes; TensorFlow Datasets reads ArrayRecord without TensorFlow.
        kwargs: `data_dir`, `config` and `version`, as of any builder.

    Attributes:
        withheld: reason -> what `rows` has not handed on, as a supporter or a model says what no output may.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First version."}
    DESCRIPTION: ClassVar[str]
    HOMEPAGE: ClassVar[str]
    CITATION: ClassVar[str]
    LICENCE: ClassVar[str]

    def __init__(self, *, source: str | Path = "", file_format: str = "array_record", **kwargs):
        super().__init__(file_format=file_format, **kwargs)
        self.source = source
        self.withheld: Counter[str] = Counter()
        self._original_state["source"] = source  # a copy in another process is made anew from these arguments

    @abstractmethod
    def splits(self) -> Mapping[str, Path]:
        """The file of each split; UserError if the source lacks one that must be there."""

    @abstractmethod
    def rows(self, path: Path) -> Iterator[dict]:
        """The JSON rows of a split's file, in their order; UserError for a wrong one."""

    @abstractmethod
    def features(self) -> dict[str, Any]:
        """The features of an example, by name."""

    @abstractmethod
    def example(self, row: Mapping) -> dict:
        """The row in the form of this dataset's features."""

    def up_to_date(self) -> bool:
        """Whether the dataset is there, and was built from the source's files as they are now."""
        return (
            self.data_path.exists()
            and self.is_prepared()
            and dict(self.info.metadata or {}).get(SOURCES) == self._hashes()
        )

    def check(self) -> None:
        """Reads the whole source, and logs what is withheld; UserError for what is wrong in it."""
        self.withheld.clear()
        for path in self.splits().values():
            for _ in self.rows(path):
                pass
        for why, count in self.withheld.items():
            log.info("%s of %s: %s", f"{count:,}", self.source, why)

    def _info(self) -> tfds.core.DatasetInfo:
        view = f"\n\n{self.builder_config.description}" if self.builder_config else ""
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.DESCRIPTION + view,
            features=tfds.features.FeaturesDict(self.features()),
            homepage=self.HOMEPAGE,
            citation=self.CITATION,
            license=self.LICENCE,
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def _hashes(self) -> dict[str, str]:
        return {split: file_hash(path) for split, path in self.splits().items()} | {WITHHELD: VERSION}

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[int, dict]]]:
        if not self.source:
            raise UserError(
                f"the {self.name} dataset isn't in {self.data_dir_root} yet, and no source is given to build it from."
            )
        self.info.metadata[SOURCES] = self._hashes()
        return {split: self._generate_examples(path) for split, path in self.splits().items()}

    def _generate_examples(self, path: Path) -> Iterator[tuple[int, dict]]:
        for index, row in enumerate(self.rows(path)):
            yield index, self.example(row)
