"""What it means when a chat server says no."""

import re

from compeer_jax.chat.call import model_names
from compeer_jax.chat.config import ServerConfig
from compeer_jax.chat.reply import Refused
from compeer_jax.errors import unknown

OWN_SETTINGS = ("seed", "temperature", "max_tokens")  # that every request has, and that not every server takes


async def refusal_sentence(it: str, config: ServerConfig, client, refusal: Refused) -> str:
    """What a refusal means, and what to mend.

    Args:
        it: the server, as sentences begin with it.
        config: how it was asked.
        client: to ask it for the models that it has.
        refusal: what it said.
    """
    name = config.key_name
    says = f"{it} answers {refusal.status} ({refusal.message})"
    if refusal.status == 404:
        models = await model_names(client, config.timeout)
        if models and config.model not in models:
            return str(unknown("model", config.model, models, says))
        return f"{says}; mend its url, which ends in /v1 on most servers, or the model's name."
    if refusal.status == 401 and not config.key:
        if not name:
            return f"{says}; it wants a key: name the environment variable that holds it as api_key_env."
        return f"{says}; it wants a key: put it in the environment variable {name}, or name another as api_key_env."
    if 300 <= refusal.status < 400:
        return f"{says}; give that address as its url, if that server is to have the conversations."
    if refusal.status == 407:
        return f"{says}; put a login into the address that {config.proxy or 'the proxy variable'} holds."
    setting = next((name for name in OWN_SETTINGS if re.search(rf"\b{name}\b", refusal.message)), "NAME")
    request = (
        "if the conversation is too long for the model, shorten it or serve the model with a longer context; "
        f"if it does not know a setting, leave that out with extra: {{{setting}: null}}"
    )
    mend = {
        400: request,
        422: request,
        401: f"it does not take the key in the environment variable {name}; put the right one there",
        403: f"the key in the environment variable {name} has no right to this model; take another key or model",
        429: "the account's quota is used up; raise it, or take another server",
    }.get(refusal.status, "look at its log, or mend its url")
    return f"{says}; {mend}."
