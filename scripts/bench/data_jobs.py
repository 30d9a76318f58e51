"""The jobs that `data.py` times, ours and the peers', each run in a process of its own. See there.
from compeer_jax.structure import structured

A job takes the folder of a corpus, with source.jsonl and what the pipeline's stages made of it, and an empty folder.
In texts.jsonl are the seekers' own summaries, in place of descriptions of speakers, which a chat model would write.
It writes what it makes, or returns it, and is asked by `data.py` for how long that takes.
"""

import argparse
import gc
import json
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np

SOURCE = "source.jsonl"
TEXTS = "texts.jsonl"
SPEAKERS = {"seeker": "usr", "supporter": "sys"}
CHANGED, BARELY_CHANGED = 0.2, 0.01  # shares of words that are replaced in a copy
NEARLY_SAME = 50  # each such dialogue of a copy is barely changed
SIMILARITY, PERMUTATIONS, ROUNDS, MOST_CLUSTERS, SEED = 0.8, 128, 2, 16, 0


def rows_of(path: Path) -> Iterator[dict]:
    """A plain reader, for what isn't timed and for peers."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


# The corpus


def make_corpus(original: Path, count: int, texts: int, target: Path) -> None:
    """ESConv's dialogues, over and over, varied by the seed and the number of the dialogue alone."""
    dialogues = json.loads(original.read_text(encoding="utf-8"))
    words = [word for row in dialogues for utterance in row["dialog"] for word in utterance["content"].split()]
    target.mkdir()
    with (
        (target / SOURCE).open("w", encoding="utf-8") as file,
        (target / TEXTS).open("w", encoding="utf-8") as summaries,
    ):
        for number in range(count):
            copy, row = divmod(number, len(dialogues))
            share = BARELY_CHANGED if number % NEARLY_SAME == 0 else CHANGED
            rng = np.random.default_rng([SEED, number])
            told = _copied(dialogues[row], words, rng, share if copy else 0)
            file.write(json.dumps(told, ensure_ascii=False) + "\n")
            if number < texts:
                summaries.write(json.dumps({"text": told["situation"]}, ensure_ascii=False) + "\n")


def _copied(row: dict, words: list[str], rng: np.random.Generator, share: float) -> dict:
    """A dialogue in the form of a public copy, some of its words replaced."""

    def varied(text: str) -> str:
        if not share:
            return text
        parts = text.split()
        for place in np.flatnonzero(rng.random(len(parts)) < share):
            parts[place] = words[rng.integers(len(words))]
        return " ".join(parts)

    return {
        "emotion_type": row["emotion_type"],
        "problem_type": row["problem_type"],
        "situation": varied(row["situation"]),
        "dialog": [
            {
                "speaker": SPEAKERS[utterance["speaker"]],
                "text": varied(utterance["content"]),
                "strategy": utterance["annotation"].get("strategy"),
            }
            for utterance in row["dialog"]
        ],
    }


# Ours


def stage(name: str) -> Callable[[Path, Path], None]:
    """A stage of the pipeline as `compeer data` runs it, on what the stages before it have made."""

    def run(inputs: Path, out: Path) -> None:
        from compeer_jax.curation import STAGES
        from compeer_jax.curation.config import BuildConfig, FilterConfig, RoundsConfig
        from compeer_jax.curation.pipeline import build
        from compeer_jax.data.corpora.config import CorpusConfig

        for earlier in STAGES:
            if earlier != name and (inputs / earlier).is_dir():
                (out / earlier).symlink_to(inputs / earlier)
        config = BuildConfig(
            output=str(out),
            corpora=[CorpusConfig(str(inputs / SOURCE), form="esconv")],
            licences="all",
            filter=FilterConfig(similarity=SIMILARITY, permutations=PERMUTATIONS),
            rounds=RoundsConfig(ROUNDS),
            seed=SEED,
        )
        build(config, say=lambda line: None, stages=(name,), again=True)

    return run


def our_near_duplicates(inputs: Path, out: Path) -> list[str]:
    from compeer_jax.curation.filter.near_duplicates import NearDuplicates, shingles
    from compeer_jax.dialogue.schema import Dialogue

    said = NearDuplicates(SIMILARITY, PERMUTATIONS)
    dialogues = (Dialogue.from_json(row, "here") for row in rows_of(inputs / "privacy/dialogues.jsonl"))
    return [one.id for one in dialogues if said.earlier(one.id, shingles(one.turns, one.language)) is None]


def our_splits(inputs: Path, out: Path) -> dict[str, str]:
    from compeer_jax.curation.cer.split import SplitKey, split_records, talk_key
    from compeer_jax.curation.rounds.rows import Round

    rounds = (structured(Round, row, "here") for row in rows_of(inputs / "rounds/rounds.jsonl"))
    keys = (SplitKey(one.dialogue, one.source, one.language, talk_key(one.history)) for one in rounds)
    return split_records(keys, valid=0.05, test=0.05, seed=SEED)


def our_clusters(inputs: Path, out: Path) -> list[float]:
    from compeer_jax.curation.personality.clusters import cluster
    from compeer_jax.curation.personality.likeness import ngram_embedder

    texts = [row["text"] for row in rows_of(inputs / TEXTS)]
    return list(cluster(ngram_embedder(texts, "en")(texts), most=MOST_CLUSTERS, seed=SEED).sse)


# Peers


def hugging_face(inputs: Path, out: Path):
    """The rows of a file in Arrow, read by `datasets`; its files lie beside what is made of them."""
    import datasets

    datasets.disable_progress_bars()
    return datasets.load_dataset("json", data_files=str(inputs), split="train", cache_dir=str(out / "cache"))


def peer_read(inputs: Path, out: Path) -> None:
    def merged(row: dict, index: int) -> dict:
        turns: list[dict] = []
        for utterance in row["dialog"]:
            role = "seeker" if utterance["speaker"] == "usr" else "supporter"
            text = utterance["text"].strip()
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += "\n" + text
                turns[-1]["strategy"] = utterance["strategy"] or turns[-1]["strategy"]
            else:
                turns.append({"role": role, "content": text, "strategy": utterance["strategy"]})
        return {"id": f"esconv-{index:04d}", "language": "en", "source": "esconv", "turns": turns}

    rows = hugging_face(inputs / SOURCE, out)
    rows.map(merged, with_indices=True, remove_columns=["dialog"]).to_json(out / "peer.jsonl", force_ascii=False)


def peer_privacy(inputs: Path, out: Path) -> None:
    from compeer_jax.curation.privacy.masking import mask

    def masked(row: dict) -> dict:
        turns = [turn | {"content": mask(turn["content"], "en")[0]} for turn in row["turns"]]
        return {"situation": mask(row["situation"], "en")[0], "turns": turns}

    hugging_face(inputs / "corpora/dialogues.jsonl", out).map(masked).to_json(out / "peer.jsonl", force_ascii=False)


def peer_near_duplicates(inputs: Path, out: Path) -> list[str]:
    from datasketch import MinHash, MinHashLSH

    index, kept = MinHashLSH(threshold=SIMILARITY, num_perm=PERMUTATIONS), []
    for row in rows_of(inputs / "privacy/dialogues.jsonl"):
        words = re.findall(r"\w+", " ".join(turn["content"] for turn in row["turns"]).lower())
        hashes = MinHash(num_perm=PERMUTATIONS)
        for shingle in {" ".join(words[start : start + 3]) for start in range(len(words) - 2)}:
            hashes.update(shingle.encode())
        if not index.query(hashes):
            index.insert(row["id"], hashes)
            kept.append(row["id"])
    return kept


def peer_rounds(inputs: Path, out: Path) -> None:
    def drawn(batch: dict) -> dict:
        made: dict[str, list] = {"id": [], "history": [], "response": []}
        for id, turns in zip(batch["id"], batch["turns"], strict=True):
            places = [
                place
                for place in range(1, len(turns))
                if turns[place]["role"] == "supporter" and turns[place - 1]["role"] == "seeker"
            ]
            if not places:
                continue
            number = np.arange(1, len(places) + 1)
            weights = np.exp(-(((number - len(places) / 2) / (len(places) / 4)) ** 2) / 2)
            chosen = rng.choice(len(places), min(ROUNDS, len(places)), replace=False, p=weights / weights.sum())
            for place in sorted(places[index] for index in chosen):
                made["id"].append(f"{id}#{place}")
                made["history"].append(turns[:place])
                made["response"].append(turns[place]["content"])
        return made

    rng = np.random.default_rng(SEED)
    rows = hugging_face(inputs / "filter/dialogues.jsonl", out)
    rows.map(drawn, batched=True, remove_columns=rows.column_names).to_json(out / "peer.jsonl", force_ascii=False)


def peer_clusters(inputs: Path, out: Path) -> list[float]:
    from sklearn.cluster import KMeans
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [row["text"] for row in rows_of(inputs / TEXTS)]
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True).fit_transform(texts)
    numbers = range(1, MOST_CLUSTERS + 1)
    return [float(KMeans(k, n_init=5, random_state=SEED).fit(vectors).inertia_) for k in numbers]


def peer_splits(inputs: Path, out: Path) -> dict[str, str]:
    from sklearn.model_selection import StratifiedGroupKFold

    rows = [(row["dialogue"], f"{row['source']}/{row['language']}") for row in rows_of(inputs / "rounds/rounds.jsonl")]
    groups, strata = (np.array(column) for column in zip(*rows, strict=True))
    folds = StratifiedGroupKFold(20, shuffle=True, random_state=SEED).split(groups, strata, groups)
    split = dict.fromkeys(groups.tolist(), "train")
    for name, (_, held) in zip(("valid", "test"), islice(folds, 2), strict=True):
        split |= dict.fromkeys(groups[held].tolist(), name)
    return split


# Each job


@dataclass(frozen=True)
class Job:
    """A job of ours, and a peer's.

    Attributes:
        reads: the file whose rows are the items.
        ours: does it.
        peer: does it another way, if there is one.
        name: what the peer is, or why there is none.
        made: what was made, in a form in which ours and the peer's are the same; None where they need not be.
        size: else, what is shown of each.
    """

    reads: str
    ours: Callable[[Path, Path], object]
    peer: Callable[[Path, Path], object] | None = None
    name: str = ""
    made: Callable[[Path, object], object] | None = None
    size: Callable[[Path, object], object] | None = None


def said(out: Path, result: object) -> list:
    """Role, words and strategy of every turn that was written."""
    rows = rows_of(next(path for path in (*out.glob("[cp]*/dialogues.jsonl"), out / "peer.jsonl") if made_here(path)))
    return [[(turn["role"], turn["content"], turn.get("strategy")) for turn in row["turns"]] for row in rows]


def made_here(path: Path) -> bool:
    return path.is_file() and not path.parent.is_symlink()


def rounds_made(out: Path, result: object) -> int:
    path = out / "rounds/rounds.jsonl"
    return sum(1 for _ in rows_of(path if path.is_file() else out / "peer.jsonl"))


def split_sizes(out: Path, result: object) -> dict[str, int]:
    return dict(Counter(sorted(result.values())))


JOBS = {
    "read": Job(SOURCE, stage("corpora"), peer_read, "`datasets`: load_dataset, map, to_json", said),
    "privacy": Job(
        "corpora/dialogues.jsonl",
        stage("privacy"),
        peer_privacy,
        "`datasets`: load_dataset, map of our `mask`, to_json",
        said,
    ),
    "near_duplicates": Job(
        "privacy/dialogues.jsonl",
        our_near_duplicates,
        peer_near_duplicates,
        "datasketch, a shingle at a time",
        size=lambda out, kept: f"{len(kept)} kept",
    ),
    "filter": Job("privacy/dialogues.jsonl", stage("filter"), name="(none: rules of ours, and near-duplicates)"),
    "rounds": Job(
        "filter/dialogues.jsonl",
        stage("rounds"),
        peer_rounds,
        "`datasets`: load_dataset, map with NumPy, to_json",
        size=lambda out, result: f"{rounds_made(out, result)} rounds",
    ),
    "clusters": Job(
        TEXTS,
        our_clusters,
        peer_clusters,
        "scikit-learn: TfidfVectorizer, KMeans on all cores",
        size=lambda out, sse: f"SSE with {len(sse)} clusters {sse[-1] / sse[0]:.3f} of that with one",
    ),
    "splits": Job(
        "rounds/rounds.jsonl",
        our_splits,
        peer_splits,
        "scikit-learn: StratifiedGroupKFold",
        size=lambda out, split: f"dialogues {split_sizes(out, split)}",
    ),
}


def time_job(name: str, side: str, warm: Path, inputs: Path, scratch: Path) -> dict:
    """Seconds and items of one job after a warm-up, and the peak of this process's memory."""
    job = JOBS[name]
    run = job.ours if side == "ours" else job.peer
    for folder in ("warm", "out"):
        (scratch / folder).mkdir()
    run(warm, scratch / "warm")
    gc.collect()
    start = time.perf_counter()
    run(inputs, scratch / "out")
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    items = sum(1 for _ in rows_of(inputs / job.reads))
    return {"seconds": round(seconds, 4), "peak_mb": round(peak, 1), "items": items}


def compare(names: list[str], inputs: Path, scratch: Path) -> dict:
    """What ours and the peers make of a few dialogues; it stops where that must be the same and is not."""
    said = []
    for name in names:
        job = JOBS[name]
        if job.peer is None:
            continue
        shown = []
        for side, run in (("ours", job.ours), ("peer", job.peer)):
            out = scratch / name / side
            out.mkdir(parents=True)
            result = run(inputs, out)
            shown.append(job.made(out, result) if job.made else job.size(out, result))
        if job.made and shown[0] != shown[1]:
            sys.exit(f"{name}: ours and the peer's differ.")
        said.append(f"{name}: " + ("the same from both." if job.made else f"ours {shown[0]}; the peer's {shown[1]}."))
    versions = ", ".join(f"{name} {version(name)}" for name in ("datasets", "datasketch", "scikit-learn", "numpy"))
    return {
        "compared": said,
        "versions": versions,
        "peers": {name: job.name for name, job in JOBS.items()},
        "with_peer": [name for name, job in JOBS.items() if job.peer],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    make = what.add_parser("make")
    make.add_argument("original", type=Path)
    make.add_argument("count", type=int)
    make.add_argument("texts", type=int)
    make.add_argument("target", type=Path)
    timed = what.add_parser("time")
    timed.add_argument("job", choices=JOBS)
    timed.add_argument("side", choices=("ours", "peer"))
    for name in ("warm", "inputs", "scratch"):
        timed.add_argument(name, type=Path)
    compared = what.add_parser("compare")
    for name in ("inputs", "scratch"):
        compared.add_argument(name, type=Path)
    compared.add_argument("jobs", nargs="+", choices=JOBS)
    options = parser.parse_args()
    result: dict = {}
    if options.what == "make":
        make_corpus(options.original, options.count, options.texts, options.target)
    elif options.what == "time":
        result = time_job(options.job, options.side, options.warm, options.inputs, options.scratch)
    else:
        result = compare(options.jobs, options.inputs, options.scratch)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
