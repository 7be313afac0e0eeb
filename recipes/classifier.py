"""A small convolutional classifier of pictures, which judges whether drawn ones show their class."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import trange

from starflow_core.training.loop import device

from .tarflow import Batches

STEPS = 4_000
LEARNING_RATE = 2e-3


def build(classes: int, width: int = 32) -> nn.Module:
    def stage(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]

    body = [*stage(3, width), *stage(width, 2 * width), *stage(2 * width, 4 * width)]
    return nn.Sequential(*body, nn.Flatten(), nn.Dropout(0.3), nn.LazyLinear(classes)).to(device())


def train(batches: Batches, classes: int, noise_std: float = 0.1) -> nn.Module:
    """A classifier trained on the pictures and labels that a flow learns, made robust by noise."""
    torch.manual_seed(0)
    classifier = build(classes)
    classifier(torch.zeros(2, *batches.draw()[0].shape[1:], device=device()))  # gives the last layer its shape
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, STEPS)
    for _ in trange(STEPS, desc="classifier"):
        x, labels = batches.draw()
        known = labels >= 0
        loss = F.cross_entropy(classifier(x + noise_std * torch.rand(()) * torch.randn_like(x))[known], labels[known])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return classifier.eval()


@torch.no_grad()
def top(classifier: nn.Module, x: Tensor, labels: Tensor, k: int) -> float:
    """Share of pictures (N, 3, H, W) in [−1, 1] whose label is among the k likeliest."""
    ranked = classifier(x).topk(k, dim=1).indices
    return float((ranked == labels[:, None]).any(1).float().mean())
