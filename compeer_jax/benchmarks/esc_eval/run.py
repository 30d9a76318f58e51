"""Run of ESC-Eval: a role-player plays each card to the tested model for a few rounds, then scorers rate the dialogues.

The role-player is greeted with the fixed words of its prompt file; the tested model doesn't see them. Then, each round,
the role-player says something as the seeker, and the tested model replies.

    OUTPUT/
      settings.json, answers/, rejected.jsonl    as every benchmark has them (benchmarks/run.py)
      dialogues.jsonl                            a row a card, in their order
      counts.json                                what could not be used or read, and the cost
      results.json, results.md, diversity.png    the paper's table with intervals, and diversity over turns

A run that was killed, or stopped by its budget, goes on when it is started again, and ends with the same files.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from compeer_jax.benchmarks.config import EscEvalConfig
from compeer_jax.benchmarks.dialogues import (
    DIMENSIONS,
    BenchDialogue,
    BenchTurn,
    Ending,
    Scenario,
    write_dialogues,
)
from compeer_jax.benchmarks.esc_eval.cards import read_cards
from compeer_jax.benchmarks.esc_eval.counts import count_lines, counts_of
from compeer_jax.benchmarks.esc_eval.prompts import EscPrompts
from compeer_jax.benchmarks.esc_eval.scores import ScorePlayer, score_players, scorer_model, with_scores
from compeer_jax.benchmarks.lockstep import Wanted
from compeer_jax.benchmarks.run import BenchRun, bench_run, drawn, scenarios_hash
from compeer_jax.benchmarks.tested_model import THINK, TestedModel, plain_turn
from compeer_jax.chat.types import Answer, ChatRequest, Message
from compeer_jax.dialogue.material import harmless
from compeer_jax.dialogue.prompts import TaskPrompt
from compeer_jax.files import write_json

ROLE, TESTED = "role", "tested"
COUNTS = "counts.json"
TRIES = 2  # times that a side is asked for a message; a tested model's second stands even if it is not whole
_AS_ROLE = {"seeker": "assistant", "supporter": "user"}


class EscPlayer:
    """One card's dialogue: a player of `lockstep.play`.

    Args:
        scenario: the card.
        tested: the tested model.
        prompt: the role-player's, in the card's language.
        rounds: how often the seeker speaks and is answered.

    Attributes:
        turns: what was said so far.
        ending: why it has ended; None while it goes on.
    """

    def __init__(self, scenario: Scenario, tested: TestedModel, prompt: TaskPrompt, rounds: int):
        self.scenario, self.tested, self.prompt, self.rounds = scenario, tested, prompt, rounds
        self.turns: list[BenchTurn] = []
        self.ending: Ending | None = None
        self._draw = 0

    def wants(self) -> Wanted | None:
        if self.ending is not None:
            return None
        if self._seeker_next:
            return Wanted(ROLE, ChatRequest(role_messages(self.scenario, self.turns, self.prompt), self._draw))
        return Wanted(TESTED, self.tested.request(self.turns, self.scenario.language)._replace(draw=self._draw))

    def receive(self, answer: Answer | None) -> None:
        seeker, last = self._seeker_next, self._draw + 1 == TRIES
        whole = answer is not None and answer.whole
        if not whole and not last:
            self._draw += 1
        elif answer is None or (seeker and not whole):
            self.ending = "no reply"
        else:
            self._draw = 0
            self.turns.append(_seekers(answer) if seeker else self.tested.read(answer))
            if len(self.turns) == 2 * self.rounds:
                self.ending = "rounds"

    @property
    def _seeker_next(self) -> bool:
        return len(self.turns) % 2 == 0


def _seekers(answer: Answer) -> BenchTurn:
    """The seeker's turn in the role-player's answer."""
    said = plain_turn("seeker", answer.written)
    return BenchTurn("seeker", said.content, thinking=said.steps.get(THINK))


def role_messages(scenario: Scenario, turns: Sequence[BenchTurn], prompt: TaskPrompt) -> list[Message]:
    """The chat that asks the role-player for the seeker's next message: its card, the greeting, the talk so far."""
    texts = (("system", prompt.system), ("user", prompt.user))
    begun = [
        {"role": role, "content": Template(text).substitute(card=harmless(scenario.card["base"]))}
        for role, text in texts
    ]
    talk = [{"role": _AS_ROLE[turn.role], "content": harmless(turn.shown.content)} for turn in turns]
    return [*(begun if prompt.system else begun[1:]), *talk]


def run_esc_eval(config: EscEvalConfig, say: Callable[[str], None]) -> Path:
    """Runs the benchmark, or goes on with a run that was stopped; returns its folder, with results and pictures.

    Arguments and errors as of `play_cards`.
    """
    from compeer_jax.benchmarks.results import benchmark_figures, write_run_results

    published = benchmark_figures(config.published)
    folder = play_cards(config, say)
    write_run_results(folder, published, seed=config.seed)
    return folder


def play_cards(config: EscEvalConfig, say: Callable[[str], None]) -> Path:
    """Plays the cards and has the dialogues scored; returns the folder with the rows and the counts.

    Args:
        config: the settings.
        say: told a line for the person who waits.

    Raises:
        UserError: no card to play, another run in the folder, or a model that can't be asked any more; what was
            answered is kept.
    """
    cards = read_cards(config.cards, config.languages)
    scenarios = drawn(cards.scenarios, config.limit, config.seed)
    told = EscPrompts.of(config)
    with bench_run(config, say=say) as run:
        tested = TestedModel.of(run.models[config.tested], config)
        prompts = tested.prompts(config.languages) | told.versions()
        settings = settings_of(config, scenarios, prompts) | told.own_versions()
        if run.bind(settings, _used(config)):
            say(f"{run.folder} holds this run: going on with it.")
        run.leave_out(cards.rejected)
        players = [EscPlayer(one, tested, told.role[one.language], config.rounds) for one in scenarios]
        stopped = _talk(run, config, players)
        provenance = {
            "models": {ROLE: config.role, TESTED: config.tested, "scorers": config.scorers},
            "prompts": prompts,
            "flavour": config.flavour,
            "seed": config.seed,
            **told.own_versions(),
            **({"readings": config.readings} if config.readings else {}),
        }
        dialogues = [dialogue_of(player, config.name, provenance) for player in players]
        scores = score_players(dialogues, config, told)
        write_dialogues(run.folder, dialogues)
        if not stopped:
            stopped = _score(run, scores)
        dialogues = with_scores(dialogues, scores)
        write_dialogues(run.folder, dialogues)
        counts = counts_of(cards, dialogues, scores) | {"spent": vars(run.models.spent())}
        write_json(run.folder / COUNTS, counts)
        for line in count_lines(counts):
            say(line)
        if stopped:
            say(f"Stopped: {stopped}. Give the same command with a higher budget to go on.")
        return run.folder


def settings_of(config: EscEvalConfig, scenarios: Sequence[Scenario], prompts: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's results depend on, beside the models."""
    names = ("tested", "prompt", "malformed", "role", "rounds", "scorers", "flavour", "chunk", "seed")
    return {
        "benchmark": "esc-eval",
        "model": config.name,
        "cards": {"count": len(scenarios), "sha256": scenarios_hash(scenarios)},
        **{name: getattr(config, name) for name in names},
        **({"readings": config.readings} if config.readings else {}),
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


def _talk(run: BenchRun, config: EscEvalConfig, players: Sequence[EscPlayer]) -> str:
    names, total = {ROLE: config.role, TESTED: config.tested}, 2 * config.rounds * len(players)
    return run.play(players, names, title="dialogues", total=total, unit="message")


def _score(run: BenchRun, scores: Sequence[ScorePlayer]) -> str:
    return run.play(scores, {one.who: one.who for one in scores}, title="scores", total=len(scores), unit="score")


def _used(config: EscEvalConfig) -> list[str]:
    """The models that are asked."""
    asked = (
        scorer_model(scorer, dimension, language, config.models)
        for scorer in config.scorers
        for dimension in DIMENSIONS
        for language in config.languages
    )
    return list(dict.fromkeys([config.role, config.tested, *asked]))
