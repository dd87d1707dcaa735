"""Which device a verb runs on."""

from __future__ import annotations

from limbeck.errors import LimbeckError


def chosen_device(asked: str) -> str:
    """The torch device of an option: ``"auto"`` takes a GPU if there is one.

    Raises:
        LimbeckError: There is no such device here.
    """
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=asked)
    except (RuntimeError, AssertionError) as error:
        raise LimbeckError(f"--device {asked}: {str(error).splitlines()[0]}") from None
    return asked
