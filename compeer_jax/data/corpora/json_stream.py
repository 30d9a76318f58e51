"""Streaming of JSON, one dialogue at a time: the items of an array, values after each other, or what an object holds.

Memory holds one row, of which length and depth are bounded.
"""

import io
from collections.abc import Iterator
from itertools import chain

import ijson

from compeer_jax.data.corpora.chats import is_chat, is_message
from compeer_jax.data.corpora.forms import form_of
from compeer_jax.data.corpora.marking import MarkedFile
from compeer_jax.data.jsonl import DEEPEST

Event = tuple[str, object]
BROKEN = (ijson.JSONError, ValueError, OverflowError)
"""What a stream raises where it can't be read on."""
_STARTS, _ENDS = ("start_array", "start_map"), ("end_array", "end_map")


def values(file: MarkedFile, *, prefix: str) -> Iterator[object]:
    """The items of an array, where `prefix` is "item", or values one after the other, where it is empty."""
    # Parsing keeps a name a level, and each holds those above it, so depth is bounded before it comes to that.
    return ijson.items(ijson.parse(_events(file, several=not prefix)), prefix)


def dialogues_in(file: MarkedFile) -> Iterator[object]:
    """The dialogues that objects hold: each by its name, `{"d1": {…}, …}`, or in lists, `{"data": [{…}, …]}`.

    A name becomes the dialogue's id if it has none.
    """
    events = _events(file, several=True)
    inside, name = False, None
    for event, value in events:
        if not inside:
            inside = event == "start_map"
        elif event == "end_map":
            inside = False
        elif event == "map_key":
            name = value
        elif event == "start_map":
            dialogue = _built((event, value), events)
            yield {"id": name} | dialogue if isinstance(dialogue, dict) else dialogue
        elif event == "start_array":
            yield from _items(events)


def begun(start: bytes) -> object:
    """As much of the first value as the begin of a file has."""
    builder, depth = ijson.ObjectBuilder(), 0
    try:
        for event, value in _events(MarkedFile(io.BytesIO(start)), several=True):
            builder.event(event, value)
            depth += (event in _STARTS) - (event in _ENDS)
            if not depth:
                break
    except BROKEN:
        pass
    return getattr(builder, "value", None)


def holds_dialogues(value: object) -> bool:
    """Whether a value is no dialogue, but an object of some, as `dialogues_in` reads it."""
    if not isinstance(value, dict) or form_of(value) is not None:
        return False
    parts = chain.from_iterable([part, *part[:1]] if isinstance(part, list) else [part] for part in value.values())
    return any(isinstance(part, dict | list) and form_of(part) is not None and not is_turn(part) for part in parts)


def is_turn(value: object) -> bool:
    """Whether an item of an array is part of a dialogue, so that the array is the dialogue."""
    is_pair = isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value)
    return isinstance(value, str) or is_pair or (is_message(value) and not is_chat(value))


def _items(events: Iterator[Event]) -> Iterator[object]:
    turns = []
    for event, value in events:
        if event == "end_array":
            break
        item = _built((event, value), events)
        if is_turn(item):
            turns.append(item)
        else:
            yield item
    if turns:
        yield turns


def _built(first: Event, events: Iterator[Event]) -> object:
    builder, depth = ijson.ObjectBuilder(), 0
    for event, value in chain([first], events):
        builder.event(event, value)
        depth += (event in _STARTS) - (event in _ENDS)
        if not depth:
            break
    return builder.value


def _events(file: MarkedFile, *, several: bool) -> Iterator[Event]:
    """A parser's events; ValueError at more than `DEEPEST` levels."""
    depth = 0
    for event, value in ijson.basic_parse(file, multiple_values=several, use_float=True):
        if event in _STARTS:
            depth += 1
            if depth > DEEPEST:
                raise ValueError(f"it is nested more than {DEEPEST} levels deep")
        elif event in _ENDS:
            depth -= 1
        yield event, value
