"""A flow with its text encoder or classes and its autoencoder: prompts or classes → pictures, pictures → likelihoods,
pictures ↔ noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn

from .codecs.autoencoder import Autoencoder
from .codecs.classes import Classes
from .codecs.dequantization import requantized
from .codecs.prompt_warning import warn
from .codecs.text_encoder import TextEncoder
from .drawing import Conditions, Job, Steps, checked_prompts, of_batch, planned
from .flow.flow import Flow
from .flow.guidance import Guidance
from .flow.noise import seeded_noise
from .images import AnyImage, as_rgb, checked_size, fitted_size, middle_square, psnr, to_images, to_tensor
from .insight.best import best
from .insight.confidence import Confidence, confidence
from .insight.likelihood import Likelihood, denoise, denoised_at_once, score
from .insight.match import Match, match
from .insight.reference import Reference
from .memory import sampling_memory
from .samplers import Jacobi, ProgressCallback, Sampler
from .sampling import Sampling, SamplingDefaults, chosen, guidance_options

MAX_DRAWS = 10_000
BATCH = 16


@dataclass(frozen=True)
class Reconstruction:
    """A picture mapped to noise and back.

    Attributes:
        image: the reconstructed picture.
        latent_error: relative L2 error of the latents, or pixels, that the flow's inverse returns; rounding only.
        psnr: in dB, against the input picture; the loss of the autoencoder, if there is one.
        noise: (C, H, W), the flow's noise for the picture.
    """

    image: Image.Image
    latent_error: float
    psnr: float
    noise: Tensor


class Picture(NamedTuple):
    """A picture with its prompt and seed.

    Attributes:
        asked: one of `Sampling.seeds`; another than `seed` where the picture is the best of several.
    """

    image: Image.Image
    prompt: str
    seed: int
    asked: int


class Pipeline:
    """A model with all its parts.

    Args:
        flow: between data and noise.
        autoencoder: between images and latents; None for a flow of pictures.
        text_encoder: of prompts; None for a flow without text.
        name: of the model.
        defaults: the model's own settings of sampling.
        classes: of a class-conditional flow; None for one without classes. Names of classes take the place of
            prompts.
        keep_text_encoder: keep it in memory after encoding; otherwise new prompts read it again.
        reference: likelihoods of known pictures, which others are compared with; None for no comparison.

    Raises:
        ValueError: the parts do not fit together.
    """

    def __init__(
        self,
        flow: Flow,
        autoencoder: Autoencoder | None,
        text_encoder: TextEncoder | None,
        *,
        name: str = "",
        defaults: SamplingDefaults | None = None,
        classes: Classes | None = None,
        keep_text_encoder: bool = True,
        reference: Reference | None = None,
    ) -> None:
        self.flow, self.autoencoder, self.text_encoder, self.name = flow, autoencoder, text_encoder, name
        self.classes, self.keep_text_encoder, self.reference = classes, keep_text_encoder, reference
        self.defaults = defaults or SamplingDefaults()
        self._check_parts_fit()

    def _check_parts_fit(self) -> None:
        flow, iterations = self.flow, self.defaults.iterations
        if (self.autoencoder is None) != (flow.data == "pictures"):
            raise ValueError(
                f"it is a flow of {flow.data}, and goes {'without' if self.autoencoder else 'with'} an autoencoder."
            )
        channels = 3 if self.autoencoder is None else self.autoencoder.config.latent_channels
        if channels != flow.config.in_channels:
            parts = "pictures have 3" if self.autoencoder is None else f"the autoencoder has {channels} latent"
            raise ValueError(
                f"{parts} channels, the flow takes {flow.config.in_channels}; they belong to different models."
            )
        if self.text_encoder is not None and self.text_encoder.dim != flow.config.txt_dim:
            raise ValueError(
                f"the text encoder's features are {self.text_encoder.dim} wide, the flow takes {flow.config.txt_dim}; "
                "they belong to different models."
            )
        if len(self.classes.names if self.classes else ()) != flow.config.num_classes:
            raise ValueError(f"classes must hold {flow.config.num_classes} names, as many as the flow has classes.")
        if iterations is not None and len(iterations) != flow.config.num_blocks:
            raise ValueError(
                f"iterations holds {len(iterations)} counts; the flow has {flow.config.num_blocks} blocks."
            )
        flow.guide(self.defaults.guidance, **guidance_options(Sampling(), self.defaults))

    def parts(self) -> dict[str, nn.Module]:
        """The model's parts by name."""
        encoder = None if self.text_encoder is None else self.text_encoder.model
        parts = {"flow": self.flow, "autoencoder": self.autoencoder, "text encoder": encoder}
        return {name: part for name, part in parts.items() if part is not None}

    def jacobi(self, tolerance: float = 0.01) -> Jacobi:
        """The fast sampler, with this model's iteration counts."""
        return Jacobi(tolerance=tolerance, iterations=self.defaults.iterations)

    @property
    def factor(self) -> int:
        """Pixels per latent along a side; 1 for a flow of pictures."""
        return 1 if self.autoencoder is None else self.autoencoder.config.factor

    @property
    def multiple(self) -> int:
        """The sides of pictures are multiples of this, in pixels."""
        return self.factor * self.flow.config.patch_size

    @property
    def trained_side(self) -> int:
        """Side of the square pictures that the model was trained on, in pixels."""
        return self.factor * self.flow.config.img_size

    @property
    def is_conditional(self) -> bool:
        """Whether the model takes prompts or classes."""
        return self.text_encoder is not None or self.classes is not None

    def generate(
        self,
        prompt: str | Sequence[str],
        sampling: Sampling | None = None,
        *,
        progress: ProgressCallback | None = None,
        **settings: Any,
    ) -> list[Image.Image]:
        """Pictures of one or more prompts.

        Args:
            prompt: what to draw, in words or as the name of a class; or a list, which gives `count` pictures each.
            sampling: the settings of the drawing; by default the model's own.
            progress: called after every step; an exception that it raises ends the sampling.
            settings: by name, such as `seed=1, count=4`; they replace those of `sampling`; see `Sampling`.

        Raises:
            ValueError: a setting is out of range; the message gives the range.
            TypeError: a setting is unknown.
        """
        return [picture.image for picture in self.pictures(prompt, chosen(sampling, settings), progress)]

    def pictures(
        self, prompt: str | Sequence[str], sampling: Sampling, progress: ProgressCallback | None = None
    ) -> Iterator[Picture]:
        """The pictures of `generate`, one by one, each as soon as it is finished; arguments as there."""
        overflowed = []
        for jobs, x in self._drawn(prompt, sampling, progress):
            finite = x.isfinite().all(dim=3).all(dim=2).all(dim=1).tolist()
            overflowed += [job for job, is_finite in zip(jobs, finite, strict=True) if not is_finite]
            for job, image, is_finite in zip(jobs, self.decode(x), finite, strict=True):
                if is_finite:
                    yield Picture(image, *job)
        if overflowed:
            listed = ", ".join(f"{job.prompt!r} of seed {job.seed}" for job in overflowed)
            raise ValueError(f"Numbers grew beyond bounds in {listed}; lower the guidance or choose another seed.")

    def generate_latents(
        self,
        prompt: str | Sequence[str],
        sampling: Sampling | None = None,
        *,
        progress: ProgressCallback | None = None,
        **settings: Any,
    ) -> Tensor:
        """The latents or pixels of `generate`: (prompts·count, C, H, W), float32; arguments as there."""
        return torch.cat([x for _, x in self._drawn(prompt, chosen(sampling, settings), progress)])

    def score(
        self,
        image: AnyImage,
        prompt: str | None = None,
        *,
        draws: int = 4,
        seed: int = 0,
        size: int | Sequence[int] | None = None,
    ) -> Likelihood:
        """The likelihood of a picture, given a prompt or not.

        Args:
            image: any picture, or the path of its file; see `AnyImage` and `fit`.
            prompt: what the picture shows; None for the unconditional likelihood.
            draws: number of noise draws to average over.
            seed: of the draws.
            size: scale the picture to this size instead.

        Raises:
            ValueError: the picture cannot be read, or an argument is out of range.
        """
        check_draws(draws)
        condition = self.scored_condition(prompt)
        x = self.encode(image, size=size)[0]
        return self.compared(score(self.flow, x, condition, draws=draws, seed=seed), described=bool(prompt))

    def compared(self, found: Likelihood, *, described: bool) -> Likelihood:
        """A likelihood with its standing among the pictures of the reference, if it compares with them.

        Args:
            found: of a picture or of latents, under this model.
            described: whether a prompt or a class was given.
        """
        if self.reference is None:
            return found
        height, width = (self.multiple * tokens for tokens in found.map.shape)
        return replace(found, standing=self.reference.standing(found.log_prob, (width, height), described=described))

    def confidence(
        self,
        image: AnyImage,
        prompt: str | None = None,
        *,
        draws: int = 4,
        seed: int = 0,
        size: int | Sequence[int] | None = None,
    ) -> Confidence:
        """How sure the model is of a picture, drawn or given, and where; arguments as for `score`.

        Raises:
            ValueError: the picture cannot be read, or an argument is out of range.
        """
        check_draws(draws)
        condition = self.scored_condition(prompt)
        return confidence(self.flow, self.encode(image, size=size)[0], condition, draws=draws, seed=seed)

    def match(
        self,
        image: AnyImage,
        prompts: Sequence[str],
        *,
        draws: int = 4,
        seed: int = 0,
        size: int | Sequence[int] | None = None,
    ) -> Match:
        """How well each of some prompts, or names of classes, explains a picture; other arguments as for `score`.

        Raises:
            ValueError: the model takes no prompts, the picture cannot be read, or an argument is out of range.
        """
        check_draws(draws)
        conditions = self.matched_conditions(prompts)
        return match(self.flow, self.encode(image, size=size), prompts, conditions, draws=draws, seed=seed)[0]

    def matched_conditions(self, prompts: Sequence[str]) -> Tensor:
        """The flow's conditions of a match (1 + P, …): that of the empty prompt, then those of the prompts.

        Raises:
            ValueError: the model takes no prompts, there is none, or a class is unknown.
        """
        if isinstance(prompts, str) or not prompts:
            raise ValueError(f"prompts is {prompts!r}; it must be a list of at least one prompt.")
        conditions = self.condition(["", *prompts])
        if conditions is None:
            raise ValueError(f"The model {self.name!r} knows no prompts; choose a model of prompts or classes.")
        return conditions

    def scored_condition(self, prompt: str | None) -> Tensor | None:
        """The flow's condition of a likelihood; that of the empty prompt for None.

        Raises:
            ValueError: the model takes no prompts, or the class is unknown.
        """
        if prompt is not None and not self.is_conditional:
            raise ValueError(f"The model {self.name!r} knows no prompts; score the picture without one.")
        return self.condition([prompt or ""])

    @torch.no_grad()
    def reconstruct(
        self, image: AnyImage, prompt: str = "", *, size: int | Sequence[int] | None = None
    ) -> Reconstruction:
        """Map a picture to noise and back, by the flow and its exact inverse; arguments as for `score`."""
        fitted = self.fit(image, size=size)
        x = self.encode(fitted, size=fitted.size)
        condition = self.condition([prompt])
        noise = self.flow(x, condition).z
        back = self.flow.inverse(noise, condition)
        decoded = back if self.autoencoder is None else self.autoencoder.decode(back)
        return Reconstruction(
            image=to_images(decoded)[0],
            latent_error=float((back - x).norm() / x.norm()),
            psnr=psnr(decoded.clamp(-1, 1).cpu(), to_tensor(fitted)),
            noise=noise[0].cpu(),
        )

    def fit(self, image: AnyImage, *, size: int | Sequence[int] | None = None) -> Image.Image:
        """A picture as upright RGB, scaled to a size that the model takes.

        The size is `size`, or else the trained area at the nearest aspect ratio. A model of a single size takes the
        largest centred square.
        """
        rgb = as_rgb(image)
        if size is None and self.flow.has_fixed_size:
            return middle_square(rgb, self.trained_side, Image.Resampling.LANCZOS)
        if size is None:
            size = fitted_size(*rgb.size, side=self.trained_side, multiple=self.multiple)
        size = checked_size(size, self.trained_side, self.multiple)
        return rgb if rgb.size == size else rgb.resize(size, Image.Resampling.LANCZOS)

    @torch.no_grad()
    def encode(self, image: AnyImage, *, size: int | Sequence[int] | None = None) -> Tensor:
        """A picture as data of the flow (1, C, H, W), without noise, on the flow's device."""
        return self.encode_all([self.fit(image, size=size)])

    @torch.no_grad()
    def encode_all(self, images: Sequence[Image.Image]) -> Tensor:
        """Pictures as `fit` returns them, all of one size, as data of the flow (N, C, H, W); otherwise as `encode`."""
        pixels = torch.stack([to_tensor(image) for image in images])
        return (pixels if self.autoencoder is None else self.autoencoder.encode(pixels)).to(self.flow.device)

    @torch.no_grad()
    def decode(self, x: Tensor) -> list[Image.Image]:
        """Pictures from data of the flow (B, C, H, W)."""
        if self.autoencoder is None:
            return to_images(requantized(x) if self.flow.is_dequantized else x)
        return [to_images(self.autoencoder.decode(one[None]))[0] for one in x]

    def condition(self, prompts: Sequence[str]) -> Tensor | None:
        """The flow's condition for prompts or names of classes, "" for no condition; None for an unconditional model.

        Raises:
            ValueError: there is no such class.
            PromptWarning: as a warning, of what the model does not read of a prompt.
        """
        if self.text_encoder is None:
            return None if self.classes is None else self.classes.encode(prompts)
        features = self.text_encoder.encode(prompts)
        warn(remark for prompt in dict.fromkeys(prompts) for remark in self.text_encoder.unread(prompt))
        if not self.keep_text_encoder:
            self.text_encoder.release()
        return features

    def _drawn(
        self, prompt: str | Sequence[str], sampling: Sampling, progress: ProgressCallback | None
    ) -> Iterator[tuple[list[Job], Tensor]]:
        """Batches of the flow's data (B, C, H, W), each with its jobs."""
        prompts = checked_prompts(prompt)
        shape = self.shape(sampling.size)
        empty = [""] if sampling.best_of > 1 else []
        conditions = Conditions(self.condition, [sampling.negative, *prompts, *empty])
        temperature, size = self.temperature(sampling), self.at_once(shape, conditions.encoded, sampling)
        waiting = planned(prompts, sampling)
        batches = [waiting[i : i + size] for i in range(0, len(waiting), size)]
        candidates: list[tuple[Job, Tensor]] = []
        for number, batch in enumerate(batches):
            noise = temperature * torch.cat([seeded_noise(shape, job.seed, 1) for job in batch])
            condition = conditions.of(*(job.prompt for job in batch))
            report = progress and of_batch(progress, number, len(batches))
            x = self.draw(noise, condition, conditions.of(sampling.negative), sampling, report)
            candidates += zip(batch, x, strict=True)
            kept = []
            while len(candidates) >= sampling.best_of:
                kept.append(self._best(candidates[: sampling.best_of], conditions, sampling))
                del candidates[: sampling.best_of]
            if kept:
                yield [job for job, _ in kept], torch.stack([x for _, x in kept])

    def _best(
        self, candidates: list[tuple[Job, Tensor]], conditions: Conditions, sampling: Sampling
    ) -> tuple[Job, Tensor]:
        """The candidate that its prompt explains best; all have the same prompt."""
        if len(candidates) == 1:
            return candidates[0]
        x = torch.stack([x for _, x in candidates])
        given = conditions.of("", candidates[0][0].prompt)
        return candidates[best(self.flow, x, given, clean=self.denoises(sampling))]

    def draw(
        self,
        noise: Tensor,
        condition: Tensor | None,
        unconditional: Tensor | None,
        sampling: Sampling,
        progress: ProgressCallback | None = None,
    ) -> Tensor:
        """The flow's data (B, C, H, W), float32, from noise, `at_once` pictures at a time.

        Args:
            noise: (B, C, H, W), already scaled by the temperature.
            condition: as the flow takes it.
            unconditional: the condition that guidance steers away from, (B, …) or (1, …) for all.
            sampling: settings of the drawing; its seed, count, size and temperature are ignored, the noise has them.
            progress: called after every step; what it raises ends the drawing.

        Raises:
            ValueError: a shape does not fit the model, or a setting is out of range.
        """
        size = self.at_once(noise.shape[1:], condition, sampling)
        guidance, sampler, denoises = self.guidance(sampling), self.sampler(sampling), self.denoises(sampling)
        parts = [slice(first, first + size) for first in range(0, len(noise), size)]
        finished = []
        for number, part in enumerate(parts):
            given = None if condition is None else condition[part]
            away = unconditional if unconditional is None or len(unconditional) == 1 else unconditional[part]
            more = math.ceil(len(noise[part]) / denoised_at_once(self.flow.grid(noise))) if denoises else 0
            steps = Steps(progress and of_batch(progress, number, len(parts)), more)
            x = self.flow.inverse(
                noise[part],
                given,
                guidance=guidance,
                unconditional=away,
                sampler=sampler,
                progress=steps.sampled,
            )
            finished.append(denoise(self.flow, x, given, report=steps.denoised) if denoises else x)
        return torch.cat(finished)

    def shape(self, size: int | Sequence[int] | None) -> tuple[int, int, int]:
        """Shape (C, H, W) of the flow's data for a side, for width and height, or for the trained size.

        Raises:
            ValueError: the model cannot draw this size.
        """
        width, height = checked_size(size, self.trained_side, self.multiple)
        return self.flow.config.in_channels, height // self.factor, width // self.factor

    def at_once(self, shape: Sequence[int], condition: Tensor | None, sampling: Sampling) -> int:
        """The number of pictures to draw at once: as many as are fast and fit into the allowed memory; at least one.

        Args:
            shape: of the flow's data (C, H, W).
            condition: as the flow takes it, for any number of pictures.
            sampling: settings of the drawing.
        """
        if sampling.memory is None:
            return BATCH
        sizes = range(BATCH, 1, -1)
        return next((b for b in sizes if self.memory(b, shape, condition, sampling) <= sampling.memory), 1)

    def memory(self, batch: int, shape: Sequence[int], condition: Tensor | None, sampling: Sampling) -> int:
        """Bytes to draw a batch, beside the weights; arguments as for `at_once`."""
        patch = self.flow.config.patch_size
        return sampling_memory(
            self.flow,
            batch,
            (shape[1] // patch, shape[2] // patch),
            condition,
            guidance=self.guidance(sampling),
            sampler=self.sampler(sampling),
            denoise=self.denoises(sampling),
        )

    def sampler(self, sampling: Sampling) -> Sampler:
        """The chosen sampler, or the fast one."""
        return sampling.sampler or self.jacobi()

    def denoises(self, sampling: Sampling) -> bool:
        """Whether to remove the noise of training: the chosen setting, or the model's own.

        Raises:
            ValueError: the model was trained without Gaussian noise.
        """
        denoises = self.defaults.denoise if sampling.denoise is None else sampling.denoise
        if denoises and not self.flow.config.noise_std:
            raise ValueError(f"The model {self.name!r} was trained without Gaussian noise; there is none to take off.")
        return denoises

    def guidance(self, sampling: Sampling) -> Guidance:
        """The chosen guidance, or the model's own."""
        strength = self.defaults.guidance if sampling.guidance is None else sampling.guidance
        guidance = self.flow.guide(strength, **guidance_options(sampling, self.defaults))
        if self.is_conditional or guidance.attention_temperature != 1:
            return guidance
        return self.flow.guide(0.0)  # no condition to guide towards

    def temperature(self, sampling: Sampling) -> float:
        """The chosen temperature, or the model's own."""
        return self.defaults.temperature if sampling.temperature is None else sampling.temperature


def check_draws(draws: int) -> None:
    """Check a number of draws.

    Raises:
        ValueError: it is not a whole number from 1 to 10,000.
    """
    if isinstance(draws, bool) or not isinstance(draws, int) or not 1 <= draws <= MAX_DRAWS:
        raise ValueError(f"draws is {draws!r}; it must be a whole number from 1 to {MAX_DRAWS}.")
