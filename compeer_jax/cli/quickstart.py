"""`compeer quickstart`: a small model from nothing, SFT, a judge, GRPO without and with reweighting, and one table."""

import dataclasses
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from compeer_jax.cli.configure import parse_config
from compeer_jax.errors import UserError
from compeer_jax.files import FolderLock, read_json, replacing
from compeer_jax.report.terminal_text import wide_console


@dataclass(frozen=True)
class Recipe:
    """What a quickstart runs where nothing else is asked for.

    Attributes:
        sft, grpo, reward: YAML files of the stages.
        judge: who rewards.
        grpo_runs: name of each GRPO run -> whether rewards are reweighted by redundancy.
        eval_records: held-out prompts that models are rated on.
        samples: talks of which replies before and after are written down.
    """

    sft: str
    grpo: str
    reward: str = "tiny_reward.yaml"
    judge: str = "unifi"
    grpo_runs: Mapping[str, bool] = field(default_factory=lambda: {"GRPO": False, "GRPO, reweighted": True})
    eval_records: int = 48
    samples: int = 0


RECIPES = {
    "compeer": Recipe("tiny_sft.yaml", "tiny_grpo.yaml"),
    "care": Recipe("care_tiny_sft.yaml", "care_tiny_grpo.yaml", judge="hierarchical"),
}
"""With a small random model, or one of the user's."""

PACKAGED_RECIPES = {
    "smollm2": Recipe(
        "smollm2_sft.yaml",
        "smollm2_grpo.yaml",
        "smollm2_reward.yaml",
        grpo_runs={"GRPO, reweighted": True},
        eval_records=12,
        samples=4,
    ),
}
"""With a model that pip fetches."""

FOLDERS = {"GRPO": "grpo", "GRPO, reweighted": "grpo_reweighted"}
BEFORE = {"temperature": 0.5, "top_p": 0.9, "repetition_penalty": 1.15, "max_new_tokens": 256}
"""How an untrained model draws best: it goes round in loops otherwise."""


@dataclass(frozen=True)
class QuickstartConfig:
    """The settings of the stages are in `sft_config`, `reward_config` and `grpo_config`; here is what they share.

    Args:
        recipe: "compeer": three steps of reasoning and a trained judge; "care": four nodes and rewards by rule.
        output: folder of all runs (default: runs/quickstart-DATA-SEED); an interrupted quickstart goes on there.
        data: "sample" for the bundled dialogues, or a file such as ESConv.json.
        split: JSON file with row numbers of train, valid and test (default: by seed).
        model: "smollm2" for SmolLM2-135M-Instruct, which pip fetches, with settings of its own; or a Hugging Face
            directory to start from; by default a small random model and tokenizer are made.
        judge: "unifi" trains a judge first, from the SFT model; "rules" goes without, by gold annotations alone;
            "hierarchical" looks at form, nodes and strategy (default: the first for compeer, the last for care).
        sft_config: YAML file of `compeer sft` (default: the recipe's, for the small model or that which is named).
        reward_config: YAML file of `compeer reward train` (default: likewise).
        grpo_config: YAML file of `compeer grpo` (default: likewise).
        sft_steps: optimiser steps of SFT (0: as in its file).
        reward_steps: optimiser steps of the judge (0: as in its file).
        grpo_steps: steps of each GRPO run (0: as in its file).
        eval_records: held-out prompts, four outputs each (0: 48, or 12 with smollm2).
        seed: seed of the small model's weights, of the order of the data and of the sampling.
    """

    recipe: Literal["compeer", "care"] = "compeer"
    output: str = ""
    data: str = "sample"
    split: str = ""
    model: str = ""
    judge: Literal["", "unifi", "rules", "hierarchical"] = ""
    sft_config: str = ""
    reward_config: str = ""
    grpo_config: str = ""
    sft_steps: int = 0
    reward_steps: int = 0
    grpo_steps: int = 0
    eval_records: int = 0
    seed: int = 0


MAY_CHANGE = ("output", "eval_records")


def quickstart(config: QuickstartConfig) -> Path:
    """Runs all stages; returns the path of the report."""
    import jax
    from rich.text import Text

    from compeer_jax.cli.quickstart_samples import Speaker, write_replies
    from compeer_jax.evaluation.policy_report import policy_table
    from compeer_jax.report.table import print_tables
    from compeer_jax.training.config import GRPOConfig, SFTConfig
    from compeer_jax.training.grpo import train_grpo
    from compeer_jax.training.reward import train_reward
    from compeer_jax.training.reward_config import RewardTrainConfig
    from compeer_jax.training.sft import train_sft
    from compeer_jax.training.small_model import SmallModelConfig, make_small_model

    recipe = recipe_of(config)
    output = Path(config.output or default_output(config)).expanduser()
    judged_by = config.judge or recipe.judge
    check_same_quickstart(output, config)
    lock = FolderLock(output)
    # The stages run the same programs several times; so does a quickstart that goes on after an interruption.
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(output.absolute() / "compiled"))
    console = wide_console()
    began = time.monotonic()

    def stage(title: str) -> None:
        console.rule(Text.assemble(f"{title}  ", (f"{time.monotonic() - began:.0f} s", "dim")), align="left")

    shared = ["--data.path", config.data, "--data.split", config.split, "--seed", str(config.seed)]

    def settings(config_class, file: str, command: str, *overrides: str):
        arguments = ["--config", str(config_file(file)), *shared, *overrides]
        return parse_config(config_class, arguments, command=command, description="")

    start = config.model or str(output / "start")
    sft_model = output / "sft" / "model"
    sft = settings(
        SFTConfig, config.sft_config or recipe.sft, "sft", "--output", str(output / "sft"), "--model.path", start
    )
    sft = dataclasses.replace(sft, steps=config.sft_steps or sft.steps)

    overrides = ["--output", str(output / "judge"), "--model.path", str(sft_model)]
    judge = settings(RewardTrainConfig, config.reward_config or recipe.reward, "reward train", *overrides)
    judge = dataclasses.replace(judge, steps=config.reward_steps or judge.steps)

    def grpo_settings(name: str, reweighting: bool) -> GRPOConfig:
        overrides = ["--output", str(output / FOLDERS[name]), "--model.path", str(sft_model)]
        overrides += ["--reward.judge", judged_by]
        overrides += ["--reward.models.unifi", str(output / "judge" / "model")] if judged_by == "unifi" else []
        grpo = settings(GRPOConfig, config.grpo_config or recipe.grpo, "grpo", *overrides)
        reward = dataclasses.replace(grpo.reward, reweighting=reweighting)
        return dataclasses.replace(grpo, reward=reward, steps=config.grpo_steps or grpo.steps)

    runs = {name: grpo_settings(name, reweighting) for name, reweighting in recipe.grpo_runs.items()}
    last = list(runs.values())[-1]

    if not config.model and not Path(start, "config.json").exists():
        stage("A small random model and its tokenizer")
        make_small_model(SmallModelConfig(output=start, data=sft.data, seed=config.seed))
    stage("SFT")
    train_sft(sft)
    if judged_by == "unifi":
        stage("UnifiReward, the judge")
        train_reward(judge)
    records = config.eval_records or recipe.eval_records
    trained = {"SFT": output / "sft"}
    reports = {"SFT": rate(output / "sft", last, records, config.seed, stage)}
    for name, grpo in runs.items():
        stage(name)
        train_grpo(grpo)
        trained[name] = Path(grpo.output)
        reports[name] = rate(Path(grpo.output), grpo, records, config.seed, stage)
    replies = output / "replies.md"
    if recipe.samples and not replies.is_file():
        stage("Replies, before and after")
        whole = dataclasses.replace(last.model, path=start)
        plain = dataclasses.replace(last.data, format="plain", prompt="plain_brief")
        speakers = [Speaker("Before", whole, plain, dataclasses.replace(last.sampling, **BEFORE))]
        speakers += [
            Speaker(f"After {name}", dataclasses.replace(last.model, path=str(run / "model")), last.data, last.sampling)
            for name, run in trained.items()
        ]
        write_replies(replies, speakers, count=recipe.samples, seed=config.seed)

    title = f"{records} held-out prompts x 4 outputs, {config.data}, seed {config.seed} (silver labels)"
    console.print()
    print_tables([policy_table(reports, title)], console)
    report = output / "report.md"
    report.write_text(f"{title}\n\n{policy_table(reports).markdown()}\n", encoding="utf-8")
    console.print(f"Done in {time.monotonic() - began:.0f} s. The table is in {report};")
    read = replies if recipe.samples else Path(last.output) / "samples.md"
    console.print(f"read {read} and look at {Path(last.output) / 'curves.png'}.")
    lock.release()
    return report


def recipe_of(config: QuickstartConfig) -> Recipe:
    """What is run where `config` says nothing else; UserError for a packaged model in a recipe that has none."""
    if config.model not in PACKAGED_RECIPES:
        return RECIPES[config.recipe]
    if config.recipe != "compeer":
        raise UserError(
            f"--model {config.model} has settings for --recipe compeer alone; take that, or give the path of a model "
            "with --sft_config and --grpo_config."
        )
    return PACKAGED_RECIPES[config.model]


def default_output(config: QuickstartConfig) -> str:
    """runs/quickstart-DATA-SEED, with the recipe and the packaged model where these are others than usual."""
    parts = ["quickstart"] if config.recipe == "compeer" else ["quickstart", config.recipe]
    parts += [config.model] if config.model in PACKAGED_RECIPES else []
    return "runs/" + "-".join([*parts, Path(config.data).stem, str(config.seed)])


def check_same_quickstart(output: Path, config: QuickstartConfig) -> None:
    """Raises UserError when `output` holds a quickstart with other settings: its stages build on each other."""
    path = output / "quickstart.json"
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in MAY_CHANGE}
    if path.exists():
        old = read_json(path, "the settings", dict, mend="choose another --output")
        differing = [name for name in settings if old.get(name) != settings[name]]
        if differing:
            raise UserError(
                f"{output} holds a quickstart with another {', '.join(differing)}; choose another --output."
            )
    output.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(settings), encoding="utf-8")


def rate(folder: Path, grpo, records: int, seed: int, stage):
    """The report on the model of a run; read from `report.json` when it was made before, in the same way."""
    from compeer_jax.evaluation.evaluate import EvalConfig, evaluate, save_report, saved_report, settings_of
    from compeer_jax.runs.metrics import read_metrics

    settings = EvalConfig(
        model=dataclasses.replace(grpo.model, path=str(folder / "model")),
        data=grpo.data,
        mesh=grpo.mesh,
        sampling=grpo.sampling,
        records=records,
        reward=grpo.reward,
        seed=seed,
    )
    made_for = settings_of(settings) | {"step": read_metrics(folder / "metrics.jsonl")[-1]["step"]}
    report = saved_report(folder, made_for)
    if report is None:
        stage(f"Rating {folder.name} on held-out dialogues")
        report, _ = evaluate(settings)
        save_report(folder, made_for, report)
    return report


def config_file(name: str) -> Path:
    """A YAML file by its path, or one of the project's own by its name."""
    package = Path(__file__).parents[1]
    for place in (Path(name), package / "configs" / name, package.parent / "configs" / name):
        if place.is_file():
            return place
    return Path(name)  # the parser says what is wrong with it
