"""Settings of a plan: those of the run, and where it might run."""

from dataclasses import dataclass

from compeer_jax.errors import UserError, require_at_least
from compeer_jax.training.config import GRPOConfig


@dataclass(frozen=True)
class PlanConfig(GRPOConfig):
    """A run of `compeer grpo`, and the machine to plan it for.

    Args:
        output: of the run; a plan writes nothing there.
        topology: a TPU slice such as v5e:8x8, v5p:4x4x4 or v6e:4x8, which the TPU compiler plans for; or GPUs such as
            gpu:8xH100-80G, which are estimated.
        explain: show each weight, its logical axes and where it lives.
        search: try other meshes, micro-batches and remat policies, with and without `gather`, and rank those that fit.
        search_compiles: how many of them to compile at most, the most promising by estimate first; 0: estimates alone.
        search_minutes: how long to search at most; what is compiling then is finished.
        json: print the plan as JSON instead of tables.
    """

    output: str = ""
    topology: str = ""
    explain: bool = False
    search: bool = False
    search_compiles: int = 6
    search_minutes: float = 30.0
    json: bool = False

    def __post_init__(self):
        super().__post_init__()
        require_at_least(0, self, "", "search_compiles", "search_minutes")
        if not self.topology:
            raise UserError("topology is empty; name the machine to plan for, such as v5e:8x8 or gpu:8xH100-80G.")
