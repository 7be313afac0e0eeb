"""Noise with a mark in its own values.

ComfyUI's nodes pass on a LATENT's `samples`, and some of them nothing else (Save Latent, Load Latent, VAE Decode). So a
flow's noise carries its mark as two more channels: a checksum of each place's values, and the model's name as a number.
Nodes that select, repeat, move, save or load keep the mark. Nodes that compute new values (a blend, a sum, a multiple,
an interpolation) break it: these values no longer have the variance of a flow's noise.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

MARKS = 2  # channels: the checksum, and the model's number
OWNERS = 2**20
SIGN = 3 * 2**20  # beside an owner's number; their sum is exact in float32
FAR = 100  # that no channel of a picture, latent or noise is everywhere; the sign is, even where it was scaled down
CHECKSUMS = 2**20
MIXERS = (0x9E3779B1, 0x85EBCA6B)  # odd numbers, of 32 bits, with well-spread digits


def marked(z: Tensor, owner: str) -> Tensor:
    """Noise (B, C, H, W) with its mark, (B, C + 2, H, W) float32; `owner` is the model's name."""
    z = z.float()
    whose = torch.full_like(z[:, :1], _sign(owner))
    return torch.cat([z, _checksum(z), whose], dim=1)


def is_marked(samples: Tensor) -> bool:
    """Whether a latent (B, C, H, W) is noise, or was before its values were changed."""
    if samples.ndim != 4 or samples.shape[1] <= MARKS or not samples.numel():
        return False
    whose = samples[:, -1]
    first = whose.flatten()[0]
    return bool((whose == first).all() and first.abs() >= FAR)


def is_of(samples: Tensor, owner: str) -> bool:
    """Whether marked noise belongs to the model of this name."""
    return bool((samples[:, -1] == _sign(owner)).all())


def is_intact(samples: Tensor) -> bool:
    """Whether the values of marked noise are unchanged."""
    return bool((samples[:, -MARKS:-1] == _checksum(samples[:, :-MARKS].float())).all())


def unmarked(samples: Tensor) -> Tensor:
    """Marked noise without its mark, (B, C, H, W)."""
    return samples[:, :-MARKS]


def _sign(owner: str) -> float:
    digest = hashlib.blake2b(owner.encode(), digest_size=4).digest()
    return float(SIGN + int.from_bytes(digest, "little") % OWNERS)


def _checksum(z: Tensor) -> Tensor:
    """A checksum of the bits of each place's values (B, C, H, W): (B, 1, H, W), in [0, 1)."""
    bits = z.contiguous().view(torch.int32).to(torch.int64) & 0xFFFFFFFF
    total = torch.zeros_like(bits[:, 0])
    for channel in bits.unbind(1):
        total = ((total ^ channel) * MIXERS[0]) & 0xFFFFFFFF
        total = ((total ^ (total >> 15)) * MIXERS[1]) & 0xFFFFFFFF
    return ((total ^ (total >> 13)) % CHECKSUMS).float()[:, None] / CHECKSUMS
