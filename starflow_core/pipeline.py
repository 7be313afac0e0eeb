"""Text encoder, flow and autoencoder joined: prompts to pictures, pictures to likelihoods and to noise and back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from .autoencoder import Autoencoder
from .flow import StarFlow
from .images import as_rgb, checked_size, fitted_size, to_images, to_tensor
from .likelihood import Likelihood, denoise, score_latents
from .noise import seeded_noise
from .samplers import Jacobi, Progress, ProgressCallback, Sampler
from .sampling import Sampling, SamplingDefaults
from .text_encoder import TextEncoder

MAX_DRAWS = 10_000
BATCH = 16


@dataclass(frozen=True)
class Reconstruction:
    """A picture that went to noise and back.

    Attributes:
        image: the picture that came back.
        latent_error: relative L2 error of the latents that came back; zero but for rounding.
        psnr: in dB, against the picture that went in; what the autoencoder loses.
        noise: (C, H, W), the flow's noise for the picture.
    """

    image: Image.Image
    latent_error: float
    psnr: float
    noise: Tensor


class Picture(NamedTuple):
    """A picture, and the prompt and seed that it is of."""

    image: Image.Image
    prompt: str
    seed: int


class _Job(NamedTuple):
    prompt: str
    seed: int


class Pipeline:
    """A model with all its parts, ready for use.

    Args:
        flow: between latents and noise.
        autoencoder: between images and latents.
        text_encoder: of prompts; None for a flow without text.
        name: of the model.
        defaults: how the model is best sampled.

    Raises:
        ValueError: the defaults are those of another flow.
    """

    def __init__(
        self,
        flow: StarFlow,
        autoencoder: Autoencoder,
        text_encoder: TextEncoder | None,
        *,
        name: str = "",
        defaults: SamplingDefaults | None = None,
    ) -> None:
        self.flow, self.autoencoder, self.text_encoder, self.name = flow, autoencoder, text_encoder, name
        self.defaults = defaults or SamplingDefaults()
        iterations, blocks = self.defaults.iterations, flow.config.num_blocks
        if iterations is not None and len(iterations) != blocks:
            raise ValueError(f"iterations holds {len(iterations)} counts; the flow has {blocks} blocks.")

    def jacobi(self, tolerance: float = 0.01) -> Jacobi:
        """The fast sampler, with what is known of this model."""
        return Jacobi(tolerance=tolerance, iterations=self.defaults.iterations)

    @property
    def multiple(self) -> int:
        """What the sides of pictures must be multiples of, in pixels."""
        return self.autoencoder.config.factor * self.flow.config.patch_size

    @property
    def trained_side(self) -> int:
        """Side of the square pictures that the model was trained on, in pixels."""
        return self.autoencoder.config.factor * self.flow.config.img_size

    def generate(
        self,
        prompt: str | Sequence[str],
        *,
        seed: int = 0,
        count: int = 1,
        guidance: float | None = None,
        negative: str = "",
        size: int | Sequence[int] | None = None,
        sampler: Sampler | None = None,
        denoise: bool | None = None,
        progress: ProgressCallback | None = None,
    ) -> list[Image.Image]:
        """Pictures of one or more prompts.

        Args:
            prompt: what to draw; of a list of prompts, `count` pictures each.
            seed, count, guidance, negative, size, sampler, denoise: see `Sampling`.
            progress: called after every step; what it raises ends the sampling.

        Raises:
            ValueError: an argument is out of range; the message says what is allowed.
        """
        sampling = Sampling(seed, count, guidance, negative, size, sampler, denoise)
        return [picture.image for picture in self.pictures(prompt, sampling, progress)]

    def pictures(
        self, prompt: str | Sequence[str], sampling: Sampling, progress: ProgressCallback | None = None
    ) -> Iterator[Picture]:
        """What `generate` returns, one by one, each as soon as it is done; arguments as there."""
        for jobs, latents in self._latents(prompt, sampling, progress):
            for job, image in zip(jobs, self.decode(latents), strict=True):
                yield Picture(image, job.prompt, job.seed)

    def generate_latents(
        self, prompt: str | Sequence[str], *, progress: ProgressCallback | None = None, **settings: Any
    ) -> Tensor:
        """What `generate` decodes: scaled latents (prompts·count, C, H, W), float32; arguments as there."""
        return torch.cat([latents for _, latents in self._latents(prompt, Sampling(**settings), progress)])

    def score(
        self,
        image: Image.Image,
        prompt: str | None = None,
        *,
        draws: int = 4,
        seed: int = 0,
        size: int | Sequence[int] | None = None,
    ) -> Likelihood:
        """The likelihood of a picture, given a prompt or not.

        Args:
            image: any picture; it is scaled to the area that the model was trained at, its aspect ratio kept.
            prompt: what the picture is thought to show; None for the unconditional likelihood.
            draws: noise draws that are averaged over.
            seed: of the draws.
            size: scale the picture to this size instead.

        Raises:
            ValueError: the picture cannot be read, or an argument is out of range.
        """
        if isinstance(draws, bool) or not isinstance(draws, int) or not 1 <= draws <= MAX_DRAWS:
            raise ValueError(f"draws is {draws!r}; it must be a whole number from 1 to {MAX_DRAWS}.")
        if prompt is not None and self.text_encoder is None:
            raise ValueError(f"The model {self.name!r} knows no text; score the picture without a prompt.")
        latents = self.encode(image, size=size)[0]
        text = self._text([prompt or ""])
        return score_latents(self.flow, latents, None if text is None else text[0], draws=draws, seed=seed)

    @torch.no_grad()
    def reconstruct(
        self, image: Image.Image, prompt: str = "", *, size: int | Sequence[int] | None = None
    ) -> Reconstruction:
        """A picture to noise and back, by the flow and its exact inverse; arguments as for `score`."""
        fitted = self.fit(image, size=size)
        latents = self.encode(fitted, size=fitted.size)
        text = self._text([prompt])
        noise = self.flow(latents, text).z
        back = self.flow.inverse(noise, text)
        decoded = self.autoencoder.decode(back)
        error = (decoded.clamp(-1, 1).cpu() - to_tensor(fitted)).square().mean()
        return Reconstruction(
            image=to_images(decoded)[0],
            latent_error=float((back - latents).norm() / latents.norm()),
            psnr=float(10 * torch.log10(4 / error)) if error > 0 else math.inf,
            noise=noise[0].cpu(),
        )

    def fit(self, image: Image.Image, *, size: int | Sequence[int] | None = None) -> Image.Image:
        """A picture as upright RGB at a size that the model takes: the nearest in aspect ratio, or the one given."""
        image = as_rgb(image)
        if size is None:
            size = fitted_size(*image.size, side=self.trained_side, multiple=self.multiple)
        size = checked_size(size, self.trained_side, self.multiple)
        return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)

    @torch.no_grad()
    def encode(self, image: Image.Image, *, size: int | Sequence[int] | None = None) -> Tensor:
        """A picture's scaled latents (1, C, H, W), without noise, on the model's device."""
        return self.autoencoder.encode(to_tensor(self.fit(image, size=size))[None])

    @torch.no_grad()
    def decode(self, latents: Tensor) -> list[Image.Image]:
        """Pictures from scaled latents (B, C, H, W)."""
        return [to_images(self.autoencoder.decode(one[None]))[0] for one in latents]

    def _latents(
        self, prompt: str | Sequence[str], sampling: Sampling, progress: ProgressCallback | None
    ) -> Iterator[tuple[list[_Job], Tensor]]:
        """Latents (B, C, H, W) in batches, with what each of them is of."""
        prompts = [prompt] if isinstance(prompt, str) else prompt
        if not isinstance(prompts, Sequence):
            raise ValueError(f"prompt is {prompt!r}; it must be a text or a list of texts.")
        if not prompts:
            raise ValueError("There is no prompt; give at least one, which may be empty.")
        width, height = checked_size(sampling.size, self.trained_side, self.multiple)
        factor = self.autoencoder.config.factor
        shape = (self.flow.config.in_channels, height // factor, width // factor)
        unconditional = self._text([sampling.negative])
        guidance = self.defaults.guidance if sampling.guidance is None else sampling.guidance
        denoised = self.defaults.denoise if sampling.denoise is None else sampling.denoise

        jobs = [_Job(prompt, seed) for prompt in prompts for seed in sampling.seeds()]
        batches = [jobs[i : i + BATCH] for i in range(0, len(jobs), BATCH)]
        for number, batch in enumerate(batches):
            text = self._text([job.prompt for job in batch])
            x = self.flow.inverse(
                torch.cat([seeded_noise(shape, job.seed, 1) for job in batch]),
                text,
                guidance=guidance if text is not None else 0.0,
                unconditional=unconditional,
                sampler=sampling.sampler or self.jacobi(),
                progress=progress and _of_batch(progress, number, len(batches)),
            )
            yield batch, denoise(self.flow, x, text) if denoised else x

    def _text(self, prompts: Sequence[str]) -> Tensor | None:
        return None if self.text_encoder is None else self.text_encoder.encode(prompts)


def _of_batch(progress: ProgressCallback, number: int, batches: int) -> ProgressCallback:
    """A callback that sees one batch's progress as part of that of all batches."""

    def report(step: Progress) -> None:
        progress(dataclasses.replace(step, done=number * step.total + step.done, total=batches * step.total))

    return report
