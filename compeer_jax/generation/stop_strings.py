"""Words that end a completion, found in its text as it is written."""

from collections.abc import Callable, Sequence

from compeer_jax.errors import UserError

Decode = Callable[[list[int]], str]
"""Token ids to text, such as a tokenizer's `decode`."""


class StopStrings:
    """Looks for strings in completions that grow.

    Args:
        strings: what ends a completion.
        decode: token ids to text. Every token must add a byte or more, but for four at most in what is looked at.

    Raises:
        UserError: an empty string, or no `decode`.
    """

    def __init__(self, strings: Sequence[str], decode: Decode | None):
        if "" in strings:
            raise UserError("A stop string is empty; leave it out.")
        if strings and decode is None:
            raise UserError("Stop strings need `decode`, which turns token ids into text, such as tokenizer.decode.")
        self.strings = tuple(strings)
        self._decode = decode
        self._reach = 4 + max((len(string.encode()) for string in strings), default=0)

    def cut(self, tokens: Sequence[int], read: int = 0) -> int | None:
        """How many tokens stand up to the end of the first string, the token that completes it included.

        Args:
            tokens: the completion so far.
            read: how many of them hold no string, which is known from an earlier call.
        """
        for end in range(read + 1, len(tokens) + 1) if self.strings else ():
            text = self._decode(list(tokens[max(0, end - self._reach) : end]))
            if any(string in text for string in self.strings):
                return end
        return None
