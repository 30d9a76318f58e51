"""Exchanges: a question with its answer, as files for fine-tuning write them.

EmoLLM's own JSON is `{"conversation": [{"system"?, "input", "output"}]}` (seen: `data.json`, `aiwei.json` of its
repository). LLaMA-Factory's is `{"instruction", "input", "output", "history": [[question, answer], …]}`, in which
CPsyCounD is published too (read after its published description).
"""

from collections.abc import Iterable

from compeer_jax.data.corpora.draft import Draft, make_turn, own_id, require_list, require_object
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError


def is_emollm(row: object) -> bool:
    """Whether a row is a conversation of inputs and outputs."""
    exchanges = row.get("conversation") if isinstance(row, dict) else None
    return isinstance(exchanges, list) and any("input" in one for one in exchanges if isinstance(one, dict))


def read_emollm(row: object, where: str) -> Draft:
    """One conversation; the system's text is an instruction to the model and left out."""
    row = require_object(row, where)
    exchanges = require_list(row.get("conversation"), "conversation", where)
    pairs = []
    for number, exchange in enumerate(exchanges, start=1):
        exchange = require_object(exchange, f"{where}, exchange {number}")
        pairs.append((exchange.get("input"), exchange.get("output")))
    return Draft(tuple(_turns(pairs, where)), {"id": own_id(row)})


def is_instruction(row: object) -> bool:
    """Whether a row is an instruction with its output."""
    return isinstance(row, dict) and {"instruction", "output"} <= row.keys()


def read_instruction(row: object, where: str) -> Draft:
    """One conversation: the history, then the last exchange."""
    row = require_object(row, where)
    history = row.get("history") or []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise UserError(f"{where}: field 'history' must be a list of pairs of question and answer.")
    asked, context = row.get("instruction"), row.get("input")
    if isinstance(asked, str) and isinstance(context, str) and context.strip():
        asked = f"{asked.strip()}\n{context.strip()}".strip()
    return Draft(tuple(_turns([*history, (asked, row.get("output"))], where)), {"id": own_id(row)})


def _turns(pairs: Iterable, where: str) -> Iterable[Turn]:
    for number, (question, answer) in enumerate(pairs, start=1):
        place = f"{where}, exchange {number}"
        yield make_turn(place, "seeker", question)
        yield make_turn(place, "supporter", answer)
