"""Drawing in batches: the pictures of some prompts and seeds, each the best of its candidates."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from .flow.noise import SEEDS, seeded_noise
from .insight.best import best
from .samplers import Progress, ProgressCallback
from .sampling import Sampling

if TYPE_CHECKING:
    from .pipeline import Pipeline


class Job(NamedTuple):
    """A picture to draw.

    Attributes:
        asked: one of `Sampling.seeds`; another than `seed` where the picture is the best of several.
    """

    prompt: str
    seed: int
    asked: int


def drawn(
    pipeline: Pipeline, prompt: str | Sequence[str], sampling: Sampling, progress: ProgressCallback | None
) -> Iterator[tuple[list[Job], Tensor]]:
    """Batches of the flow's data (B, C, H, W), each with its jobs; arguments as for `Pipeline.generate`.

    Raises:
        ValueError: there is no prompt, or a setting does not fit the model.
    """
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if not isinstance(prompts, Sequence):
        raise ValueError(f"prompt is {prompt!r}; it must be a text or a list of texts.")
    if not prompts:
        raise ValueError("There is no prompt; give at least one, which may be empty.")
    shape = pipeline.shape(sampling.size)
    conditions = _Conditions(pipeline, [sampling.negative, *prompts, *([""] if sampling.best_of > 1 else [])])
    temperature, size = pipeline.temperature(sampling), pipeline.at_once(shape, conditions.encoded, sampling)
    jobs = [
        Job(prompt, (seed + i) % SEEDS, seed)
        for prompt in prompts
        for seed in sampling.seeds()
        for i in range(sampling.best_of)
    ]
    batches = [jobs[i : i + size] for i in range(0, len(jobs), size)]
    candidates: list[tuple[Job, Tensor]] = []
    for number, batch in enumerate(batches):
        noise = temperature * torch.cat([seeded_noise(shape, job.seed, 1) for job in batch])
        report = progress and of_batch(progress, number, len(batches))
        condition, away = conditions.of([job.prompt for job in batch]), conditions.of([sampling.negative])
        candidates += zip(batch, pipeline.draw(noise, condition, away, sampling, report), strict=True)
        kept = []
        while len(candidates) >= sampling.best_of:
            kept.append(_best(pipeline, candidates[: sampling.best_of], conditions, sampling))
            del candidates[: sampling.best_of]
        if kept:
            yield [job for job, _ in kept], torch.stack([x for _, x in kept])


class _Conditions:
    """The conditions of some prompts, encoded together: text encoder and flow need not be in memory together."""

    def __init__(self, pipeline: Pipeline, prompts: Sequence[str]) -> None:
        self._prompts = list(prompts)
        self.encoded = pipeline.condition(self._prompts)

    def of(self, prompts: Sequence[str]) -> Tensor | None:
        """(B, …), as the flow takes them; None for an unconditional model."""
        return None if self.encoded is None else self.encoded[[self._prompts.index(prompt) for prompt in prompts]]


def _best(
    pipeline: Pipeline, candidates: list[tuple[Job, Tensor]], conditions: _Conditions, sampling: Sampling
) -> tuple[Job, Tensor]:
    """The candidate that its prompt explains best; all have the same prompt."""
    if len(candidates) == 1:
        return candidates[0]
    x = torch.stack([x for _, x in candidates])
    given = conditions.of(["", candidates[0][0].prompt])
    return candidates[best(pipeline.flow, x, given, clean=pipeline.denoises(sampling))]


class Steps:
    """Progress of sampling and of denoising after it, as one count.

    Args:
        report: called after every step.
        more: steps of denoising.
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
