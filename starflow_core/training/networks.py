"""Sizes of flows, from one for a test to one for a large GPU, and which of them suits pictures and a time."""

from __future__ import annotations

from collections.abc import Callable

from ..flow.config import StarFlowConfig, TarFlowConfig
from .choices import NETWORKS

TOKENS = 8  # a side, of the squares that a model sees
LEAST_SEEN = 20_000  # pictures that any model should see
TOKENS_A_PARAMETER = 2  # that a model should see


def tarflow_config(name: str, *, side: int, channels: int, classes: int, noise_std: float) -> TarFlowConfig:
    """A TarFlow of a network's size.

    Args:
        name: of the network.
        side: of the squares, in pixels, a multiple of 8.
        channels: of a picture.
        classes: number of classes; 0 for a flow without.
        noise_std: of the Gaussian noise of training, in pictures in [−1, 1]; 0 for a flow of 8-bit pictures.
    """
    network = NETWORKS[name]
    return TarFlowConfig(
        in_channels=channels,
        img_size=side,
        patch_size=side // TOKENS,
        channels=network.channels,
        num_blocks=network.blocks,
        layers_per_block=network.layers,
        num_classes=classes,
        noise_std=noise_std,
    )


def starflow_config(
    name: str, *, side: int, channels: int, txt_size: int, txt_dim: int, noise_std: float
) -> StarFlowConfig:
    """A STARFlow of a network's size.

    Args:
        name: of the network.
        side: of the latents of a square.
        channels: of the latents.
        txt_size: text tokens a prompt; 0 for a flow without text.
        txt_dim: width of the text features.
        noise_std: of the Gaussian noise of training, on scaled latents.
    """
    network = NETWORKS[name]
    return StarFlowConfig(
        in_channels=channels,
        img_size=side,
        patch_size=max(1, side // TOKENS),
        channels=network.channels,
        num_blocks=network.blocks,
        layers_per_block=(*[network.layers] * (network.blocks - 1), network.deep_layers),
        txt_size=txt_size,
        txt_dim=txt_dim,
        soft_clip=6.0,
        noise_std=noise_std,
    )


def wanted(parameters: int) -> int:
    """How many pictures a model of a size should see at least, each of 64 tokens."""
    return max(LEAST_SEEN, TOKENS_A_PARAMETER * parameters // TOKENS**2)


def choose(kind: str, seconds: float, numbers: int, speed: Callable[[str], float]) -> tuple[str, float]:
    """The largest network that sees enough pictures in a time, and has no more weights than the pictures have numbers.

    Args:
        kind: of the flow.
        seconds: of training.
        numbers: of all pictures to train on.
        speed: measures the pictures a second that a network trains on.

    Returns:
        the name of the network, and its speed; the smallest one where none sees enough.
    """
    chosen = next(iter(NETWORKS))
    fastest = speed(chosen)
    before = NETWORKS[chosen].parameters(kind)
    for name, network in list(NETWORKS.items())[1:]:
        size = network.parameters(kind)
        # A network is no slower than in proportion to its weights; one that is hopeless even so is not measured.
        hopeless = fastest * seconds < wanted(size) or 4 * fastest * before / size * seconds < wanted(size)
        if size > numbers or hopeless:
            break
        found = speed(name)
        if found * seconds < wanted(size):
            break
        chosen, fastest, before = name, found, size
    return chosen, fastest
