"""How much the place of an answer matters to a judge that is shown two of them."""

from collections.abc import Sequence
from typing import NamedTuple

from compeer_jax.dialogue.judging import Preference, swap_preference


class OrderReport(NamedTuple):
    """How much the place of an answer matters to a judge.

    Attributes:
        first_share: share of "first" among answers preferred, as shown; 0.5 when the place makes no difference, None
            when none was preferred.
        same: share of pairs with the same preference in both orders, among those with a verdict in each; None when
            there is no such pair.
    """

    first_share: float | None
    same: float | None


def order_report(
    shown: Sequence[Preference | None], shown_swapped: Sequence[Preference | None] | None = None
) -> OrderReport:
    """The report on preferences as shown, in one order and in the other one, if that was asked."""
    preferred = [said for said in (*shown, *(shown_swapped or ())) if said in ("first", "second")]
    agree = [orders_agree(*pair) for pair in zip(shown, shown_swapped, strict=True)] if shown_swapped else []
    known = [one for one in agree if one is not None]
    return OrderReport(
        preferred.count("first") / len(preferred) if preferred else None, sum(known) / len(known) if known else None
    )


def orders_agree(shown: Preference | None, shown_swapped: Preference | None) -> bool | None:
    """Whether the preference is the same in both orders; None where it is not known in one of them."""
    if shown is None or shown_swapped is None:
        return None
    return shown == swap_preference(shown_swapped)
