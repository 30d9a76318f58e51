"""Pairs as annotators get them, as a table and for Label Studio, and what they have filled in."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from compeer_jax.data.annotation.annotation_table import DELIMITERS, ENCODING, safe_cell
from compeer_jax.data.annotation.items import ANNOTATOR, KEY
from compeer_jax.data.annotation.votes import Fault, Filled
from compeer_jax.data.jsonl import read_rows
from compeer_jax.dialogue.talk import SPEAKERS
from compeer_jax.errors import UserError
from compeer_jax.evaluation.pairwise_criteria import CHOICES, CRITERIA, VERDICTS
from compeer_jax.evaluation.pairwise_replies import Pair

TABLES = (".csv", ".tsv", ".txt")
NO_REPLY = {"en": "(no reply)", "zh": "（无回复）"}
_SHOWN = ("first", "second")
_STYLE = ".lsf-richtext__container, .htx-text { white-space: pre-wrap; }"


def columns(criteria: Sequence[str]) -> list[str]:
    """The table's columns: what identifies a row, the talk, the two replies, then a verdict for each criterion."""
    return [KEY, ANNOTATOR, "language", "conversation", *_SHOWN, *criteria]


def write_table(path: Path, pairs: Iterable[Pair], criteria: Sequence[str]) -> None:
    """Writes pairs to be filled in, a row each. A copy goes to each annotator."""
    with path.open("w", encoding=ENCODING, newline="") as file:
        writer = csv.DictWriter(file, columns(criteria), restval="")
        writer.writeheader()
        for pair in pairs:
            talk = "\n".join(f"{speaker}{words}" for speaker, words in _talk(pair, " "))
            row = {KEY: pair.key, "language": pair.language, "conversation": talk, **_shown(pair)}
            writer.writerow({name: safe_cell(text) for name, text in row.items()})


def task_json(pair: Pair) -> dict[str, Any]:
    """A pair as Label Studio imports it."""
    talk = [{"author": speaker.rstrip(" :："), "text": words} for speaker, words in _talk(pair, "\n")]
    return {"data": {KEY: pair.key, "language": pair.language, "conversation": talk, **_shown(pair)}}


def labelling_config(criteria: Sequence[str]) -> str:
    """Label Studio's labelling config, in XML (labelstud.io/tags)."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Style").text = _STYLE
    ElementTree.SubElement(view, "Header", value="Conversation · 对话", size="4")
    talk = {"name": "conversation", "value": "$conversation", "layout": "dialogue"}
    ElementTree.SubElement(view, "Paragraphs", **talk, nameKey="author", textKey="text")
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
    return _table_forms(path, criteria) if path.suffix.lower() in TABLES else _export_forms(path, criteria)


def _table_forms(path: Path, criteria: Sequence[str]) -> Iterator[Filled | Fault]:
    """The rows of a table, its cells parted by commas, semicolons or tabs; columns may be missing or more."""
    try:
        with path.open(encoding=ENCODING, newline="") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(DELIMITERS, key=header.count))
            names = [name.strip() for name in reader.fieldnames or []]
            if KEY not in names or not any(name in names for name in criteria):
                wanted = f"{KEY}, {ANNOTATOR} and columns of verdicts such as {criteria[0]}"
                raise UserError(f"{path}: the first line must name the columns {wanted}; keep it as it was given out.")
            reader.fieldnames = names
            for number, row in enumerate(reader, start=1):
                form = _row_form(row, f"{path.name}, row {number}", path.name, criteria)
                if form is not None:
                    yield form
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}); check imports.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8; save the table as CSV UTF-8.") from error
    except csv.Error as error:
        raise UserError(f"{path}: not a table in CSV ({error}); save it as CSV UTF-8.") from error


def _row_form(row: Mapping, where: str, file: str, criteria: Sequence[str]) -> Filled | Fault | None:
    if None in row or None in row.values():
        return Fault(where, "a row with too few or too many cells", {str(name): value for name, value in row.items()})
    texts = {name: row[name].strip().removeprefix("'") for name in (KEY, ANNOTATOR, *criteria) if name in row}
    verdicts = {name: texts[name] for name in criteria if texts.get(name)}
    return Filled(where, file, texts[KEY], texts.get(ANNOTATOR, ""), verdicts) if verdicts else None


def _export_forms(path: Path, criteria: Sequence[str]) -> Iterator[Filled | Fault]:
    for number, (_, row) in enumerate(read_rows(path), start=1):
        where, data = f"{path.name}, task {number}", row.get("data", row)
        annotations = row.get("annotations", [])
        if not isinstance(data, dict) or not isinstance(annotations, list):
            yield Fault(where, "not a task", row)
            continue
        if ANNOTATOR in row:  # JSON-MIN: an annotation a row
            verdicts = {name: row[name] for name in criteria if name in row}
            yield Filled(where, path.name, data.get(KEY), _name(row[ANNOTATOR]), verdicts)
        for place, annotation in enumerate(annotations, start=1):
            spot, results = f"{where}, annotation {place}", None
            if isinstance(annotation, dict):
                results = annotation.get("result")
            if not isinstance(results, list):
                yield Fault(spot, "an annotation without results", annotation)
            elif not annotation.get("was_cancelled"):
                verdicts = dict(filter(None, (_verdict(result, criteria) for result in results)))
                yield Filled(spot, path.name, data.get(KEY), _name(annotation.get("completed_by")), verdicts)


def _verdict(result: object, criteria: Sequence[str]) -> tuple[str, object] | None:
    """Criterion and chosen text of one result, if it is one of our choices."""
    if not isinstance(result, dict) or result.get("from_name") not in criteria:
        return None
    value = result.get("value")
    chosen = value.get("choices") if isinstance(value, dict) else None
    return result["from_name"], chosen[0] if isinstance(chosen, list) and len(chosen) == 1 else chosen


def _name(annotator: object) -> str:
    """An annotator's name: the number of the account, which all exports have; else whatever tells one from another."""
    if isinstance(annotator, dict):
        annotator = annotator.get("id", annotator.get("email"))
    return "" if annotator is None else str(annotator).strip()


def _shown(pair: Pair) -> dict[str, str]:
    return {name: text or NO_REPLY[pair.language] for name, text in zip(_SHOWN, pair.shown, strict=True)}


def _talk(pair: Pair, newline: str) -> Iterator[tuple[str, str]]:
    """Speaker and words of each turn, its lines joined by `newline`, with a word for each image that was shown."""
    for turn in pair.history:
        words = newline.join(turn.content.split("\n"))
        images = [f"[image: {Path(path).name}]" for path in turn.images]
        yield SPEAKERS[pair.language][turn.role], " ".join(filter(None, [words, *images]))
