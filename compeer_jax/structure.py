"""JSON values read into typed dataclasses, and written back; every mistake is one sentence that names place and field.

    @dataclass(frozen=True)
    class Case:
        id: Text
        form: Literal["explicit", "hidden"]
        level: Annotated[int, Check(at_least(0))]
        turns: tuple[Text, ...]
        note: str = ""

    case = structured(Case, json.loads(line), "cases.jsonl, line 3")

Nothing is converted: a number is no text, "1" no number, true neither, a text no list. Null stands for the default of a
field that has one and can't be None. What a type can't say is checked by a `Check` of the field, or in `__post_init__`
where it concerns several. Both raise ValueError with a predicate ("must be a country's code, found 'x'"; a sentence, in
`__post_init__`), or UserError with a sentence that names no place. A class with a `from_json(value, where)` and a
`to_json()` of its own is read and written by those.
"""

import enum
import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from compeer_jax.errors import UserError, unknown

T = TypeVar("T")

_WANTED = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "an object",
    list: "a list",
}
_FOUND = _WANTED | {bool: "a boolean", int: "a number", type(None): "null"}


@dataclass(frozen=True)
class Check:
    """A check of a field beyond its type: `Annotated[str, Check(f)]` keeps what f returns, or f raises."""

    function: Callable[[Any], Any]


def at_least(least: int) -> Callable[[int], int]:
    """The check that a number is not below `least`."""

    def check(value: int) -> int:
        if value < least:
            raise ValueError(f"must be a whole number from {least}, found {value}")
        return value

    return check


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must be a string that is not empty")
    return text


def one_of(kind: str, name: str, options: Collection[str]) -> str:
    """`name` itself if it is one of the options; else the UserError that names the nearest one."""
    if name not in options:
        raise unknown(kind, name, options)
    return name


Text = Annotated[str, Check(_not_blank)]
"""A string with more in it than white space."""


def structured(cls: type[T], value: object, where: str, *, unknown_fields: Literal["refuse", "ignore"] = "refuse") -> T:
    """The instance of a dataclass (or of any type that a field can have) that a JSON value describes.

    Args:
        cls: the type. Fields may be scalars, Literals, enums, dataclasses, tuples, lists and frozen sets of one
            type, mappings, Any, and any of these or None.
        value: what `json.loads` gives.
        where: the place it was found, e.g. "a.jsonl, line 3".
        unknown_fields: whether a field that a dataclass doesn't have is a mistake.

    Raises:
        UserError: naming `where` and the field: one that is missing or unknown, or a value that does not fit.
    """
    from cattrs.errors import BaseValidationError

    try:
        return _converter(unknown_fields == "refuse").structure(value, cls)
    except (BaseValidationError, ValueError, UserError) as error:
        raise _sentence(error, where) from error


def unstructured(instance: Any) -> Any:
    """The JSON value of a dataclass: its fields in order, without those that are None or as by default."""
    return _converter(True).unstructure(instance)


def plain(value: Any) -> Any:
    """A JSON value of whatever is made of mappings, lists, arrays, dataclasses and named tuples, in full."""
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.tolist() if hasattr(value, "tolist") else value


@functools.cache
def _converter(strict: bool) -> Any:
    """The cattrs converter with our rules. Kept, as it compiles a function for each class."""
    from cattrs import Converter
    from cattrs.cols import homogenous_tuple_structure_factory, is_mapping, is_sequence, mapping_structure_factory
    from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

    converter = Converter(forbid_extra_keys=strict)
    for kind in (str, bool, int, float):
        converter.register_structure_hook(kind, _scalar)

    @converter.register_structure_hook_factory(is_dataclass)
    def read_object(kind: Any) -> Callable:
        if hasattr(kind, "from_json"):  # it reads itself, and its errors name no place beside the one it is given
            return lambda value, _: kind.from_json(value, "")
        read = make_dict_structure_fn(kind, converter)
        types = get_type_hints(kind)
        omissible = {
            one.name for one in fields(kind) if _has_default(one) and type(None) not in get_args(types[one.name])
        }
        return _only(
            dict, lambda value, _: read({k: v for k, v in value.items() if v is not None or k not in omissible})
        )

    @converter.register_structure_hook_factory(is_mapping)
    def read_mapping(kind: Any) -> Callable:
        return _only(dict, mapping_structure_factory(kind, converter))

    @converter.register_structure_hook_factory(lambda kind: is_sequence(kind) or get_origin(kind) in (tuple, frozenset))
    def read_list(kind: Any) -> Callable:
        item, *others = get_args(kind) or (Any,)
        read = homogenous_tuple_structure_factory(tuple[item, ...], converter)
        length = 1 + len(others) if others and others[0] is not ... else None

        def shaped(value: list, _: Any) -> Sequence:
            if length and len(value) != length:
                raise ValueError(f"must be a list of {length}, found {len(value)}")
            items = read(value)  # pyrefly: ignore[bad-argument-count]
            return get_origin(kind)(items) if get_origin(kind) in (list, frozenset) else items

        return _only(list, shaped)

    @converter.register_structure_hook_factory(lambda kind: get_origin(kind) is Annotated)
    def read_checked(kind: Any) -> Callable:
        base, *notes = get_args(kind)
        read = converter.get_structure_hook(base)
        checks = [note.function for note in notes if isinstance(note, Check)]
        return lambda value, _: functools.reduce(lambda kept, check: check(kept), checks, read(value, base))

    @converter.register_structure_hook_factory(lambda kind: get_origin(kind) is Literal)
    def read_literal(kind: Any) -> Callable:
        return lambda value, _: _one_of(value, get_args(kind))

    converter.register_structure_hook(enum.Enum, _scalar)

    @converter.register_unstructure_hook_factory(lambda kind: get_origin(kind) is tuple)
    def write_list(kind: Any) -> Callable:
        return lambda value: [converter.unstructure(item) for item in value]

    @converter.register_unstructure_hook_factory(is_dataclass)
    def write_object(kind: Any) -> Callable:
        if hasattr(kind, "to_json"):
            return kind.to_json
        write, names = (
            make_dict_unstructure_fn(kind, converter, _cattrs_omit_if_default=True),
            [*kind.__dataclass_fields__],
        )

        def ordered(instance: Any) -> dict[str, Any]:  # as written, fields that have a default come last
            written = write(instance)
            return {name: written[name] for name in names if written.get(name) is not None}

        return ordered

    return converter


def _has_default(field: Field) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _only(shape: type, read: Callable) -> Callable:
    """`read` for values of one JSON type."""

    def checked(value: object, kind: Any) -> Any:
        return read(_of_kind(value, shape), kind)

    return checked


def _of_kind(value: object, kind: type) -> Any:
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ValueError(f"must be {_WANTED[kind]}, found {_FOUND.get(type(value), type(value).__name__)}")
    return value


def _scalar(value: object, kind: type) -> Any:
    if issubclass(kind, enum.Enum):  # among them those that are numbers too
        return kind(_one_of(value, [member.value for member in kind]))
    return _of_kind(value, kind)


class _NotOne(ValueError):
    """A value that is none of a few."""


def _one_of(value: object, options: Sequence[Any]) -> Any:
    if not any(value == option and type(value) is type(option) for option in options):
        raise _NotOne(value, options)
    return value


def _sentence(error: Exception, where: str) -> UserError:
    """The first mistake that a validation found, an unknown field before all, as it is often a misspelt one."""
    from cattrs.errors import ForbiddenExtraKeysError

    found = list(_mistakes(error, []))
    path, fault = next((one for one in found if isinstance(one[1], ForbiddenExtraKeysError)), found[0])
    place, name = _place(path, where)
    if isinstance(fault, ForbiddenExtraKeysError):
        names = [field.name for field in fields(fault.cl)]
        return unknown("field", min(fault.extra_fields), names, f"{place}, {name}" if name else place)
    if isinstance(fault, _NotOne):
        value, options = fault.args
        return unknown(name or "value", value, options, place)
    if isinstance(fault, KeyError):
        return UserError(f"{place}: field {name!r} is missing.")
    if isinstance(fault, UserError):
        said = str(fault)
        return UserError(f"{place}{said}" if said.startswith((": ", ", ")) else f"{place}: {said}")
    return UserError(f"{place}: field {name!r} {fault}." if name else f"{place}: {fault}.")


def _mistakes(error: BaseException, path: list[Any]) -> Iterator[tuple[list[Any], BaseException]]:
    """Each single mistake, and the fields, keys and indices that lead to it."""
    from cattrs.errors import AttributeValidationNote, IterableValidationNote

    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            path = [*path, note.name]
        elif isinstance(note, IterableValidationNote):
            path = [*path, note.index]
    for part in getattr(error, "exceptions", ()):
        yield from _mistakes(part, path)
    if not hasattr(error, "exceptions"):
        yield path, error


def _place(path: Sequence[Any], where: str) -> tuple[str, str]:
    """Where a mistake is, down to the last numbered item of a list, and the name of the field in it."""
    name = ""
    for step in path:
        if isinstance(step, int):
            where, name = f"{where}, {name.removesuffix('s')} {step + 1}", ""
        else:
            name = f"{name}.{step}" if name else step
    return where, name
