"""`compeer quickstart`: a small model from nothing, SFT, a judge, GRPO without and with reweighting, and one table."""

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compeer_jax.cli.configure import parse_config
from compeer_jax.cli.terminal import wide_console
from compeer_jax.errors import UserError
from compeer_jax.files import FolderLock, read_json, replacing

CONFIGS = {
    "compeer": {"sft": "tiny_sft.yaml", "grpo": "tiny_grpo.yaml"},
    "care": {"sft": "care_tiny_sft.yaml", "grpo": "care_tiny_grpo.yaml"},
}
JUDGES = {"compeer": "unifi", "care": "hierarchical"}


@dataclass(frozen=True)
class QuickstartConfig:
    """The settings of the stages are in `sft_config`, `reward_config` and `grpo_config`; here is what they share.

    Args:
        recipe: "compeer": three steps of reasoning and a trained judge; "care": four nodes and rewards by rule.
        output: folder of all runs (default: runs/quickstart-DATA-SEED); an interrupted quickstart goes on there.
        data: "sample" for the bundled dialogues, or a file such as ESConv.json.
        split: JSON file with row numbers of train, valid and test (default: by seed).
        model: Hugging Face directory to start from; by default a small random model and tokenizer are made.
        judge: "unifi" trains a judge first, from the SFT model; "rules" goes without, by gold annotations alone;
            "hierarchical" looks at form, nodes and strategy (default: the first for compeer, the last for care).
        sft_config: YAML file of `compeer sft` (default: the small model's, of the recipe).
        reward_config: YAML file of `compeer reward train`.
        grpo_config: YAML file of `compeer grpo` (default: the small model's, of the recipe).
        sft_steps: optimiser steps of SFT (0: as in its file).
        reward_steps: optimiser steps of the judge (0: as in its file).
        grpo_steps: steps of each GRPO run (0: as in its file).
        eval_records: held-out prompts, four outputs each.
        seed: seed of the small model's weights, of the order of the data and of the sampling.
    """

    recipe: Literal["compeer", "care"] = "compeer"
    output: str = ""
    data: str = "sample"
    split: str = ""
    model: str = ""
    judge: Literal["", "unifi", "rules", "hierarchical"] = ""
    sft_config: str = ""
    reward_config: str = "tiny_reward.yaml"
    grpo_config: str = ""
    sft_steps: int = 0
    reward_steps: int = 0
    grpo_steps: int = 0
    eval_records: int = 48
    seed: int = 0


MAY_CHANGE = ("output", "eval_records")


def quickstart(config: QuickstartConfig) -> Path:
    """Runs all stages; returns the path of the report."""
    import jax
    from rich.text import Text

    from compeer_jax.evaluation.policy_report import policy_table
    from compeer_jax.report.table import print_tables
    from compeer_jax.training.config import GRPOConfig, SFTConfig
    from compeer_jax.training.grpo import train_grpo
    from compeer_jax.training.reward import train_reward
    from compeer_jax.training.reward_config import RewardTrainConfig
    from compeer_jax.training.sft import train_sft
    from compeer_jax.training.small_model import SmallModelConfig, make_small_model

    name = "quickstart" if config.recipe == "compeer" else f"quickstart-{config.recipe}"
    output = Path(config.output or f"runs/{name}-{Path(config.data).stem}-{config.seed}").expanduser()
    files, judged_by = CONFIGS[config.recipe], config.judge or JUDGES[config.recipe]
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

    sft_model = output / "sft" / "model"
    start = Path(config.model) if config.model else output / "start"
    sft = settings(
        SFTConfig, config.sft_config or files["sft"], "sft", "--output", str(output / "sft"), "--model.path", str(start)
    )
    sft = dataclasses.replace(sft, steps=config.sft_steps or sft.steps)

    overrides = ["--output", str(output / "judge"), "--model.path", str(sft_model)]
    judge = settings(RewardTrainConfig, config.reward_config, "reward train", *overrides)
    judge = dataclasses.replace(judge, steps=config.reward_steps or judge.steps)

    def grpo_settings(name: str, reweighting: bool) -> GRPOConfig:
        overrides = ["--output", str(output / name), "--model.path", str(sft_model), "--reward.judge", judged_by]
        overrides += ["--reward.models.unifi", str(output / "judge" / "model")] if judged_by == "unifi" else []
        grpo = settings(GRPOConfig, config.grpo_config or files["grpo"], "grpo", *overrides)
        reward = dataclasses.replace(grpo.reward, reweighting=reweighting)
        return dataclasses.replace(grpo, reward=reward, steps=config.grpo_steps or grpo.steps)

    runs = {"GRPO": grpo_settings("grpo", False), "GRPO, reweighted": grpo_settings("grpo_reweighted", True)}

    if not config.model and not (start / "config.json").exists():
        stage("A small random model and its tokenizer")
        make_small_model(SmallModelConfig(output=str(start), data=sft.data, seed=config.seed))
    stage("SFT")
    train_sft(sft)
    if judged_by == "unifi":
        stage("UnifiReward, the judge")
        train_reward(judge)
    reports = {"SFT": rate(output / "sft", runs["GRPO"], config, stage)}
    for name, grpo in runs.items():
        stage(name)
        train_grpo(grpo)
        reports[name] = rate(Path(grpo.output), grpo, config, stage)

    title = f"{config.eval_records} held-out prompts x 4 outputs, {config.data}, seed {config.seed} (silver labels)"
    console.print()
    print_tables([policy_table(reports, title)], console)
    report = output / "report.md"
    report.write_text(f"{title}\n\n{policy_table(reports).markdown()}\n", encoding="utf-8")
    console.print(f"Done in {time.monotonic() - began:.0f} s. The table is in {report};")
    console.print(
        f"read {output / 'grpo_reweighted' / 'samples.md'} and look at {output / 'grpo_reweighted' / 'curves.png'}."
    )
    lock.release()
    return report


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


def rate(folder: Path, grpo, config: QuickstartConfig, stage):
    """The report on the model of a run; read from `report.json` when it was made before, in the same way."""
    from compeer_jax.evaluation.evaluate import EvalConfig, evaluate, save_report, saved_report, settings_of
    from compeer_jax.runs.metrics import read_metrics

    settings = EvalConfig(
        model=dataclasses.replace(grpo.model, path=str(folder / "model")),
        data=grpo.data,
        mesh=grpo.mesh,
        sampling=grpo.sampling,
        records=config.eval_records,
        reward=grpo.reward,
        seed=config.seed,
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
