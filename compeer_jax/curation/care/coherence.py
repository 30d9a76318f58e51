"""The coherence stage of CARE's data: only chains stay whose every node passes.

The rules judge first, then a chat model if one is named. Silver
chains go the same way; they pass the rules by how they are made, but for chance.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from compeer_jax.chat.models import Malformed, SetAside
from compeer_jax.curation.asking import StageModel, answer_settings, task_prompt, task_prompt_versions
from compeer_jax.curation.care.chains import CHAINS, Chain, read_chains
from compeer_jax.curation.care.config import CareDataConfig
from compeer_jax.curation.care.node_rules import NODES, VERSION, node_faults
from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.stage import Stage, StageWriter, Workspace
from compeer_jax.data.splits import SPLITS
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.dialogue.reasoning import CARE
from compeer_jax.dialogue.talk import one_line, talk_text

NAME = "coherence"
PROMPT = "care_coherence"
WHOLE = "whole"
JUDGED = (*NODES, WHOLE)
NO_VERDICT, BY_MODEL = "no verdict", "a model's verdict"
_VERDICT = re.compile(r"(\w+) ?: ?(pass|fail)")
_ANYWHERE = re.compile(rf"\b({'|'.join(JUDGED)})\b\W{{0,4}}: ?(pass|fail)")

Add = Callable[[Chain, Mapping[str, Any]], None]  # takes a chain that stays, and what its provenance says of the model


def coherence_stage(config: CareDataConfig) -> Stage:
    """The stage that writes those chains of the chains stage that can be learned from."""

    def settings(build: BuildConfig) -> Mapping[str, Any]:
        if not config.checker:
            return {"rules": VERSION}
        return {
            "rules": VERSION,
            "checker": config.checker,
            "tries": config.tries,
            "prompts": task_prompt_versions(PROMPT),
            "chat_model": answer_settings(build, config.checker),
        }

    def make(work: Workspace, out: StageWriter) -> dict[str, Any]:
        out.begin(CHAINS)
        rules = NodeTally()
        kept: Counter[str] = Counter()

        def add(chain: Chain, entry: Mapping[str, Any]) -> None:
            kept[chain.split] += 1
            provenance = (*chain.record.provenance, {"stage": NAME, "rules": VERSION, **entry})
            out.add(CHAINS, replace(chain, record=replace(chain.record, provenance=provenance)).row())

        chains = _by_rules(work.file("chains", CHAINS), rules, out)
        counts: dict[str, Any] = {}
        if config.checker:
            counts = _check(work, out, config, chains, add)
        else:
            for chain in chains:
                add(chain, {})
        return {"chains": {split: kept[split] for split in SPLITS}, "rules": rules.counts(NODES), **counts}

    return Stage(
        NAME,
        "leave out chains with a node that doesn't hold",
        lambda work: [work.file("chains", CHAINS)],
        settings,
        make,
    )


def check_messages(chain: Chain) -> list[dict[str, str]]:
    """The chat that asks whether a chain's nodes pass."""
    record = chain.record
    turn, language = record.reference, record.language
    nodes = {tag: "\n".join(map(one_line, CARE.section(turn, tag, language).splitlines())) for tag in NODES}
    return load_task_prompt(PROMPT, language).messages(
        conversation=talk_text(record.history, language), response=one_line(turn.response), **nodes
    )


def parse_verdicts(text: str) -> dict[str, bool]:
    """Node, and "whole" -> whether it passes.

    The last five lines that have a word in them must be the five verdicts in their order; case, full-width signs,
    Markdown's stars and a full stop make no difference. No line before them may say otherwise of a node.

    Raises:
        Malformed: they are anything else.
    """
    lines = [line.strip(" *.。") for line in unicodedata.normalize("NFKC", text).casefold().splitlines()]
    lines = [line.replace("*", "") for line in lines if any(map(str.isalnum, line))]
    if not lines:
        raise Malformed("an empty answer")
    found = [_VERDICT.fullmatch(line) for line in lines[-len(JUDGED) :]]
    if tuple(match and match[1] for match in found) != JUDGED:
        raise Malformed("not the five verdicts in its last lines")
    verdicts = {match[1]: match[2] for match in found}
    if any(verdicts[node] != said for line in lines for node, said in _ANYWHERE.findall(line)):
        raise Malformed("two different verdicts")
    return {node: said == "pass" for node, said in verdicts.items()}


@dataclass
class NodeTally:
    """Tally of nodes: how often each passed, and why it failed."""

    passed: Counter[str] = field(default_factory=Counter)
    failed: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, node: str, fault: str | None) -> None:
        """Counts one node; no fault is a pass."""
        if fault is None:
            self.passed[node] += 1
        else:
            self.failed.setdefault(node, Counter())[fault] += 1

    def counts(self, nodes: tuple[str, ...]) -> dict[str, Any]:
        """Node -> how many passed, how many failed for which reason, and the share that passed."""
        return {node: self._counts(node) for node in nodes}

    def _counts(self, node: str) -> dict[str, Any]:
        failed = self.failed.get(node, Counter())
        total = self.passed[node] + failed.total()
        return {
            "passed": self.passed[node],
            "failed": dict(sorted(failed.items())),
            "pass_rate": round(self.passed[node] / total, 4) if total else None,
        }


def _by_rules(path: Path, tally: NodeTally, out: StageWriter) -> Iterator[Chain]:
    """The chains that no rule leaves out."""
    for chain in read_chains(path):
        record = chain.record
        faults = node_faults(record.reference, record.history, record.language)
        for node, fault in faults.items():
            tally.add(node, fault)
        found = [f"{node}, {fault}" for node, fault in faults.items() if fault is not None]
        if found:
            out.reject(record.id, f"{found[0]}: {'; '.join(found[1:])}" if found[1:] else found[0], chain.row())
        else:
            yield chain


def _check(
    work: Workspace, out: StageWriter, config: CareDataConfig, chains: Iterator[Chain], add: Add
) -> dict[str, Any]:
    """Has the model check the chains, and returns its counts. What it gives no verdict on doesn't stay."""
    asker, tally = StageModel(work, NAME, config.checker, tries=config.tries), NodeTally()
    answers = asker.ask(
        chains,
        check_messages,
        lambda _, text: parse_verdicts(text),
        title=f"coherence, {config.checker}",
        total=work.rows("chains", CHAINS),
    )
    for chain, answer in answers:
        if isinstance(answer, SetAside):
            out.reject(chain.record.id, f"{NO_VERDICT}: {answer.reason}", chain.row() | {"text": answer.text})
            continue
        for node, passes in answer.value.items():
            tally.add(node, None if passes else BY_MODEL)
        failed = [node for node, passes in answer.value.items() if not passes]
        if failed:
            out.reject(chain.record.id, f"{BY_MODEL}: {', '.join(failed)}", chain.row())
        else:
            add(chain, asker.provenance(task_prompt(PROMPT, chain.record.language), answer.draw))
    return {"checker": tally.counts(JUDGED), "models": {config.checker: asker.counts()}}
