"""Memory of training a LoRA of a model of the published size: `python -m benchmarks.train --only memory`.

The weights are random. Each configuration trains two steps in a process of its own, whose peak is read; those that the
memory of this machine does not reach are estimated only. Autoencoder and text encoder are not there: latents and text
features are made before the first step, and the encoders may go.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from starflow_core.flow.noise import seeded_noise
from starflow_core.flow.starflow import StarFlow
from starflow_core.memory import tuning_memory
from starflow_core.training.flows import bits_per_dim
from starflow_core.training.loop import Trainer
from starflow_core.training.low_rank import new_low_rank
from starflow_core.weights.published import STARFLOW_3B

from ..full_size import STD
from ..memory import peak_memory

RANK = 16
STEPS = 2  # the second has the optimizer's state from its start
SETTINGS = {"pictures": 10**6, "learning_rate": 1e-4, "ema_decay": 0.99, "patience": 1}


class Setup(NamedTuple):
    """How a LoRA is trained: the dtype of the base's weights, pictures a step, and the side of a picture in pixels."""

    dtype: str
    batch: int
    side: int


SETUPS = tuple(
    Setup(dtype, batch, side)
    for dtype in ("bfloat16", "float32")
    for side, batches in ((128, (1, 4)), (256, (1, 4)))
    for batch in batches
)
PIXELS = 8  # a side, of a latent


def report(gigabytes: float) -> None:
    """Print a row for each configuration; those whose estimate is above some gigabytes are not measured."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, rank {RANK}\n")
    print("| weights | picture | pictures a step | estimate | measured | time a step |")
    print("| --- | --- | --- | --- | --- | --- |")
    for setup in SETUPS:
        said = estimate(setup)
        measured, seconds = "", ""
        if said < gigabytes * 1e9:
            found = _measured(setup)
            measured, seconds = f"{found['peak'] / 1e9:.1f} GB", f"{found['seconds']:.0f} s"
        side = f"{setup.side}×{setup.side}"
        print(f"| {setup.dtype} | {side} | {setup.batch} | {said / 1e9:.1f} GB | {measured} | {seconds} |", flush=True)


def estimate(setup: Setup) -> int:
    """Bytes, as the project estimates them."""
    flow = StarFlow(STARFLOW_3B, device="meta", dtype=getattr(torch, setup.dtype))
    flow.computes_like(torch.empty(0, dtype=flow.dtype))
    return tuning_memory(flow, setup.batch, flow.grid(_latents(setup)), _features(setup), rank=RANK)


def train(setup: Setup) -> dict[str, float]:
    """Train two steps; return the process's peak in bytes, and the seconds of the last step."""
    base = random_flow(getattr(torch, setup.dtype))
    x, condition = _latents(setup), _features(setup)
    settings = {**SETTINGS, "batch_size": setup.batch}
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            new_low_rank(base, RANK),
            lambda flow: bits_per_dim(flow, x, condition),
            Path(folder) / "checkpoint.pt",
            settings,
            lambda flow: 0.0,
            rng=random.Random(0),
            autocast=False,
            shares_frozen=True,
        )
        for _ in range(STEPS):
            start = time.perf_counter()
            trainer.step()
            seconds = time.perf_counter() - start
    return {"peak": peak_memory(), "seconds": seconds}


def random_flow(dtype: torch.dtype) -> StarFlow:
    """A flow of the published size, of random weights, which are made one after another."""
    flow = StarFlow(STARFLOW_3B, device="meta", dtype=dtype)
    shapes = {name: parameter.shape for name, parameter in flow.named_parameters()}
    torch.manual_seed(0)
    noise = STD * torch.randn(max(shape.numel() for shape in shapes.values()), dtype=dtype)
    state = {name: noise[: shape.numel()].clone().view(shape) for name, shape in shapes.items()}
    for name in state:
        if name.endswith("norm.weight"):
            state[name].fill_(1)
    return StarFlow.from_state_dict(STARFLOW_3B, state)


def _latents(setup: Setup) -> Tensor:
    side = setup.side // PIXELS
    return seeded_noise((STARFLOW_3B.in_channels, side, side), 0, setup.batch)


def _features(setup: Setup) -> Tensor:
    return torch.zeros(setup.batch, STARFLOW_3B.txt_size, STARFLOW_3B.txt_dim)


def _measured(setup: Setup) -> dict[str, float]:
    """What `train` returns, of a process of its own."""
    command = [sys.executable, "-m", "benchmarks.train.memory", *map(str, setup)]
    # Blocks of their own for all but small tensors, so that what is freed is given back at once.
    own = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=own)
    found: dict[str, float] = json.loads(finished.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(train(Setup(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
