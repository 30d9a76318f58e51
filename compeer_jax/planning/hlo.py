"""Parser of a compiled program's text (HLO): its computations, their instructions, and the arrays between them.

The text is what `jax.stages.Compiled.as_text` gives: HLO, XLA's language, after all optimisation, for one device.
"""

import math
import re
from dataclasses import dataclass, replace
from functools import cached_property

BITS = {
    "pred": 8,
    **{f"{sign}{bits}": bits for sign in "su" for bits in (2, 4, 8, 16, 32, 64)},
    "f16": 16,
    "bf16": 16,
    "f32": 32,
    "f64": 64,
    "c64": 64,
    "c128": 128,
}


@dataclass(frozen=True)
class ArrayType:
    """One array.

    Attributes:
        dtype: e.g. "bf16".
        shape: its dimensions, on one device.
        in_memory: whether it lives in the device's main memory, rather than in a faster one on the chip.
    """

    dtype: str
    shape: tuple[int, ...]
    in_memory: bool = True

    @property
    def bytes(self) -> float:
        """Its size, without padding."""
        bits = BITS.get(self.dtype, 8 if self.dtype.startswith("f8") else 0)  # tokens and opaque things have none
        return math.prod(self.shape) * bits / 8


@dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
        name: unique within the program.
        opcode: e.g. "fusion".
        arrays: what it gives; more than one for a tuple.
        operands: names of what it takes.
        attributes: the rest of the line.
        is_root: whether its value is that of the computation.
    """

    name: str
    opcode: str
    arrays: tuple[ArrayType, ...]
    operands: tuple[str, ...]
    attributes: str
    is_root: bool

    def attribute(self, pattern: str) -> str | None:
        """What the first group of a regular expression finds in the attributes."""
        found = re.search(pattern, self.attributes)
        return None if found is None else found[1]

    @cached_property
    def called(self) -> dict[str, str]:
        """The computations that it names, by their part: "calls", "body", "condition", "to_apply"."""
        return dict(re.findall(r"\b(calls|body|condition|to_apply)=%?([\w.\-]+)", self.attributes))

    @cached_property
    def scopes(self) -> tuple[str, ...]:
        """The named scopes of the source that it came from, outermost first."""
        return tuple((self.attribute(r'op_name="([^"]*)"') or "").split("/"))


@dataclass(frozen=True)
class Computation:
    """Instructions by name, in their order."""

    instructions: dict[str, Instruction]

    @cached_property
    def root(self) -> Instruction:
        """The one whose value is the computation's."""
        return next(found for found in self.instructions.values() if found.is_root)

    @cached_property
    def parameters(self) -> dict[int, Instruction]:
        """What it takes, by number."""
        found = (line for line in self.instructions.values() if line.opcode == "parameter")
        return {int(line.operands[0]): line for line in found}


@dataclass(frozen=True)
class Program:
    """Computations by name, and the name of the one where it starts."""

    computations: dict[str, Computation]
    entry: str


def parse(text: str) -> Program:
    """The program of an HLO text.

    Raises:
        ValueError: the text has no entry computation.
    """
    computations: dict[str, Computation] = {}
    entry, name, lines, last = "", "", {}, None
    for line in re.sub(r"/\*.*?\*/", "", text).splitlines():
        if line.endswith("{") and not line.startswith((" ", "HloModule")):
            is_entry, name = re.match(r"(ENTRY )?%?([\w.\-]+)", line).groups()
            entry, lines = name if is_entry else entry, {}
        elif line == "}":
            computations[name] = Computation(lines)
        elif (instruction := _instruction(line)) is not None:
            lines[instruction.name] = last = instruction
        elif lines:  # what a kernel says of itself may go over several lines
            lines[last.name] = last = replace(last, attributes=last.attributes + line)
    if not entry:
        raise ValueError("the HLO text has no ENTRY computation")
    return Program(computations, entry)


def _instruction(line: str) -> Instruction | None:
    head = re.match(r"\s+(ROOT )?%?([\w.\-]+) = ", line)
    if head is None:
        return None
    kind, rest = _type_and_rest(line[head.end() :])
    opcode, _, rest = rest.partition("(")
    inside, attributes = _balanced("(" + rest)
    operands = tuple(re.findall(r"%([\w.\-]+)", inside)) or tuple(filter(None, (inside[1:-1].strip(),)))
    return Instruction(head[2], opcode.strip(), _arrays(kind), operands, attributes, bool(head[1]))


def _type_and_rest(text: str) -> tuple[str, str]:
    if text.startswith("("):
        return _balanced(text)
    kind, _, rest = text.partition(" ")
    return kind, rest


def _balanced(text: str) -> tuple[str, str]:
    """`text` up to where its first bracket closes, and what follows."""
    depth = 0
    for found in re.finditer(r"[()]", text):
        depth += 1 if found[0] == "(" else -1
        if depth == 0:
            return text[: found.end()], text[found.end() :]
    return text, ""


def _arrays(kind: str) -> tuple[ArrayType, ...]:
    return tuple(
        ArrayType(dtype, tuple(int(size) for size in re.findall(r"\d+", shape)), "S(" not in (layout or ""))
        for dtype, shape, layout in re.findall(r"(\w+)\[([^\]]*)\](?:\{([^}]*)\})?", kind)
    )
