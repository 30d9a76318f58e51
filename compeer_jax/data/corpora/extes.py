"""ExTES (Zheng et al., 2023), read after its published description.

An array of `{"scene", "description", "content": [{"User": "…"}, {"AI": "…", "AI Strategy": "…"}, …]}`. Its sixteen
strategies become the nearest of the eight (`strategy_names.yaml`).
"""

from collections.abc import Iterable

from compeer_jax.data.corpora.draft import Draft, make_turn, own_id, require_list, require_object, text_or_none
from compeer_jax.data.corpora.roles import ROLES, Roles
from compeer_jax.data.corpora.strategy_names import nearest_strategy
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError


def is_extes(row: object) -> bool:
    """Whether a row has a "content" of what User and AI say."""
    items = row.get("content") if isinstance(row, dict) else None
    return isinstance(items, list) and any("User" in item or "AI" in item for item in items if isinstance(item, dict))


def read_extes(row: object, where: str, roles: Roles = ROLES) -> Draft:
    """One dialogue of ExTES."""
    row = require_object(row, where)
    items = require_list(row.get("content"), "content", where)
    fields = {
        "id": own_id(row),
        "situation": text_or_none(row.get("description")),
        "problem_type": text_or_none(row.get("scene")),
    }
    turns = (turn for number, item in enumerate(items, start=1) for turn in _turns(item, f"{where}, turn {number}"))
    return Draft(tuple(turns), fields)


def _turns(item: object, where: str) -> Iterable[Turn]:
    item = require_object(item, where)
    if "User" not in item and "AI" not in item:
        raise UserError(f"{where}: field 'User' or 'AI' is missing.")
    if "User" in item:
        yield make_turn(where, "seeker", item["User"])
    if "AI" in item:
        yield make_turn(where, "supporter", item["AI"], nearest_strategy("extes", item.get("AI Strategy"), where))
