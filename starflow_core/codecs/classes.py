"""The classes of a class-conditional flow, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NO_CLASS = -1  # the label of an unknown class


@dataclass(frozen=True)
class Classes:
    """Names of classes; a label is the index of its name.

    Raises:
        ValueError: names are missing, no texts, or the same but for case.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names or not all(isinstance(name, str) and name.strip() == name != "" for name in self.names):
            raise ValueError(f"classes is {list(self.names)!r}; it must hold names, without spaces around them.")
        if len({name.casefold() for name in self.names}) < len(self.names):
            raise ValueError(f"classes {', '.join(self.names)} names one twice.")

    def encode(self, names: Sequence[str]) -> Tensor:
        """Labels (B,) of names, ignoring case; −1 for an empty name, the unknown class.

        Raises:
            ValueError: a class is unknown; the message lists the known ones.
        """
        places = {name.casefold(): place for place, name in enumerate(self.names)} | {"": NO_CLASS}
        labels = [places.get(name.strip().casefold()) if isinstance(name, str) else None for name in names]
        for name, label in zip(names, labels, strict=True):
            if label is None:
                raise ValueError(f"There is no class {name!r}; this model knows {', '.join(self.names)}.")
        return torch.tensor(labels)
