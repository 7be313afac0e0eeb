"""Train the flow with its text encoder: `python -m recipes.flow`."""

from __future__ import annotations

import json
import random

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from starflow_core.codecs.autoencoder import Autoencoder
from starflow_core.codecs.text_encoder import TextEncoder, masked_features
from starflow_core.flow.config import StarFlowConfig
from starflow_core.flow.starflow import StarFlow
from starflow_core.pipeline import Pipeline
from starflow_core.training.flows import bits_per_dim, hidden_weights, matrices, new_starflow, with_gaussian_noise
from starflow_core.training.loop import Trainer, device
from starflow_core.weights.model_folder import load

from . import autoencoder, data, meaning, text
from .config import Config, arguments
from .pictures import captions, emoji
from .pictures.captions import Shown
from .pictures.fetch import fetch
from .pictures.table import packages
from .pixels import as_tensor
from .pool import Pool

CHECKPOINT, VOCABULARY = "flow.pt", "vocabulary"
HELD_OUT = 96  # pictures for the held-out figure in the log


class TextToLatents(nn.Module):
    """The flow and its text encoder, trained as one."""

    def __init__(self, config: Config, encoder: TextEncoder) -> None:
        super().__init__()
        self.text_encoder = encoder.model
        self.flow = build_flow(config, encoder.dim)

    def bits_per_dim(self, latents: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Mean bits per dimension of noised latents (B, C, H, W) given token ids (B, L)."""
        return bits_per_dim(self.flow, latents, masked_features(self.text_encoder, ids, mask))

    def hidden_weights(self) -> list[Tensor]:
        """The matrices within all transformer layers."""
        return [*hidden_weights(self.flow), *matrices(self.text_encoder.encoder.block)]


def build_flow(config: Config, txt_dim: int) -> StarFlow:
    settings = config.flow
    return new_starflow(
        StarFlowConfig(
            in_channels=config.autoencoder["latent_channels"],
            img_size=config.data["image_size"] // 2 ** (len(config.autoencoder["block_out_channels"]) - 1),
            patch_size=settings["patch_size"],
            channels=settings["channels"],
            num_blocks=len(settings["layers_per_block"]),
            layers_per_block=tuple(settings["layers_per_block"]),
            head_dim=settings["head_dim"],
            txt_size=config.text_encoder["max_tokens"],
            txt_dim=txt_dim,
            soft_clip=float(settings["soft_clip"]),
            noise_std=settings["noise_std"],
        ),
        device(),
    )


def start_from(model: TextToLatents, encoder: TextEncoder, pipeline: Pipeline) -> None:
    """Give an untrained model the weights of a model folder, to train it further.

    Raises:
        SystemExit: the model in the folder has another vocabulary.
    """
    assert pipeline.text_encoder is not None
    before = pipeline.text_encoder
    if before.tokenizer.backend.get_vocab() != encoder.tokenizer.backend.get_vocab():
        raise SystemExit(f"{pipeline.name} knows other words than these captions have; train without `start`.")
    model.flow.load_state_dict(pipeline.flow.state_dict())
    text.load_exported(encoder, before)


def text_encoder(config: Config, pictures: data.Data) -> TextEncoder:
    """Build an untrained encoder. Its vocabulary is made once, from common words and all captions, and then kept."""
    settings = config.text_encoder
    listed = config.folder / f"{VOCABULARY}.json"
    numbers = config.folder / f"{VOCABULARY}.safetensors"
    if not numbers.exists():
        words = _words(pictures) | set(meaning.common_words())
        vocabulary = text.Vocabulary.of_words(words, emoji_names(config))
        listed.write_text(json.dumps(vocabulary.meanings, ensure_ascii=False, indent=0))
        save_file({"fixed": vocabulary.embeddings(settings["meaning_numbers"])}, numbers)
    vocabulary = text.Vocabulary(json.loads(listed.read_text()))
    return text.build(settings, vocabulary, load_file(numbers)["fixed"])


@torch.no_grad()
def latents_of(encoder: Autoencoder, images: np.ndarray) -> Tensor:
    """Scaled latents (N, C, h, w) of pictures (N, H, W, 3) uint8."""
    chunks = np.array_split(images, max(1, len(images) // 64))
    return torch.cat([encoder.encode(as_tensor(chunk)) for chunk in chunks])


def train(config: Config) -> None:
    settings = config.flow
    torch.manual_seed(settings["seed"])
    images = autoencoder.load(config)
    pictures = data.load(config)
    encoder = text_encoder(config, pictures)
    model = TextToLatents(config, encoder).to(device())
    if "start" in settings:
        start_from(model, encoder, load(settings["start"], device=device().type, dtype=torch.float32))
    samples = pictures.samples(settings["seed"])
    pool = Pool(samples, images, capacity=settings["pool"], fresh=settings["fresh"])

    places = pictures.watched(HELD_OUT)
    generator = torch.Generator().manual_seed(settings["seed"])
    unseen = with_gaussian_noise(latents_of(images, pictures.images(places)), settings["noise_std"], generator)
    tokens = encoder.tokenize([captions.caption(Shown(row), random.Random(row.id)) for row in pictures.rows(places)])

    def batch_loss(model: TextToLatents) -> Tensor:
        latents, said = pool.draw(settings["batch_size"])
        said = [_forgotten(caption, settings, samples.rng) for caption in said]
        return model.bits_per_dim(with_gaussian_noise(latents, settings["noise_std"]), *encoder.tokenize(said))

    def held_out_bits(model: TextToLatents) -> float:
        return float(model.bits_per_dim(unseen, *tokens))

    checkpoint = config.folder / CHECKPOINT
    Trainer(
        model,
        batch_loss,
        checkpoint,
        settings,
        held_out_bits,
        rng=samples.rng,
        hidden_weights=model.hidden_weights(),
        autocast=False,
    ).run()


def emoji_names(config: Config) -> dict[str, str]:
    """What each emoji's character stands for, in words."""
    return emoji.characters(fetch(packages()["emojibase"], config.folder / "packages"))


def _forgotten(caption: str, settings: dict[str, float], rng: random.Random) -> str:
    """Drop the caption in a share of cases, for guidance; otherwise replace some words by the unknown word."""
    if rng.random() < settings["dropped_captions"]:
        return ""
    return text.with_unknown_words(caption, settings["unknown_words"], rng)


def _words(pictures: data.Data) -> set[str]:
    """All words of all captions."""
    texts = [*captions.fixed_words()]
    for row in pictures.pictures.rows:
        texts += [row.name, *row.keywords, *row.attributes.values()]
    return {word for said in texts for word in said.lower().split()}


if __name__ == "__main__":
    train(arguments(__doc__).config)
