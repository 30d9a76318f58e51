"""Batched play of many dialogues side by side, a round of requests at a time.

A dialogue is a state machine: it says whom it wants to ask what, is told the answer, and goes on from there. All that
want to ask the same model ask together, in chunks, so that a server is kept busy and a model in this process has full
batches. What is asked follows from the dialogues and earlier answers alone, and models keep their answers: a run that
was killed, started again, asks nothing twice and ends with the same dialogues.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from compeer_jax.benchmarks.config import BudgetConfig
from compeer_jax.chat.types import Answer, ChatModel, ChatRequest, Spent


class Wanted(NamedTuple):
    """A dialogue's next request: to whom (a key of the models it is played with), and what."""

    who: str
    request: ChatRequest


class Player(Protocol):
    """One dialogue, or whatever else is a row of questions of which each follows from the answers before."""

    def wants(self) -> Wanted | None:
        """Its next request; None once it has ended. Asking again without `hear` in between gives the same."""

    def receive(self, answer: Answer | None) -> None:
        """The answer to what it wanted; None where there is none to be had."""


def play(
    players: Sequence[Player],
    models: Mapping[str, ChatModel],
    *,
    chunk: int,
    budget: BudgetConfig | None = None,
    spent: Callable[[], Spent] | None = None,
    progress: Callable[[int], None] = lambda answers: None,
) -> str:
    """Plays all to their ends, or until the budget is used up.

    Args:
        players: what is played; they keep what was said.
        models: by the names that players ask for; the first is asked first.
        chunk: most requests that are one call to a model. The budget is looked at between calls, so it can be
            overdrawn by the answers of one; and what a model in this process computes together follows from it, so the
            same answers need the same chunk.
        budget: what may be spent; None: anything.
        spent: what was, over all models of the run; by default over `models`.
        progress: told how many answers there are so far.

    Returns:
        "" when all have ended; else which budget is used up, in a few words.

    Raises:
        UserError: a model can't be asked any more (`ServerGone`); what was answered is kept.
    """
    spent = spent or (
        lambda: sum((model.spent for model in {id(one): one for one in models.values()}.values()), Spent())
    )
    answers = 0
    while True:
        waiting: dict[str, list[tuple[Player, ChatRequest]]] = {who: [] for who in models}
        for player in players:
            wanted = player.wants()
            if wanted is not None:
                waiting[wanted.who].append((player, wanted.request))
        if not any(waiting.values()):
            return ""
        for who, asked in waiting.items():
            for start in range(0, len(asked), chunk):
                used_up = budget.used_up(spent()) if budget else ""
                if used_up:
                    return used_up
                taken = asked[start : start + chunk]
                given = models[who].answer([request for _, request in taken])
                for (player, _), answer in zip(taken, given, strict=True):
                    player.receive(answer)
                answers += len(taken)
                progress(answers)
