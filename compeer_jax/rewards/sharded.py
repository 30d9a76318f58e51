"""Judging sharded over the processes of a run: each rates whole groups, its share, and all get all results.

Judges in this process are not divided so: their mesh spans all processes, which hold each conversation together.
"""

from collections.abc import Sequence
from itertools import chain, groupby

import jax
import numpy as np

from compeer_jax.chat.types import Answer
from compeer_jax.parallel.exchange import agree, host_key, share_of
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.rewards.conversation import Conversation, JudgeModel
from compeer_jax.rewards.reward import Completion, RewardFunction, Rewards
from compeer_jax.rewards.streaming import collected


def sharded_reward(function: RewardFunction) -> RewardFunction:
    """`function`, called in each process with the completions of some prompts; diagnostics are averaged over outputs.

    Raises (when called):
        UserError: `function` raised it in some process; then it is raised in all.
    """

    def call(completions: Sequence[Completion], key: jax.Array) -> Rewards:
        if jax.process_count() == 1:
            return function(completions, key)
        completions = collected(completions)  # processes exchange nothing while they decode
        groups = [list(group) for _, group in groupby(completions, key=lambda completion: completion.record.id)]
        own_key = host_key(key)

        def rate() -> dict:
            share = list(chain.from_iterable(share_of(groups)))
            if not share:
                return {"total": [], "parts": {}, "diagnostics": {}}
            # What is computed for a share must run on this process's devices alone: the others compute something else.
            with jax.set_mesh(make_mesh(MeshConfig(), jax.local_devices()[:1])):
                rewards = function(share, own_key)
            parts = {name: np.asarray(values).tolist() for name, values in rewards.parts.items()}
            diagnostics = {name: float(value) for name, value in rewards.diagnostics.items()}
            return {"total": np.asarray(rewards.total).tolist(), "parts": parts, "diagnostics": diagnostics}

        return _joined([said for said in agree(rate) if said["total"]])

    return call


def _joined(shares: Sequence[dict]) -> Rewards:
    """The rewards of all shares, in their order."""

    def joined(lists: Sequence[Sequence[float]]) -> np.ndarray:
        return np.concatenate([np.array(values, np.float32) for values in lists])

    names = list(dict.fromkeys(name for share in shares for name in share["diagnostics"]))
    diagnostics = {}
    for name in names:
        having = [(share["diagnostics"][name], len(share["total"])) for share in shares if name in share["diagnostics"]]
        diagnostics[name] = float(np.average([value for value, _ in having], weights=[count for _, count in having]))
    parts = {name: joined([share["parts"][name] for share in shares]) for name in shares[0]["parts"]}
    return Rewards(joined([share["total"] for share in shares]), parts, diagnostics)


def sharded_judge(respond: JudgeModel) -> JudgeModel:
    """A judge elsewhere, of which each process asks about its share of the prompts; all get all replies."""

    def call(
        conversations: Sequence[Conversation], key: jax.Array, *, group_size: int, retry: bool = False
    ) -> list[tuple[Answer, ...]]:
        if jax.process_count() == 1:
            return respond(conversations, key, group_size=group_size, retry=retry)

        def answer() -> list[tuple[Answer, ...]]:
            try:
                starts = share_of(range(0, len(conversations), group_size))
                if not starts:
                    return []
                share = conversations[starts[0] : starts[-1] + group_size]
                return respond(share, key, group_size=group_size, retry=retry)
            finally:  # whatever came of it, processes exchange nothing while they decode
                collected(conversations)

        return [tuple(Answer(*reply) for reply in replies) for part in agree(answer) for replies in part]

    return call
