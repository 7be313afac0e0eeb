"""The plan and the progress of drawing pictures of prompts and seeds, each the best of its candidates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from .flow.noise import SEEDS
from .samplers import Progress, ProgressCallback
from .sampling import Sampling


class Job(NamedTuple):
    """A picture to draw.

    Attributes:
        asked: the requested seed, one of `Sampling.seeds`; `seed` differs from it in further candidates for a picture.
    """

    prompt: str
    seed: int
    asked: int


def checked_prompts(prompt: str | Sequence[str]) -> Sequence[str]:
    """Return one prompt or several prompts as a sequence.

    Raises:
        ValueError: `prompt` is neither a text nor a list, or the list is empty.
    """
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if not isinstance(prompts, Sequence):
        raise ValueError(f"prompt is {prompt!r}; it must be a text or a list of texts.")
    if not prompts:
        raise ValueError("There is no prompt; give at least one, which may be empty.")
    return prompts


def planned(prompts: Sequence[str], sampling: Sampling) -> list[Job]:
    """Return the jobs of all candidates, in order; candidates for the same picture follow each other."""
    return [
        Job(prompt, (seed + i) % SEEDS, seed)
        for prompt in prompts
        for seed in sampling.seeds()
        for i in range(sampling.best_of)
    ]


class Conditions:
    """The conditions of prompts, all encoded at once, so that text encoder and flow need not be in memory together.

    Args:
        encode: returns the conditions (P, …) of P prompts; None for an unconditional model.
        prompts: the prompts that `of` accepts.
    """

    def __init__(self, encode: Callable[[Sequence[str]], Tensor | None], prompts: Sequence[str]) -> None:
        self._prompts, self.encoded = list(prompts), encode(prompts)

    def of(self, *prompts: str) -> Tensor | None:
        """Return the conditions (B, …) of prompts, as the flow takes them; None for an unconditional model."""
        return None if self.encoded is None else self.encoded[[self._prompts.index(prompt) for prompt in prompts]]


class Steps:
    """Counts the steps of sampling and of the denoising after it together.

    Args:
        report: called after every step.
        more: the number of denoising steps.
    """

    def __init__(self, report: ProgressCallback | None, more: int) -> None:
        self._report, self._more = report, more
        self._done = self._total = 0

    def sampled(self, step: Progress) -> None:
        self._done, self._total = step.done, step.total + self._more
        if self._report is not None:
            self._report(dataclasses.replace(step, total=self._total))

    def denoised(self, x: Tensor) -> None:
        """Report one step of denoising; `x` (B, C, H, W) is the current result."""
        self._done += 1
        if self._report is not None:
            self._report(Progress(self._done, self._total, lambda: x))


def of_batch(progress: ProgressCallback, number: int, batches: int) -> ProgressCallback:
    """A callback that reports one batch's progress as a part of all batches."""

    def report(step: Progress) -> None:
        progress(dataclasses.replace(step, done=number * step.total + step.done, total=batches * step.total))

    return report
