"""Training: a model of the pictures in a folder, by `train`; its parts, which the recipes share."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .own import train as train

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    """Import `train` when it is first asked for: parts of this package are needed where torch is not."""
    if name != "train":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .own import train

    return train
