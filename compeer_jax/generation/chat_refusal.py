"""What it means when a chat server says no."""

from compeer_jax.errors import unknown
from compeer_jax.generation.chat_call import Refused, model_names
from compeer_jax.generation.chat_config import ServerConfig


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
    mend = {
        400: "if the conversation is too long for the model, shorten it or serve the model with a longer context; "
        "if it does not know a setting, leave that out with extra: {NAME: null}",
        401: f"it does not take the key in the environment variable {name}; put the right one there",
        403: f"the key in the environment variable {name} has no right to this model; take another key or model",
        429: "the account's quota is used up; raise it, or take another server",
    }.get(refusal.status, "look at its log, or mend its url")
    return f"{says}; {mend}."
