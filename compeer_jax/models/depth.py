"""How the layers of a model are run: scanned or each with its own code, and what is rematerialised."""

from typing import Literal

from compeer_jax.errors import UserError, unknown

Scan = bool | Literal["auto"]
Remat = Literal["auto", "none", "dots", "full"]

DEEP = 16
"""Layers from which on a model is scanned by default."""


def is_scanned(scan_layers: Scan, layers: int) -> bool:
    """Whether a model of so many layers keeps them stacked and loops over them.

    "auto" does from 16 layers on. Code of its own for each of 30 layers takes XLA a minute or more to compile, and on
    CPU nothing of it can be rematerialised: there XLA finds the second computation equal to the first, and keeps the
    first. Of 8 layers it is compiled in seconds and, on CPU, faster. The rule is the same on every backend, since a
    checkpoint holds the layers as they are kept.

    Raises:
        UserError: neither "auto" nor a truth value.
    """
    if scan_layers == "auto":
        return layers >= DEEP
    if not isinstance(scan_layers, bool):
        raise UserError(f"scan_layers is {scan_layers!r}; it must be true, false or 'auto'.")
    return scan_layers


def what_is_recomputed(remat: Remat, scanned: bool) -> Literal["none", "dots", "full"]:
    """What the backward pass computes again.

    "auto" is "dots" where layers are scanned: what it computes again is cheap beside the products with weights, which
    it keeps; the scores of attention and all else of a layer's own would be kept for every layer otherwise.

    Raises:
        UserError: no such policy.
    """
    if remat not in ("auto", "none", "dots", "full"):
        raise unknown("remat", remat, ("auto", "none", "dots", "full"))
    if remat == "auto":
        return "dots" if scanned else "none"
    return remat
