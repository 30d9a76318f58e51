"""Forms of exchanges: a question with its answer, as files for fine-tuning write them.

XTuner's JSON is `{"conversation": [{"system"?, "input", "output"}]}`, in which EmoLLM is published (seen: `data.json`,
`aiwei.json` of its repository). LLaMA-Factory's is `{"instruction", "input", "output", "history": [[question, answer],
…]}`, in which CPsyCounD is published too (read after its published description). Many files have one question and its
answer: `{"prompt", "response"}`, `{"Context", "Response"}` and their kin, sides of which may be lists of messages.
"""

from collections.abc import Iterable

from compeer_jax.data.corpora.chats import chat_turns, is_message
from compeer_jax.data.corpora.draft import Draft, make_turn, own_id, require_list, require_object
from compeer_jax.data.corpora.roles import ROLES, Roles
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError

QUESTIONS = ("prompt", "context", "question", "query", "input", "user")
ANSWERS = ("response", "completion", "answer", "reply", "output", "assistant")


def is_exchanges(row: object) -> bool:
    """Whether a row is a conversation of inputs and outputs."""
    exchanges = row.get("conversation") if isinstance(row, dict) else None
    return isinstance(exchanges, list) and any("input" in one for one in exchanges if isinstance(one, dict))


def read_exchanges(row: object, where: str, roles: Roles = ROLES) -> Draft:
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


def read_instruction(row: object, where: str, roles: Roles = ROLES) -> Draft:
    """One conversation: the history, then the last exchange."""
    row = require_object(row, where)
    asked, context = row.get("instruction"), row.get("input")
    if isinstance(asked, str) and isinstance(context, str) and context.strip():
        asked = f"{asked.strip()}\n{context.strip()}".strip()
    return Draft(tuple(_turns([*_history(row, where), (asked, row.get("output"))], where)), {"id": own_id(row)})


def is_reply(row: object) -> bool:
    """Whether a row has one question and one answer, by any of the usual names."""
    return isinstance(row, dict) and all(len(_named(row, names)) == 1 for names in (QUESTIONS, ANSWERS))


def read_reply(row: object, where: str, roles: Roles = ROLES) -> Draft:
    """One exchange, after its history if there is one."""
    row = require_object(row, where)
    if not is_reply(row):
        names = f"one question ({', '.join(QUESTIONS)}) and one answer ({', '.join(ANSWERS)})"
        raise UserError(f"{where}: {names} are needed.")
    question, answer = (row[_named(row, names)[0]] for names in (QUESTIONS, ANSWERS))
    turns = list(_turns(_history(row, where), where))
    for side, said in (("seeker", question), ("supporter", answer)):
        if isinstance(said, list) and any(map(is_message, said)):
            turns += chat_turns(said, where, roles)
        else:
            turns.append(make_turn(f"{where}, the {side}'s text", side, said))
    return Draft(tuple(turns), {"id": own_id(row)})


def _named(row: dict, names: tuple[str, ...]) -> list[str]:
    return [name for name in row if isinstance(name, str) and name.strip().casefold() in names]


def _history(row: dict, where: str) -> list:
    history = row.get("history") or []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise UserError(f"{where}: field 'history' must be a list of pairs of question and answer.")
    return history


def _turns(pairs: Iterable, where: str) -> Iterable[Turn]:
    for number, (question, answer) in enumerate(pairs, start=1):
        place = f"{where}, exchange {number}"
        yield make_turn(place, "seeker", question)
        yield make_turn(place, "supporter", answer)
