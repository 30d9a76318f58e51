"""The documentation holds: it builds, its links and paths lead somewhere, its commands are accepted and run."""

import ast
import dataclasses
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_blocks import PAGES, ROOT, blocks, commands, furnish, name_of, run_block, write_files

from compeer_jax.cli.main import parsed

sys.path.insert(0, str(ROOT / "docs"))
import generate

by_name = pytest.mark.parametrize("page", PAGES, ids=name_of)
TOLD = [page for page in PAGES if "results" not in page.parts]
"""Pages whose blocks are run. Those of results are measurements of hours; they are parsed."""

FEWER = {  # the first that a command begins with
    "sft --config configs/tiny_sft.yaml --output": ["--steps", "2", "--eval_every", "0"],
    "sft": [
        "--steps",
        "160",
        "--eval_every",
        "0",
    ],  # enough to keep the format now and then, or GRPO has nothing to learn
    "reward train --config configs/tiny_reward.yaml --kind": ["--steps", "2", "--eval_every", "0"],
    "reward train": ["--steps", "100", "--eval_every", "0"],
    "reward eval": ["--limit", "4"],
    "grpo --config configs/tiny_grpo.yaml --config": ["--steps", "2", "--prompts_per_step", "4"],
    "grpo": ["--steps", "3", "--prompts_per_step", "4"],
    "eval --": ["--records", "4", "--group_size", "2"],
    "eval crisis": ["--resamples", "20"],
}


@pytest.mark.long
def test_the_site_builds_strictly(tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    page = (tmp_path / "site/reference/commands/grpo/index.html").read_text(encoding="utf-8")
    assert "loss.clip_low" in page
    for package in generate.PACKAGES:
        page = (tmp_path / f"site/reference/api/{package}/index.html").read_text(encoding="utf-8")
        for name in getattr(importlib.import_module(f"compeer_jax.{package}"), "__all__", ()):
            assert re.search(rf'id="compeer_jax\.[\w.]*\b{name}"', page), f"compeer_jax.{package} shows no {name}"


def test_every_setting_of_every_command_is_explained():
    for path, text in generate.pages():
        if path.startswith("reference/commands/"):
            unexplained = re.findall(r"^\| `(\S+)` \| `[^|]*\|[^|]*\|  \|$", text, re.M)
            assert not unexplained, f"{path}: no meaning in the docstring of {unexplained}"


def test_pages_are_short():
    lengths = {name_of(page): page.read_text(encoding="utf-8").count("\n") for page in PAGES}
    lengths |= {path: text.count("\n") for path, text in generate.pages() if path != "changelog.md"}
    assert lengths["README.md"] <= 180
    assert not {name: length for name, length in lengths.items() if length > 250}


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them; MkDocs checks its own."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@by_name
def test_links_lead_somewhere(page):
    made = {path for path, _ in generate.pages()}
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text)
    for target in (one or other for one, other in targets):
        if target.startswith(("http", "mailto")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if file.is_relative_to(ROOT / "docs") and file.relative_to(ROOT / "docs").as_posix() in made:
            continue
        assert file.is_file(), f"{name_of(page)}: {target}"
        assert not anchor or anchor in anchors(file), f"{name_of(page)}: {target}"


@by_name
def test_paths_and_names_in_the_repository_exist(page):
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:compeer_jax|configs|docs|notebooks|scripts|tests)/[\w./*-]*)`", text):
        assert list(ROOT.glob(path.rstrip("/"))), f"{name_of(page)}: there is no {path}"
    rooms = "|".join(path.name for path in (ROOT / "compeer_jax").iterdir() if path.is_dir())
    for path in re.findall(rf"`((?:{rooms})/[\w./*-]*\.(?:py|yaml|md))`", text):
        assert list((ROOT / "compeer_jax").glob(path)), f"{name_of(page)}: there is no {path} in compeer_jax/"
    for dotted in re.findall(r"\b(compeer_jax(?:\.\w+)+)\b", text):
        if not dotted.endswith((".py", ".egg")):
            pkgutil.resolve_name(dotted)


OTHERS = {"data.train_batch_size", "data.max_response_length", "model.enable_gradient_checkpointing"}
OTHERS |= {"model.use_remove_padding", "model.safetensors"}  # of verl, and a file
OTHERS |= {"model.visual", "model.language_model"}  # of tensors


@by_name
def test_settings_that_are_named_exist(page):
    """Such as `loss.clip_low`: what begins with the name of a group of settings is a setting of some command."""
    known = {
        prefix + field.name
        for config_class, _ in generate.configs().values()
        for prefix, group, _ in generate.groups(config_class)
        for field in dataclasses.fields(group)
    }
    groups = {name.partition(".")[0] for name in known if "." in name}
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    named = re.findall(r"`(?:--)?([a-z_]+(?:\.[a-z_]+)+)(?:\.\*|[:= ][^`]*)?`", text)
    files = (".md", ".py", ".yaml", ".json", ".jsonl", ".csv", ".png")
    for name in named:
        if name.partition(".")[0] in groups and name not in OTHERS and not name.endswith(files):
            assert name in known or any(other.startswith(f"{name}.") for other in known), f"{name_of(page)}: {name}"


@by_name
def test_commands_are_accepted(page, tmp_path, monkeypatch):
    """Every command line of every shell block, whether it can be run here or not, is read by its own parser."""
    furnish(tmp_path)
    write_files(page, tmp_path)
    monkeypatch.chdir(tmp_path)
    for block in blocks(page):
        for command, *words in commands(block.text, tmp_path):
            if command == "compeer":
                parsed(words[2:] if words[:2] == ["config", "show"] else words)
            elif command in ("bash", "python"):
                files = words[2:] if words[0] == "-m" else words[:1]
                assert all(Path(file).exists() for file in files if not file.startswith("-")), words


@by_name
def test_python_blocks_import_what_exists(page):
    for block in blocks(page, "python"):
        tree = ast.parse(block.text)
        tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(tree, name_of(page), "exec"), {})


@pytest.mark.parametrize("page", [page for page in TOLD if any(not block.mark for block in blocks(page))], ids=name_of)
def test_blocks_run(page, tmp_path):
    """Blocks without a mark, in their order."""
    furnish(tmp_path)
    write_files(page, tmp_path)
    for block in blocks(page):
        if not block.mark:
            run_block(block.text, tmp_path, FEWER)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """A folder in which the long blocks of docs/start.md have been run: a small model after SFT, a judge, and GRPO."""
    folder = tmp_path_factory.mktemp("workshop")
    furnish(folder)
    for block in blocks(ROOT / "docs/start.md"):
        if block.mark == "long":
            run_block(block.text, folder, FEWER)
    return folder


LONG = [page for page in TOLD if any(block.mark == "long" for block in blocks(page)) and page.name != "start.md"]


@pytest.mark.long
@pytest.mark.timeout(2700)  # the first of them trains the small model
@pytest.mark.parametrize("page", LONG, ids=name_of)
def test_long_blocks_run(page, workshop):
    """Blocks that train or evaluate the small model of docs/start.md, in their order."""
    write_files(page, workshop)
    for block in blocks(page):
        if block.mark == "long":
            run_block(block.text, workshop, FEWER)


@pytest.mark.long
@pytest.mark.timeout(2700)
def test_scripts_have_the_options_that_pages_name(tmp_path):
    furnish(tmp_path)
    options: dict[str, set[str]] = {}
    for page in PAGES:
        for block in blocks(page):
            for command, *words in commands(block.text, tmp_path):
                if command == "python" and words[0].startswith("scripts/"):
                    options.setdefault(words[0], set()).update(word for word in words if word.startswith("--"))
    for script, named in options.items():
        told = subprocess.run([sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
        assert not [option for option in named if option not in told.stdout], script


@pytest.mark.long
@pytest.mark.timeout(2700)
def test_every_metric_of_a_run_is_explained(workshop):
    known = set(re.findall(r"`([\w/]+)`", (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")))
    for run in ("sft", "reward", "grpo"):
        for line in (workshop / "runs/tiny" / run / "metrics.jsonl").read_text().splitlines():
            names = {re.sub(r"^rewards/\w+/mean$", "rewards/PART/mean", name) for name in json.loads(line)}
            assert names - {"step"} <= known, f"{run}: {names - known}"
