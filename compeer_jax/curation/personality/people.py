"""The speakers of all dialogues: their traits, their clusters, and who can lend another a manner."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from compeer_jax.curation.personality.clusters import Clustering, cluster, draw_other
from compeer_jax.curation.personality.likeness import Vectors
from compeer_jax.curation.personality.traits import SIDES, Side, Traits
from compeer_jax.dialogue.taxonomy import LANGUAGES, Language


@dataclass(frozen=True)
class Described:
    """The traits of both sides of a dialogue."""

    id: str
    language: Language
    traits: Mapping[Side, Traits]
    provenance: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class People:
    """Described dialogues and the clusters of their speakers.

    Attributes:
        described: the dialogues, those of a language in the order of its clusterings' rows.
        clusterings: "<language> <side>" -> clusters. Languages are kept apart, as a manner is told in words of one.
    """

    described: tuple[Described, ...]
    clusterings: Mapping[str, Clustering]

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row of JSON a dialogue, in their order."""
        for one in self.described:
            sides = {side: asdict(one.traits[side]) for side in SIDES}
            clusters = {f"{side}_cluster": self._cluster_of[one.id, side] for side in SIDES}
            yield {"id": one.id, **sides, **clusters, "provenance": [dict(entry) for entry in one.provenance]}

    def knows(self, dialogue: str) -> bool:
        """Whether the speakers of that dialogue are described."""
        return dialogue in self._by_id

    def other(self, dialogue: str, side: Side, generator: np.random.Generator) -> Described | None:
        """Another dialogue whose speaker on that side is in the same cluster; None if there is none."""
        language = self._by_id[dialogue].language
        members = self._members[language, side, self._cluster_of[dialogue, side]]
        drawn = draw_other(members, dialogue, generator)
        return None if drawn is None else self._by_id[drawn]

    @cached_property
    def _by_id(self) -> dict[str, Described]:
        return {one.id: one for one in self.described}

    @cached_property
    def _cluster_of(self) -> dict[tuple[str, Side], int]:
        clusters = {}
        for language in LANGUAGES:
            ids = [one.id for one in self.described if one.language == language]
            for side in SIDES if ids else ():
                labels = self.clusterings[f"{language} {side}"].labels
                clusters |= {(id, side): label for id, label in zip(ids, labels, strict=True)}
        return clusters

    @cached_property
    def _members(self) -> dict[tuple[Language, Side, int], list[str]]:
        members: dict[tuple[Language, Side, int], list[str]] = {}
        for (id, side), label in self._cluster_of.items():
            members.setdefault((self._by_id[id].language, side, label), []).append(id)
        return members


def find_people(
    described: Sequence[Described],
    embed: Callable[[list[str], Language], Vectors],
    *,
    most: int,
    clusters: int = 0,
    seed: int = 0,
) -> People:
    """Clusters the speakers of each language and side by the text of their traits.

    Args:
        described: dialogues with distinct ids.
        clusters: how many to make; 0 takes the elbow.
    """
    clusterings = {}
    for language in LANGUAGES:
        ours = [one for one in described if one.language == language]
        for side in SIDES if ours else ():
            vectors = embed([one.traits[side].text(language) for one in ours], language)
            clusterings[f"{language} {side}"] = cluster(vectors, most=most, clusters=clusters, seed=seed)
    return People(tuple(described), clusterings)
