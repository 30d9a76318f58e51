"""The keys of a command's settings, and which one was meant by a name that is none."""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args, get_origin

from compeer_jax.errors import UserError, unknown

RENAMED: Mapping[str, Mapping[str, str]] = {
    "RewardEvalConfig": {
        **{
            f"models.{kind}": f"name it in judges: {{{name}: {{kind: {kind}, directory: DIR}}}}."
            for kind, name in (("unifi", "UnifiReward"), ("prm", "PRM"), ("orm", "ORM"))
        },
        **dict.fromkeys(
            ("remote", "general"),
            "name each model in judges: {NAME: {kind: general, server: {url: URL, model: MODEL}}}.",
        ),
    },
}
"""Name of a settings class -> a key that it had -> a sentence that says what is there now."""

_OTHER_NAMES: Mapping[str, str] = {  # ours, in the order of preference: what TRL, verl, HF Trainer and people call it
    "optimizer.learning_rate": "lr actor_lr learning_rate",
    "optimizer.schedule": "lr_scheduler lr_scheduler_type scheduler lr_schedule",
    "optimizer.warmup_steps": "warmup warmup_ratio lr_warmup_steps lr_warmup_steps_ratio num_warmup_steps",
    "optimizer.final_fraction": "min_lr min_lr_ratio min_lr_rate",
    "optimizer.weight_decay": "wd decay",
    "optimizer.beta1": "adam_beta1 b1",
    "optimizer.beta2": "adam_beta2 b2",
    "optimizer.epsilon": "adam_epsilon adam_eps",
    "optimizer.max_grad_norm": "grad_clip clip_grad gradient_clipping max_norm grad_norm",
    "steps": "max_steps num_steps train_steps total_steps num_train_steps total_training_steps iterations epochs "
    "num_train_epochs num_epochs total_epochs",
    "epochs_per_rollout": "num_iterations ppo_epochs mu",
    "prompts_per_step": "batch bs batchsize batch_size train_batch_size per_device_train_batch_size global_batch_size "
    "generation_batch_size rollout_batch_size",
    "batch_size": "batch bs batchsize train_batch_size per_device_train_batch_size per_device_eval_batch_size "
    "eval_batch_size global_batch_size prompts_per_step",
    "group_size": "num_generations n num_samples num_rollouts samples_per_prompt num_return_sequences group k g",
    "minibatches": "ppo_mini_batch_size mini_batch_size num_mini_batches minibatch mini_batches steps_per_generation",
    "tokens_per_microbatch": "ppo_micro_batch_size ppo_micro_batch_size_per_gpu ppo_max_token_len_per_gpu micro_batch "
    "micro_batch_size microbatch microbatch_size max_tokens_per_gpu",
    "gradient_accumulation": "gradient_accumulation_steps grad_accum grad_accumulation accumulation_steps",
    "row_tokens": "packing pack pack_length max_seq_length max_seq_len max_length cutoff_len",
    "sampling.max_new_tokens": "max_completion_length max_response_length response_length max_tokens max_gen_len",
    "data.max_prompt_tokens": "max_prompt_length prompt_length",
    "sampling.temperature": "temp",
    "loss.clip_low": "clip epsilon eps cliprange clip_range clip_ratio clip_eps eps_clip epsilon_low clip_ratio_low",
    "loss.clip_high": "epsilon_high clip_ratio_high",
    "loss.dual_clip": "delta clip_ratio_c",
    "loss.kl_coefficient": "kl beta kl_coef kl_coeff kl_loss_coef kl_beta init_kl_coef use_kl_loss",
    "loss.kl_estimator": "kl_type kl_loss_type kl_penalty",
    "loss.reduction": "loss_type loss_agg_mode aggregation",
    "loss.scale": "scale_rewards norm_adv_by_std_in_grpo",
    "loss.ratio": "importance_sampling_level",
    "loss.mask_truncated": "mask_truncated_completions",
    "loss.importance_cap": "vllm_importance_sampling_cap tis_imp_ratio_cap importance_sampling_cap",
    "model.path": "model_name model_name_or_path model_path model_id base_model pretrained_model_name_or_path",
    "model.dtype": "torch_dtype precision bf16 fp16",
    "model.attention": "attn attn_implementation",
    "model.remat": "gradient_checkpointing enable_gradient_checkpointing activation_checkpointing",
    "model.lora.rank": "lora_r lora_rank r",
    "model.lora.alpha": "lora_alpha",
    "model.lora.targets": "target_modules lora_target_modules",
    "model.lora.quantize": "load_in_4bit load_in_8bit qlora",
    "data.path": "dataset dataset_name dataset_path data_path train_file train_files data_files",
    "data.limit": "max_samples max_train_samples train_max_samples",
    "reward.judge": "reward_funcs reward_fn reward_function reward_model reward_model_path",
    "reward.weights": "reward_weights",
    "mesh.data": "dp data_parallel_size",
    "mesh.fsdp": "fsdp_size",
    "mesh.tensor": "tp tensor_parallel_size tensor_model_parallel_size vllm_tensor_parallel_size",
    "processes.count": "num_processes nnodes world_size",
    "checkpoint.every": "save_steps save_freq save_every save_interval checkpoint_every",
    "checkpoint.keep_last": "save_total_limit max_to_keep max_ckpt_to_keep",
    "eval_every": "eval_steps test_freq eval_interval",
    "samples_every": "log_completions num_completions_to_print",
    "slots": "max_num_seqs",
    "overlap": "async async_rollout one_step_off",
    "seed": "random_seed rng_seed",
    "server.url": "base_url api_base openai_api_base",
    "server.api_key_env": "api_key openai_api_key",
    "reward.remote.url": "base_url api_base",
    "reward.remote.api_key_env": "api_key",
    "output": "output_dir out out_dir save_dir default_local_dir logdir logging_dir run_dir run_name",
}


def fields(config_class: type, prefix: str = "") -> Iterator[tuple[str, dataclasses.Field]]:
    """Every key with its field, those of groups before the ones within."""
    for field in dataclasses.fields(config_class):
        yield prefix + field.name, field
        if dataclasses.is_dataclass(field.type):
            yield from fields(field.type, f"{prefix}{field.name}.")


def groups(config_class: type) -> dict[str, type]:
    """Every key that has keys below it, with the class of these."""
    return {name: field.type for name, field in fields(config_class) if dataclasses.is_dataclass(field.type)}


def containers(config_class: type) -> set[str]:
    """Every key that holds a list or a dictionary, whose own keys are free or those of its items."""
    return {name for name, field in fields(config_class) if get_origin(field.type) in (dict, list)}


def required(config_class: type) -> list[str]:
    """The keys that have no default."""
    return [
        field.name
        for field in dataclasses.fields(config_class)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]


def item_class(field: dataclasses.Field) -> type | None:
    """The class of the settings that a list or dictionary of them holds."""
    return next((part for part in get_args(field.type) if dataclasses.is_dataclass(part)), None)


def unknown_key(config_class: type, key: str, where: str = "") -> UserError:
    """The error for a key that `config_class` has not: what became of it, or which are near.

    Args:
        config_class: of the settings.
        key: dotted.
        where: the file that it stands in ("": the command line).
    """
    if now := _renamed(config_class, key):
        return UserError(f"{where}{': ' * bool(where)}there is no config key {key!r} any more; {now}")
    names = [name for name, _ in fields(config_class)]
    options = names if where else [*names, "--config"]
    return unknown("config key", key, names, where=where, near=nearest(key, options))


def _renamed(config_class: type, key: str) -> str:
    """What RENAMED says of a key, or of a group that it is in, of this class or of one within; "" for nothing."""
    for old, sentence in RENAMED.get(config_class.__name__, {}).items():
        if key == old or key.startswith(f"{old}."):
            return sentence
    group, _, rest = key.partition(".")
    inner = groups(config_class).get(group)
    return _renamed(inner, rest) if inner and rest else ""


def nearest(key: str, options: Sequence[str]) -> list[str]:
    """At most two of the options that `key` may stand for: by another name of the same thing, else by spelling."""
    plain = key.lower().replace("-", "_")
    last = plain.rpartition(".")[2]
    if plain in options:
        return [plain]
    alike = [ours for ours, others in _OTHER_NAMES.items() if ours in options and last in others.split()]
    namesakes = sorted((name for name in options if name.rpartition(".")[2] == last), key=lambda name: name.count("."))
    if alike or namesakes:
        return list(dict.fromkeys([*alike[:1], *namesakes[:1]]))
    spelled = {other: ours for ours, others in _OTHER_NAMES.items() if ours in options for other in others.split()}
    spelled |= {name.rpartition(".")[2]: name for name in reversed(options)}
    spelled |= {name.lstrip("-"): name for name in options}
    found = difflib.get_close_matches(plain, spelled, n=1, cutoff=0.5)
    return [spelled[name] for name in found]
