"""Prompts of ESC-Eval's role-player and scorers: ours, or those of files that the user names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compeer_jax.benchmarks.config import EscEvalConfig
from compeer_jax.dialogue.prompt_files import read_prompts
from compeer_jax.dialogue.prompts import TaskPrompt, load_task_prompt

ROLE_PROMPT, SCORE_PROMPT = "esc_role", "esc_score"


@dataclass(frozen=True)
class EscPrompts:
    """The prompts of a run.

    Attributes:
        role: language -> the role-player's.
        scorers: scorer -> language -> its prompt.
        of_files: the scorers whose prompts are from files.
    """

    role: Mapping[str, TaskPrompt]
    scorers: Mapping[str, Mapping[str, TaskPrompt]]
    of_files: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: EscEvalConfig) -> "EscPrompts":
        """Reads the files that the settings name; UserError for one that is no such prompt."""
        role = read_prompts(config.role_prompts, ROLE_PROMPT, config.languages, "role_prompts")
        ours = {language: load_task_prompt(SCORE_PROMPT, language) for language in config.languages}
        own = {
            scorer: found
            for scorer, paths in config.scorer_prompts.items()
            if (found := read_prompts(paths, SCORE_PROMPT, config.languages, f"scorer_prompts.{scorer}"))
        }
        role = role or {language: load_task_prompt(ROLE_PROMPT, language) for language in config.languages}
        return cls(role, {scorer: own.get(scorer, ours) for scorer in config.scorers}, tuple(own))

    def scorer(self, scorer: str, language: str) -> TaskPrompt:
        """A scorer's prompt in a language."""
        return self.scorers[scorer][language]

    def versions(self) -> dict[str, int | str]:
        """name.language -> version or hash, of those that all share; a scorer's own ones are in `own_versions`."""
        shared = [self.role, *(prompts for name, prompts in self.scorers.items() if name not in self.of_files)]
        return {f"{one.name}.{one.language}": one.version for prompts in shared for one in prompts.values()}

    def own_versions(self) -> dict[str, Any]:
        """Settings that tell the prompts of single scorers: nothing where all have ours."""
        own = {
            name: {language: prompt.version for language, prompt in self.scorers[name].items()}
            for name in self.of_files
        }
        return {"scorer_prompts": own} if own else {}
