"""libtpu on a machine without TPUs: it holds the compiler of `compeer plan`, and looks for TPUs all the same."""

import glob
import os

ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-16",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # a real TPU belongs to one process; its compiler alone to any number
    "TPU_STDERR_LOG_LEVEL": "3",
    "TPU_MIN_LOG_LEVEL": "3",
}
"""What libtpu wants to know when it loads. On a TPU it finds that out; elsewhere it asks the network, and complains."""


def calm() -> None:
    """Lets libtpu load in silence where there is no TPU; to be called before JAX looks for its devices."""
    if not (glob.glob("/dev/accel*") or glob.glob("/dev/vfio/[0-9]*")):
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
