"""The bundled dialogues: our own writing, in English and Chinese, for a first run without any download."""

from importlib import resources

from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.dialogue.taxonomy import LANGUAGES


def sample_dialogues() -> list[Dialogue]:
    """All bundled dialogues, English first."""
    dialogues = []
    for language in LANGUAGES:
        with resources.as_file(resources.files(__package__) / "sample" / f"{language}.jsonl") as path:
            dialogues += [Dialogue.from_json(obj, where) for where, obj in read_jsonl(path)]
    return dialogues
