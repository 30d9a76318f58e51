"""Export of a run's checkpoint as a Hugging Face directory.

A run keeps the config and the tokenizer of the model that it started from under `base/`, so that it can be exported
when that model is gone, and the card that says how the policy, or the judge, is asked.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from compeer_jax.errors import UserError
from compeer_jax.files import read_json, write_json
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import abstract
from compeer_jax.models.json_config import ConfigReader
from compeer_jax.models.saving import save
from compeer_jax.models.source import base_directory
from compeer_jax.models.tokenizer import read_tokenizer
from compeer_jax.models.tokenizer_files import write_tokenizer
from compeer_jax.models.tower_files import keep_tower
from compeer_jax.parallel.exchange import from_first
from compeer_jax.rewards.judge_card import CARD as JUDGE_CARD
from compeer_jax.runs.checkpoints import Checkpoints
from compeer_jax.runs.folder import RunFolder
from compeer_jax.training.adapter_export import abstract_adapters, has_adapters, merged_weights, write_adapters
from compeer_jax.training.policy_card import CARD as POLICY_CARD
from compeer_jax.training.update import TrainState

GENERATION = "generation_config.json"


def keep_base(folder: RunFolder, config: DecoderConfig, tokenizer, start: Path | None = None) -> None:
    """Writes what an export needs besides the weights.

    Args:
        folder: of the run.
        config: the model's shape.
        tokenizer: its tokenizer, whose own files are kept.
        start: the directory that the run starts from, whose settings of generation and vision tower are kept.
    """
    folder.base.mkdir(exist_ok=True)
    kept = {"config.json": config.to_hf()}
    if start is not None and (generation := read_generation(base_directory(start))) is not None:
        kept[GENERATION] = generation
    for name, values in kept.items():
        write_json(folder.base / name, values)
    write_tokenizer(tokenizer, folder.base)
    if start is not None and config.vision is not None:
        keep_tower(base_directory(start), folder.base, config)


def read_generation(directory: Path) -> dict[str, Any] | None:
    """The start model's settings of generation, for whoever serves what was trained; None where it has none.

    Raises:
        UserError: the file is no JSON object, or holds a setting that is none.
    """
    path = directory / GENERATION
    if not path.is_file():
        return None
    values = read_json(path, "the settings of generation", dict)
    read = ConfigReader(values, str(path))
    for name in ("temperature", "top_p", "repetition_penalty"):
        read.positive(name, None)
    read.tokens("eos_token_id")
    return values


def export_run(
    run: str | Path,
    output: str | Path,
    *,
    step: int | Literal["last", "best"] = "last",
    merge: bool = False,
    max_shard_size: int = 5 * 10**9,
) -> int:
    """Writes the weights of a checkpoint, in the type they were trained in; returns the checkpoint's step.

    They go from the checkpoint to the files tensor by tensor, so the host's memory holds no more than one of the files
    written, on whatever mesh the run was trained. With several processes all call it, and process 0 writes.

    Args:
        run: run folder.
        output: directory to write.
        step: which checkpoint: a number, the last, or the best by what the run keeps its best ones by.
        merge: write the adapters of a run that has them merged into their model, not by themselves.
        max_shard_size: bytes a file.

    Raises:
        UserError: no run there, no such checkpoint, or the output can't be written.
    """
    folder = RunFolder(Path(run).expanduser())
    if not folder.config.is_file() or not (folder.base / "config.json").is_file():
        raise UserError(f"{run} is no run folder of `compeer sft`, `grpo` or `reward train` that has begun to train.")
    settings = folder.settings()
    config = DecoderConfig.from_json(folder.base)
    adapted = has_adapters(folder)
    if merge and not adapted:
        raise UserError(f"{run} trained the whole model, so there are no adapters to merge; leave --merge out.")
    if adapted:
        params = abstract_adapters(folder, settings)
    else:
        _, params = abstract(config, scan_layers=settings["model"]["scan_layers"])
    if step == "best" and not settings["checkpoint"]["keep_best"]:
        raise UserError(f"{run} keeps no best checkpoint (checkpoint.keep_best is 0); take the last, or give a number.")
    metric, mode = best_by(settings)
    with Checkpoints(
        folder.checkpoints, read_only=True, keep_best=1, best_metric=metric, best_mode=mode
    ) as checkpoints:
        number = {"last": checkpoints.latest_step, "best": checkpoints.best_step}.get(step, lambda: step)()
        stored = checkpoints.stored(TrainState(params, None, None), number)
    if stored is None:
        raise UserError(f"{run} has no checkpoint yet; let it train on, then export.")
    number, state = stored

    def write() -> None:
        beside = [card for card in (folder.base / JUDGE_CARD, folder.base / POLICY_CARD) if card.is_file()]
        if adapted and not merge:
            write_adapters(folder, state.params, output, beside=beside)
        else:
            save(
                output,
                config,
                merged_weights(folder, state.params, settings) if merge else state.params,
                read_tokenizer(folder.base),
                generation=read_generation(folder.base),
                beside=beside,
                tower=folder.base if config.vision is not None else None,
                max_shard_size=max_shard_size,
            )

    from_first(write)
    return number


def best_by(settings: Mapping[str, Any]) -> tuple[str, Literal["max", "min"]]:
    """The metric that says which checkpoint of a run is best: a policy's mean reward, else the loss on unseen examples.

    Args:
        settings: of the run; those with a section `reward` are a policy's.
    """
    return ("reward", "max") if "reward" in settings else ("eval/loss", "min")
