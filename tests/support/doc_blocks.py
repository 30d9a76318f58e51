"""The shell blocks of the documentation: found, spelt out into commands by bash itself, and run."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
STUBBED = ("bash", "compeer", "kubectl", "mkdocs", "mpirun", "pip", "pre-commit", "python", "sbatch", "unzip")

BLOCK = re.compile(r"(?:^<!-- test: (?P<mark>.*?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """A fenced block, and what the comment before it says: "long", "needs …", or nothing."""

    mark: str
    language: str
    text: str


def blocks(page: Path, language: str = "bash") -> list[Block]:
    found = (Block(m["mark"] or "", m["language"], m["text"]) for m in BLOCK.finditer(page.read_text(encoding="utf-8")))
    return [block for block in found if block.language == language]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def furnish(folder: Path) -> None:
    """What a reader's folder has: the repository's files, and ESConv.json, of bundled dialogues in ESConv's form."""
    for name in ("configs", "scripts", "tests", "notebooks", "docs", "compeer_jax"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").touch()
    rows = [
        json.loads(line)
        for line in (ROOT / "compeer_jax/data/sample/en.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    corpus = [
        {name: row[name] for name in ("emotion_type", "problem_type", "situation") if name in row}
        | {
            "dialog": [
                {
                    "speaker": turn["role"],
                    "annotation": {"strategy": turn["strategy"]} if "strategy" in turn else {},
                    "content": turn["content"],
                }
                for turn in row["turns"]
            ]
        }
        for row in rows
    ]
    (folder / "ESConv.json").write_text(json.dumps(corpus), encoding="utf-8")


def write_files(page: Path, folder: Path) -> None:
    """Blocks that begin with the name of a file in a comment are that file."""
    for language in ("yaml", "python"):
        for block in blocks(page, language):
            if match := re.match(r"# (\w+\.(?:yaml|py))\n", block.text):
                (folder / match[1]).write_text(block.text, encoding="utf-8")


def commands(text: str, folder: Path) -> Iterator[list[str]]:
    """The commands of a block, as bash makes them of loops, quotes and continued lines; none of them is run."""
    stubs, log = folder / "stubs", folder / "commands"
    stubs.mkdir(exist_ok=True)
    for name in STUBBED:
        executable(
            stubs / name,  # one write a command, as some run at the same time
            f'#!/bin/sh\nprintf \'%s\\036\' "$(printf \'%s\\037\' {name} "$@")" >> "$COMMANDS"\n',
        )
    log.write_text("")
    environment = {"PATH": f"{stubs}:/usr/bin:/bin", "COMMANDS": str(log), "HOME": str(folder)}
    subprocess.run(["/bin/bash", "-euc", text + "\nwait"], cwd=folder, env=environment, check=True, timeout=60)
    for command in log.read_text(encoding="utf-8").split("\036")[:-1]:
        yield command.split("\037")[:-1]


def run_block(text: str, folder: Path, fewer: dict[str, Sequence[str]]) -> None:
    """Runs a block as it stands, but that a command takes the options of `fewer` besides, such as fewer steps."""
    stubs = folder / "runners"
    stubs.mkdir(exist_ok=True)
    cases = "".join(f'"{name}"*) set -- "$@" {" ".join(options)};;\n' for name, options in fewer.items())
    executable(
        stubs / "compeer", f'#!/bin/sh\ncase "$*" in\n{cases}esac\nexec {sys.executable} -m compeer_jax.cli.main "$@"\n'
    )
    executable(stubs / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    executable(stubs / "pip", "#!/bin/sh\n")
    environment = os.environ | {
        "PATH": f"{stubs}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
    }
    done = subprocess.run(
        ["/bin/bash", "-euc", text + "\nwait"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout[-1000:]}\n{done.stderr[-1000:]}"


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
