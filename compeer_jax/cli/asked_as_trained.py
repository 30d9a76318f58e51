"""A model is asked as it was trained: its card gives the defaults of settings, and a setting that is given wins."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


def card_defaults(config_class: type, given: Any) -> dict[str, Any]:
    """Defaults for `config_class.OF_THE_CARD`, its settings that a model's card says; none without a card.

    Args:
        config_class: of the command.
        given: its settings as they would be without: a namespace, by dotted names.

    Raises:
        UserError: the card is malformed.
    """
    path = _model_path(given) if hasattr(config_class, "OF_THE_CARD") else None
    if not path or not (Path(path).expanduser() / "policy.json").is_file():
        return {}
    from compeer_jax.training.policy_card import PolicyCard  # loads jax

    card = PolicyCard.read(path)
    return {} if card is None else {key: card.settings[key] for key in config_class.OF_THE_CARD if key in card.settings}


def tell_differing(defaults: Mapping[str, Any], given: Any) -> None:
    """Says which settings are others than the card's."""
    other = [f"{key} {value!r} ({given[key]!r} here)" for key, value in defaults.items() if given[key] != value]
    if other:
        log.warning("The model was trained with %s.", ", ".join(other))


def _model_path(given: Any) -> str | None:
    """The model that is asked: `model`, or the one that `tested` names among `models`."""
    if "model.path" in given:
        return given["model.path"]
    model = (given.get("models") or {}).get(given.get("tested"))
    return None if model is None else model["path"]
