"""What a person is told before they talk with a model, and after words that suggest danger."""

from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml

from compeer_jax.dialogue.taxonomy import Language, check_language


def opening_notice(language: Language) -> str:
    """What a person is told before they talk with a model: what it is, what it is not, and where to call in danger."""
    return _content()["opening"][check_language(language)]


def danger_notice(language: Language) -> str:
    """What a person is shown after words that suggest danger."""
    return _content()["danger"][check_language(language)]


@cache
def _content() -> Mapping:
    return yaml.safe_load(resources.files(__package__).joinpath("wording.yaml").read_text(encoding="utf-8"))
