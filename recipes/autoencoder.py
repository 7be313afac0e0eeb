"""Train the image autoencoder: `python -m recipes.autoencoder`.

First the whole of it; then the decoder alone, for better pictures of the same latents.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from starflow_core.codecs.autoencoder import Autoencoder, AutoencoderConfig
from starflow_core.training.loop import Trainer, device

from . import data
from .colours import recoloured
from .config import Config, arguments
from .held_out import HeldOut

CHECKPOINT, REFINED = "autoencoder.pt", "decoder.pt"
LEAST_ERROR = 1e-4  # squared; what is better than that, 46 dB, need not get better still


def as_tensor(images: np.ndarray) -> Tensor:
    """Pictures (N, H, W, 3) uint8 → (N, 3, H, W) in [−1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().to(device()) / 127.5 - 1


def build(config: Config) -> Autoencoder:
    settings = config.autoencoder
    shape = AutoencoderConfig(
        block_out_channels=tuple(settings["block_out_channels"]),
        layers_per_block=settings["layers_per_block"],
        latent_channels=settings["latent_channels"],
        norm_num_groups=settings["norm_num_groups"],
        scaling_factor=1.0,
        use_quant_conv=False,
    )
    autoencoder = Autoencoder(shape).to(device())
    return autoencoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class Batches:
    """Draws training batches: pictures mirrored, and shares of them moved and in another colour."""

    def __init__(self, settings: dict[str, Any], dataset: data.Dataset, held_out: HeldOut) -> None:
        self.settings, self.images, self.rng = settings, dataset.images, random.Random(settings["seed"])
        pairs = zip(dataset.subjects, dataset.images, strict=True)
        self.colours = [held_out.colours(subject, image) for subject, image in pairs]

    def draw(self) -> Tensor:
        """Pictures (B, 3, H, W) in [−1, 1]."""
        chosen = self.rng.choices(range(len(self.images)), k=self.settings["batch_size"])
        images = as_tensor(np.stack([self._augmented(i) for i in chosen]))
        return images.contiguous(memory_format=torch.channels_last)

    def _augmented(self, i: int) -> np.ndarray:
        image = self.images[i]
        if self.colours[i] and self.rng.random() < self.settings["recoloured"]:
            image = recoloured(image, self.rng.choice(self.colours[i]))
        if self.rng.random() < 0.5:
            image = np.ascontiguousarray(image[:, ::-1])
        return data.moved(image, self.rng) if self.rng.random() < self.settings["moved"] else image


def loss(autoencoder: Autoencoder, images: Tensor, settings: dict[str, float]) -> Tensor:
    """Absolute and squared error of pictures and of their edges, rebuilt from noisy latents, with a small KL term."""
    mean, log_variance = autoencoder.moments(images)
    spread = mean.detach().std() * settings["latent_noise"] * torch.rand(len(mean), 1, 1, 1, device=mean.device) * 1.5
    latents = mean + torch.randn_like(mean) * (spread.square() + log_variance.exp()).sqrt()
    rebuilt = autoencoder.decode(latents, tile=None)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum((1, 2, 3)).mean()
    error = rebuilt - images
    return error.abs().mean() + error.square().mean() + 0.5 * _of_edges(error) + settings["kl_weight"] * kl


def decoder_loss(autoencoder: Autoencoder, images: Tensor, settings: dict[str, float]) -> Tensor:
    """Negative mean PSNR in nepers, of pictures rebuilt from latents with little noise, and an error of edges."""
    with torch.no_grad():
        mean, _ = autoencoder.moments(images)
        spread = mean.std() * settings["latent_noise"] * torch.rand(len(mean), 1, 1, 1, device=mean.device).square()
        latents = mean + spread * torch.randn_like(mean)
    error = autoencoder.decode(latents, tile=None) - images
    return 0.5 * (error.square().mean((1, 2, 3)) + LEAST_ERROR).log().mean() + _of_edges(error)


def _of_edges(error: Tensor) -> Tensor:
    """Mean absolute error of the differences between neighbouring pixels."""
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


def psnr(autoencoder: Autoencoder, images: Tensor) -> float:
    """Mean peak signal-to-noise ratio, in dB, of pictures (N, 3, H, W) in [−1, 1] that went to latents and back."""
    rebuilt = autoencoder.decode(autoencoder.encode(images)).clamp(-1, 1)
    return float((10 * torch.log10(4 / (rebuilt - images).square().mean((1, 2, 3)))).mean())


def train(config: Config) -> Autoencoder:
    """Train the whole of it."""
    return _train(config, config.autoencoder, build(config), loss, CHECKPOINT)


def refine(config: Config) -> Autoencoder:
    """Train the decoder further, with the encoder as it is."""
    autoencoder = _averaged(config, CHECKPOINT)
    autoencoder.requires_grad_(False).decoder.requires_grad_(True)
    return _train(config, config.decoder, autoencoder, decoder_loss, REFINED)


def load(config: Config) -> Autoencoder:
    """The trained autoencoder, its latents scaled to a standard deviation of one on the pictures."""
    autoencoder = _averaged(config, CHECKPOINT)
    if (config.folder / REFINED).exists():
        refined, whole = _averaged(config, REFINED), autoencoder.encoder.state_dict()
        if any(not torch.equal(tensor, whole[name]) for name, tensor in refined.encoder.state_dict().items()):
            raise SystemExit(f"{REFINED} is of another autoencoder; remove it and train it again.")
        autoencoder = refined
    autoencoder.eval().requires_grad_(False)
    images = as_tensor(data.load(config).images[::4])
    spread = float(autoencoder.moments(images)[0].std())
    autoencoder.config = dataclasses.replace(autoencoder.config, scaling_factor=round(1 / spread, 5))
    return autoencoder


def _train(
    config: Config, settings: dict[str, Any], autoencoder: Autoencoder, loss_of: Callable[..., Tensor], checkpoint: str
) -> Autoencoder:
    torch.manual_seed(settings["seed"])
    left_out = HeldOut.load(config.held_out)
    training, held_out = data.load(config).of_styles(settings["styles"]).split(left_out)
    batches = Batches(settings, training, left_out)
    held_out_images = as_tensor(held_out.images)

    def batch_loss(model: Autoencoder) -> Tensor:
        return loss_of(model, batches.draw(), settings)

    trainer = Trainer(
        autoencoder, batch_loss, config.folder / checkpoint, settings, lambda model: psnr(model, held_out_images)
    )
    return trainer.run()


def _averaged(config: Config, checkpoint: str) -> Autoencoder:
    path = config.folder / checkpoint
    if not path.exists():
        raise SystemExit("There is no autoencoder yet; run `python -m recipes.autoencoder` first.")
    autoencoder = build(config)
    autoencoder.load_state_dict(torch.load(path, map_location=device(), weights_only=True)["average"])
    return autoencoder


if __name__ == "__main__":
    config = arguments(__doc__).config
    train(config)
    refine(config)
