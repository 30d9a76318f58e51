"""What the stages before CER leave behind, written by hand from the bundled dialogues: no model and no person had a
part in it. Labels, preferences and rewrites follow from a hash of the id, so all kinds of records are there."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

from compeer_jax.curation.config import BuildConfig
from compeer_jax.curation.stage import Workspace
from compeer_jax.data.corpora.reading import sample_dialogues
from compeer_jax.data.silver.records import silver_records
from compeer_jax.dialogue.judging import PREFERENCES
from compeer_jax.dialogue.reasoning import COMPEER, ReasoningFormat

SPENT = {"answers": 1200, "prompt_tokens": 1000000, "completion_tokens": 50000, "cost": 1.25}
COUNTS = {
    "corpora": {"sources": {"esconv": {"read": 1300, "rejected": 2, "licence_filtered": 3}}},
    "privacy": {"sources": {"esconv": {"dialogues": 1295, "masked": {"email": 4, "url": 1}}}},
    "filter": {"sources": {"esconv": {"dialogues": 1295, "removed": 259, "removed_share": 0.2}}},
    "rounds": {"sources": {"esconv": {"dialogues": 1036, "rounds": 12000, "sampled": 2072}}},
    "candidates": {"models": {"a": {"spent": SPENT}}},
    "annotation": {"items": {"history": {"True": 30, "False": 10, "excluded": 4, "third": 5, "waiting": 6}}},
}
AGREEMENT = {
    "history": {
        "people": {"items": 40, "annotators": 2, "kappa": 0.512345},
        "counted": {"items": 50, "annotators": 2, "kappa": 0.25},
        "pairs": [{"annotators": ["ann", "model:judge"], "items": 12, "kappa": None}],
    }
}


def chance(*words: object) -> int:
    """A number that follows from the words."""
    return zlib.crc32("/".join(map(str, words)).encode())


def candidate_rows(format: ReasoningFormat = COMPEER, per_dialogue: int = 3, models=("a", "b")) -> list[dict]:
    """Two models' outputs for some rounds of each bundled dialogue."""
    rows = []
    taken: dict[str, int] = {}
    for number, record in enumerate(silver_records(sample_dialogues(), format=format, seed=0, quotes=False)):
        dialogue = record.id.partition("#")[0]
        taken[dialogue] = taken.get(dialogue, 0) + 1
        if taken[dialogue] > per_dialogue:
            continue
        for model in models:
            rows.append(
                {
                    "id": f"{record.id}/{model}",
                    "dialogue": dialogue,
                    "language": record.language,
                    "source": f"sample-{chance(dialogue) % 2}",
                    "licence": "CC0 1.0",
                    "history": [turn.to_json() for turn in record.history],
                    "reference": {"response": record.reference.response, "strategy": "Question"},
                    "round": taken[dialogue],
                    "rounds": 9,
                    "steps": dict(record.reference.steps),
                    "labels": dict(record.reference.labels),
                    "response": f"{record.reference.response} {model} {number}",
                    "provenance": [{"stage": "corpora", "file": "en.jsonl"}, {"stage": "candidates", "model": model}],
                }
            )
    return rows


def round_rows(candidates: list[dict], beside: int = 5) -> list[dict]:
    """The rounds that the candidates answer, each once, and some dialogues' rounds that nobody has answered."""
    own = ("steps", "labels", "response")
    rounds = {row["id"].rpartition("/")[0]: row for row in candidates}
    rows = [{name: value for name, value in row.items() if name not in own} | {"id": id} for id, row in rounds.items()]
    rows = [row | {"provenance": row["provenance"][:1]} for row in rows]
    alone = [{**row, "id": f"alone-{row['id']}", "dialogue": f"alone-{row['dialogue']}"} for row in rows[:beside]]
    return rows + [row | {"history": [*row["history"], *NEXT]} for row in alone]


NEXT = ({"role": "supporter", "content": "And then?"}, {"role": "seeker", "content": "That was all."})


def label_row(candidate: Mapping, *, drafts: bool = False) -> dict:
    """What is agreed on: now and then a step has no label, and there is no preference."""
    tags = list(candidate["steps"])
    kept = [tag for tag in tags if chance(candidate["id"], tag, "kept") % 12]
    row = {
        "id": candidate["id"],
        "labels": {tag: chance(candidate["id"], tag) % 4 > 0 for tag in kept},
        "critiques": {kept[0]: "It fits."} if kept else {},
        "drafts": drafts,
        "provenance": [*candidate["provenance"], {"stage": "annotation", "annotators": ["ann", "ben"]}],
    }
    if chance(candidate["id"], "preferred") % 6:
        row["preference"] = PREFERENCES[chance(candidate["id"], "preference") % 4]
    return row


def rewrite_rows(candidate: Mapping) -> list[dict]:
    """Rewrites without a persona and with one; of some candidates only one of the two."""
    rows = []
    for variant in ("r", "p"):
        if chance(candidate["id"], variant, "lost") % 3:
            turns = [turn | {"content": f"{turn['content']} ({variant})"} for turn in candidate["history"]]
            responses = [candidate["reference"]["response"], candidate["response"]]
            rows.append(
                {
                    "id": candidate["id"],
                    "variant": variant,
                    "history": turns,
                    "responses": [f"{text} ({variant})" for text in responses],
                    "provenance": [{"stage": "personality", "variant": variant}],
                }
            )
    return rows


def earlier_stages(folder: Path, candidates=None, *, labels=None, rewrites=None, **settings) -> Workspace:
    """A pipeline's folder with all stages but the last; rows that are not given are made."""
    candidates = candidate_rows() if candidates is None else candidates
    labels = [label_row(row) for row in candidates] if labels is None else labels
    rewrites = [row for one in candidates for row in rewrite_rows(one)] if rewrites is None else rewrites
    write(folder / "filter" / "dialogues.jsonl", [dialogue.to_json() for dialogue in sample_dialogues()])
    write(folder / "rounds" / "rounds.jsonl", round_rows(candidates))
    write(folder / "candidates" / "candidates.jsonl", candidates)
    write(folder / "annotation" / "labels.jsonl", labels)
    write(folder / "personality" / "rewrites.jsonl", rewrites)
    (folder / "annotation" / "agreement.json").write_text(json.dumps(AGREEMENT))
    for stage in ("corpora", "privacy", "filter", "rounds", "candidates", "annotation", "personality"):
        counts = COUNTS.get(stage, {})
        rejected = {"machine-like": 7, "too short": 9} if stage == "filter" else {}
        settings_of = {"corpora": [{"path": "/home/somebody/talks.jsonl"}], "url": "http://10.0.0.7/v1"}
        card = {
            "settings": settings_of if stage == "corpora" else {},
            "counts": counts,
            "rejected": rejected,
            "outputs": {"dialogues.jsonl": {"rows": 1234}, "rejected.jsonl": {"rows": sum(rejected.values())}},
        }
        (folder / stage).mkdir(exist_ok=True)
        (folder / stage / "stage.json").write_text(json.dumps(card))
    config = BuildConfig(output=str(folder), **settings)
    return Workspace(config, folder, {}, print)


def write(path: Path, rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
