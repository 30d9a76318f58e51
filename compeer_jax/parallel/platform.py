"""Which kind of machine a program is for, which need not be the one that it is compiled on."""

import jax


def platform() -> str:
    """ "cpu", "gpu" or "tpu": of the current mesh (`jax.set_mesh`), whose devices may be absent, else JAX's default.

    Code that chooses by platform asks here rather than `jax.default_backend`, so that `compeer plan` compiles for a
    pod what the pod will run.
    """
    device = jax.sharding.get_abstract_mesh().abstract_device
    return jax.default_backend() if device is None else device.platform
