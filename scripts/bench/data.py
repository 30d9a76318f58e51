"""How fast the data pipeline's local stages are, and what memory they take, each beside a peer that does the same.

    python scripts/bench/data.py ESConv.json [--dialogues 100000] [--small 5000] [--repeats 5] [--texts 5000]

The corpus is ESConv repeated: in each copy, one word in five is replaced by a word drawn from the corpus, so that
copies are no near-duplicates, but for every fiftieth dialogue, where one word in a hundred is. It is written in JSON
lines, as a well-known public copy of ESConv is.

Each measurement is a process of its own, which first does the job on a few dialogues, and then on all, once, against
the clock. What is counted is from file to file, or from a file's rows where a job ends in memory; imports are not. The
peak is that of the whole process, imports and pages of memory-mapped files (`datasets`) too. Ours and the peer take
turns; medians are shown. At the full size, each is timed `--full-repeats` times. What both make of a few dialogues is
compared before any clock starts. The full size needs several GB of disk.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

JOBS = ("read", "privacy", "near_duplicates", "filter", "rounds", "clusters", "splits")
STAGES = {"read": "corpora", "privacy": "privacy", "filter": "filter", "rounds": "rounds"}
WARM = 130  # dialogues that a job is warmed up on
GROWTH = 100  # bytes an item that still count as constant memory; a dialogue's row has about 4,000
CHILD = Path(__file__).with_name("data_jobs.py")


def run_child(*arguments: object) -> dict:
    """What a process of its own says; it ends this one if it fails."""
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, str(CHILD), *map(str, arguments)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(job: str, side: str, folder: Path, size: int) -> dict:
    """One measurement. What a stage of ours makes for the first time is kept, for the stages after it."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        result = run_child("time", job, side, folder / str(WARM), folder / str(size), scratch)
        made = Path(scratch, "out", STAGES.get(job, ""))
        kept = folder / str(size) / made.name
        if side == "ours" and job in STAGES and not kept.exists():
            shutil.move(made, kept)
    return result


def table(results: dict, peers: dict[str, str]) -> list[str]:
    """The rows of a Markdown table."""
    lines = [
        "| job | items | ours, items/s | peer, items/s | speed, ours / peer | ours, peak MB | peer, peak MB | peer |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (job, _), sides in results.items():
        rate, peak = {}, {}
        for side, runs in sides.items():
            rate[side] = statistics.median(run["items"] / run["seconds"] for run in runs)
            peak[side] = statistics.median(run["peak_mb"] for run in runs)
        items = sides["ours"][0]["items"]
        if "peer" in sides:
            ratio = f"{rate['ours'] / rate['peer']:.2f}"
            cells = [f"{rate['peer']:,.0f}", ratio, f"{peak['ours']:,.0f}", f"{peak['peer']:,.0f}", peers[job]]
        else:
            cells = ["", "", f"{peak['ours']:,.0f}", "", peers[job]]
        lines.append(f"| {job} | {items:,} | {rate['ours']:,.0f} | " + " | ".join(cells) + " |")
    return lines


def growth(results: dict, job: str) -> str:
    """Whether the memory of ours grows with what there is to do."""
    peaks: dict[int, list[float]] = defaultdict(list)
    for (name, _), sides in results.items():
        if name == job:
            for run in sides["ours"]:
                peaks[run["items"]].append(run["peak_mb"])
    if len(peaks) < 2:
        return f"{job}: measured at one size."
    (few, before), (many, after) = [(items, statistics.median(peaks[items])) for items in sorted(peaks)]
    each = (after - before) * 1e6 / (many - few)
    verdict = "constant" if each < GROWTH else "grows"
    return f"{job}: {before:,.0f} MB for {few:,}, {after:,.0f} MB for {many:,}, {each:,.0f} bytes an item: {verdict}."


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = [line.partition(":")[2].strip() for line in cpu_lines() if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def cpu_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="ESConv.json in its own form")
    parser.add_argument("--dialogues", type=int, default=100_000, help="the full size")
    parser.add_argument("--small", type=int, default=5_000, help="the size that is timed several times")
    parser.add_argument("--repeats", type=int, default=5, help="at the small size")
    parser.add_argument("--full-repeats", type=int, default=1, help="at the full size")
    parser.add_argument("--texts", type=int, default=2_000, help="most texts that are clustered")
    parser.add_argument("--peer-most", type=int, default=100_000, help="peers are measured up to this size")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=JOBS)
    parser.add_argument("--folder", help="where the corpora are put for the time; by default where temporary files are")
    options = parser.parse_args()

    sizes = {WARM: 0, options.small: options.repeats, options.dialogues: options.full_repeats}
    results: dict = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        for size in sizes:
            run_child("make", options.corpus, size, options.texts, folder / str(size))
        for stage in STAGES:  # what comes before each job, on a few dialogues
            measure(stage, "ours", folder, WARM)
        described = run_child("compare", folder / str(WARM), folder / "compared", *options.jobs)
        print(f"{machine()}; {described['versions']}")
        for line in described["compared"]:
            print(line)
        for size, repeats in list(sizes.items())[1:]:
            for job in JOBS:
                if job in options.jobs:
                    sides = (
                        ("ours", "peer") if job in described["with_peer"] and size <= options.peer_most else ("ours",)
                    )
                    times = repeats
                else:  # a stage that a later job reads from is run nevertheless
                    sides = ("ours",) if job in STAGES else ()
                    times = 1
                for side in sides * times:
                    result = measure(job, side, folder, size)
                    if job in options.jobs:
                        results[job, size][side].append(result)
                        print(f"{job}, {side}, {size:,}: {result}", file=sys.stderr, flush=True)
        print("\n" + "\n".join(table(results, described["peers"])) + "\n")
        for job in options.jobs:
            print(growth(results, job))


if __name__ == "__main__":
    main()
