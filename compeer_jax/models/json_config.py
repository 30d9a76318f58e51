"""The keys of a model's `config.json`: typed, and a sentence for each that is missing or badly typed."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from compeer_jax.errors import UserError

LARGEST_NUMBER = 2**31 - 1


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set: many names of keys are read best so."""
    return frozenset(text.split())


# What Hugging Face writes into the config of any model, and what no forward pass asks for.
_NOTES = words(
    "_name_or_path name_or_path _commit_hash transformers_version transformers.js_config architectures model_type "
    "torch_dtype dtype use_cache attn_implementation _attn_implementation _attn_implementation_autoset torchscript "
    "use_bfloat16 tf_legacy_loss return_dict chunk_size_feed_forward gradient_checkpointing initializer_range "
    "id2label label2id problem_type task_specific_params finetuning_task tokenizer_class prefix model_max_length "
    "bos_token_id eos_token_id pad_token_id sep_token_id decoder_start_token_id "
    # of generation, which has settings of its own here
    "max_length min_length max_new_tokens do_sample early_stopping num_beams num_beam_groups diversity_penalty "
    "temperature top_k top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size bad_words_ids "
    "encoder_no_repeat_ngram_size num_return_sequences remove_invalid_values exponential_decay_length_penalty "
    "suppress_tokens begin_suppress_tokens forced_bos_token_id forced_eos_token_id output_scores output_attentions "
    "output_hidden_states return_dict_in_generate unsloth_version unsloth_fixed"
)
_NOTHING = (None, False, "", [], {})


def refuse_unknown(values: Mapping[str, Any], where: str, *, read: Collection[str], right: Mapping[str, tuple]) -> None:
    """Refuses every key that is neither read, nor known to change nothing, nor switched off.

    Args:
        values: of a model's config.
        where: the config, for the sentence.
        read: the keys that are read, or checked, elsewhere.
        right: of other keys, the values that ask for what is built; null always does.

    Raises:
        UserError: a key asks for something else; it is named.
    """
    for name, value in values.items():
        if name in right:
            if value is not None and not any(type(value) is type(x) and value == x for x in right[name]):
                built = " or ".join(map(repr, right[name])) or "null"
                raise UserError(f"{where}: {name} is {shown(value)}; only {built} is built.")
        elif name not in read and name not in _NOTES and not any(value is x or value == x for x in _NOTHING):
            raise UserError(
                f"{where}: {name} is {shown(value)}, and what it asks for is not built: give another checkpoint, or "
                "remove the key if nothing that the model computes depends on it."
            )


def shown(value: object) -> str:
    """A value of a config within a sentence: on one line, and short."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


@dataclass(frozen=True)
class ConfigReader:
    """Reads typed keys of a config. A key absent or null takes its default; without a default it must be there."""

    values: Mapping[str, Any]
    where: str

    def integer(self, name: str, *default: int | None) -> int | None:
        return self._read(
            name, default, "a whole number above 0 and below 2^31", lambda x: type(x) is int and 0 < x <= LARGEST_NUMBER
        )

    def positive(self, name: str, *default: float | None) -> float | None:
        value = self._read(
            name, default, "a number above 0", lambda x: type(x) in (int, float) and 0 < x < math.inf and _is_float(x)
        )
        return value if value is None else float(value)

    def boolean(self, name: str, default: bool) -> bool:
        return self._read(name, (default,), "true or false", lambda x: type(x) is bool)

    def token(self, name: str) -> int | None:
        return self._read(name, (None,), "a token id", _is_token)

    def tokens(self, name: str) -> int | tuple[int, ...] | None:
        def is_token_or_list(x: Any) -> bool:
            return _is_token(x) or (isinstance(x, list) and all(map(_is_token, x)))

        value = self._read(name, (None,), "a token id or a list of them", is_token_or_list)
        return tuple(value) if isinstance(value, list) else value

    def _read(self, name: str, default: tuple, wanted: str, is_valid: Any) -> Any:
        value = self.values.get(name)
        if value is None:
            if not default:
                raise UserError(f"{self.where}: the key {name!r} is missing; it must be {wanted}.")
            return default[0]
        if not is_valid(value):
            raise UserError(f"{self.where}: {name} is {shown(value)}; it must be {wanted}.")
        return value


def _is_token(value: object) -> bool:
    return type(value) is int and abs(value) <= LARGEST_NUMBER  # some configs have -1 for none


def _is_float(value: int | float) -> bool:
    try:
        float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False
    return True
