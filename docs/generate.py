"""MkDocs hook: the pages that are made from the code and from the files at the top of the repository.

`reference/commands.md` and a page for each command come from the parsers' own dataclasses and docstrings, so they can't
go stale; `reference/api/` from the names that the public packages export; the home page is the README.
"""

import dataclasses
import importlib
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIED = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
COPIED |= {"security.md": "SECURITY.md"}
PACKAGES = ("rl", "models", "rewards", "generation", "dialogue", "data")


def on_config(config):
    """Adds the generated pages of the reference to the navigation."""
    sections = {name: entries for entry in config.nav for name, entries in entry.items()}
    commands = [{name: f"reference/commands/{slug(name)}.md"} for name in configs()]
    sections["Reference"].append({"Settings": commands})
    sections["Reference"].append({"API": [{f"compeer_jax.{name}": f"reference/api/{name}.md"} for name in PACKAGES]})
    return config


def on_files(files, config):
    """Adds the generated pages themselves."""
    from mkdocs.structure.files import File

    for path, content in pages():
        files.append(File.generated(config, path, content=content))
    return files


def pages() -> Iterator[tuple[str, str]]:
    """Path within the site and Markdown of every generated page."""
    for path, source in COPIED.items():
        yield path, within_site((ROOT / source).read_text(encoding="utf-8"))
    yield "reference/commands.md", commands_page()
    for name, (config_class, description) in configs().items():
        yield f"reference/commands/{slug(name)}.md", settings_page(name, config_class, description)
    for name in PACKAGES:
        yield f"reference/api/{name}.md", api_page(name)


def within_site(text: str) -> str:
    """A file of the repository's top as a page: its links lead within the site."""
    text = text.replace("](docs/", "](").replace('"docs/', '"')
    for path, source in COPIED.items():
        text = text.replace(f"]({source}", f"]({path}")
    return text


def slug(command: str) -> str:
    return command.replace(" ", "-")


def configs() -> Mapping[str, tuple[type, str]]:
    """Of every command that has settings: their dataclass, and what the command does."""
    from compeer_jax.cli.commands import commands
    from compeer_jax.curation import STAGES

    stages = {f"data {stage}" for stage in STAGES}  # which have the settings of "data build"
    return {name: (command.config_class(), command.description) for name, command in commands() if name not in stages}


def commands_page() -> str:
    """All commands, as `compeer --help` and `compeer COMMAND --help` list them."""
    from compeer_jax.cli.commands import COMMANDS, CONFIG_SUMMARY, Group

    lines = ["# Commands", "", "Made from the code. A command's name leads to its settings.", ""]
    lines += ["`compeer COMMAND [ACTION] [--config FILE.yaml] [--key value ...]`", ""]
    lines += ["| command | what it does |", "| --- | --- |"]
    settings = configs()
    for name, entry in COMMANDS.items():
        lines.append(f"| {linked(name, settings)} | {cell(entry.summary)} |")
        lines += [
            f"| {linked(f'{name} {action}', settings)} | {cell(command.summary)} |"
            for action, command in (entry.actions.items() if isinstance(entry, Group) else ())
        ]
    lines.append(f"| `compeer config show` | {cell(CONFIG_SUMMARY)} |")
    return "\n".join(lines) + "\n"


def linked(name: str, settings: Mapping) -> str:
    return f"[`compeer {name}`](commands/{slug(name)}.md)" if name in settings else f"`compeer {name}`"


def settings_page(name: str, config_class: type, description: str) -> str:
    """Every key of a command: type, default, meaning. A table for each group of keys, once for those that are alike."""
    lines = [f"# compeer {name}", "", description, ""]
    first: dict[tuple[type, str], str] = {}  # a group, with its defaults -> the prefix under which it is shown
    for prefix, group, where in groups(config_class):
        if first.setdefault((group, repr(where)), prefix) != prefix:
            continue
        meanings = documented(group)
        if prefix:
            lines += [f"## {prefix.rstrip('.')}", ""]
        lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        for field in dataclasses.fields(group):
            if not field.init:
                continue
            key, meaning = f"{prefix}{field.name}", meanings.get(field.name, "")
            if dataclasses.is_dataclass(field.type):
                inner = getattr(where, field.name, None) if where is not None else default_value(field)
                shown = first.setdefault((field.type, repr(inner)), f"{key}.").rstrip(".")
                like = "" if shown == key else f"as {shown}"
                kind, default = f"[group](#{shown.replace('.', '').lower()})", like
                meaning = meaning or paragraph(field.type)
            else:
                kind, default = f"`{type_name(field.type)}`", default_of(field, where)
            lines.append(f"| `{key}` | {cell(kind)} | {cell(default)} | {cell(meaning)} |")
        lines.append("")
    return "\n".join(lines)


def groups(config_class: type, prefix: str = "", where: object = None) -> Iterator[tuple[str, type, object]]:
    """A dataclass and those of its groups, each with the prefix of its keys and the defaults that hold.

    An item of a list or a dictionary has no such instance.
    """
    yield prefix, config_class, where
    for field in dataclasses.fields(config_class):
        kind = field.type
        inner = kind if dataclasses.is_dataclass(kind) else item_of(kind)
        if inner is None or not field.init:
            continue
        value = getattr(where, field.name, None) if where is not None else default_value(field)
        item = "" if inner is kind else f"{field.name}[]." if typing.get_origin(kind) is list else f"{field.name}.NAME."
        yield from groups(inner, prefix + (item or f"{field.name}."), value if inner is kind else None)


def item_of(kind: object) -> type | None:
    """The dataclass of which a list or a dictionary holds items."""
    return next((part for part in typing.get_args(kind) if dataclasses.is_dataclass(part)), None)


def default_value(field: dataclasses.Field) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def default_of(field: dataclasses.Field, where: object) -> str:
    if where is not None:
        value = getattr(where, field.name)
    elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        return "has to be given"
    else:
        value = default_value(field)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (list, tuple, dict)) and not value:
        return "empty"
    return f"`{value}`" if value != "" else "empty"


def type_name(kind: object) -> str:
    """A type as a reader writes it: the words of a Literal, else the name."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return " | ".join(map(str, parts))
    if origin in (typing.Union, types.UnionType):
        return " | ".join("none" if part is type(None) else type_name(part) for part in parts)
    if origin is not None and parts:
        return f"{origin.__name__} of {', '.join(type_name(part) for part in parts if part is not Ellipsis)}"
    return getattr(kind, "__name__", str(kind))


def paragraph(config_class: type) -> str:
    """The first paragraph of a docstring."""
    return " ".join((inspect.getdoc(config_class) or "").split("\n\n")[0].split())


def documented(config_class: type) -> dict[str, str]:
    """What the docstrings of a dataclass and of its bases say of each field, under "Args:"."""
    found: dict[str, str] = {}
    for one in reversed(config_class.__mro__):
        text = inspect.cleandoc(one.__doc__ or "")
        _, _, args = text.partition("Args:\n")
        for match in re.finditer(r"^    (\w+): (.*(?:\n {5,}.*)*)", args, re.M):
            found[match[1]] = " ".join(match[2].split())
    return found


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def api_page(name: str) -> str:
    """The names that a public package exports, each rendered from where it is defined."""
    package = importlib.import_module(f"compeer_jax.{name}")
    lines = [f"# compeer_jax.{name}", "", inspect.getdoc(package) or "", ""]
    lines += [f"Import these names from `compeer_jax.{name}`; each is shown as where it is defined.", ""]
    for export in getattr(package, "__all__", ()):
        lines += [f"::: {defined_at(package, export)}", ""]
    return "\n".join(lines)


def defined_at(package: types.ModuleType, name: str) -> str:
    """The dotted path of an exported name where it is defined: of constants, too, which know no module."""
    value = getattr(package, name)
    module, prefix = getattr(value, "__module__", None), package.__name__ + "."
    if isinstance(module, str) and module.startswith(prefix) and hasattr(value, "__qualname__"):
        return f"{module}.{value.__qualname__}"
    for path in sorted((ROOT / prefix.replace(".", "/")).rglob("*.py")):
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if re.search(rf"^{name}\b.*=", path.read_text(encoding="utf-8"), re.M):
            return f"{dotted}.{name}"
    return f"{prefix}{name}"
