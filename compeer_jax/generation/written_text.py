"""The text of tokens as they are drawn, in whole characters."""

from collections.abc import Sequence

from compeer_jax.generation.stop_strings import Decode


class WrittenText:
    """Turns tokens into text piece by piece; a character whose bytes have not all come is held back.

    All pieces, the `rest` included, make the text of all tokens.

    Args:
        decode: token ids to text, of a tokenizer whose tokens stand for bytes, as Qwen2.5's do.
    """

    def __init__(self, decode: Decode):
        self._decode = decode
        self._held: list[int] = []

    def add(self, tokens: Sequence[int]) -> str:
        """What is whole with these tokens."""
        self._held += tokens
        if self._decode(self._held).endswith("\ufffd"):  # the last bytes are no character, or not yet
            return ""
        return self.rest()

    def rest(self) -> str:
        """What was held back, as far as it is text."""
        held, self._held = self._held, []
        return self._decode(held) if held else ""
