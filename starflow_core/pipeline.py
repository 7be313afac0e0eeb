"""A flow with its text encoder or classes and its autoencoder: prompts or classes → pictures, pictures → likelihoods,
pictures ↔ noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn

from .codecs.autoencoder import Autoencoder
from .codecs.classes import Classes
from .codecs.dequantization import requantized
from .codecs.prompt_warning import warn
from .codecs.text_encoder import TextEncoder
from .drawing import Conditions, Job, Steps, checked_prompts, of_batch, planned
from .editing.ascent import Ascent, ascend
from .editing.canvas import Canvas
from .editing.inpainting import Fill, Painter, inpaint
from .editing.morph import Morph, morph
from .editing.restyle import restyle
from .editing.settings import Filling
from .editing.vary import vary
from .flow.flow import Flow
from .flow.guidance import Guidance
from .flow.noise import seeded_noise
from .images import AnyImage, as_rgb, checked_size, fitted_size, middle_square, psnr, to_images, to_tensor
from .insight.best import best
from .insight.confidence import Confidence, confidence
from .insight.likelihood import Likelihood, denoise, denoised_at_once, score
from .insight.match import Match, match
from .insight.reference import Reference, identity
from .memory import sampling_memory
from .progress import OnProgress
from .samplers import Jacobi, ProgressCallback, Sampler
from .sampling import Sampling, SamplingDefaults, chosen, guidance_options

if TYPE_CHECKING:
    from .compression import Codec

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
        together: all pictures that were drawn at once with it, itself among them.
    """

    image: Image.Image
    prompt: str
    seed: int
    asked: int
    together: tuple[Job, ...] = ()


class Candidate(NamedTuple):
    """What was drawn for a job, (C, H, W), with all jobs that were drawn at once."""

    job: Job
    x: Tensor
    together: tuple[Job, ...]


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

    # Identifies the weights from before LoRAs were added; None where none were.
    adapted_from: str | None = None

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
        taken = (1, 3) if self.autoencoder is None else (self.autoencoder.config.latent_channels,)
        if flow.config.in_channels not in taken:
            parts = "pictures have 1 or 3" if self.autoencoder is None else f"the autoencoder has {taken[0]} latent"
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

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """Digits that identify the weights of each part, whatever their dtype.

        A text encoder has them if it is kept, and a part whose weights a host holds elsewhere has none.
        """
        parts = {"flow": self.flow, "autoencoder": self.autoencoder}
        if self.text_encoder is not None and self.keep_text_encoder:
            parts["text encoder"] = self.text_encoder.model
        held = {name: part for name, part in parts.items() if part is not None}
        return {name: identity(part) for name, part in held.items() if not any(w.is_meta for w in part.parameters())}

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
    def channels(self) -> int:
        """Channels of the pictures that the model sees: 3, or 1 where it sees any picture in grey."""
        return self.flow.config.in_channels if self.autoencoder is None else 3

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
        for found, x in self._drawn(prompt, sampling, progress):
            finite = x.isfinite().all(dim=3).all(dim=2).all(dim=1).tolist()
            overflowed += [one.job for one, is_finite in zip(found, finite, strict=True) if not is_finite]
            for one, image, is_finite in zip(found, self.decode(x), finite, strict=True):
                if is_finite:
                    yield Picture(image, *one.job, one.together)
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
        x = self.encode(image, size=size)
        return match(self.flow, x, prompts, conditions, draws=draws, seed=seed, weight=self.prompt_weight)[0]

    @property
    def prompt_weight(self) -> float:
        """The weight of scores in a posterior over prompts, as the reference says; 1 without one."""
        return 1.0 if self.reference is None else self.reference.prompt_weight

    def inpaint(
        self,
        image: AnyImage,
        mask: AnyImage,
        prompt: str | None = None,
        filling: Filling | None = None,
        *,
        size: int | Sequence[int] | None = None,
        progress: ProgressCallback | None = None,
        **settings: Any,
    ) -> list[Fill]:
        """Draw parts of a picture anew; known pixels stay exactly as they were.

        To draw beyond a picture's borders, pass what `starflow_core.grown` returns.

        Args:
            image: any picture, or the path of its file.
            mask: of the picture's size; white is drawn anew.
            prompt: what the whole picture shows, in words or as the name of a class; None for nothing in particular.
            filling: the settings; by default those that did best by measurement.
            size: the size at which the model works; by default that of `fit`.
            progress: called after every step; an exception that it raises ends the work.
            settings: by name, such as `seed=1, count=4`; they replace those of `filling`; see `Filling`.

        Returns:
            `count` fills, the likeliest first.

        Raises:
            ValueError: a picture cannot be read, the mask does not fit, or a setting is out of range.
            TypeError: a setting is unknown.
        """
        chosen = replace(filling or Filling(), **settings)
        canvas = self.canvas(image, mask, size=size)
        self._check_takes(prompt)
        both = self.condition([prompt or "", ""])  # at once, since each time may read the text encoder again
        given, nothing = (None, None) if both is None else both.split(1)
        return inpaint(self.painter(), canvas, given, nothing, chosen, progress)

    def canvas(self, image: AnyImage, mask: AnyImage, *, size: int | Sequence[int] | None = None) -> Canvas:
        """A picture with its mask, for this model; arguments and errors as for `inpaint`."""
        return Canvas.of(image, mask, lambda seen: self.fit(seen, size=size), is_cut=self.flow.has_fixed_size)

    def painter(self) -> Painter:
        """What draws into pictures: this model's flow and autoencoder, with the fast sampler."""
        return Painter(self.flow, self.autoencoder, self.jacobi())

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
        self._check_takes(prompt)
        return self.condition([prompt or ""])

    def _check_takes(self, prompt: str | None) -> None:
        if prompt is not None and not self.is_conditional:
            raise ValueError(f"The model {self.name!r} knows no prompts; leave the prompt away.")

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

    def vary(
        self,
        image: AnyImage,
        strength: float,
        prompt: str = "",
        sampling: Sampling | None = None,
        *,
        progress: ProgressCallback | None = None,
        **settings: Any,
    ) -> list[Image.Image]:
        """Variations of a picture: a part of its noise gives way to fresh noise of the seed.

        Args:
            image: any picture, or the path of its file; see `AnyImage` and `fit`.
            strength: from 0, which returns the picture, to 1, which draws what `generate` draws of the prompt and
                seed; in between, the pictures depart from the first evenly. Guidance and denoising grow with it.
            prompt: what the picture shows; "" for nothing.
            sampling: the settings of the drawing; by default the model's own.
            progress: called after every step; an exception that it raises ends the sampling.
            settings: by name, such as `seed=1, count=4`; they replace those of `sampling`; see `Sampling`.

        Raises:
            ValueError: the picture cannot be read, or an argument is out of range; the message gives the range.
            TypeError: a setting is unknown.
        """
        return vary(self, image, strength, prompt, chosen(sampling, settings), progress)

    def restyle(
        self,
        image: AnyImage,
        prompt: str,
        to: str,
        sampling: Sampling | None = None,
        *,
        progress: ProgressCallback | None = None,
        **settings: Any,
    ) -> Image.Image:
        """A picture as something else: its noise under its own prompt, drawn under another.

        Args:
            image: any picture, or the path of its file; see `AnyImage` and `fit`.
            prompt: what it shows.
            to: what it shall show.
            sampling: the settings; the picture's noise takes the place of a seed. Guidance is half of the model's own
                by default: more of it changes the shape as well.
            progress: as for `vary`.
            settings: by name, as for `vary`.

        Raises:
            ValueError: the model takes no prompts, the picture cannot be read, or an argument is out of range.
            TypeError: a setting is unknown.
        """
        return restyle(self, image, prompt, to, chosen(sampling, settings), progress)

    def morph(
        self,
        a: AnyImage,
        b: AnyImage,
        frames: int = 16,
        prompt: str = "",
        to: str | None = None,
        sampling: Sampling | None = None,
        *,
        progress: ProgressCallback | None = None,
        **settings: Any,
    ) -> Morph:
        """The way from one picture to another: between their noises on a sphere, between their prompts on a line.

        Args:
            a: any picture, or the path of its file; see `AnyImage` and `fit`.
            b: another.
            frames: number of pictures, with both ends, from 2 to 256.
            prompt: what the first shows; "" for nothing.
            to: what the second shows; by default the same.
            sampling: the settings. The sampler, size and memory count; and the temperature, by which the noise is
                multiplied half way, and less so towards the ends. Guidance does not.
            progress: as for `vary`.
            settings: by name, as for `vary`.

        Raises:
            ValueError: the pictures are the same or of different sizes, one cannot be read, or an argument is out of
                range.
            TypeError: a setting is unknown.
        """
        ends = (prompt, prompt if to is None else to)
        return morph(self, (a, b), ends, frames, chosen(sampling, settings), progress)

    def ascend(
        self,
        image: AnyImage,
        prompt: str | None = None,
        *,
        steps: int = 4,
        strength: float = 1.0,
        of: str = "likelihood",
        seed: int = 0,
        size: int | Sequence[int] | None = None,
        on_progress: OnProgress = lambda done, total: None,
    ) -> Ascent:
        """A likelier picture, by steps up the gradient of the log-likelihood.

        Args:
            image: any picture, or the path of its file; see `AnyImage` and `fit`.
            prompt: what it shows; None for the unconditional likelihood.
            steps: number of steps, from 1 to 100.
            strength: length of all steps together, in units of σ²·∇ log p, from 0 to 4; σ is that of the training
                noise.
            of: `likelihood` given the prompt; or `match`, its gain over no prompt.
            seed: of the noise that gradients and likelihoods are averaged over.
            size: scale the picture to this size instead.
            on_progress: called after every step; an exception that it raises ends the work.

        Raises:
            ValueError: the picture cannot be read, or an argument is out of range.
        """
        return ascend(
            self, image, prompt, steps=steps, strength=strength, of=of, seed=seed, size=size, on_progress=on_progress
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
        pixels = torch.stack([to_tensor(image, self.channels) for image in images])
        return (pixels if self.autoencoder is None else self.autoencoder.encode(pixels)).to(self.flow.device)

    @torch.no_grad()
    def decode(self, x: Tensor) -> list[Image.Image]:
        """Pictures from data of the flow (B, C, H, W)."""
        if self.autoencoder is None:
            return to_images(requantized(x) if self.flow.is_dequantized else x)
        return [to_images(self.autoencoder.decode(one[None]))[0] for one in x]

    def codec(self) -> Codec:
        """Return the lossless codec, the same for every pipeline.

        It has a flow of its own, of one block: range coding takes the predictions of a single block as they are, where
        those of several need bits-back coding (arXiv 1905.08500).
        """
        from .compression import Codec  # its coder is a compiled library, which nothing else needs

        return Codec()

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
    ) -> Iterator[tuple[list[Candidate], Tensor]]:
        """Batches of the flow's data (B, C, H, W), each with its jobs."""
        prompts = checked_prompts(prompt)
        shape = self.shape(sampling.size)
        empty = [""] if sampling.best_of > 1 else []
        conditions = Conditions(self.condition, [sampling.negative, *prompts, *empty])
        temperature, size = self.temperature(sampling), self.at_once(shape, conditions.encoded, sampling)
        waiting = planned(prompts, sampling)
        batches = [waiting[i : i + size] for i in range(0, len(waiting), size)]
        candidates: list[Candidate] = []
        for number, batch in enumerate(batches):
            noise = temperature * torch.cat([seeded_noise(shape, job.seed, 1) for job in batch])
            condition = conditions.of(*(job.prompt for job in batch))
            report = progress and of_batch(progress, number, len(batches))
            x = self.draw(noise, condition, conditions.of(sampling.negative), sampling, report)
            candidates += (Candidate(job, one, tuple(batch)) for job, one in zip(batch, x, strict=True))
            kept = []
            while len(candidates) >= sampling.best_of:
                kept.append(self._best(candidates[: sampling.best_of], conditions, sampling))
                del candidates[: sampling.best_of]
            if kept:
                yield kept, torch.stack([one.x for one in kept])

    def _best(self, candidates: list[Candidate], conditions: Conditions, sampling: Sampling) -> Candidate:
        """The candidate that its prompt explains best; all have the same prompt."""
        if len(candidates) == 1:
            return candidates[0]
        x = torch.stack([one.x for one in candidates])
        given = conditions.of("", candidates[0].job.prompt)
        return candidates[best(self.flow, x, given, clean=self.denoises(sampling))]

    def draw(
        self,
        noise: Tensor,
        condition: Tensor | None,
        unconditional: Tensor | None,
        sampling: Sampling,
        progress: ProgressCallback | None = None,
        *,
        share: float = 1.0,
    ) -> Tensor:
        """The flow's data (B, C, H, W), float32, from noise, `at_once` pictures at a time.

        Args:
            noise: (B, C, H, W), already scaled by the temperature.
            condition: as the flow takes it.
            unconditional: the condition that guidance steers away from, (B, …) or (1, …) for all.
            sampling: settings of the drawing; its seed, count, size and temperature are ignored, the noise has them.
            progress: called after every step; what it raises ends the drawing.
            share: of fresh noise in the noise, s; the rest is a picture's own. The standard deviation of the noise to
                remove is multiplied by s, and guidance by s⁴, since it moves a picture by itself; so 0 is the flow's
                exact inverse.

        Raises:
            ValueError: a shape does not fit the model, or a setting is out of range.
        """
        size = self.at_once(noise.shape[1:], condition, sampling)
        guidance, sampler = self.guidance(sampling, share), self.sampler(sampling)
        denoises, noise_std = share > 0 and self.denoises(sampling), share * self.flow.config.noise_std
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
            if denoises:
                x = denoise(self.flow, x, given, noise_std=noise_std, report=steps.denoised)
            finished.append(x)
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

    def guidance(self, sampling: Sampling, share: float = 1.0) -> Guidance:
        """The chosen guidance, or the model's own; in noise of which only a share is fresh, less of it, see `draw`."""
        strength = self.defaults.guidance if sampling.guidance is None else sampling.guidance
        guidance = self.flow.guide(share**4 * strength, **guidance_options(sampling, self.defaults))
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
