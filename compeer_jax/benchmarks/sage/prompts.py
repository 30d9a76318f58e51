"""Prompts of the two sides of SAGE's seeker: ours, those of files, or those that its authors released.

`shown` gives what all of these can show; each takes what it has a placeholder for.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template

from compeer_jax.benchmarks.dialogues import BenchTurn
from compeer_jax.benchmarks.sage.config import SageConfig
from compeer_jax.benchmarks.sage.profiles import Profile
from compeer_jax.benchmarks.sage.replies import PLANNER_SECTIONS, Appraisal
from compeer_jax.dialogue.material import Filled, harmless
from compeer_jax.dialogue.prompt_files import read_prompts, released_prompts
from compeer_jax.dialogue.prompts import TaskPrompt, load_task_prompt
from compeer_jax.dialogue.talk import talk_text
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import UserError

PLANNER, AGENT, TESTED = "sage_planner", "sage_agent", "sage_tested"
STATES = {"Emotion-S": 100, "Emotion-A": 70, "Emotion-B": 40, "Emotion-C": 10}  # from which value on
LOWEST = "Emotion-F"
_NOT_BEGUN = {"en": "(The talk has not begun; you speak first.)", "zh": "（对话还没有开始，由你先开口。）"}
_SECTIONS = {name: name.lower() for name in PLANNER_SECTIONS} | {"TargetCompletion": "target_completion"}
_NAMES = {"seeker": "你", "supporter": "NPC"}  # of the two in the released code


@dataclass(frozen=True)
class SagePrompts:
    """The prompts of a run, in its language.

    Attributes:
        planner: of who says how a reply changes the emotion.
        agent: of who speaks for the seeker.
        tested: of the tested model by default; None for that of `TestedModel`.
    """

    planner: TaskPrompt
    agent: TaskPrompt
    tested: TaskPrompt | None = None

    @classmethod
    def ours(cls, language: Language) -> "SagePrompts":
        """Those of the strict flavour."""
        return cls(load_task_prompt(PLANNER, language), load_task_prompt(AGENT, language))

    @classmethod
    def of(cls, config: SageConfig) -> "SagePrompts":
        """Reads the files that the settings name.

        Raises:
            UserError: a file that is no such prompt, or the released prompts in a language that there are none in.
        """
        language, official = config.language, config.flavour == "official"
        sides = (PLANNER, "planner_prompts", config.planner_prompts), (AGENT, "role_prompts", config.role_prompts)
        found = []
        for task, setting, paths in sides:
            own = read_prompts(paths, task, [language], setting)
            prompts = own or (released_prompts(task) if official else {language: load_task_prompt(task, language)})
            if language not in prompts:
                raise UserError(
                    f"flavour is official, but SAGE's released prompts are in Chinese only, not in {language}; "
                    f"set language zh, or name a file in {setting}."
                )
            found.append(prompts[language])
        tested = released_prompts(TESTED).get(language) if official and config.prompt == "default" else None
        return cls(*found, tested)  # pyrefly: ignore[bad-argument-count]

    def versions(self) -> dict[str, int | str]:
        """name.language -> version, or hash of what is not ours."""
        used = (self.planner, self.agent, *([self.tested] if self.tested else []))
        return {f"{one.name}.{one.language}": one.version for one in used}


def state_of(emotion: int) -> str:
    """The released code's name for an emotion."""
    return next((name for name, least in STATES.items() if emotion >= least), LOWEST)


def shown(
    profile: Profile,
    turns: Sequence[BenchTurn],
    emotion: int,
    appraisal: Appraisal | None,
    change: int | None,
    prompt: TaskPrompt,
) -> dict[str, str]:
    """Placeholder -> what is put there.

    Args:
        profile: the seeker.
        turns: the talk so far.
        emotion: as it is now.
        appraisal: the planner's, of the last reply; None at the opening, and for the planner.
        change: of the emotion by that reply.
        prompt: whose placeholders they are; it may say how the appraisal, or that there is none, is put.
    """
    not_begun = prompt.more.get("opening_talk", _NOT_BEGUN[prompt.language])
    return {
        "player": profile.player,
        "scene": profile.scene,
        "task": profile.task,
        "emotion": str(emotion),
        "state": state_of(emotion),
        "conversation": talk_text([turn.shown for turn in turns], prompt.language) or not_begun,
        "dialogue": _listed(turns) if turns else not_begun,
        "earlier": _listed(turns[:-2]) if turns else not_begun,
        "latest": _listed(turns[-2:]) if turns else "",
        "feeling": _feeling(appraisal, change, prompt),
    }


def _feeling(appraisal: Appraisal | None, change: int | None, prompt: TaskPrompt) -> str:
    if appraisal is None:
        return prompt.more.get("opening_feeling", _NOT_BEGUN[prompt.language])
    if "feeling" not in prompt.more:
        return Filled("\n\n".join(filter(None, [harmless(appraisal.analysis), f"Change: {change:+d}"])))
    # Its own "Change:" may stay: who reads this rates nothing.
    found = {key: harmless(appraisal.sections.get(name, ""), ("control", "tag")) for name, key in _SECTIONS.items()}
    return Filled(Template(prompt.more["feeling"]).substitute(found | {"change": f"{change:+d}"}))


def _listed(turns: Sequence[BenchTurn]) -> str:
    """The turns as the released code shows them: a list in JSON."""
    rows = [{"role": _NAMES[turn.role], "content": turn.shown.content} for turn in turns]
    return json.dumps(rows, ensure_ascii=False, indent=2)
