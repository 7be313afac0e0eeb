"""Train the flow with its text encoder: `python -m training.flow`."""

from __future__ import annotations

import math
import random

import numpy as np
import torch
from torch import Tensor, nn

from starflow_core.autoencoder import Autoencoder
from starflow_core.config import FlowConfig
from starflow_core.starflow import StarFlow
from starflow_core.text_encoder import TextEncoder, masked_features

from . import autoencoder, data, text
from .config import Config, load_config
from .initialisation import start_as_identity
from .loop import Trainer, device

CHECKPOINT = "flow.pt"
MOVED_VARIANTS = 3
UNMOVED_SHARE = 0.85


class TextToLatents(nn.Module):
    """The flow and its text encoder, trained as one."""

    def __init__(self, config: Config, encoder: TextEncoder) -> None:
        super().__init__()
        self.text_encoder = encoder.model
        self.flow = build_flow(config, encoder.dim)

    def bits_per_dim(self, latents: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Mean bits per dimension of noised latents (B, C, H, W) given token ids (B, L)."""
        log_prob = self.flow(latents, masked_features(self.text_encoder, ids, mask)).log_prob
        return -log_prob.mean() / (math.log(2) * latents[0].numel())


def build_flow(config: Config, txt_dim: int) -> StarFlow:
    settings = config.flow
    flow = StarFlow(
        FlowConfig(
            in_channels=config.autoencoder["latent_channels"],
            img_size=config.data["image_size"] // 2 ** (len(config.autoencoder["block_out_channels"]) - 1),
            channels=settings["channels"],
            num_blocks=len(settings["layers_per_block"]),
            layers_per_block=tuple(settings["layers_per_block"]),
            head_dim=settings["head_dim"],
            txt_size=config.text_encoder["max_tokens"],
            txt_dim=txt_dim,
            soft_clip=float(settings["soft_clip"]),
            noise_std=settings["noise_std"],
        )
    )
    for block in flow.blocks:
        assert block.sos_embed is not None
        nn.init.normal_(block.sos_embed)
    start_as_identity(flow)
    return flow


@torch.no_grad()
def latents_of(encoder: Autoencoder, images: np.ndarray) -> Tensor:
    """Scaled latents (N, C, h, w) of pictures (N, H, W, 3) uint8."""
    chunks = np.array_split(images, max(1, len(images) // 64))
    return torch.cat([encoder.encode(autoencoder.as_tensor(chunk)) for chunk in chunks])


class Batches:
    """Draws training batches: noised latents of moved and unmoved pictures, and captions, some of them dropped."""

    def __init__(self, config: Config, dataset: data.Dataset, encoder: TextEncoder, images: Autoencoder) -> None:
        self.settings, self.encoder, self.dataset = config.flow, encoder, dataset
        self.rng = random.Random(config.flow["seed"])
        variants = [dataset.images]
        variants += [np.stack([data.moved(image, self.rng) for image in dataset.images]) for _ in range(MOVED_VARIANTS)]
        self.latents = torch.stack([latents_of(images, variant) for variant in variants], dim=1)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Latents (B, C, h, w), token ids and mask (B, L)."""
        chosen = self.rng.choices(range(len(self.dataset.subjects)), k=self.settings["batch_size"])
        variants = [0 if self.rng.random() < UNMOVED_SHARE else self.rng.randint(1, MOVED_VARIANTS) for _ in chosen]
        captions = [self._caption(self.dataset.subjects[i]) for i in chosen]
        return noised(self.latents[chosen, variants], self.settings["noise_std"]), *self.encoder.tokenize(captions)

    def _caption(self, subject: data.Subject) -> str:
        if self.rng.random() < self.settings["dropped_captions"]:
            return ""
        return text.with_unknown_words(subject.caption(self.rng), self.settings["unknown_words"], self.rng)


def noised(latents: Tensor, std: float, generator: torch.Generator | None = None) -> Tensor:
    return latents + std * torch.randn(latents.shape, generator=generator).to(latents)


def train(config: Config) -> None:
    settings = config.flow
    torch.manual_seed(settings["seed"])
    images = autoencoder.load(config)
    dataset = data.load(config)
    training, held_out = dataset.split(config.data["held_out"])
    encoder = text.build(config, dataset.subjects)
    model = TextToLatents(config, encoder).to(device())
    batches = Batches(config, training, encoder, images)

    generator = torch.Generator().manual_seed(settings["seed"])
    held_out_latents = noised(latents_of(images, held_out.images), settings["noise_std"], generator)
    held_out_tokens = encoder.tokenize([subject.name for subject in held_out.subjects])

    def batch_loss(model: TextToLatents) -> Tensor:
        return model.bits_per_dim(*batches.draw())

    def held_out_bits(model: TextToLatents) -> float:
        return float(model.bits_per_dim(held_out_latents, *held_out_tokens))

    Trainer(model, batch_loss, config.folder / CHECKPOINT, settings, held_out_bits).run()


if __name__ == "__main__":
    train(load_config())
