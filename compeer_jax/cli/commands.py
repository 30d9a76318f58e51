"""The table of commands: what each is for, its settings, and the function that is called with them."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compeer_jax.curation import STAGES
from compeer_jax.errors import UserError, unknown


@dataclass(frozen=True)
class Command:
    """One command. What it needs is imported when it is run.

    Attributes:
        summary: its line in an overview.
        config: "module:class" of its settings, within this package.
        function: "module:function", within this package, that is called with the settings.
        description: what its --help says first.
        keywords: of the function, besides the settings.
        flags: option -> keyword that is then True: of one start alone, so no settings.
        positional: the setting that words without an option's name give.
        result: printed at the end; `{result}` is what the function returned, `{config}` the settings.
        resumes: whether the same command goes on with what was interrupted.
    """

    summary: str
    config: str
    function: str
    description: str
    keywords: Mapping[str, Any] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    positional: str = ""
    result: str = ""
    resumes: bool = False

    def config_class(self) -> type:
        return _named(self.config)

    def call(self, config: Any, **flags: bool) -> None:
        """Does what the command is for."""
        result = _named(self.function)(config, **self.keywords, **flags)
        if self.result:
            print(self.result.format(result=result, config=config))


@dataclass(frozen=True)
class Group:
    """Commands under one name, such as `compeer reward train`.

    Attributes:
        summary: its line in the overview.
        actions: the commands.
        default: the action that is meant where none is named ("": one has to be).
    """

    summary: str
    actions: Mapping[str, Command]
    default: str = ""


def _named(path: str) -> Any:
    module, name = path.split(":")
    return getattr(importlib.import_module(f"compeer_jax.{module}"), name)


_GOES_ON = "A run that was stopped goes on when it is started again."

_DATA = {
    "build": Command(
        "make CER: run all stages below that have something new to do",
        "curation.config:BuildConfig",
        "curation.pipeline:build",
        "Builds CER from corpora. A stage that was interrupted, or whose settings changed, is run again.",
        keywords={"say": print},
        result="The dataset and its card are in {result}/cer.",
        resumes=True,
    ),
    **{
        stage: Command(
            f"stage: {summary}",
            "curation.config:BuildConfig",
            "curation.pipeline:build",
            "Builds CER from corpora: this stage alone, which is run even if nothing has changed.",
            keywords={"say": print, "stages": (stage,), "again": True},
            resumes=True,
        )
        for stage, summary in STAGES.items()
    },
    "care": Command(
        "make CARE's training data: each reply of a corpus with the four nodes that lead to it",
        "curation.care.config:CareDataConfig",
        "curation.care.build:build_care",
        "Builds CARE's training data: each reply of a corpus with the four nodes that lead to it, written by a chat "
        "model or silver. What was interrupted, or whose settings changed, is run again.",
        keywords={"say": print},
        result="Train from it with --data.path {result} --data.format care --data.prompt care.",
        resumes=True,
    ),
    "danger": Command(
        "list the dialogues in which somebody is in danger, for a person to decide what trains",
        "data.danger.review:DangerSheetConfig",
        "data.danger.review:make_sheet",
        "Lists the dialogues in which somebody is in danger, for a person to decide what may be learned from: "
        "`compeer data danger DATA --output sheet.jsonl`.",
        positional="data",
        result="{result}",
        resumes=True,
    ),
    "tfds": Command(
        "write ESConv or CER as a TensorFlow Dataset in ArrayRecord",
        "cli.export:TFDSConfig",
        "cli.export:export_tfds",
        "Writes a dataset for TensorFlow Datasets, in ArrayRecord; neither TensorFlow nor the network is needed.",
        result="The dataset is in {result}.",
        resumes=True,
    ),
}

_REWARD = {
    "train": Command(
        "train a judge: UnifiReward, PRM or ORM",
        "training.reward_config:RewardTrainConfig",
        "training.reward:train_reward",
        "Trains a generative judge: UnifiReward, PRM or ORM. An interrupted run goes on from its last checkpoint.",
        resumes=True,
    ),
    "eval": Command(
        "how often judges are right, on held-out records",
        "evaluation.reward_eval:RewardEvalConfig",
        "cli.evaluation:judges",
        "Rates judges on records of known verdicts, as the paper's Table 1, and says if answer order sways them.",
    ),
    "consistency": Command(
        "whether the replies that judges choose follow from the reasoning before them",
        "evaluation.judge_consistency:ConsistencyConfig",
        "cli.evaluation:consistency",
        "Lets judges choose among a policy's outputs, and a checker say whether the replies chosen follow from the "
        "reasoning, as the paper's Fig. 5a; or says whether judges' verdicts on responses agree with those on the "
        "steps.",
    ),
}

_RATE_OTHERS = {
    "generation": Command(
        "rate answers against references: BLEU, ROUGE-L, METEOR, BERTScore, diversity, strategies",
        "evaluation.generation_metrics:GenerationEvalConfig",
        "cli.evaluation:generation",
        "Rates answers against references: BLEU, ROUGE-L, METEOR, BERTScore, diversity and strategies.",
    ),
    "replies": Command(
        "let a model behind a server reply to held-out dialogues",
        "evaluation.served_replies:RepliesConfig",
        "cli.evaluation:replies",
        "Lets a model behind a server reply to held-out dialogues, for `compeer eval study`, `pairs`, `generation`.",
    ),
    "pairs": Command(
        "make blinded pairs of two systems' replies for people to judge",
        "people.tasks:PairsConfig",
        "cli.people:pairs",
        "Makes blinded pairs of two systems' replies for people to judge, as a table and for Label Studio.",
    ),
    "study": Command(
        "make blinded pairs of one system's replies with those of several others, on the same dialogues",
        "people.study:StudyConfig",
        "cli.people:study",
        "Makes blinded pairs of one system's replies with those of several others, on the same dialogues, for people "
        "to judge, as tables and for Label Studio.",
    ),
    "preferences": Command(
        "read what people prefer in such pairs: wins, ties, losses, and how far they agree",
        "people.preferences:PreferencesConfig",
        "cli.people:preferences",
        "Reads what people prefer in pairs of `compeer eval pairs` or `compeer eval study`: wins, ties, losses, and "
        "how far they agree.",
    ),
    "danger": Command(
        "measure how much danger is found in what people write, and how often where there is none",
        "evaluation.danger.evaluate:DangerEvalConfig",
        "cli.evaluation:danger",
        "Measures how much danger is found in sentences, explicit and indirect, and how often it is found in harmless "
        "ones.",
    ),
    "crisis": Command(
        "play talks about danger to models: what replies miss, what they must not say, where they over-react",
        "benchmarks.crisis.config:CrisisConfig",
        "cli.benchmarks:crisis",
        "Plays talks that lead to danger, hide it, or only look like it, to models, and says what each reply misses, "
        f"what it must not say, and where it over-reacts. {_GOES_ON}",
        resumes=True,
    ),
    "esc-eval": Command(
        "ESC-Eval: play role cards to a model, and have the dialogues scored on seven dimensions",
        "benchmarks.config:EscEvalConfig",
        "cli.benchmarks:esc_eval",
        "ESC-Eval: role cards are played to the tested model, and scorers rate the dialogues on seven dimensions. "
        f"{_GOES_ON}",
        resumes=True,
    ),
    "sage": Command(
        "play SAGE: seekers whose emotion each reply moves talk with a model",
        "benchmarks.sage.config:SageConfig",
        "cli.benchmarks:sage",
        f"SAGE: seekers whose emotion each reply moves talk with the tested model. {_GOES_ON}",
        resumes=True,
    ),
    "benchmarks": Command(
        "test several models on ESC-Eval and SAGE, and lay the results side by side",
        "benchmarks.suite_config:SuiteConfig",
        "cli.benchmarks:suite",
        "Tests several models on ESC-Eval, SAGE or both, and lays the results side by side.",
        resumes=True,
    ),
    "show": Command(
        "make one HTML page of a benchmark's run, or of two side by side",
        "benchmarks.page:ShowConfig",
        "benchmarks.page:show_runs",
        "Makes one HTML page of a benchmark's run, or of two side by side: `compeer eval show RUN [RUN2]`. "
        "The page loads nothing from anywhere and can be opened as a file.",
        positional="runs",
        result="{result}: open it in a browser.",
    ),
}

_EVAL = {
    "policy": Command(
        "rate a model on held-out dialogues; what `compeer eval` does where no action is named",
        "evaluation.evaluate:EvalConfig",
        "cli.evaluation:policy",
        "Rates a model on held-out dialogues: format, labels, reward, redundancy and diversity. There is also "
        + "; ".join(f"`compeer eval {action}`: {command.summary}" for action, command in _RATE_OTHERS.items())
        + ".",
    ),
    **_RATE_OTHERS,
}

COMMANDS: Mapping[str, Command | Group] = {
    "quickstart": Command(
        "train a small model on the bundled dialogues, SFT then GRPO, and print what it learned",
        "cli.quickstart:QuickstartConfig",
        "cli.quickstart:quickstart",
        "Trains a small model on the bundled dialogues: SFT, a UnifiReward judge, then GRPO under that judge without "
        "and with redundancy reweighting. The recipe care has other steps of reasoning, and rewards by rule.",
        resumes=True,
    ),
    "init": Command(
        "make a small random Qwen2.5-shaped model and a tokenizer from dialogues",
        "training.small_model:SmallModelConfig",
        "training.small_model:make_small_model",
        "Makes a small random Qwen2.5-shaped model and a tokenizer, to train with nothing downloaded.",
        result="The model is in {result}.",
    ),
    "data": Group("build a dataset from corpora, with whatever chat models you have", _DATA),
    "sft": Command(
        "supervised fine-tuning on reasoned answers",
        "training.config:SFTConfig",
        "training.sft:train_sft",
        "Supervised fine-tuning on (history, reasoned answer) records. An interrupted run goes on.",
        resumes=True,
    ),
    "grpo": Command(
        "reinforcement learning with a judge and redundancy-aware rewards",
        "training.config:GRPOConfig",
        "training.grpo:train_grpo",
        "GRPO with a judge and redundancy-aware rewards. An interrupted run goes on from its last checkpoint. "
        "With --profile it writes a trace of its third to fifth step, and tells where their time goes.",
        flags={"--profile": "profile"},
        resumes=True,
    ),
    "reward": Group("train a judge, and see how often it is right", _REWARD),
    "eval": Group("rate a model on held-out dialogues", _EVAL, default="policy"),
    "chat": Command(
        "talk with a model at the terminal",
        "talk.config:ChatConfig",
        "cli.chat:chat",
        "Talk with a model at the terminal. The reply is shown once it is whole and checked, the reasoning on request "
        "(/reasoning); /judge rates the last output, /help lists the other commands. The talk is saved as a dialogue "
        "after every turn. Every turn is searched for danger, which misses some of what people say. Where it is found, "
        "numbers to call are shown (--country US: those of the place), and a reply that misses what is called for is "
        "asked for anew, then replaced by the program's own words, marked as such. `--model DIR` is short for "
        "`--model.path DIR`.",
    ),
    "ablate": Command(
        "sweep reward settings over a run's logged rollouts",
        "evaluation.ablation:AblateConfig",
        "cli.evaluation:ablate",
        "Sweeps settings of the reward over the outputs that a run has logged: what would each have made of them?",
    ),
    "plan": Command(
        "say whether a run fits a TPU slice that is not here, and what bounds its speed there",
        "planning.config:PlanConfig",
        "planning.answer:answer",
        "Says whether a run of `compeer grpo` fits a machine that is not here, and what bounds its speed there. For "
        "TPUs it compiles the run's own programs with the TPU compiler; nothing is computed, and no weights are "
        "needed.",
    ),
    "export": Command(
        "write a run's model as a Hugging Face directory",
        "cli.export:ExportConfig",
        "cli.export:export",
        "Writes the model of a run's checkpoint as a Hugging Face directory, which transformers loads unchanged.",
        result="The model of step {result} is in {config.output}.",
    ),
}


CONFIG_SUMMARY = "show the merged settings of a command"
"""Of `compeer config`, which is about the others."""


def commands() -> Iterator[tuple[str, Command]]:
    """Every command by its whole name, such as "reward train"."""
    for name, entry in COMMANDS.items():
        if isinstance(entry, Group):
            yield from ((f"{name} {action}", command) for action, command in entry.actions.items())
        else:
            yield name, entry


def find(arguments: Sequence[str]) -> tuple[str, Command, list[str]]:
    """The command that the first words name: its name as it was given, the command, and the arguments after them.

    Raises:
        UserError: there is none of that name, or an action has to be named.
    """
    name, rest = arguments[0], list(arguments[1:])
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    entry = COMMANDS[name]
    if isinstance(entry, Command):
        return name, entry, rest
    if entry.default and (not rest or rest[0].startswith("-")):
        return name, entry.actions[entry.default], rest
    if not rest:
        raise UserError(f"name an action: {', '.join(entry.actions)}.")
    action = rest[0]
    if action not in entry.actions:
        raise unknown(f"{name} action", action, entry.actions)
    return f"{name} {action}", entry.actions[action], rest[1:]
