"""Candidates to be judged, and a pipeline's folder with them: for tests of annotation."""

from PIL import Image

from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.curation.candidates.rows import Candidate
from compeer_jax.curation.config import AnnotationConfig, BuildConfig, CandidatesConfig
from compeer_jax.curation.rounds.rows import Reference
from compeer_jax.curation.stage import Workspace
from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.dialogue.schema import Turn
from compeer_jax.structure import unstructured

MODELS = ("red", "blue")


def candidates(count: int) -> list[Candidate]:
    """Candidates of two models, in English and Chinese by turns, no two with the same words."""
    return [
        Candidate(
            id=f"talk-{number}#1/{model}",
            dialogue=f"talk-{number}",
            language=("en", "zh")[number % 2],
            source="esconv",
            licence="CC-BY-NC-4.0",
            history=(Turn("seeker", f"I lost job {number}.\nAgain.", images=("photos/a.png",) * (number == 3)),),
            reference=Reference(f"The reference of {number}."),
            steps={tag: f"={tag} of {number} by some model" for tag in ("history", "emotion", "strategy")},
            labels={
                "stage": "exploration",
                "sentiment": "negative",
                "emotion": "fear",
                "intensity": "4",
                "strategy": "Question",
            },
            response=f"The output of {number}, number {place}.",
            round=1,
            rounds=3,
            provenance=({"stage": "corpora"}, {"stage": "candidates", "model": model}),
        )
        for place, model in enumerate(MODELS)
        for number in range(count)
    ]


def work_with(folder, made, *, models=None, seed=0, said=None, **settings) -> Workspace:
    """A pipeline's folder with these candidates in it.

    Args:
        folder: the pipeline's.
        made: the candidates.
        models: chat models by name, to be asked for drafts.
        seed: of the pipeline.
        said: a list that takes what the stage says.
        settings: of the annotation.
    """
    models = models or {}
    config = BuildConfig(
        output=str(folder),
        seed=seed,
        models={name: ChatModelConfig(path=name) for name in models},
        candidates=CandidatesConfig(),
        annotation=AnnotationConfig(drafts=list(models), **settings),
    )
    write_jsonl(folder / "candidates" / "candidates.jsonl", [unstructured(candidate) for candidate in made])
    (folder / "corpora" / "photos").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), "red").save(folder / "corpora" / "photos" / "a.png")
    return Workspace(config, folder, models, (lambda line: None) if said is None else said.append)
