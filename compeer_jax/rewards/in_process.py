"""Judges whose weights live in this process, on the run's mesh or on a part of the machine."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
from flax import nnx

from compeer_jax.chat.types import Answer
from compeer_jax.data.chat import CachingTokenizer, Prompt
from compeer_jax.data.judge_chat import (
    SHORT_HISTORY,
    SLACK,
    ask_bound,
    ask_tokens,
    read_asks,
    without,
    without_long_parts,
)
from compeer_jax.data.seen_pictures import SeenPictures
from compeer_jax.dialogue.judging import JudgeCase, JudgeKind
from compeer_jax.dialogue.reasoning import ReasoningFormat
from compeer_jax.dialogue.taxonomy import LANGUAGES, Language
from compeer_jax.errors import UserError
from compeer_jax.generation.conversation_engine import ConversationEngine, Reply
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.generation.sight import PromptPictures
from compeer_jax.models.frozen_base import FrozenBase
from compeer_jax.models.lora import join
from compeer_jax.models.quantized import in_few_bits
from compeer_jax.models.source import load_model, model_shape
from compeer_jax.models.tokenizer import chat_ids, load_tokenizer
from compeer_jax.parallel.exchange import host_key
from compeer_jax.parallel.mesh import MeshConfig, make_mesh, share_of_each_process
from compeer_jax.rewards.config import JudgeLoadConfig
from compeer_jax.rewards.conversation import Conversation
from compeer_jax.rewards.judge_card import JudgeCard, check_tokenizer
from compeer_jax.rewards.streaming import collected

LEAST_PART = 16  # tokens of steps and answers for which there must be room in a judge's context
WIDTH = 128  # arrays of tokens are padded to multiples of it, so that few programs are compiled


class InProcessJudge:
    """Holds conversations with a model in this process; a `JudgeModel`.

    What the conversations about one prompt begin with is read once, and each keeps its cache from round to round. Where
    it is asked about the responses in both orders, its cache goes back to where the first of them began. Conversations
    of a stream are held as they come by a judge on devices of its own; on the run's, once all are there: the device
    would do one thing after the other all the same, and the memory of decoding is free by then.

    Args:
        directory: weights, tokenizer and judge.json, as `compeer reward train` writes them.
        kind: what the judge must have been trained for.
        format: of the outputs to judge.
        config: types, temperatures and place.
        mesh: of the run.
        card: how a general model is asked, whose directory has no judge.json.
        base: the frozen model of the run, in the types and layout that the run has it in; a directory of adapters of
            that model uses its weights, unless `config` puts the judge on other devices. Other adapters are merged into
            a model of the judge's own.

    Attributes:
        card: how it wants to be asked.
        mesh: where its weights lie.

    Raises:
        UserError: the directory holds no judge, or not of that kind or format, or files that don't belong together;
            the judge's context is too short for what it may be shown; the mesh doesn't fit.
    """

    def __init__(
        self,
        directory: str | Path,
        kind: JudgeKind,
        format: ReasoningFormat,
        config: JudgeLoadConfig,
        mesh: jax.sharding.Mesh,
        base: FrozenBase | None = None,
        *,
        card: JudgeCard | None = None,
    ):
        directory = Path(directory).expanduser()
        self.card, self._tokenizer, self._context = judge_files(directory, kind, format, card)
        self.mesh = last_devices(config.devices) if config.devices else mesh
        self._apart = jax.process_count() == 1 and not set(self.mesh.devices.flat) & set(mesh.devices.flat)
        if base is not None and self.mesh is mesh and base.has_adapters(directory):
            graphdef, adapters = base.adapters_in(directory)
            self._params = join(adapters, base.params)
        else:
            model = in_few_bits(load_model(config.model(directory), self.mesh), config.quantize)
            graphdef, self._params = nnx.split(model, nnx.Param)
        self._seen = None
        if self.card.limits.pictures.most:
            self._seen = SeenPictures.from_pretrained(directory, mesh=self.mesh, dtype=config.dtype)
        stop_ids, pad_id = chat_ids(self._tokenizer)

        def engine(temperature: float) -> ConversationEngine:
            sampling = SamplingConfig(max_new_tokens=self.card.max_new_tokens, temperature=temperature)
            return ConversationEngine(graphdef, sampling=sampling, stop_ids=stop_ids, pad_id=pad_id, multiple=WIDTH)

        self._engines = {False: engine(config.temperature), True: engine(config.retry_temperature)}
        self._batch_prompts = config.batch_prompts
        self._frames: dict[tuple[Language, tuple[str, ...]], int] = {}

    def __call__(
        self, conversations: Sequence[Conversation], key: jax.Array, *, group_size: int, retry: bool = False
    ) -> list[tuple[Answer, ...]]:
        tokenizer = CachingTokenizer(self._tokenizer)
        if not self._apart:
            conversations = collected(conversations)
        count = len(conversations)
        if retry:  # seldom the same number twice: filled up to 4, 16, 64, … groups, so that few programs are compiled
            fillers = _power_of_four(count // group_size) - count // group_size
            conversations = [*conversations, *conversations[:group_size] * fillers]
        at_once = self._batch_prompts * group_size or len(conversations)
        replies: list[tuple[Answer, ...]] = []
        key = host_key(key)  # it may come from another part of the machine
        with jax.set_mesh(self.mesh):
            for start in range(0, len(conversations), at_once):
                part = [self._asks(tokenizer, one) for one in conversations[start : start + at_once]]
                held = self._engines[retry].reply(
                    self._params,
                    [[ask.tokens for ask in asks] for asks in part],
                    jax.random.fold_in(key, start),
                    group_size,
                    alternatives=2 if conversations[start].both_orders else 1,
                    pictures=self._see([asks[0] for asks in part[::group_size]]),
                )
                replies += [tuple(map(self._answer, conversation)) for conversation in held]
        return replies[:count]

    def fitted(self, case: JudgeCase) -> JudgeCase:
        """The case with "" in place of each part that can't be shown whole.

        That is one of more than `limits.max_part_tokens`, and where a conversation is too long for the model's context,
        its longest ones, of which the two answers are one.
        """
        card, tokenizer = self.card, self._tokenizer
        asked = [tag for rounds in card.conversations for tag in rounds]
        case, sizes = without_long_parts(tokenizer, case, asked, card.limits)
        for rounds in card.conversations:
            room = self._context - len(rounds) * card.max_new_tokens - SLACK
            if self._frame(case.language, rounds) + sum(sizes[tag] for tag in rounds) <= room:
                continue  # whatever the history is
            while sum(map(len, ask_tokens(tokenizer, case, rounds, card.limits))) > room:
                longest = max(rounds, key=sizes.get)
                if not sizes[longest]:
                    break  # none is left: there is room for that, see `_check_context`
                case, sizes[longest] = without(case, longest), 0
        return case

    def _frame(self, language: Language, rounds: tuple[str, ...]) -> int:
        """The most tokens of asks that show no steps and no answers."""
        if (language, rounds) not in self._frames:
            case = JudgeCase(language, SHORT_HISTORY, dict.fromkeys(rounds, ""), ("", ""))
            asks = ask_tokens(self._tokenizer, case, rounds, self.card.limits)
            self._frames[language, rounds] = sum(map(len, asks)) + self.card.limits.max_history_tokens
        return self._frames[language, rounds]

    def _asks(self, tokenizer, conversation: Conversation) -> list[Prompt]:
        """Each round's ask and, where it is wanted, the last one's alternative."""
        case, rounds = conversation.case, conversation.rounds
        asks = read_asks(tokenizer, case, rounds, self.card.limits)
        if conversation.both_orders:
            asks += read_asks(tokenizer, case.swapped(), rounds, self.card.limits)[-1:]
        return asks

    def _see(self, asks: Sequence[Prompt]) -> PromptPictures | None:
        """The pictures of first asks; those of a group are about one talk, which one of them has."""
        return self._seen and self._seen.of_each([ask.pictures for ask in asks], self.card.limits.pictures)

    def _answer(self, reply: Reply) -> Answer:
        text = self._tokenizer.decode(reply.tokens, skip_special_tokens=False)
        return Answer(text, 0, len(reply.tokens), "whole" if reply.finished else "cut")


def _power_of_four(count: int) -> int:
    """The least power of four that is at least `count`, from 4."""
    return 4 ** max(1, -(-(count - 1).bit_length() // 2))


def last_devices(count: int) -> jax.sharding.Mesh:
    """A mesh of the last `count` devices, with several processes the last of each; weights are split over them.

    Raises:
        UserError: there are fewer, or the processes can't share them equally.
    """
    devices = jax.devices()
    if count > len(devices):
        raise UserError(f"reward.models.devices is {count} and there are {len(devices)} devices; take at most those.")
    return make_mesh(
        MeshConfig(fsdp=count), share_of_each_process(devices, count, f"reward.models.devices = {count}", last=True)
    )


class JudgeFiles(NamedTuple):
    """Files of a judge's directory beside its weights.

    Attributes:
        card: how it wants to be asked.
        tokenizer: its own.
        context: most tokens that it can read and write.
    """

    card: JudgeCard
    tokenizer: Any
    context: int


def judge_files(
    directory: str | Path, kind: JudgeKind, format: ReasoningFormat, card: JudgeCard | None = None
) -> JudgeFiles:
    """All that can be known of a judge before its weights are loaded, checked.

    Args:
        directory: as of `InProcessJudge`; so are `kind` and `format`.
        card: instead of the one in the directory.

    Raises:
        UserError: as `InProcessJudge`, but for what is wrong with the weights.
    """
    card = card or JudgeCard.read(directory)
    _check_use(directory, card, kind, format)
    tokenizer = load_tokenizer(Path(directory).expanduser())
    check_tokenizer(directory, tokenizer)
    shape = model_shape(Path(directory).expanduser())
    if card.limits.pictures.most and shape.vision is None:
        raise UserError(
            f"the judge in {directory} is to be shown {card.limits.pictures.most} pictures (limits.pictures.most), but "
            "its model reads text alone; take another."
        )
    _check_context(directory, card, tokenizer, shape.max_position_embeddings)
    return JudgeFiles(card, tokenizer, shape.max_position_embeddings)


def _check_use(directory: str | Path, card: JudgeCard, kind: JudgeKind, format: ReasoningFormat) -> None:
    if card.kind != kind:
        raise UserError(
            f"{directory} is a judge of kind {card.kind!r}, not {kind!r}; name it as what it is, or "
            f"train another with `compeer reward train --kind {kind}`."
        )
    if card.format != format.name:
        raise UserError(f"the judge in {directory} reads {card.format!r} outputs, not {format.name!r}; take another.")


def _check_context(directory: str | Path, card: JudgeCard, tokenizer, context: int) -> None:
    """Raises UserError when even a conversation with short steps and answers is longer than the context."""
    rounds = max(card.conversations, key=len)
    limits = replace(card.limits, max_part_tokens=LEAST_PART)
    empty = (
        JudgeCase(language, SHORT_HISTORY, dict.fromkeys(card.reasoning.tags, ""), ("", "")) for language in LANGUAGES
    )
    start = max(len(ask_tokens(tokenizer, case, rounds[:1], limits)[0]) for case in empty)
    most = start + limits.max_history_tokens + len(rounds) * (ask_bound(limits, tokenizer) + card.max_new_tokens)
    if most > context:
        raise UserError(
            f"the judge in {directory} may be shown {most} tokens even when steps and answers have {LEAST_PART}, "
            f"more than its context of {context} (max_position_embeddings); train one with, or ask it with, a lower "
            "max_history_tokens or max_new_tokens."
        )
