"""The filter stage: leaves out dialogues that are broken, machine-like or said before.

That is told by rules, by MinHash, and if wanted by a chat model.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from compeer_jax.chat.models import Malformed, SetAside
from compeer_jax.curation import STAGES
from compeer_jax.curation.asking import StageModel, answer_settings, task_prompt, task_prompt_versions
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.filter.near_duplicates import NearDuplicates, shingles
from compeer_jax.curation.filter.rules import Limits, why_left_out
from compeer_jax.curation.rows import DIALOGUES, read_dialogues
from compeer_jax.curation.stage import Stage, StageWriter, Workspace
from compeer_jax.dialogue.danger.withheld import VERSION, why_withheld
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.dialogue.talk import talk_text

PROMPT = "coherence"
GOOD = "good"
VERDICTS = (GOOD, "incoherent", "machine-like", "not a dialogue")
PAPER = "over 23 % of its own corpora, by its own filter"


def parse_verdict(text: str) -> str:
    """Which of `VERDICTS` an answer ends with.

    The last line that has a word in it must be "Verdict: " and one of the four; case, full-width signs, Markdown's
    stars and a full stop make no difference.

    Raises:
        Malformed: it is anything else.
    """
    lines = [line.strip() for line in unicodedata.normalize("NFKC", text).casefold().splitlines()]
    lines = [line for line in lines if any(map(str.isalnum, line))]
    if not lines:
        raise Malformed("an empty answer")
    marker, colon, value = lines[-1].replace("*", "").rstrip(".。 ").partition(":")
    if marker.strip() != "verdict" or not colon or value.strip() not in VERDICTS:
        raise Malformed("no verdict in the last line")
    return value.strip()


@dataclass
class _Tally:
    """What became of the dialogues of each source."""

    read: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def counts(self) -> dict[str, dict]:
        """source -> dialogues, kept, removed, the share removed, and how many for which reason."""
        return {
            source: {
                "dialogues": read,
                "kept": read - self.left_out[source].total(),
                "removed": self.left_out[source].total(),
                "removed_share": round(self.left_out[source].total() / read, 4),
                "reasons": dict(sorted(self.left_out[source].items())),
            }
            for source, read in self.read.items()
        }


def make(work: Workspace, out: StageWriter) -> Mapping[str, Any]:
    """Goes through the dialogues once, and says what share of each source was left out."""
    tally = _Tally()
    out.begin(DIALOGUES)
    counts: dict[str, Any] = {"models": {}}
    if name := work.config.filter.model:
        counts["models"][name] = _ask(work, out, tally)
    else:
        for dialogue in _by_rules(work, out, tally):
            out.add(DIALOGUES, dialogue)
    counts = {"sources": tally.counts(), "paper": {"removed_share": PAPER}} | counts
    for source, count in counts["sources"].items():
        left_out = f"{count['removed_share']:.1%} of {count['dialogues']:,} dialogues of {source} left out"
        work.say(f"filter: {left_out} (paper: {PAPER})")
    return counts


def _by_rules(work: Workspace, out: StageWriter, tally: _Tally) -> Iterator[Dialogue]:
    """The dialogues that no rule leaves out and that repeat none before them."""
    config = work.config.filter
    limits = Limits(config.min_exchanges, config.max_turn_characters)
    said = NearDuplicates(config.similarity, config.permutations)
    for dialogue in read_dialogues(work, "privacy", out):
        tally.read[dialogue.source] += 1
        reason = why_left_out(dialogue, limits) or why_withheld(turns=dialogue.turns)
        if reason is None:
            earlier = said.earlier(dialogue.id, shingles(dialogue.turns, dialogue.language))
            reason = None if earlier is None else f"near-duplicate: of {earlier}"
        if reason is None:
            yield dialogue
        else:
            _leave_out(dialogue, reason, out, tally)


def _ask(work: Workspace, out: StageWriter, tally: _Tally) -> dict[str, Any]:
    """Has the model sort what the rules leave, and returns its counts. What it gives no verdict on stays."""
    config = work.config.filter
    asker = StageModel(work, "filter", config.model, tries=config.tries)
    verdicts: Counter[str] = Counter()

    def messages(dialogue: Dialogue) -> list[dict[str, str]]:
        prompt = load_task_prompt(PROMPT, dialogue.language)
        return prompt.messages(conversation=talk_text(dialogue.turns, dialogue.language))

    kept, title = _by_rules(work, out, tally), f"filter, {config.model}"
    answers = asker.ask(
        kept, messages, lambda _, text: parse_verdict(text), title=title, total=work.rows("privacy", DIALOGUES)
    )
    for dialogue, answer in answers:
        made = asker.provenance(task_prompt(PROMPT, dialogue.language))
        if isinstance(answer, SetAside):
            made["verdict"] = None
        else:
            verdicts[answer.value] += 1
            if answer.value != GOOD:
                _leave_out(dialogue, f"{answer.value} (a model's verdict)", out, tally)
                continue
            made |= {"verdict": GOOD, "draw": answer.draw}
        out.add(DIALOGUES, replace(dialogue, provenance=(*dialogue.provenance, made)))
    without_verdict = dict(sorted(asker.set_aside.items()))
    return {"verdicts": dict(sorted(verdicts.items())), "without_verdict": without_verdict, **asker.cost()}


def _leave_out(dialogue: Dialogue, reason: str, out: StageWriter, tally: _Tally) -> None:
    tally.left_out[dialogue.source][reason.partition(":")[0]] += 1
    out.reject(dialogue.id, reason, dialogue)


def settings(config: BuildConfig) -> dict[str, Any]:
    """What is left out depends on the rules' settings and, if a model is asked, on it and its prompts."""
    by_rules = {**asdict(config.filter), "withheld": VERSION}
    if not config.filter.model:
        return by_rules
    return {
        **by_rules,
        "prompts": task_prompt_versions(PROMPT),
        "chat_model": answer_settings(config, config.filter.model),
    }


STAGE = Stage(
    name="filter",
    summary=STAGES["filter"],
    inputs=lambda work: [work.file("privacy", DIALOGUES)],
    settings=settings,
    make=make,
)
