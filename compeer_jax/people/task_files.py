"""Files of annotation tasks: tables and Label Studio's, as they are given out and as they come back filled in."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from compeer_jax.curation.annotation.items import ANNOTATOR, KEY
from compeer_jax.curation.annotation.label_studio import read_export
from compeer_jax.curation.annotation.pictures import FIELD, add_pictures, task_pictures, view_name
from compeer_jax.curation.annotation.table import ENCODING, read_table, safe_cell
from compeer_jax.curation.annotation.votes import Fault, Filled
from compeer_jax.data.pictures import pictures_of
from compeer_jax.dialogue.danger.withheld import why_withheld
from compeer_jax.dialogue.talk import SPEAKERS
from compeer_jax.people.criteria import CHOICES, CRITERIA, VERDICTS
from compeer_jax.people.pairs import Pair

TABLES = (".csv", ".tsv", ".txt")
NO_REPLY = {"en": "(no reply)", "zh": "（无回复）"}
_SHOWN = ("first", "second")
IMAGES = "images"  # of a table: names of the files with what the talk shows
PICTURES = "pictures"  # folder of these
_STYLE = ".lsf-richtext__container, .htx-text { white-space: pre-wrap; }"


def columns(criteria: Sequence[str]) -> list[str]:
    """The table's columns: what identifies a row, the talk, the two replies, then a verdict for each criterion."""
    return [KEY, ANNOTATOR, "language", "conversation", IMAGES, *_SHOWN, *criteria]


def write_table(path: Path, pairs: Iterable[Pair], criteria: Sequence[str], annotator: str = "") -> None:
    """Writes pairs to be filled in, a row each, under the annotator's name if it is known; else a copy goes to each."""
    with path.open("w", encoding=ENCODING, newline="") as file:
        writer = csv.DictWriter(file, columns(criteria), restval="")
        writer.writeheader()
        for pair in pairs:
            talk = "\n".join(f"{speaker}{words}" for speaker, words in _talk(pair, " "))
            images = " ".join(view_name(path, pair.id) for path in pictures_of(pair.history))
            row = {KEY: pair.key, ANNOTATOR: annotator, "language": pair.language, "conversation": talk, IMAGES: images}
            row |= _shown(pair)
            writer.writerow({name: safe_cell(text) for name, text in row.items()})


def task_json(pair: Pair) -> dict[str, Any]:
    """A pair as Label Studio imports it."""
    talk = [{"author": speaker.rstrip(" :："), "text": words} for speaker, words in _talk(pair, "\n")]
    data = {KEY: pair.key, "language": pair.language, "conversation": talk, FIELD: task_pictures(pair.history, pair.id)}
    return {"data": data | _shown(pair)}


def labelling_config(criteria: Sequence[str], *, pictures: bool = False) -> str:
    """Label Studio's labelling config, in XML (labelstud.io/tags); `pictures` says whether talks show any."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Style").text = _STYLE
    ElementTree.SubElement(view, "Header", value="Conversation · 对话", size="4")
    talk = {"name": "conversation", "value": "$conversation", "layout": "dialogue"}
    ElementTree.SubElement(view, "Paragraphs", **talk, nameKey="author", textKey="text")
    if pictures:
        add_pictures(view)
    for name, title in zip(_SHOWN, ("First · 第一个", "Second · 第二个"), strict=True):
        ElementTree.SubElement(view, "Header", value=title, size="5")
        ElementTree.SubElement(view, "Text", name=name, value=f"${name}")
    for name in criteria:
        ElementTree.SubElement(view, "Header", value=" · ".join(CRITERIA[name]), size="4")
        shown = {"choice": "single", "showInline": "true", "required": "true"}
        element = ElementTree.SubElement(view, "Choices", name=name, toName="second", **shown)
        for verdict in VERDICTS:
            ElementTree.SubElement(element, "Choice", value=CHOICES[verdict], alias=verdict)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def read_forms(path: Path, criteria: Sequence[str]) -> Iterator[Filled | Fault]:
    """The filled-in forms of a table in CSV (.csv, .tsv, .txt) or of an export of Label Studio in JSON or JSON-MIN, as
    they stand in the file. Rows without any verdict, and annotations that were skipped, give none.

    Raises:
        UserError: the file can't be read or is not UTF-8, or is no table or export of these pairs.
    """
    read = read_table if path.suffix.lower() in TABLES else read_export
    return read(path, criteria, "imports")


def _shown(pair: Pair) -> dict[str, str]:
    """The replies by the names of their fields. One that says what no output may is not shown to anybody, and judged as
    what stands for it; the key keeps it."""
    texts = [f"[{why}]" if (why := why_withheld(text)) else text or NO_REPLY[pair.language] for text in pair.shown]
    return dict(zip(_SHOWN, texts, strict=True))


def _talk(pair: Pair, newline: str) -> Iterator[tuple[str, str]]:
    """Speaker and words of each turn, its lines joined by `newline`, with a word for each image that was shown."""
    for turn in pair.history:
        why = why_withheld(turns=[turn])
        words = f"[{why}]" if why else newline.join(turn.content.split("\n"))
        images = [f"[image: {view_name(path, pair.id)}]" for path in turn.images]
        yield SPEAKERS[pair.language][turn.role], " ".join(filter(None, [words, *images]))
