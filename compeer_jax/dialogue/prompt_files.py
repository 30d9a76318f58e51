"""Prompt files: another text for a task of ours, such as the one that a fine-tuned model was trained on.

    <!-- esc_role, en -->                      the task, and the language or languages
    whatever stands here is a note             where the text is from, its licence
    <!-- system -->                            a part; its text goes up to the next part
    You are a person with this card: $card     $card is filled in
    <!-- user -->
    Hello!

A dollar sign before anything but a word stands for itself, and `$$` for one before a word. Which parts a task has, and
which placeholders, is in `FORMS`. A prompt is known by the SHA-256 of its parts, so that notes may change.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from string import Template

from compeer_jax.dialogue.prompts import TaskPrompt
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError, unknown

MOST_BYTES = 1 << 20  # of a file
DIGITALHUMAN = "digitalhuman"  # folder of the prompts that SAGE's authors released

_HEADER = re.compile(r"<!-- *(\w+) *((?:, *[a-z]{2} *)+)(?:, *version *\d+ *)?-->")
_PART = re.compile(r"<!-- (\w+) -->")


@dataclass(frozen=True)
class PromptForm:
    """What a prompt file of a task holds.

    Attributes:
        parts: part -> the placeholders that it may have.
        required: the parts that there must be.
        needed: of each of these groups of placeholders, one must stand somewhere.
    """

    parts: Mapping[str, Sequence[str]]
    required: Sequence[str] = ("user",)
    needed: Sequence[Sequence[str]] = field(default=())


_CRITERIA = ("fluency", "diversity", "empathy", "suggestion", "tech", "human", "overall")
_SEEKER = ("player", "scene", "task", "emotion", "state")
_APPRAISAL = ("content", "target_completion", "activity", "analyse", "change")
FORMS: Mapping[str, PromptForm] = {
    "esc_role": PromptForm({"system": ("card",), "user": ("card",)}, needed=[("card",)]),
    "esc_score": PromptForm(
        {
            "system": (),
            "user": ("conversation", "criterion"),
            "seeker": ("content",),
            "supporter": ("content",),
            **dict.fromkeys(_CRITERIA, ("conversation",)),
        },
        required=_CRITERIA,
        needed=[("conversation",)],
    ),
    "sage_planner": PromptForm(
        {"system": (), "user": (*_SEEKER, "conversation", "dialogue")}, needed=[("conversation", "dialogue")]
    ),
    "sage_agent": PromptForm(
        {
            "system": (),
            "user": (*_SEEKER, "conversation", "dialogue", "earlier", "latest", "feeling"),
            "feeling": _APPRAISAL,
            "opening_feeling": (),
            "opening_talk": (),
        },
        needed=[("feeling",), ("conversation", "dialogue", "latest")],
    ),
    "sage_tested": PromptForm({"system": ()}, required=["system"]),
}


def read_prompts(paths: Sequence[str], task: str, languages: Sequence[str], setting: str) -> dict[str, TaskPrompt]:
    """The prompts of a task in some languages, from files; {} where no file is named.

    Args:
        paths: files, each of one language or more.
        task: one of `FORMS`.
        languages: for each of which there must be a prompt.
        setting: what names the files, for messages.

    Returns:
        language -> prompt, its version "sha256:…".

    Raises:
        UserError: a file that can't be read or is of another task, a part or placeholder that is unknown or missing,
            two files of one language, or none of one.
    """
    found: dict[str, TaskPrompt] = {}
    of: dict[str, str] = {}
    for path in paths:
        for prompt in parse_prompt(_text(Path(path).expanduser()), task, str(path)):
            if (other := of.setdefault(prompt.language, str(path))) != str(path):
                raise UserError(f"{setting}: {other} and {path} are both {task} in {prompt.language}; leave one out.")
            found[prompt.language] = prompt
    missing = [language for language in languages if language not in found]
    if paths and missing:
        raise UserError(
            f"{setting} has no {task} in {' and '.join(missing)}; name a file of it, or leave all files out."
        )
    return found


def released_prompts(task: str) -> dict[str, TaskPrompt]:
    """SAGE's prompt of a task as its authors released it, by language: Chinese only."""
    path = resources.files(__package__).joinpath("prompts", DIGITALHUMAN, f"{task}.zh.md")
    return {prompt.language: prompt for prompt in parse_prompt(path.read_text(encoding="utf-8"), task, str(path))}


def parse_prompt(text: str, task: str, where: str) -> list[TaskPrompt]:
    """The prompt in a file's text, once for each of its languages; errors as of `read_prompts`, naming `where`."""
    first, _, rest = text.replace("\r\n", "\n").partition("\n")
    header = _HEADER.fullmatch(first.strip())
    if not text.strip():
        raise UserError(f"{where} is empty; begin it with '<!-- {task}, en -->', and see docs/guides/benchmarks.md.")
    if header is None:
        raise UserError(
            f"{where} must begin with the line '<!-- {task}, en -->', or another language; "
            "see docs/guides/benchmarks.md."
        )
    if header[1] != task:
        raise UserError(
            f"{where} is a prompt of {header[1]!r} and not of {task!r}; name another file, or set its first line right."
        )
    languages = [code.strip() for code in header[2].strip(" ,").split(",")]
    for language in languages:
        if language not in LANGUAGES:
            raise unknown("language", language, LANGUAGES, f"{where}, first line")
    parts = _checked(_parts(rest, FORMS[task], where), task, where)
    digest = hashlib.sha256("".join(f"{name}\0{parts[name]}\0" for name in sorted(parts)).encode()).hexdigest()
    more = {name: text for name, text in parts.items() if name not in ("system", "user")}
    return [
        TaskPrompt(task, language, f"sha256:{digest}", parts.get("system", ""), parts.get("user", ""), more)
        for language in dict.fromkeys(languages)
    ]


def _text(path: Path) -> str:
    try:
        if path.is_file() and path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path} has more than {MOST_BYTES:,} bytes; a prompt file is a short text.")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror or error}; name a prompt file.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no UTF-8 text (byte {error.start + 1}); save it as UTF-8.") from error


def _parts(text: str, form: PromptForm, where: str) -> dict[str, str]:
    """Part -> its text, as it stands there."""
    parts: dict[str, list[str]] = {}
    name = None
    for number, line in enumerate(text.split("\n"), start=2):
        match = _PART.fullmatch(line.rstrip())
        if match is None:
            if name is not None and line.lstrip().startswith("<!--"):
                raise UserError(
                    f"{where}, line {number}: write a part's line as '<!-- name -->', and nothing else there."
                )
            if name is not None:
                parts[name].append(line)
            continue
        name = match[1]
        if name not in form.parts:
            raise unknown("part", name, form.parts, f"{where}, line {number}")
        if name in parts:
            raise UserError(f"{where}, line {number}: a second part {name!r}; leave one of them out.")
        parts[name] = []
    return {name: "\n".join(lines).strip() for name, lines in parts.items()}


def _checked(parts: Mapping[str, str], task: str, where: str) -> dict[str, str]:
    """The parts as templates whose every placeholder will be filled in; those that have none as plain text."""
    form = FORMS[task]
    for name in form.required:
        if name not in parts:
            raise UserError(f"{where} has no part {name!r}; add it below a line '<!-- {name} -->'.")
    for name, text in parts.items():
        if not text:
            raise UserError(
                f"{where}: the part {name!r} is empty; write its text, or leave out its line if it isn't needed."
            )
    allowed, wanted = dict(form.parts), [(group, tuple(parts)) for group in form.needed]
    if task == "esc_score":
        framed = "user" in parts  # then criteria are put into it; else each of them is the whole message
        allowed |= dict.fromkeys(_CRITERIA, () if framed else ("conversation",))
        wanted = [(("conversation",), (name,)) for name in (["user"] if framed else _CRITERIA)]
        wanted += [(("criterion",), ("user",))] if framed else []
        if ("seeker" in parts) != ("supporter" in parts):
            raise UserError(f"{where} has one of the parts 'seeker' and 'supporter'; write both, or neither.")
        wanted += [(("content",), (name,)) for name in ("seeker", "supporter") if name in parts]
    checked, used = {}, {}
    for name, text in parts.items():
        checked[name], used[name] = _template(text, allowed[name], f"{where}, part {name!r}")
    for group, names in wanted:
        if not any(placeholder in used[name] for placeholder in group for name in names):
            there = f"the part {names[0]!r} of {where}" if len(names) == 1 else where
            raise UserError(
                f"{there} has no placeholder {' or '.join(f'${one}' for one in group)}; put it where it is to be shown."
            )
    return checked


def _template(text: str, allowed: Sequence[str], where: str) -> tuple[str, set[str]]:
    """`text` as a template, and which placeholders it has; plain text where none is allowed."""
    used: set[str] = set()

    def kept(match: re.Match) -> str:
        name = match["named"] or match["braced"]
        if name is None:
            return "$$" if match["escaped"] is None and match["invalid"] is not None else match[0]
        if name not in allowed:
            options = [f"${one}" for one in allowed] or ["(none here)"]
            raise unknown("placeholder", f"${name}", options, where)
        used.add(name)
        return match[0]

    template = Template.pattern.sub(kept, text)
    return (template if allowed else Template(template).substitute()), used
