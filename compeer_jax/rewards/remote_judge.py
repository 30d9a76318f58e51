"""A judge behind a chat server: the rounds of a conversation one after the other, all conversations side by side."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from compeer_jax.chat.server import ChatServer
from compeer_jax.chat.types import Answer
from compeer_jax.dialogue.judging import JudgeCase, judge_messages
from compeer_jax.dialogue.prompts import load_judge_prompt
from compeer_jax.rewards.config import RemoteJudgeConfig
from compeer_jax.rewards.conversation import Conversation
from compeer_jax.rewards.streaming import stream_item

SILENCE = "…"  # stands for a reply that is not whole; many servers refuse to be shown one without words


class RemoteJudge:
    """Holds conversations through a `ChatServer`; a `JudgeModel`.

    The server's draws follow from the config's seed, not from the key: the same conversation gets the same replies, and
    is asked only once, until its reply is whole. A reply that never came is a silent one. Steps and answers are shown
    whole, however long; a server that refuses so long a conversation ends the run.

    Args:
        config: the server and the judge's prompt.
        say: called with a line when the server goes away and when it is back.
        folder: where answers are stored, when the config names no folder.

    Attributes:
        server: with `usage`, what was asked and answered so far.

    Raises:
        UserError: an unknown prompt, or as `ChatServer`.
    """

    def __init__(
        self,
        config: RemoteJudgeConfig,
        *,
        say: Callable[[str], None],
        folder: str | Path | None = None,
    ):
        load_judge_prompt(config.prompt, "en")
        self.config = config
        self.server = ChatServer(config, say=say, folder=folder)

    def check(self) -> None:
        """One quick request before a run; UserError when the server can't be used."""
        self.server.check()

    def __call__(
        self,
        conversations: Sequence[Conversation],
        key: jax.Array | None = None,
        *,
        group_size: int = 1,
        retry: bool = False,
    ) -> list[tuple[Answer, ...]]:
        """The replies of each conversation, one for each of its tags; a second draw of them, by chance, with `retry`.

        Of a stream of conversations, each is held as soon as it is there.

        Raises:
            ServerGone: the server refuses, or was away for longer than its `patience`.
        """
        return self.server.gather(self._hold(conversations, index, retry) for index in range(len(conversations)))

    async def _hold(self, conversations: Sequence[Conversation], index: int, retry: bool) -> tuple[Answer, ...]:
        conversation = await stream_item(conversations, index)
        replies: list[Answer] = []
        for _ in conversation.rounds[1:]:
            replies.append(await self._reply(conversation.case, conversation.rounds, replies, retry))
        orders = [conversation.case, *([conversation.case.swapped()] if conversation.both_orders else [])]
        last = (self._reply(case, conversation.rounds, replies, retry) for case in orders)
        return (*replies, *await asyncio.gather(*last))

    async def _reply(self, case: JudgeCase, rounds: Sequence[str], replies: Sequence[Answer], retry: bool) -> Answer:
        """The reply to the round after these."""
        messages = judge_messages(
            case,
            rounds,
            prompt=self.config.prompt,
            replies=[reply.text if reply.whole else SILENCE for reply in replies],
            pictures=True,
        )
        drawn = {"draw": 1, "temperature": self.config.retry_temperature} if retry else {}
        return await self.server.answer(messages, **drawn) or Answer("")
