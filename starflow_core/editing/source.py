"""A picture to be edited, as a flow sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor

from ..flow.flow import Flow
from ..images import AnyImage
from ..samplers import ProgressCallback
from ..sampling import Sampling, SamplingDefaults


class Model(Protocol):
    """What editing needs of a `Pipeline`."""

    flow: Flow
    name: str
    defaults: SamplingDefaults

    @property
    def is_conditional(self) -> bool: ...
    def fit(self, image: AnyImage, *, size: int | Sequence[int] | None = None) -> Image.Image: ...
    def encode(self, image: AnyImage, *, size: int | Sequence[int] | None = None) -> Tensor: ...
    def decode(self, x: Tensor) -> list[Image.Image]: ...
    def condition(self, prompts: Sequence[str]) -> Tensor | None: ...
    def temperature(self, sampling: Sampling) -> float: ...
    def draw(
        self,
        noise: Tensor,
        condition: Tensor | None,
        unconditional: Tensor | None,
        sampling: Sampling,
        progress: ProgressCallback | None = None,
        *,
        share: float = 1.0,
    ) -> Tensor: ...


@dataclass(frozen=True)
class Source:
    """A picture as data and as noise of a flow.

    Attributes:
        image: the picture, at a size that the model takes.
        x: the flow's data (1, C, H, W).
        z: its noise (1, C, H, W), on the CPU.
        condition: that the noise belongs to, as the flow takes it; None for a model without conditions.
    """

    image: Image.Image
    x: Tensor
    z: Tensor
    condition: Tensor | None

    @classmethod
    def of(
        cls, model: Model, image: AnyImage, condition: Tensor | None, size: int | Sequence[int] | None = None
    ) -> Source:
        """A picture's noise under a condition.

        Raises:
            ValueError: the picture cannot be read, or the model does not take its size.
        """
        fitted = model.fit(image, size=size)
        x = model.encode(fitted, size=fitted.size)
        with torch.no_grad():
            z = model.flow(x, condition).z.float().cpu()
        if not bool(z.isfinite().all()):
            raise ValueError("The noise of this picture overflows: it is too unlike those that the model knows.")
        return cls(fitted, x, z, condition)


def check_prompts(model: Model, *prompts: str | None) -> None:
    """Check prompts for a model.

    Raises:
        ValueError: one is no text, or the model takes none.
    """
    for prompt in prompts:
        if prompt is not None and not isinstance(prompt, str):
            raise ValueError(f"prompt is {prompt!r}; it must be a text.")
        if prompt and not model.is_conditional:
            raise ValueError(f"The model {model.name!r} knows no prompts; edit the picture without one.")


def check_number(name: str, value: Any, least: float, most: float, meaning: str = "") -> None:
    """Check a number of an edit.

    Raises:
        ValueError: it is no number from `least` to `most`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        told = f" ({meaning})" if meaning else ""
        raise ValueError(f"{name} is {value!r}; it must be a number from {least:g} to {most:g}{told}.")


def check_single(sampling: Sampling) -> None:
    """Check settings of an edit of one picture.

    Raises:
        ValueError: they ask for the best of several.
    """
    if sampling.best_of != 1:
        raise ValueError(f"best_of is {sampling.best_of}; an edit has no candidates, so leave it away.")


def checked_finite(x: Tensor) -> Tensor:
    """Data that did not overflow.

    Raises:
        ValueError: they did.
    """
    if not bool(x.isfinite().all()):
        raise ValueError("Numbers grew beyond bounds; lower the strength or the guidance, or choose another seed.")
    return x
