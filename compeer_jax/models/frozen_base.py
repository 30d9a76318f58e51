"""The frozen weights of a run with adapters: held once, and shared by policy, reference and judge."""

from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
from flax import nnx

from compeer_jax.errors import UserError
from compeer_jax.models import weights
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.decoder import abstract
from compeer_jax.models.hf_names import decoder_names
from compeer_jax.models.lora import LoRAConfig, abstract_adapted, new_adapters, split_adapters
from compeer_jax.models.peft_files import is_adapter, load_adapters, read_adapter_config
from compeer_jax.models.quantized import QuantizedKernel
from compeer_jax.models.source import ModelConfig, base_directory, base_name, model_directory


class FrozenBase:
    """The model that a config names, for adapters to stand on. Whoever uses it merges its own adapters in.

    The weights are kept in the type of the computation (`dtype`), or in fewer bits: they are never updated, so nothing
    is gained by more. Adapters are kept in `param_dtype`.

    Args:
        config: names a model, or a directory of adapters, with which the run's adapters start and whose model is the
            base. Its `lora.rank` is above 0.
        mesh: where all lives.

    Attributes:
        config, mesh: the above.
        model_config: the model's shape.
        directory: of the frozen weights.
        name: what adapters that are saved say of it: a hub id, or the directory's whole path.

    Raises:
        UserError: nothing can be had by that name, or the adapters there are not those that `config.lora` asks for.
    """

    def __init__(self, config: ModelConfig, mesh: jax.sharding.Mesh):
        self.config, self.mesh = config, mesh
        start = model_directory(config.path)
        self._start = start if is_adapter(start) else None
        self.directory, self.name = base_directory(start), base_name(config.path)
        self.model_config = DecoderConfig.from_json(self.directory)
        self._names = decoder_names(self.model_config)
        weights.check_layers(self.directory, self.model_config.num_hidden_layers, self._names)
        if self._start is not None:
            _check_same_adapters(start, config.lora)

    def abstract(self, lora: LoRAConfig | None = None) -> tuple[nnx.GraphDef, nnx.State]:
        """Graph, and adapters with weights as `ShapeDtypeStruct`s; `lora` for other adapters than the config's."""
        lora = lora or self.config.lora
        return abstract_adapted(
            self.model_config,
            LoRAConfig(lora.rank, lora.alpha, lora.targets, self.config.lora.quantize),
            adapter_dtype=jnp.dtype(self.config.param_dtype),
            **self._options,
        )

    @cached_property
    def params(self) -> nnx.State:
        """The frozen weights; read at the first use, quantised one tensor after the other. Never give them away."""
        graphdef, adapted = self.abstract()
        kernels = {
            path: module
            for path, module in nnx.iter_modules(nnx.merge(graphdef, adapted))
            if isinstance(module, QuantizedKernel)
        }

        def made_of(path: tuple, param: nnx.Param) -> list[tuple[tuple, nnx.Param]]:
            if path not in kernels:
                return [(path, param)]
            values, scale = kernels[path].round(param, self.mesh)
            return [((*path, "values"), values), ((*path, "scale"), scale)]

        _, plain = abstract(self.model_config, **self._options)
        return weights.load(self.directory, plain, mesh=self.mesh, names=self._names, made_of=made_of)

    def first_adapters(self, seed: int) -> nnx.State:
        """The run's adapters at its start: those of the directory that the config names, else new ones."""
        wanted = split_adapters(self.abstract()[1])[0]
        if self._start is not None:
            return load_adapters(self._start, wanted, mesh=self.mesh)
        return new_adapters(wanted, jax.random.key(seed), self.mesh)

    def has_adapters(self, directory: str | Path) -> bool:
        """Whether a directory holds adapters of this model."""
        return is_adapter(directory) and base_directory(directory).samefile(self.directory)

    def adapters_in(self, directory: str | Path) -> tuple[nnx.GraphDef, nnx.State]:
        """The graph of this model with the adapters of another directory, such as a judge's, and those adapters."""
        lora, _ = read_adapter_config(directory)
        graphdef, params = self.abstract(lora)
        return graphdef, load_adapters(directory, split_adapters(params)[0], mesh=self.mesh)

    @property
    def _options(self) -> dict:
        dtype = jnp.dtype(self.config.dtype)
        return {"dtype": dtype, "param_dtype": dtype, **self.config.options}


def _check_same_adapters(directory: Path, wanted: LoRAConfig) -> None:
    held, _ = read_adapter_config(directory)
    for name in ("rank", "alpha", "targets"):
        there, here = getattr(held, name), getattr(wanted, name)
        if (set(there) != set(here)) if name == "targets" else (there != here):
            raise UserError(
                f"the adapters in {directory} have {name} {_plain(there)}, and model.lora.{name} is {_plain(here)}: "
                "set it so to train them on, or start from a model with them merged (`compeer export --merge true`)."
            )


def _plain(value: int | float | tuple[str, ...]) -> str:
    return ", ".join(value) if isinstance(value, tuple) else f"{value:g}"
