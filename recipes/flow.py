"""Train the flow with its text encoder: `python -m recipes.flow`."""

from __future__ import annotations

import math
import random

import numpy as np
import torch
from torch import Tensor, nn

from starflow_core.codecs.autoencoder import Autoencoder
from starflow_core.codecs.text_encoder import TextEncoder, masked_features
from starflow_core.flow.config import StarFlowConfig
from starflow_core.flow.starflow import StarFlow
from starflow_core.training.initialisation import start_as_identity
from starflow_core.training.loop import Trainer, device
from starflow_core.training.mixed_precision import MixedPrecision, edges_in_float32

from . import autoencoder, data, text
from .captions import caption
from .config import Config, arguments
from .held_out import HeldOut
from .subjects import Subject
from .variants import variants_of

CHECKPOINT = "flow.pt"


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
        StarFlowConfig(
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
        ),
        MixedPrecision,
    )
    edges_in_float32(flow)
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
    """Draws training batches: noised latents of pictures in all their variants, and captions, some of them dropped."""

    def __init__(
        self, config: Config, dataset: data.Dataset, held_out: HeldOut, encoder: TextEncoder, images: Autoencoder
    ) -> None:
        self.settings, self.encoder, self.subjects = config.flow, encoder, dataset.subjects
        self.rng = random.Random(config.flow["seed"])
        self.styles = set(config.flow["styles"])
        self.variants: list[dict[str | None, Tensor]] = []  # of each picture by colour, (V, C, h, w)
        for subject, image in zip(dataset.subjects, dataset.images, strict=True):
            self.variants.append(
                {
                    colour: latents_of(images, np.stack(pictures))
                    for colour, pictures in variants_of(subject, image, held_out, self.rng).items()
                }
            )

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Latents (B, C, h, w), token ids and mask (B, L)."""
        drawn = [self._draw_one() for _ in range(self.settings["batch_size"])]
        latents = torch.stack([latent for latent, _ in drawn])
        tokens = self.encoder.tokenize([words for _, words in drawn])
        return noised(latents, self.settings["noise_std"]), *tokens

    def _draw_one(self) -> tuple[Tensor, str]:
        i = self.rng.randrange(len(self.subjects))
        colours = [colour for colour in self.variants[i] if colour is not None]
        colour = self.rng.choice(colours) if colours and self.rng.random() < self.settings["recoloured"] else None
        variants = self.variants[i][colour]
        moved = self.rng.random() < self.settings["moved"]
        return variants[self.rng.randrange(1, len(variants)) if moved else 0], self._caption(self.subjects[i], colour)

    def _caption(self, subject: Subject, colour: str | None) -> str:
        if self.rng.random() < self.settings["dropped_captions"]:
            return ""
        style = subject.style if len(self.styles) > 1 else None
        return text.with_unknown_words(
            caption(subject, self.rng, colour, style), self.settings["unknown_words"], self.rng
        )


def noised(latents: Tensor, std: float, generator: torch.Generator | None = None) -> Tensor:
    return latents + std * torch.randn(latents.shape, generator=generator).to(latents)


def train(config: Config) -> None:
    settings = config.flow
    torch.manual_seed(settings["seed"])
    images = autoencoder.load(config)
    dataset = data.load(config)
    left_out = HeldOut.load(config.held_out)
    training, held_out = dataset.of_styles(settings["styles"]).split(left_out)
    encoder = text.build(config, dataset.subjects)
    model = TextToLatents(config, encoder).to(device())
    batches = Batches(config, training, left_out, encoder, images)

    generator = torch.Generator().manual_seed(settings["seed"])
    held_out_latents = noised(latents_of(images, held_out.images), settings["noise_std"], generator)
    held_out_tokens = encoder.tokenize([subject.name for subject in held_out.subjects])

    def batch_loss(model: TextToLatents) -> Tensor:
        return model.bits_per_dim(*batches.draw())

    def held_out_bits(model: TextToLatents) -> float:
        return float(model.bits_per_dim(held_out_latents, *held_out_tokens))

    Trainer(model, batch_loss, config.folder / CHECKPOINT, settings, held_out_bits, autocast=False).run()


if __name__ == "__main__":
    train(arguments(__doc__).config)
