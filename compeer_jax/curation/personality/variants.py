"""Variants of labelled candidates, in two ways; those that no longer mean the same are dropped."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from compeer_jax.chat.models import SetAside, ask_each
from compeer_jax.chat.types import ChatModel
from compeer_jax.curation.candidates.rows import Candidate
from compeer_jax.curation.personality.drift import fault, least_cosines
from compeer_jax.curation.personality.likeness import Likeness
from compeer_jax.curation.personality.people import Described, People
from compeer_jax.curation.personality.rewriting import (
    PROMPTS,
    Talk,
    Variant,
    parse_rewrite,
    parse_strategies,
    rewrite_messages,
    strategy_messages,
)
from compeer_jax.curation.personality.steps import parse_steps, steps_messages
from compeer_jax.curation.personality.traits import SIDES, Side
from compeer_jax.dialogue.danger.withheld import why_withheld
from compeer_jax.dialogue.taxonomy import Language

BATCH = 128  # candidates that are rewritten and checked together


@dataclass(frozen=True)
class Checks:
    """Checks of a rewrite, beside those of its letters.

    Attributes:
        likeness: how lines of a language are compared.
        similarity: least cosine between a rewritten line and the line it was; None is the way's own.
        strategy: whether the model is asked for the strategies of the replies before and after, which must be the same.
        tries: times that the model is asked.
        steps: whether the reasoning steps are carried over to the new words, too.
    """

    likeness: Callable[[Language], Likeness]
    similarity: float | None
    strategy: bool
    tries: int
    steps: bool = False


@dataclass(frozen=True)
class Rewrite:
    """One variant of one candidate.

    Attributes:
        candidate: what was rewritten.
        variant: how.
        persona: who lent either side a manner, for variant "p".
        talk: the talk in other words; None where there is none.
        draw: which try it was, from 0.
        cosine: the least of its lines, as far as it was compared.
        reason: why it isn't used; None if it is.
        text: the model's answer where no talk could be read from it.
        steps: tag -> the step as one of the new talk; None where steps stay as they are.
    """

    candidate: Candidate
    variant: Variant
    persona: Mapping[Side, Described] | None = None
    talk: Talk | None = None
    draw: int = 0
    cosine: float = 1.0
    reason: str | None = None
    text: str = ""
    steps: Mapping[str, str] | None = None

    @property
    def original(self) -> Talk:
        """The talk as it was."""
        return Talk.of(self.candidate)

    @property
    def shown(self) -> dict:
        """Row of a rejected rewrite."""
        return {"lines": list(self.talk.lines)} if self.talk else {"text": self.text}


class VariantMaker:
    """Rewrites candidates and counts what became of them.

    Args:
        model: who rewrites, and names strategies.
        people: who lends manners.
        checks: what a rewrite must pass.
        seed: of the personas. They are drawn once a dialogue, for all of its records, and depend on the seed, the
            dialogue's id and who is in the clusters.

    Attributes:
        with_both: how many candidates have both variants.
    """

    def __init__(self, model: ChatModel, people: People, checks: Checks, *, seed: int):
        self.model, self.people, self.checks, self.seed = model, people, checks, seed
        self.with_both = 0
        self._accepted: Counter[Variant] = Counter()
        self._left_out: dict[Variant, Counter[str]] = {variant: Counter() for variant in PROMPTS}

    def rewrites(
        self, candidates: Iterable[Candidate], progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[Rewrite]:
        """Both variants of each candidate, in their order, with a reason where one isn't used."""
        candidates, done = iter(candidates), 0
        while batch := list(islice(candidates, BATCH)):
            rewrites = [self._start(candidate, variant) for candidate in batch for variant in PROMPTS]
            for step in (self._ask, self._look, self._compare, self._name_strategies, self._carry_steps):
                rewrites = step(rewrites)
            done += len(rewrites)
            progress(done)
            yield from self._counted(rewrites)

    def counts(self) -> dict[str, dict]:
        """By variant: how many were accepted, and how many were left out for each reason."""
        return {
            variant: {"accepted": self._accepted[variant], "left_out": dict(sorted(self._left_out[variant].items()))}
            for variant in PROMPTS
        }

    def _start(self, candidate: Candidate, variant: Variant) -> Rewrite:
        """What shall be asked for; for variant "p", with a persona for each side."""
        rewrite = Rewrite(candidate, variant)
        if variant == "r":
            return rewrite
        if not self.people.knows(candidate.dialogue):
            return replace(rewrite, reason="the traits of its speakers are not known")
        generator = np.random.default_rng([*f"{self.seed}/{candidate.dialogue}/persona".encode()])
        persona = {side: self.people.other(candidate.dialogue, side, generator) for side in SIDES}
        if None in persona.values():
            return replace(rewrite, reason="nobody else is in the cluster of a speaker")
        return replace(rewrite, persona=persona)

    def _ask(self, rewrites: Sequence[Rewrite]) -> list[Rewrite]:
        def messages(rewrite: Rewrite) -> list[dict[str, str]]:
            persona = rewrite.persona and {side: other.traits[side] for side, other in rewrite.persona.items()}
            return rewrite_messages(rewrite.original, persona)

        asked = [rewrite for rewrite in rewrites if rewrite.reason is None]
        answers = ask_each(
            self.model,
            asked,
            messages,
            lambda rewrite, text: parse_rewrite(rewrite.original, text),
            tries=self.checks.tries,
            chunk=2 * BATCH,
        )
        read = []
        for rewrite, answer in answers:
            if isinstance(answer, SetAside):
                read.append(replace(rewrite, reason=answer.reason, text=answer.text))
            else:
                read.append(replace(rewrite, talk=rewrite.original.said_as(answer.value), draw=answer.draw))
        return _put_back(rewrites, read)

    def _look(self, rewrites: Sequence[Rewrite]) -> list[Rewrite]:
        left = [one for one in rewrites if one.reason is None]
        faults = [fault(one.original, one.talk) or why_withheld(turns=one.talk.turns) for one in left]
        return _put_back(rewrites, [replace(one, reason=why) for one, why in zip(left, faults, strict=True)])

    def _compare(self, rewrites: Sequence[Rewrite]) -> list[Rewrite]:
        """Cosines, of each language apart."""
        compared = list(rewrites)
        for language in dict.fromkeys(one.candidate.language for one in rewrites if one.reason is None):
            ours = [one for one in rewrites if one.reason is None and one.candidate.language == language]
            before, after = [one.original for one in ours], [one.talk for one in ours]
            likeness = self.checks.likeness(language)
            wanted = likeness.least if self.checks.similarity is None else self.checks.similarity
            least = least_cosines(before, after, likeness)
            compared = _put_back(compared, [_compared(*pair, wanted) for pair in zip(ours, least, strict=True)])
        return compared

    def _name_strategies(self, rewrites: Sequence[Rewrite]) -> list[Rewrite]:
        """Asks for strategies before and after; a candidate's own replies are asked about once for both variants."""
        left = [one for one in rewrites if one.reason is None]
        if not self.checks.strategy or not left:
            return list(rewrites)
        originals = {one.candidate.id: one.original for one in left}
        talks = [*originals.values(), *(one.talk for one in left)]
        answers = ask_each(
            self.model,
            talks,
            strategy_messages,
            lambda _, text: parse_strategies(text),
            tries=self.checks.tries,
            chunk=3 * BATCH,
        )
        named = [answer for _, answer in answers]
        before = dict(zip(originals, named, strict=False))
        after = named[len(originals) :]
        judged = [
            replace(one, reason=_strategy_fault(before[one.candidate.id], answer))
            for one, answer in zip(left, after, strict=True)
        ]
        return _put_back(rewrites, judged)

    def _carry_steps(self, rewrites: Sequence[Rewrite]) -> list[Rewrite]:
        """Asks for the steps as steps of the new talk; one that quotes what nobody says there spoils the rewrite."""
        left = [one for one in rewrites if one.reason is None] if self.checks.steps else []
        answers = ask_each(
            self.model,
            left,
            lambda one: steps_messages(one.original, one.talk, one.candidate.steps),
            lambda one, text: parse_steps(one.original, one.talk, one.candidate.steps, text),
            tries=self.checks.tries,
            chunk=2 * BATCH,
        )
        carried = [
            replace(one, reason=f"steps could not be rewritten: {answer.reason}", text=answer.text)
            if isinstance(answer, SetAside)
            else replace(one, steps=answer.value)
            for one, answer in answers
        ]
        return _put_back(rewrites, carried)

    def _counted(self, rewrites: Sequence[Rewrite]) -> Iterator[Rewrite]:
        accepted: Counter[str] = Counter()
        for rewrite in rewrites:
            if rewrite.reason is None:
                self._accepted[rewrite.variant] += 1
                accepted[rewrite.candidate.id] += 1
            else:
                self._left_out[rewrite.variant][rewrite.reason.partition(":")[0]] += 1
            yield rewrite
        self.with_both += sum(count == len(PROMPTS) for count in accepted.values())


def _compared(rewrite: Rewrite, least: tuple[float, int], wanted: float) -> Rewrite:
    cosine, line = least
    reason = f"meaning drift: line {line} has cosine {cosine:.2f}" if cosine < wanted else None
    return replace(rewrite, cosine=cosine, reason=reason)


def _strategy_fault(before, after) -> str | None:
    if isinstance(before, SetAside) or isinstance(after, SetAside):
        aside = before if isinstance(before, SetAside) else after
        return f"strategies could not be told: {aside.reason}"
    if before.value == after.value:
        return None
    changes = [f"{was} became {now}" for was, now in zip(before.value, after.value, strict=True) if was != now]
    return f"strategy drift: {', '.join(changes)}"


def _put_back(rewrites: Sequence[Rewrite], changed: Iterable[Rewrite]) -> list[Rewrite]:
    """`rewrites` with those that were changed in their places."""
    new = {(one.candidate.id, one.variant): one for one in changed}
    return [new.get((one.candidate.id, one.variant), one) for one in rewrites]
