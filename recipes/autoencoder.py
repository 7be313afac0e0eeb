"""Train the image autoencoder: `python -m recipes.autoencoder`.

The command first trains the whole autoencoder, unless the configuration names one to start from. Then it trains the
decoder alone, which improves the pictures without changing the latents.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from starflow_core.codecs.autoencoder import Autoencoder, AutoencoderConfig
from starflow_core.training.loop import Trainer, device

from . import data
from .config import Config, arguments
from .pixels import as_tensor

CHECKPOINT, REFINED = "autoencoder.pt", "decoder.pt"
LEAST_ERROR = 1e-4  # squared error, 46 dB; below it, a smaller error hardly lowers the loss
SCALED_BY = 256  # pictures whose latents give the scale
HELD_OUT = 96  # pictures for the held-out figure in the log


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


def loss(autoencoder: Autoencoder, images: Tensor, settings: dict[str, float]) -> Tensor:
    """The loss of pictures rebuilt from noisy latents: absolute and squared error, error of edges, small KL term."""
    mean, log_variance = autoencoder.moments(images)
    spread = mean.detach().std() * settings["latent_noise"] * torch.rand(len(mean), 1, 1, 1, device=mean.device) * 1.5
    latents = mean + torch.randn_like(mean) * (spread.square() + log_variance.exp()).sqrt()
    rebuilt = autoencoder.decode(latents, tile=None)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum((1, 2, 3)).mean()
    error = rebuilt - images
    return error.abs().mean() + error.square().mean() + 0.5 * _of_edges(error) + settings["kl_weight"] * kl


def decoder_loss(autoencoder: Autoencoder, images: Tensor, settings: dict[str, float]) -> Tensor:
    """The negative mean PSNR (nepers, up to a constant) of pictures rebuilt from slightly noisy latents, plus edges."""
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
    """Mean peak signal-to-noise ratio, in dB, of pictures (N, 3, H, W) in [−1, 1] after encoding and decoding."""
    rebuilt = autoencoder.decode(autoencoder.encode(images)).clamp(-1, 1)
    return float((10 * torch.log10(4 / (rebuilt - images).square().mean((1, 2, 3)))).mean())


def train(config: Config) -> None:
    """Train the whole autoencoder, or copy the one that the configuration names to start from."""
    autoencoder = build(config)
    if start := config.autoencoder.get("start"):
        weights = {name: tensor.float() for name, tensor in load_file(Path(start)).items()}
        autoencoder.load_state_dict(weights)
        config.folder.mkdir(parents=True, exist_ok=True)
        torch.save({"average": autoencoder.state_dict()}, config.folder / CHECKPOINT)
    else:
        _train(config, config.autoencoder, autoencoder, loss, CHECKPOINT)


def refine(config: Config) -> None:
    """Train the decoder further; the encoder stays unchanged."""
    autoencoder = _averaged(config, CHECKPOINT)
    autoencoder.requires_grad_(False).decoder.requires_grad_(True)
    _train(config, config.decoder, autoencoder, decoder_loss, REFINED)


def load(config: Config) -> Autoencoder:
    """Load the trained autoencoder; scale its latents to a standard deviation of one over training pictures."""
    autoencoder = _averaged(config, CHECKPOINT)
    if (config.folder / REFINED).exists():
        refined, whole = _averaged(config, REFINED), autoencoder.encoder.state_dict()
        if any(not torch.equal(tensor, whole[name]) for name, tensor in refined.encoder.state_dict().items()):
            raise SystemExit(f"{REFINED} is of another autoencoder; remove it and train it again.")
        autoencoder = refined
    autoencoder.eval().requires_grad_(False)
    pictures = data.load(config)
    images = pictures.images(data.some(pictures.trained, SCALED_BY))
    spread = float(torch.cat([autoencoder.moments(as_tensor(part[None]))[0] for part in images]).std())
    autoencoder.config = dataclasses.replace(autoencoder.config, scaling_factor=round(1 / spread, 5))
    return autoencoder


def _train(
    config: Config, settings: dict[str, Any], autoencoder: Autoencoder, loss_of: Callable[..., Tensor], checkpoint: str
) -> None:
    torch.manual_seed(settings["seed"])
    pictures = data.load(config)
    samples = pictures.samples(settings["seed"])
    unseen = as_tensor(pictures.images(pictures.watched(HELD_OUT)))

    def batch_loss(model: Autoencoder) -> Tensor:
        images, _ = samples.draw(settings["batch_size"])
        return loss_of(model, as_tensor(images).contiguous(memory_format=torch.channels_last), settings)

    path = config.folder / checkpoint
    Trainer(autoencoder, batch_loss, path, settings, lambda model: psnr(model, unseen), rng=samples.rng).run()


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
