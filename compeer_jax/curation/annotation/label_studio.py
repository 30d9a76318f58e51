"""Label Studio's files: the labelling config and tasks that it imports, and its exports, as JSON and as JSON-MIN.

The formats are those of its documentation (labelstud.io/tags, labelstud.io/guide/task_format, …/guide/export).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from compeer_jax.curation.annotation.items import (
    ANNOTATOR,
    ASKED,
    DEALT_TO,
    KEY,
    VERDICT_FIELDS,
    Task,
    shown_media,
    verdict_field,
)
from compeer_jax.curation.annotation.pictures import FIELD, add_pictures
from compeer_jax.curation.annotation.votes import Fault, Filled, choices
from compeer_jax.curation.annotation.wording import CHOICES, QUESTIONS
from compeer_jax.dialogue.reasoning import RESPONSE, ReasoningFormat
from compeer_jax.dialogue.talk import SPEAKERS
from compeer_jax.errors import UserError

_STYLE = ".lsf-richtext__container, .htx-text { white-space: pre-wrap; }"
_LEAST = 1024  # bytes of a file that are looked at to tell what it is


def labelling_config(format: ReasoningFormat, *, third: bool = False, pictures: bool = False) -> str:
    """The labelling config, in XML.

    Args:
        pictures: whether talks show any.
        third: for the third annotator, who is told which items to judge and may leave the others.
    """
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Style").text = _STYLE
    if third:
        _header(view, "Please judge only · 请只判断：")
        ElementTree.SubElement(view, "Text", name=ASKED, value=f"${ASKED}")
    _header(view, "Conversation · 对话")
    ElementTree.SubElement(
        view,
        "Paragraphs",
        name="conversation",
        value="$conversation",
        layout="dialogue",
        nameKey="author",
        textKey="text",
    )
    if pictures:
        add_pictures(view)
    for tag in format.tags[:-1]:
        _header(view, f"<{tag}> {' · '.join(QUESTIONS[tag])}")
        ElementTree.SubElement(view, "Text", name=tag, value=f"${tag}")
        _choices(view, tag, tag, required=not third)
    _header(view, f"<{RESPONSE}> {' · '.join(QUESTIONS[RESPONSE])}")
    for name, title in (("first", "First · 第一个"), ("second", "Second · 第二个")):
        _header(view, title, size="5")
        ElementTree.SubElement(view, "Text", name=name, value=f"${name}")
    _choices(view, RESPONSE, "second", required=not third)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def task_json(
    task: Task,
    format: ReasoningFormat,
    asked: Iterable[str] | None = None,
    person: str = "",
    pictures: str | None = None,
) -> dict[str, Any]:
    """A task as Label Studio imports it.

    Args:
        pictures: what the talk shows, in HTML; None where no talk shows any.
        asked: tags that a third annotator is asked about.
        person: whom it is for: then it is their vote, from whatever account it comes.
    """
    first, second = task.responses
    language = task.candidate.language
    data: dict[str, Any] = {KEY: task.key, "language": language}
    if person:
        data[DEALT_TO] = person
    if asked is not None:
        data[ASKED] = ", ".join(asked)
    data["conversation"] = [
        {"author": SPEAKERS[language][turn.role].rstrip(" :："), "text": _words(turn)}
        for turn in task.candidate.history
    ]
    shown = {} if pictures is None else {FIELD: pictures}
    return {"data": {**data, **shown, **task.candidate.sections(format), "first": first, "second": second}}


def write_tasks(path: Path, tasks: Iterable[Mapping]) -> None:
    """Writes tasks as one JSON list."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for index, task in enumerate(tasks):
            file.write("," * (index > 0) + "\n" + json.dumps(task, ensure_ascii=False))
        file.write("\n]\n")


def read_export(
    path: Path, fields: Sequence[str] = VERDICT_FIELDS, setting: str = "annotation.imports"
) -> Iterator[Filled | Fault]:
    """The filled-in forms of an export, JSON or JSON-MIN, as they stand in the file; annotations that were skipped, and
    tasks without any, give none. Streamed: an export of any size takes little memory.

    Args:
        fields: names of the choices that hold verdicts.
        setting: that named the file, for messages.

    Raises:
        UserError: the file can't be read, or holds no list of tasks. A file that is cut off gives what comes before,
            then a fault.
    """
    import ijson

    with _opened(path, setting) as file:
        rows = ijson.items(file, "item", use_float=True)
        number = 0
        try:
            for number, row in enumerate(rows, start=1):
                yield from _forms(row, f"{path.name}, task {number}", path.name, fields)
        except (ijson.JSONError, UnicodeDecodeError) as error:
            if not number:
                raise UserError(f"{path}: not a JSON list of tasks ({_short(error)}); export it again.") from error
            yield Fault(f"{path.name}, after task {number}", f"the file is broken off: {_short(error)}")


def _opened(path: Path, setting: str):
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}); check {setting}.") from error
    start = file.read(_LEAST)
    file.seek(3 if start.startswith(b"\xef\xbb\xbf") else 0)
    if not start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        file.close()
        raise UserError(
            f"{path}: not a JSON list of tasks; export the project as JSON or JSON-MIN, or give a .csv file."
        )
    return file


def _forms(row: object, where: str, file: str, fields: Sequence[str]) -> Iterator[Filled | Fault]:
    if not isinstance(row, dict):
        yield Fault(where, "not a task", row)
        return
    data = row.get("data", row)
    if not isinstance(data, dict):
        yield Fault(where, "not a task", row)
        return
    if "annotations" not in row:  # JSON-MIN, flat: an annotation a row; or a task that nobody was given
        if ANNOTATOR in row:
            verdicts = {name: row[name] for name in fields if name in row}
            yield Filled(
                where, file, data.get(KEY), _name(data.get(DEALT_TO) or row[ANNOTATOR]), verdicts, _asked(data)
            )
        return
    annotations = row["annotations"]
    if not isinstance(annotations, list):
        yield Fault(where, "annotations that are no list", row)
        return
    for number, annotation in enumerate(annotations, start=1):
        place = f"{where}, annotation {number}"
        results = annotation.get("result") if isinstance(annotation, dict) else None
        if not isinstance(results, list):
            yield Fault(place, "an annotation without results", annotation)
        elif not annotation.get("was_cancelled"):
            verdicts = dict(filter(None, (_verdict(result, fields) for result in results)))
            name = _name(data.get(DEALT_TO) or annotation.get("completed_by"))
            yield Filled(place, file, data.get(KEY), name, verdicts, _asked(data))


def _verdict(result: object, fields: Sequence[str]) -> tuple[str, object] | None:
    """Field and chosen text of one result, if it is one of these choices."""
    if not isinstance(result, dict) or result.get("from_name") not in fields:
        return None
    value = result.get("value")
    chosen = value.get("choices") if isinstance(value, dict) else None
    return result["from_name"], chosen[0] if isinstance(chosen, list) and len(chosen) == 1 else chosen


def _name(annotator: object) -> str:
    """An annotator's name: the number of the account, which all exports have; else whatever tells one from another."""
    if isinstance(annotator, dict):
        annotator = annotator.get("id", annotator.get("email"))
    return "" if annotator is None else str(annotator).strip()


def _asked(data: Mapping) -> tuple[str, ...] | None:
    asked = data.get(ASKED)
    return tuple(tag.strip() for tag in asked.split(",")) if isinstance(asked, str) else None


def _words(turn) -> str:
    """What was said, and what stands for the images that were shown."""
    return " ".join([*filter(None, [turn.content]), *shown_media(turn)])


def _header(view: ElementTree.Element, text: str, size: str = "4") -> None:
    ElementTree.SubElement(view, "Header", value=text, size=size)


def _choices(view: ElementTree.Element, tag: str, shown: str, *, required: bool) -> None:
    element = ElementTree.SubElement(
        view,
        "Choices",
        name=verdict_field(tag),
        toName=shown,
        choice="single",
        showInline="true",
        required=str(required).lower(),
    )
    for name in choices(tag):
        ElementTree.SubElement(element, "Choice", value=CHOICES[name], alias=name)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
