"""Counts of a compiled program, for each device: operations, bytes to and from memory, and traffic over the links.

XLA's own `cost_analysis` counts a loop's body once. Here it counts as often as it runs: the number is read off the
loop's condition, `i < n`. A loop that may end earlier, as decoding does when all rows have stopped, counts in full; for
one whose condition has no such number, the caller says how often it runs.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from compeer_jax.planning.flops import kernel_flops, product_flops
from compeer_jax.planning.hlo import ArrayType, Computation, Instruction, Program

COLLECTIVES = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute", "ragged-all-to-all")

_FREE = {"parameter", "get-tuple-element", "tuple", "bitcast", "constant", "after-all", "partition-id", "replica-id"}
_FREE |= {"while", "conditional", "call", "opt-barrier"}
_SLICES = ("dynamic-slice", "slice", "gather")


@dataclass(frozen=True)
class Traffic:
    """Traffic of one kind of collective.

    Attributes:
        calls: how often it runs.
        bytes: what each device receives, by the ring algorithm.
    """

    calls: float = 0.0
    bytes: float = 0.0

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(self.calls + other.calls, self.bytes + other.bytes)


@dataclass(frozen=True)
class Counts:
    """Counts of one device's work.

    Attributes:
        flops: of its matrix products; a multiplication and an addition are two.
        bytes: read from and written to its memory, each operation taking its inputs from there and putting its outputs
            there, unless the compiler keeps them on the chip.
        collectives: by kind.
    """

    flops: float = 0.0
    bytes: float = 0.0
    collectives: Mapping[str, Traffic] = field(default_factory=dict)

    def __add__(self, other: "Counts") -> "Counts":
        kinds = {**self.collectives, **other.collectives}
        none = Traffic()
        return Counts(
            self.flops + other.flops,
            self.bytes + other.bytes,
            {kind: self.collectives.get(kind, none) + other.collectives.get(kind, none) for kind in kinds},
        )

    @property
    def received(self) -> float:
        """Bytes over the links, of all collectives."""
        return sum(traffic.bytes for traffic in self.collectives.values())

    def times(self, count: float) -> "Counts":
        """The same, so many times."""
        scaled = {kind: Traffic(x.calls * count, x.bytes * count) for kind, x in self.collectives.items()}
        return Counts(self.flops * count, self.bytes * count, scaled)


def count(program: Program, loops: Mapping[str, float] | None = None) -> dict[str, Counts]:
    """Counts of a program's work, by phase.

    Args:
        program: from `hlo.parse`.
        loops: phases, by the named scope of the source that a loop runs, and how often it runs there if its condition
            does not say; "" is for all other loops whose condition does not say.

    Returns:
        The counts of each phase that has a loop; those of everything else under "".

    Raises:
        KeyError: a loop whose condition does not say, and that `loops` has no number for.
    """
    totals: dict[str, Counts] = {}
    _Walk(program, dict(loops or {}), totals).run(program.entry, 1.0, "")
    return totals


class _Walk:
    """Goes through computations as they call each other, adding up into `totals`."""

    def __init__(self, program: Program, loops: dict[str, float], totals: dict[str, Counts]):
        self.program, self.loops, self.totals = program, loops, totals

    def run(self, name: str, times: float, phase: str) -> None:
        """Adds what a computation that runs so many times does, and what it calls."""
        computation = self.program.computations[name]
        channels: set[tuple] = set()
        for line in computation.instructions.values():
            if line.opcode == "while":
                inner = self._phase(line) or phase
                self.run(line.called["body"], times * self._trips(computation, line, inner), inner)
            elif line.opcode == "call":
                self.run(line.called["to_apply"], times, phase)
            elif line.opcode == "conditional":
                branches = re.findall(r"%([\w.\-]+)", line.attribute(r"branch_computations=\{([^}]*)\}") or "")
                for branch in branches:
                    self.run(branch, times / len(branches), phase)
            else:
                done = self._flops(computation, line) + self._collectives(computation, line, channels)
                done += Counts(bytes=self._bytes(computation, line))
                self.totals[phase] = self.totals.get(phase, Counts()) + done.times(times)

    def _inside(self, line: Instruction) -> Computation | None:
        """The computation that a fusion, or the start of an asynchronous call, stands for."""
        if line.opcode in ("async-update", "async-done"):
            return None
        return self.program.computations.get(line.called.get("calls", ""))

    def _phase(self, loop: Instruction) -> str:
        """The phase that a loop begins: the scope that is not the loop's own but that of what it runs."""
        body = self.program.computations[loop.called["body"]].instructions.values()
        sources = [line.scopes for line in body if len(line.scopes) > 1]
        for phase in filter(None, self.loops):
            if phase not in loop.scopes and 2 * sum(phase in scopes for scopes in sources) > len(sources):
                return phase
        return ""

    def _trips(self, computation: Computation, loop: Instruction, phase: str) -> float:
        """How often a loop runs."""
        if (known := loop.attribute(r'known_trip_count":\{"n":"(\d+)"')) is not None:
            return float(known)
        condition = self.program.computations[loop.called["condition"]]
        bound = self._bound(condition, {})
        if bound is not None:
            limit, index = bound
            return max(0, math.ceil((limit - self._start(computation, loop, index)) / self._stride(loop, index)))
        return self.loops[phase] if phase in self.loops else self.loops[""]

    def _bound(self, computation: Computation, given: Mapping[int, Instruction]) -> tuple[int, int | None] | None:
        """(n, the index of i in what the loop carries) of an `i < n` that a condition must meet."""

        def resolve(name: str) -> Instruction | None:
            line = computation.instructions.get(name)
            if line is not None and line.opcode == "parameter":
                return given.get(int(line.operands[0]), line)
            return line

        for line in computation.instructions.values():
            if line.opcode == "compare" and line.attribute(r"direction=(\w+)") in ("LT", "GT"):
                left, right = map(resolve, line.operands)
                if line.attribute(r"direction=(\w+)") == "GT":
                    left, right = right, left
                if (limit := _whole(right)) is not None and left is not None and left.arrays[0].shape == ():
                    index = left.attribute(r"index=(\d+)")
                    return limit, None if index is None else int(index)
            inside = self._inside(line)
            if inside is not None:
                found = self._bound(inside, {at: resolve(name) for at, name in enumerate(line.operands)})
                if found is not None:
                    return found
        return None

    def _start(self, computation: Computation, loop: Instruction, index: int | None) -> int:
        """Where a loop's counter starts: what it is given, where that is a constant, else 0."""
        start = computation.instructions.get(loop.operands[0])
        if index is None or start is None or start.opcode != "tuple":
            return 0
        return _whole(_source(computation, start.operands[index])) or 0

    def _stride(self, loop: Instruction, index: int | None) -> int:
        """By how much a loop's counter grows each time: the compiler may do two turns of the source's in one."""
        body = self.program.computations[loop.called["body"]]
        if index is None or body.root.opcode != "tuple":
            return 1
        grown, line = 0, _source(body, body.root.operands[index])
        while line is not None and line.opcode == "add":
            parts = [_source(body, name) for name in line.operands]
            steps = [step for step in map(_whole, parts) if step is not None]
            if len(steps) != 1:
                return 1
            grown += steps[0]
            line = next(part for part in parts if _whole(part) is None)
        return max(1, grown)

    def _flops(self, computation: Computation, line: Instruction) -> Counts:
        if line.opcode in ("dot", "convolution"):
            shapes = [computation.instructions[name].arrays[0].shape for name in line.operands[:2]]
            return Counts(flops=product_flops(line, *shapes))
        if line.opcode == "custom-call":
            taken = [computation.instructions[name] for name in line.operands if name in computation.instructions]
            return Counts(flops=kernel_flops(line, [operand.arrays[0] for operand in taken if operand.arrays]))
        inside = self._inside(line)
        if inside is None:
            return Counts()
        return sum((self._flops(inside, part) for part in inside.instructions.values()), Counts())

    def _collectives(
        self, computation: Computation, line: Instruction, channels: set[tuple], *, fused: bool = False
    ) -> Counts:
        """What a collective moves; one inside a fusion too, and there also what it writes to memory."""
        kind = line.opcode.removesuffix("-start")
        if kind in COLLECTIVES:
            # One that is split into several instructions keeps its channel; a `shard_map`'s all have the same one.
            channel = line.attribute(r"channel_id=(\d+)") or line.name
            same = (channel, kind, line.scopes, line.arrays)
            if same in channels:
                return Counts()
            channels.add(same)
            moved = _received(kind, line, [computation.instructions[name] for name in line.operands])
            in_fusion = _in_memory(line.arrays) if fused else 0.0  # else `_bytes` counts the instruction
            return Counts(bytes=in_fusion, collectives={kind: Traffic(1.0, moved)})
        inside = self._inside(line)
        if inside is None:
            return Counts()
        parts = (self._collectives(inside, part, channels, fused=True) for part in inside.instructions.values())
        return sum(parts, Counts())

    def _bytes(self, computation: Computation, line: Instruction) -> float:
        """What an instruction reads from memory and writes there."""
        if line.opcode in _FREE or line.opcode.endswith(("-done", "-update")) or line.opcode in ("broadcast", "iota"):
            return _in_memory(line.arrays) if line.opcode in ("broadcast", "iota") else 0.0
        operands = [computation.instructions[name] for name in line.operands if name in computation.instructions]
        if line.opcode in _SLICES:
            return 2 * _in_memory(line.arrays)
        if line.opcode == "dynamic-update-slice":
            return 2 * _in_memory(operands[1].arrays)
        if line.opcode.endswith("-start"):  # its outputs repeat its inputs
            return _in_memory(line.arrays)
        inside = self._inside(line)
        if line.opcode != "fusion" or inside is None:
            return _in_memory(line.arrays) + sum(_in_memory(operand.arrays) for operand in operands)
        read = sum(self._read(inside, at, operand) for at, operand in enumerate(operands))
        return read + _written(inside, line)

    def _read(self, inside: Computation, index: int, operand: Instruction) -> float:
        """What a fusion reads of one of its inputs: slices of it, where it, or a fusion within, only takes slices."""
        whole = _in_memory(operand.arrays)
        parameter = inside.parameters.get(index)
        return whole if whole == 0.0 or parameter is None else min(whole, self._taken(inside, parameter.name, operand))

    def _taken(self, inside: Computation, name: str, operand: Instruction) -> float:
        """What is taken of an input in a fusion, where it goes by this name; a copy in there is made slice by slice."""
        taken = 0.0
        for user in inside.instructions.values():
            if name not in user.operands or _hands_on(user):
                continue
            within = self._inside(user)
            if user.opcode in _SLICES and user.operands[0] == name:
                taken += sum(array.bytes for array in user.arrays)
            elif not user.is_root and "copy" in (user.opcode, within and within.root.opcode):
                taken += self._taken(inside, user.name, operand)
            elif user.opcode == "fusion" and within is not None:
                taken += sum(self._read(within, at, operand) for at, given in enumerate(user.operands) if given == name)
            elif user.opcode != "dynamic-update-slice" or user.operands[0] != name:  # else updated in place
                return _in_memory(operand.arrays)
        return taken


def _source(computation: Computation, name: str) -> Instruction | None:
    """What an instruction's value is copied from."""
    line = computation.instructions.get(name)
    while line is not None and line.opcode in ("copy", "bitcast", "convert"):
        line = computation.instructions.get(line.operands[0])
    return line


def _whole(line: Instruction | None) -> int | None:
    """The number that an instruction stands for, if it is a whole constant."""
    is_whole = line is not None and line.opcode == "constant" and re.fullmatch(r"-?\d+", line.operands[0])
    return int(line.operands[0]) if is_whole else None


def _in_memory(arrays: tuple[ArrayType, ...]) -> float:
    return sum(array.bytes for array in arrays if array.in_memory)


def _written(inside: Computation, line: Instruction) -> float:
    """What a fusion writes."""
    root = inside.root
    parts = [inside.instructions[name] for name in root.operands] if root.opcode == "tuple" else [root]
    if len(parts) != len(line.arrays):  # one that gives several things by itself
        return _in_memory(line.arrays) if root.opcode != "custom-call" else 0.0
    return sum(_put(inside, part, array) for part, array in zip(parts, line.arrays, strict=True))


def _hands_on(line: Instruction) -> bool:
    """Whether an instruction gives its inputs on as they are, or what a collective brings, which is counted there."""
    is_asynchronous = line.opcode == "custom-call" and "AsyncCollective" in line.attributes
    return line.opcode in ("parameter", "tuple") or line.opcode in COLLECTIVES or is_asynchronous


def _put(inside: Computation, part: Instruction, array: ArrayType) -> float:
    """What a fusion writes of one of its outputs: the part that changes, where it updates an array in place."""
    while part.opcode == "bitcast":
        part = inside.instructions[part.operands[0]]
    if not array.in_memory or _hands_on(part):
        return 0.0
    if part.opcode == "dynamic-update-slice":
        return sum(update.bytes for update in inside.instructions[part.operands[1]].arrays)
    return array.bytes


def _received(kind: str, line: Instruction, operands: list[Instruction]) -> float:
    """Bytes that a device receives in a collective, on a ring."""
    given = sum(array.bytes for operand in operands for array in operand.arrays)
    group = _group_size(line)
    return {
        "all-gather": given * (group - 1),
        "all-reduce": 2 * given * (group - 1) / group,
        "reduce-scatter": given * (group - 1) / group,
        "all-to-all": given * (group - 1) / group,
        "ragged-all-to-all": given * (group - 1) / group,
        "collective-permute": given,
    }[kind]


def _group_size(line: Instruction) -> int:
    """How many devices take part together."""
    if (groups := line.attribute(r"replica_groups=\{\{([\d,]+)\}")) is not None:
        return groups.count(",") + 1
    if (size := line.attribute(r"replica_groups=\[\d+,(\d+)\]")) is not None:
        return int(size)
    if (axes := line.attribute(r"replica_groups=mesh\[([^\]]*)\]")) is not None:
        sizes = dict(re.findall(r"'([^']+)'=(\d+)", axes))
        order = r"(?:, device_ids=\([^ ]*\))?"
        named = re.findall(r"'([^']+)'", line.attribute(rf"replica_groups=mesh\[[^\]]*\]{order} \{{([^}}]*)\}}") or "")
        return math.prod(int(sizes[name.partition(":")[0]]) for name in named)
    return 1
