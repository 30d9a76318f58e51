"""ESC-Eval: a role-player plays each card to the tested model for a few rounds, then scorers rate the dialogues.

The role-player is greeted with the fixed words of its prompt file; the tested model doesn't see them. Then, each round,
the role-player says something as the seeker, and the tested model replies.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.dialogue.prompts import load_task_prompt
from compeer_jax.evaluation.benchmarks.bench_run import BenchRun, bench_run, drawn, scenarios_hash
from compeer_jax.evaluation.benchmarks.config import EscEvalConfig
from compeer_jax.evaluation.benchmarks.esc_eval_cards import read_cards
from compeer_jax.evaluation.benchmarks.esc_scores import PROMPT as SCORE_PROMPT
from compeer_jax.evaluation.benchmarks.esc_scores import score_players, scorer_model, with_scores
from compeer_jax.evaluation.benchmarks.lockstep import Wanted, play
from compeer_jax.evaluation.benchmarks.rows import (
    DIMENSIONS,
    UNFINISHED,
    BenchDialogue,
    BenchTurn,
    Ending,
    Scenario,
    write_dialogues,
)
from compeer_jax.evaluation.benchmarks.tested_model import TestedModel, plain_turn
from compeer_jax.generation.chat_call import Answer
from compeer_jax.generation.chat_models import ChatRequest

ROLE_PROMPT = "esc_role"
ROLE, TESTED = "role", "tested"
REJECTED = "rejected.jsonl"
TRIES = 2  # times that the role-player is asked for a message before it counts as silent
_AS_ROLE = {"seeker": "assistant", "supporter": "user"}


class EscPlayer:
    """One card's dialogue: a player of `lockstep.play`.

    Args:
        scenario: the card.
        tested: the tested model.
        rounds: how often the seeker speaks and is answered.

    Attributes:
        turns: what was said so far.
        ending: why it has ended; None while it goes on.
    """

    def __init__(self, scenario: Scenario, tested: TestedModel, rounds: int):
        self.scenario, self.tested, self.rounds = scenario, tested, rounds
        self.turns: list[BenchTurn] = []
        self.ending: Ending | None = None
        self._draw = 0

    def wants(self) -> Wanted | None:
        if self.ending is not None:
            return None
        if self._seeker_next:
            return Wanted(ROLE, ChatRequest(role_messages(self.scenario, self.turns), self._draw))
        return Wanted(TESTED, self.tested.request(self.turns, self.scenario.language))

    def hear(self, answer: Answer | None) -> None:
        if self._seeker_next:
            self._hear_seeker(answer)
        elif answer is None:
            self.ending = "no reply"
        else:
            self.turns.append(self.tested.read(answer))
            if len(self.turns) == 2 * self.rounds:
                self.ending = "rounds"

    @property
    def _seeker_next(self) -> bool:
        return len(self.turns) % 2 == 0

    def _hear_seeker(self, answer: Answer | None) -> None:
        said = plain_turn("seeker", answer.text).content if answer is not None else ""
        if said:
            self.turns.append(BenchTurn("seeker", said))
            self._draw = 0
        else:
            self._draw += 1
            self.ending = "no reply" if self._draw == TRIES else None


def role_messages(scenario: Scenario, turns: Sequence[BenchTurn]) -> list[dict[str, str]]:
    """The chat that asks the role-player for the seeker's next message: its card, the greeting, the talk so far."""
    prompt = load_task_prompt(ROLE_PROMPT, scenario.language)
    system = Template(prompt.system).substitute(card=scenario.card["base"])
    talk = [{"role": _AS_ROLE[turn.role], "content": turn.shown.content} for turn in turns]
    return [{"role": "system", "content": system}, {"role": "user", "content": prompt.user}, *talk]


def run_esc_eval(config: EscEvalConfig, say: Callable[[str], None]) -> Path:
    """Runs the benchmark, or goes on with a run that was stopped; returns its folder.

    Args:
        config: the settings.
        say: told a line for the person who waits.

    Raises:
        UserError: no card to play, another run in the folder, or a model that can't be asked any more; what was
            answered is kept.
    """
    cards = read_cards(config.cards, config.languages)
    scenarios = drawn(cards.scenarios, config.limit, config.seed)
    if cards.rejected:
        reasons = Counter(one["reason"].partition(":")[0] for one in cards.rejected)
        counted = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        say(f"{len(cards.rejected)} cards are left out ({counted}); see {Path(config.output) / REJECTED}.")
    with bench_run(config, say=say) as run:
        tested = TestedModel.of(run.models[config.tested], config)
        prompts = tested.prompts(config.languages) | _versions((ROLE_PROMPT, SCORE_PROMPT), config.languages[0])
        run.bind(settings_of(config, scenarios, prompts), _used(config))
        write_jsonl(run.folder / REJECTED, cards.rejected)
        players = [EscPlayer(scenario, tested, config.rounds) for scenario in scenarios]
        stopped = _talk(run, config, players)
        provenance = {
            "models": {ROLE: config.role, TESTED: config.tested, "scorers": config.scorers},
            "prompts": prompts,
            "flavour": config.flavour,
            "seed": config.seed,
        }
        dialogues = [dialogue_of(player, config.name, provenance) for player in players]
        if stopped or not config.scorers:
            write_dialogues(run.folder, dialogues)
        else:
            dialogues, stopped = _score(run, config, dialogues)
        if stopped:
            left = sum(one.ending == "budget" for one in dialogues)
            what = f"{left} of {len(dialogues)} dialogues have not ended" if left else "not all scores are given"
            say(f"Stopped: {stopped}; {what}. Give the same command with a higher budget to go on.")
        return run.folder


def settings_of(config: EscEvalConfig, scenarios: Sequence[Scenario], prompts: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's results depend on, beside the models."""
    names = ("tested", "prompt", "malformed", "role", "rounds", "scorers", "flavour", "chunk", "seed")
    return {
        "benchmark": "esc-eval",
        "model": config.name,
        "cards": {"count": len(scenarios), "sha256": scenarios_hash(scenarios)},
        **{name: getattr(config, name) for name in names},
        "prompts": dict(prompts),
    }


def dialogue_of(player: EscPlayer, model: str, provenance: Mapping[str, Any]) -> BenchDialogue:
    """A player's row, as far as it has come."""
    scenario = player.scenario
    return BenchDialogue(
        benchmark="esc-eval",
        id=scenario.id,
        language=scenario.language,
        model=model,
        card=scenario.card,
        turns=tuple(player.turns),
        ending=player.ending or "budget",
        provenance=provenance,
    )


def summary(dialogues: Sequence[BenchDialogue]) -> list[str]:
    """What a run gave, a line each: endings, replies in broken format, scores that are missing and why."""
    endings = Counter(one.ending for one in dialogues)
    lines = [f"{len(dialogues)} dialogues: " + ", ".join(f"{name} {count}" for name, count in endings.most_common())]
    replies = [turn for one in dialogues for turn in one.turns if turn.role == "supporter"]
    broken, cut = sum(bool(turn.problems) for turn in replies), sum(turn.truncated for turn in replies)
    silent = sum(not turn.content for turn in replies)
    lines.append(f"{len(replies)} replies: {broken} in broken format, {silent} without words, {cut} cut at the longest")
    scorers = dict.fromkeys(scorer for one in dialogues for scorer in one.scores)
    for scorer in scorers:
        given = [score for one in dialogues for score in one.scores.get(scorer, {}).values()]
        why = Counter(reason for one in dialogues for reason in one.missing.get(scorer, {}).values())
        missing = given.count(None) + len(DIMENSIONS) * sum(endings[name] for name in UNFINISHED)
        if any(endings[name] for name in UNFINISHED):
            why["dialogues that did not end"] = missing - given.count(None)
        counted = f" ({', '.join(f'{reason}: {count}' for reason, count in why.most_common())})" if why else ""
        lines.append(f"{scorer}: {len(given) - given.count(None)} scores, {missing} missing{counted}")
    return lines


def _talk(run: BenchRun, config: EscEvalConfig, players: Sequence[EscPlayer]) -> str:
    with run.progress("dialogues", 2 * config.rounds * len(players), "message") as heard:
        return play(
            players,
            run.asked({ROLE: config.role, TESTED: config.tested}),
            chunk=config.chunk,
            budget=config.budget,
            spent=run.models.spent,
            heard=heard,
        )


def _score(run: BenchRun, config: EscEvalConfig, dialogues: Sequence[BenchDialogue]) -> tuple[list[BenchDialogue], str]:
    """The dialogues with their scores, as written, and which budget was used up meanwhile."""
    write_dialogues(run.folder, dialogues)
    players = score_players(dialogues, config.scorers, config.models, config.flavour)
    names = dict.fromkeys(player.who for player in players)
    with run.progress("scores", len(players), "score") as heard:
        stopped = play(
            players,
            run.asked({name: name for name in names}),
            chunk=config.chunk,
            budget=config.budget,
            spent=run.models.spent,
            heard=heard,
        )
    scored = with_scores(dialogues, players)
    write_dialogues(run.folder, scored)
    return scored, stopped


def _used(config: EscEvalConfig) -> list[str]:
    """The models that are asked."""
    asked = (
        scorer_model(scorer, dimension, language, config.models)
        for scorer in config.scorers
        for dimension in DIMENSIONS
        for language in config.languages
    )
    return list(dict.fromkeys([config.role, config.tested, *asked]))


def _versions(names: Sequence[str], language: str) -> dict[str, int]:
    return {name: load_task_prompt(name, language).version for name in names}
