"""Made-up dialogues of benchmarks, as runs leave them."""

from collections.abc import Mapping, Sequence

import numpy as np

from compeer_jax.benchmarks.dialogues import DIMENSIONS, BenchDialogue, BenchTurn


def talk(replies: Sequence[str], emotions: Sequence[int] = (), **broken) -> list[BenchTurn]:
    """The seeker speaks, then is answered with each reply; with emotions, the seeker has the last word."""
    turns = []
    for at, reply in enumerate(replies):
        turns.append(BenchTurn("seeker", "I can't sleep.", emotion=emotions[at] if emotions else None))
        turns.append(BenchTurn("supporter", reply, text=reply, **broken))
    return turns + ([BenchTurn("seeker", "Bye.", emotion=emotions[len(replies)])] if emotions else [])


def esc_row(
    id: str,
    scores: Mapping[str, int | Sequence[int | None] | None],
    *,
    language: str = "en",
    model: str = "ours",
    replies: Sequence[str] = ("I hear you.",),
    card: str = "",
    ending: str = "rounds",
    **broken,
) -> BenchDialogue:
    """A dialogue of ESC-Eval; a scorer's scores are one number for all dimensions, or seven."""
    given = {
        scorer: dict(zip(DIMENSIONS, said if isinstance(said, Sequence) else [said] * 7, strict=True))
        for scorer, said in scores.items()
    }
    turns = talk(replies, **broken)
    return BenchDialogue("esc-eval", id, language, model, {"base": card or id}, turns, ending, scores=given)


def sage_row(
    id: str,
    emotions: Sequence[int],
    ending: str = "rounds",
    *,
    model: str = "ours",
    language: str = "zh",
    replies: Sequence[str] | None = None,
) -> BenchDialogue:
    """A dialogue of SAGE whose emotion was these, from the start."""
    replies = ["我在听。"] * (len(emotions) - 1) if replies is None else replies
    final = None if ending in ("no reply", "budget") else emotions[-1]
    turns = talk(replies, emotions)
    return BenchDialogue("sage", id, language, model, {"player": id}, turns, ending, emotion=final)


def random_esc(seed: int, *, count: int = 30, model: str = "ours", shift: float = 0.0) -> list[BenchDialogue]:
    """Dialogues with scores of two scorers, some of them missing, in both languages."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        hard = np.random.default_rng([7, number]).normal(2.2, 0.8)  # a card is as hard for every model
        scores = {}
        for scorer in ("rank", "general"):
            said = np.clip(np.round(hard + shift + generator.normal(0, 0.6, 7)), 0, 4).astype(int).tolist()
            scores[scorer] = [None if generator.random() < 0.05 else score for score in said]
        language = "zh" if number % 3 == 0 else "en"
        rows.append(esc_row(f"card-{number}", scores, language=language, model=model))
    return rows


def random_sage(seed: int, *, count: int = 20, model: str = "ours", drift: float = 1.0) -> list[BenchDialogue]:
    """Dialogues by the rules of SAGE."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        values, ending = [40], "rounds"
        while len(values) <= 20 and ending == "rounds":
            values.append(min(100, values[-1] + int(np.clip(round(generator.normal(drift, 6)), -10, 10))))
            ending = "success" if values[-1] >= 100 else "failure" if values[-1] < 10 else "rounds"
        rows.append(sage_row(f"seeker-{number}", values, "no reply" if number == 3 else ending, model=model))
    return rows
