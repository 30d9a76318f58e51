"""Evaluation of the layers that find danger, each alone and together, on sentences that they were not made on."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.chat.models import ChatModels
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError
from compeer_jax.evaluation.danger.cases import Case, bundled_cases, read_cases
from compeer_jax.evaluation.danger.measure import layer_figures, so_far, talk_figures
from compeer_jax.evaluation.danger.rubric_answers import SeekerTurns, ask_rubric
from compeer_jax.evaluation.danger.sentences import Sentence, bundled, read_sentences
from compeer_jax.evaluation.danger.table import DangerResults
from compeer_jax.files import make_folder, write_json, write_text
from compeer_jax.report.table import tables_markdown

log = logging.getLogger(__name__)

BOTH = "both"
LAYERS = ("rules", "classifier", BOTH)

Layer = Callable[[str], Set[str]]
"""Finds kinds of danger in a text."""


@dataclass(frozen=True)
class DangerEvalConfig:
    """Measures how much danger is found, and how often where there is none, by rules, by the classifier, and by both.

    Args:
        sentences: file of your own, a line each: {"text", "language": "en"|"zh", "kinds": [...], "form":
            "explicit"|"indirect"|"harmless", "topic"?}; kinds are empty where it is harmless (default: the sentences of
            the package, on which nothing was trained or tuned).
        talks: file of talks of your own, as `evaluation/danger/cases.py` describes (default: those of the package).
        models: chat models, by names for their rows, to be asked by the rubric, e.g. {qwen: {path: DIR}} or
            {gpt: {server: {url: URL, model: MODEL}}}. They are shown every sentence, and every talk after each turn.
        output: folder for danger.json, danger.md, which also says what is taken for what, findings.jsonl, what each
            layer finds in each line, and the models' answers as they come (default: only the tables are printed).
    """

    sentences: str = ""
    talks: str = ""
    models: dict[str, ChatModelConfig] = field(default_factory=dict)
    output: str = ""

    def __post_init__(self):
        for name in self.models:
            if name in LAYERS:
                raise UserError(f"a model is named {name!r}, as a layer is; give it another name.")


def layers() -> dict[str, Layer]:
    """What finds danger in a sentence, by name."""
    from compeer_jax.dialogue.danger.classifier import classified_kinds
    from compeer_jax.dialogue.danger.find import find_danger
    from compeer_jax.dialogue.danger.rules import rule_kinds

    return dict(
        zip(LAYERS, (rule_kinds, classified_kinds, lambda text: frozenset(find_danger(text).kinds)), strict=True)
    )


def found_in_talk(turns: Sequence[str]) -> bool:
    """Whether both layers together find danger in a talk of which these are the seeker's turns so far."""
    from compeer_jax.dialogue.danger.find import danger_in_talk

    return bool(danger_in_talk([Turn("seeker", turn) for turn in turns]).kinds)


def measure_danger(
    config: DangerEvalConfig, layers: Mapping[str, Layer], in_talk: Callable[[Sequence[str]], bool]
) -> DangerResults:
    """Runs every layer over every sentence, both together over every talk, and the models over all.

    Args:
        config: the settings.
        layers: what finds danger in a sentence, by name.
        in_talk: what finds it in the seeker's turns so far.

    Raises:
        UserError: the sentences or talks can't be read or have a fault, a model can't be asked, or the folder can't be
            written.
    """
    sentences = read_sentences(config.sentences or bundled())
    cases = read_cases(config.talks) if config.talks else bundled_cases()
    folder = Path(config.output).expanduser() if config.output else None
    if folder:
        make_folder(folder)
    models = ChatModels(config.models, folder=folder and folder / "answers", say=log.warning)
    for model in models.values():
        model.check()
    found: dict[str, list[Set[str]]] = {}
    milliseconds: dict[str, float] = {}
    for name, layer in layers.items():
        layer(sentences[0].text)  # what is loaded at first use is no sentence's time
        begin = time.perf_counter()
        found[name] = [layer(sentence.text) for sentence in sentences]
        milliseconds[name] = 1000 * (time.perf_counter() - begin) / len(sentences)
    talks = talk_figures(BOTH, cases, [[in_talk(turns) for turns in so_far(case)] for case in cases])
    unread = {}
    for name, model in models.items():
        asked = ask_rubric(model, _asked_about(sentences, cases))
        answers = iter(asked.kinds)
        found[name] = [next(answers) for _ in sentences]
        talks += talk_figures(name, cases, [[bool(next(answers)) for _ in so_far(case)] for case in cases])
        unread[name] = asked.unread
    models.close()
    figures = [one for name, kinds in found.items() for one in layer_figures(name, sentences, kinds)]
    results = DangerResults(config.sentences or "the package's sentences", figures, milliseconds, talks, unread)
    if folder:
        _write(folder, results, found)
    return results


def _asked_about(sentences: Sequence[Sentence], cases: Sequence[Case]) -> list[SeekerTurns]:
    """Each sentence, then each talk after each turn."""
    talks = [SeekerTurns(turns, case.language) for case in cases for turns in so_far(case)]
    return [*(SeekerTurns((sentence.text,), sentence.language) for sentence in sentences), *talks]


def _write(folder: Path, results: DangerResults, found: Mapping[str, list[Set[str]]]) -> None:
    content = {
        "title": results.title,
        "milliseconds": results.milliseconds,
        "figures": results.figures,
        "unread": results.unread,
        "talks": results.talks,
    }
    write_json(folder / "danger.json", content)
    write_text(folder / "danger.md", tables_markdown([*results.tables, *results.confusions]))
    lines = zip(*found.values(), strict=True)
    rows = ({"line": n, **dict(zip(found, map(sorted, line), strict=True))} for n, line in enumerate(lines, start=1))
    write_jsonl(folder / "findings.jsonl", rows)
