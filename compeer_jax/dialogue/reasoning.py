r"""Reasoned turns as text: what the model writes, and how it is read back.

A format is a row of steps, each between its own tags, then the response:

    <history>
    What the seeker has gone through so far, in free text.
    Stage: exploration
    </history>
    ...
    <response>
    What the seeker gets to see.
    </response>

A step may close with one labelled line, its values from the taxonomy; in Chinese it reads `阶段：探索`. Tags are the
same in both languages. The format `PLAIN` has no steps and no tags: its text is the response and nothing else.

Free text may hold anything. Where it holds what would be taken for structure (`material`), such as a tag, `render` puts
a backslash after its first letter and `parse` takes one away: `<history>` is written `<\history>`, and `<\history>` is
written `<\\history>`. Without the backslash, whatever is no tag of the format is left as it is, and is a problem.
Leading thoughts are taken off before anything is read.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from compeer_jax.dialogue.material import KINDS, Structure, escape, structure_in, unescape
from compeer_jax.dialogue.taxonomy import (
    EMOTIONS,
    INTENSITIES,
    SENTIMENTS,
    STAGES,
    STRATEGIES,
    Category,
    check_language,
)
from compeer_jax.dialogue.thoughts import spoken
from compeer_jax.errors import UserError, unknown

RESPONSE = "response"
FormatRule = Literal["strict", "paper"]
"""What keeps a format. "strict": every part and label is there, once, in order, with nothing else around; "paper":
every step and the response are there."""

_PROBLEMS: tuple[Structure, ...] = ("control", "tag", "verdict")  # a score is one where raters read it
_OF_PLAIN: tuple[Structure, ...] = ("control", "verdict")  # a text without tags has none to be mistaken for

_SIGNS = {"en": (": ", " ; "), "zh": ("：", "；")}  # between a label's title and value, and between labels


@dataclass(frozen=True)
class LabelSpec:
    """A label that a step closes with: its key in `ReasonedTurn.labels`, and where its values come from."""

    name: str
    category: Category


@dataclass(frozen=True)
class StepSpec:
    """One step of a format: its tag and the labels of its closing line, if any."""

    tag: str
    labels: tuple[LabelSpec, ...] = ()


@dataclass(frozen=True)
class ReasonedTurn:
    """A supporter's turn with the reasoning that led to it: what was found in a text, and what is wrong with it.

    Attributes:
        steps: tag -> the step's free text, without its labelled line and outer white space.
        labels: label name -> canonical name in the taxonomy; only those that were recognised.
        response: the reply that the seeker sees; "" when it is missing.
        problems: one code for each thing wrong, none twice. Codes:
            "missing:T" no opening tag of part T;         "repeated:T" more than one (the first counts);
            "unclosed:T" no closing tag of T;             "unopened:T" a closing tag that closes nothing;
            "nested:T" another part inside of T;          "empty:T" nothing in T but white space and labels;
            "label:L" label L absent from its step's closing line, or not in the taxonomy;
            "order" parts out of order;                   "extra_text" words outside of every part;
            "structure:K" in a part, what would be taken for structure of kind K: "control", "tag", "verdict".
    """

    steps: Mapping[str, str]
    labels: Mapping[str, str]
    response: str = ""
    problems: tuple[str, ...] = ()

    @property
    def format_ok(self) -> bool:
        """Whether every part and label is there, once and in order, with nothing else around."""
        return not self.problems

    @property
    def complete(self) -> bool:
        """Whether every step and the response are there, whatever else is wrong: the paper's rule of format."""
        return not any(problem.startswith(("missing:", "empty:")) for problem in self.problems)

    @property
    def whole(self) -> bool:
        """Whether every part is there once and in order. A label that is none of the list, a word before the first
        part, or a control token is nothing that a reader of the reply would miss."""
        return all(problem.startswith(("label:", "extra_text", "structure:")) for problem in self.problems)


@dataclass(frozen=True)
class ReasoningFormat:
    """The steps that come before a response, as text with tags; without steps, the response alone, without tags."""

    name: str
    steps: tuple[StepSpec, ...]

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of all parts in their order, the response last."""
        return (*(step.tag for step in self.steps), RESPONSE)

    @property
    def labels(self) -> tuple[LabelSpec, ...]:
        """The labels of all steps in their order."""
        return tuple(label for step in self.steps for label in step.labels)

    def without(self, tag: str) -> "ReasoningFormat":
        """This format with one step left out, under the name `<name>_no_<tag>`; UserError for a step it hasn't."""
        if tag not in self.tags[:-1]:
            raise unknown("step", tag, self.tags[:-1], f"the {self.name} format")
        return ReasoningFormat(f"{self.name}_no_{tag}", tuple(step for step in self.steps if step.tag != tag))

    def render(self, turn: ReasonedTurn, language: str = "en") -> str:
        """The text of a complete turn, labelled lines in `language`; outer white space of free texts is not kept.

        For a turn without problems, with canonical labels and free texts without outer white space,
        `parse(render(turn)) == turn`.

        Raises:
            UserError: for a step, a label or the response that is missing or empty, or a label not in the taxonomy.
        """
        check_language(language)
        for tag in self.tags:
            if not _part(turn, tag):
                raise UserError(f"a {self.name} turn cannot be written without a text for <{tag}>.")
        for label in self.labels:
            label.category.require(turn.labels.get(label.name), f"a {self.name} turn")
        if not self.steps:
            return self.section(turn, RESPONSE, language)
        return "\n".join(f"<{tag}>\n{self.section(turn, tag, language)}\n</{tag}>" for tag in self.tags)

    def section(self, turn: ReasonedTurn, tag: str, language: str = "en") -> str:
        """What stands between the tags of part `tag`: its free text, then the labelled line, both as far as given.

        "" for a part that the turn lacks. Where `render` insists on a complete turn, this shows what there is.

        Raises:
            UserError: for a tag that the format doesn't have, or a label not in the taxonomy.
        """
        colon, semicolon = _SIGNS[check_language(language)]
        if tag not in self.tags:
            raise unknown("part", tag, self.tags, f"the {self.name} format")
        specs = [label for step in self.steps if step.tag == tag for label in step.labels if label.name in turn.labels]
        labelled = semicolon.join(
            f"{spec.category.titles[language]}{colon}{spec.category.display(turn.labels[spec.name], language)}"
            for spec in specs
        )
        written = escape(_part(turn, tag), KINDS if self.steps else _OF_PLAIN)
        return "\n".join(filter(None, [written, labelled]))

    def parse(self, text: str) -> ReasonedTurn:
        """What `text` holds, in either language, and what is wrong with it. Never raises, whatever the text.

        Leading thoughts are no part of it; thoughts without an end leave nothing. Without steps all of the text is the
        response, whatever tags it holds; with nothing but white space it has the problem "empty:response".
        """
        text = spoken(text).text
        if not self.steps:
            response = unescape(text.strip(), _OF_PLAIN)
            return ReasonedTurn({}, {}, response, _structure([text], _OF_PLAIN) if response else (f"empty:{RESPONSE}",))
        tags = (match for match in self._tag.finditer(text) if not match["escape"])
        sections, problems = _sections(text, tags)
        steps: dict[str, str] = {}
        labels: dict[str, str] = {}
        for step in self.steps:
            free_text, values = self._split_labels(step, sections.get(step.tag, ""))
            if step.tag in sections:
                steps[step.tag] = unescape(free_text)
            if not free_text:
                problems.append(f"empty:{step.tag}" if step.tag in sections else f"missing:{step.tag}")
            for label in step.labels:
                name = label.category.canonical(values.get(label.name, ""))
                if name is None:
                    problems.append(f"label:{label.name}")
                else:
                    labels[label.name] = name
        response = unescape(sections.get(RESPONSE, "").strip())
        if not response:
            problems.append(f"empty:{RESPONSE}" if RESPONSE in sections else f"missing:{RESPONSE}")
        if list(sections) != [tag for tag in self.tags if tag in sections]:
            problems.append("order")
        problems += _structure(self._tag.sub(_own_tag, section) for section in sections.values())
        return ReasonedTurn(steps, labels, response, tuple(problems))

    def _split_labels(self, step: StepSpec, section: str) -> tuple[str, dict[str, str]]:
        """A step's free text and the raw values of its labels.

        Labels are read from the end backwards, as long as each value stays on one line and no label comes twice, so
        what looks like a label within the free text stays there.
        """
        section = section.strip()
        values: dict[str, str] = {}
        end = len(section)
        titles = list(self._titles[step.tag].finditer(section)) if step.labels else []
        for match in reversed(titles):
            value = section[match.end() : end].strip()
            if match.lastgroup in values or "\n" in value:
                break
            values[match.lastgroup] = value
            end = match.start()
        return section[:end].strip(), values

    @cached_property
    def _tag(self) -> re.Pattern:
        """A tag of this format, opening or closing, plain or behind backslashes. Linear: no run matches two ways."""
        names = "|".join(self.tags)
        pattern = rf"<(?P<escape>\\*)[ \t]*(?P<close>/[ \t]*)?(?P<tag>{names})[ \t]*>"
        return re.compile(pattern, re.IGNORECASE | re.ASCII)

    @cached_property
    def _titles(self) -> Mapping[str, re.Pattern]:
        """For each step with labels: a title of one of them, in any language, bold or not, and its colon."""
        return {step.tag: _titles(step.labels) for step in self.steps if step.labels}


def _part(turn: ReasonedTurn, tag: str) -> str:
    """The free text of a step or the response, "" when it is missing."""
    return (turn.response if tag == RESPONSE else turn.steps.get(tag, "")).strip()


def _own_tag(match: re.Match) -> str:
    """What stands for a tag where others are looked for: nothing that makes one of what stands around it."""
    return match.group() if match["escape"] else "."


def _structure(texts: Iterable[str], kinds: Sequence[Structure] = _PROBLEMS) -> tuple[str, ...]:
    """A problem for each kind of structure that stands in the texts."""
    found = {kind for text in texts for kind in structure_in(text, kinds)}
    return tuple(f"structure:{kind}" for kind in kinds if kind in found)


def _titles(labels: tuple[LabelSpec, ...]) -> re.Pattern:
    groups = (f"(?P<{label.name}>{'|'.join(map(re.escape, label.category.titles.values()))})" for label in labels)
    return re.compile(rf"(?<!\w)\*{{0,2}}(?:{'|'.join(groups)})\*{{0,2}}[^\S\n]*[:：]", re.IGNORECASE)


def _sections(text: str, tags: Iterable[re.Match]) -> tuple[dict[str, str], list[str]]:
    """One walk over `text`: the first section of each tag, in order of appearance, and the problems on the way.

    A part ends at its closing tag, or where another part begins; a closing tag that closes nothing stays in the text.
    """
    sections: dict[str, str] = {}
    problems: dict[str, None] = {}  # an ordered set
    inside: str | None = None  # the part that is open
    start = 0  # of what is being read, within or between parts
    cut_short: set[str] = set()  # parts that ended because another began

    def finish(end: int) -> None:
        if inside is not None:
            sections.setdefault(inside, text[start:end])
        elif text[start:end].strip():
            problems["extra_text"] = None

    for match in tags:
        tag, closes = match["tag"].lower(), match["close"] is not None
        if closes and tag != inside:
            if tag in cut_short:  # closed after all, so the other part was nested
                cut_short.remove(tag)
                problems.pop(f"unclosed:{tag}", None)
                problems[f"nested:{tag}"] = None
            else:
                problems[f"unopened:{tag}"] = None
            if inside is not None:
                continue
        finish(match.start())
        if not closes:
            if inside is not None:
                problems[f"unclosed:{inside}"] = None
                cut_short.add(inside)
            if tag in sections:
                problems[f"repeated:{tag}"] = None
        inside, start = (None if closes else tag), match.end()
    finish(len(text))
    if inside is not None:
        problems[f"unclosed:{inside}"] = None
    return sections, list(problems)


COMPEER = ReasoningFormat(
    "compeer",
    (
        StepSpec("history", (LabelSpec("stage", STAGES),)),
        StepSpec(
            "emotion",
            (LabelSpec("sentiment", SENTIMENTS), LabelSpec("emotion", EMOTIONS), LabelSpec("intensity", INTENSITIES)),
        ),
        StepSpec("strategy", (LabelSpec("strategy", STRATEGIES),)),
    ),
)

CARE = ReasoningFormat(
    "care",
    (
        StepSpec("context"),
        StepSpec("cognition"),
        StepSpec("emotion"),
        StepSpec("plan", (LabelSpec("strategy", STRATEGIES),)),
    ),
)

PLAIN = ReasoningFormat("plain", ())
"""The reply alone, as models are trained that do not reason: CARE's baselines."""

FORMATS: Mapping[str, ReasoningFormat] = {form.name: form for form in (COMPEER, CARE)}
"""Formats with all of their steps, which judges rate."""

ABLATIONS: Mapping[str, ReasoningFormat] = {form.name: form for form in map(CARE.without, CARE.tags[:-1])}
"""CARE with one node left out at a time; a model is trained on them to see what a node is worth."""

OUTPUT_FORMATS: Mapping[str, ReasoningFormat] = {**FORMATS, **ABLATIONS, PLAIN.name: PLAIN}
"""All that a model can be trained to write, by name."""
