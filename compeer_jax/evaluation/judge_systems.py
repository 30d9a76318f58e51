"""Judge systems side by side on the same outputs: UnifiReward, PRM + ORM, a server's model (the paper's Figure 5)."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from compeer_jax.chat.answers import AnswerStore
from compeer_jax.chat.types import Answer
from compeer_jax.dialogue.judging import JudgeKind
from compeer_jax.dialogue.reasoning import ReasoningFormat
from compeer_jax.errors import UserError
from compeer_jax.evaluation.rated_judges import GENERAL, Candidate, RatedJudgeConfig, candidates
from compeer_jax.evaluation.saved_outputs import Group
from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.progress import Progress
from compeer_jax.rewards.config import JudgeLoadConfig, JudgeModelsConfig, RemoteJudgeConfig
from compeer_jax.rewards.generative_judge import GenerativeJudge
from compeer_jax.rewards.judge import Verdicts

SYSTEMS: dict[str, tuple[JudgeKind, ...]] = {"UnifiReward": ("unifi",), "PRM + ORM": ("prm", "orm")}


class System(NamedTuple):
    """A judge, or two that share the work, not loaded yet.

    Attributes:
        name: in tables.
        judges: by what they do.
        format: of the outputs.
        both_orders: ask about answers in both orders.
    """

    name: str
    judges: dict[JudgeKind, Candidate]
    format: ReasoningFormat
    both_orders: bool

    def load(self) -> GenerativeJudge:
        """The judge, ready to be asked."""
        models = {kind: judge.load() for kind, judge in self.judges.items()}
        return GenerativeJudge(self.format, models, both_orders=self.both_orders)

    @property
    def identity(self) -> list | None:
        """What its verdicts depend on, as plain values; None where a server's answers are kept as they come."""
        parts = {kind: judge.identity for kind, judge in self.judges.items()}
        return None if None in parts.values() else [parts, self.both_orders]


def named_systems(
    models: JudgeModelsConfig,
    remote: RemoteJudgeConfig,
    format: ReasoningFormat,
    *,
    both_orders: bool,
    mesh: MeshConfig,
    folder: Path | None,
) -> list[System]:
    """The judges that the settings name.

    Args:
        models: directories of unifi, of prm and orm, or of all three.
        remote: a general model behind a server, if it names one.
        format: of the outputs.
        both_orders: ask about answers in both orders.
        mesh: where judges with weights live.
        folder: where answers are kept; None where they are not.

    Raises:
        UserError: none is named, one of prm and orm is missing, a directory is no judge, the server can't be used.
    """
    named: dict[str, dict[JudgeKind, RatedJudgeConfig]] = {}
    for name, kinds in SYSTEMS.items():
        directories = {kind: getattr(models, kind) for kind in kinds}
        if any(directories.values()):
            for kind, directory in directories.items():
                if not directory:
                    raise UserError(
                        f"models.{kind} is not named; a judge of steps needs one of responses, and vice versa."
                    )
            named[name] = {kind: RatedJudgeConfig(kind, directory) for kind, directory in directories.items()}
    if remote.model:
        named[remote.model] = {"unifi": RatedJudgeConfig(GENERAL, server=remote)}
    if not named:
        raise UserError("name the judges: models.unifi, or models.prm and models.orm, or all three, or remote.model.")
    loading = JudgeLoadConfig(**{name: getattr(models, name) for name in JudgeLoadConfig.__dataclass_fields__})
    place = make_mesh(mesh)
    found = []
    for name, judges in named.items():
        ready = candidates(judges, format, loading, place, folder)
        found.append(System(name, dict(zip(judges, ready, strict=True)), format, both_orders))
    return found


def verdicts_of(
    system: System, groups: Sequence[Group], *, batch_prompts: int, seed: int, kept: AnswerStore
) -> Verdicts:
    """A system's verdicts on all outputs of all groups, one group after the other.

    They are kept a batch at a time under what they depend on: judges, settings, seed, dialogues and outputs. A judge is
    loaded when a batch is not there yet.

    Args:
        system: who judges.
        groups: outputs by prompt.
        batch_prompts: groups judged at once.
        seed: of the order of answers, and of what is random in replies.
        kept: where verdicts are kept.
    """
    key, parts, judge = jax.random.key(seed), [], None
    identity = system.identity
    count = -(-len(groups) // batch_prompts)
    with Progress(count, system.name) as progress:
        for step in range(count):
            chosen = groups[step * batch_prompts : (step + 1) * batch_prompts]
            # One compiled shape for the last batch too.
            filled = [*chosen, *[chosen[0]] * (batch_prompts - len(chosen))] if count > 1 else chosen
            outputs = [output for group in filled for output in group]
            name = _digest([identity, seed, step, [[dataclasses.asdict(one.record), one.text] for one in outputs]])
            answer = kept.get(name) if identity else None
            if answer is None:
                judge = judge or system.load()
                part = judge(outputs, jax.random.fold_in(key, step))
                said = {"steps": part.steps.tolist(), "response": part.response.tolist()}
                if identity:
                    kept.put(name, Answer(json.dumps(said), 0, 0), system.name)
            else:
                said = json.loads(answer.text)
                part = Verdicts(np.array(said["steps"], np.int32), np.array(said["response"], np.int32))
            parts.append(rows_of(part, range(sum(map(len, chosen)))))
            progress.update(step + 1, {"unparsed": sum(int((part.steps == 0).sum()) for part in parts)})
    return Verdicts(*(np.concatenate([getattr(part, part_of) for part in parts]) for part_of in ("steps", "response")))


def rows_of(verdicts: Verdicts, rows: Sequence[int]) -> Verdicts:
    """The verdicts on some of the outputs."""
    return Verdicts(verdicts.steps[list(rows)], verdicts.response[list(rows)])


def _digest(parts: list) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str).encode()).hexdigest()
