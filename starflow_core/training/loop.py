"""The training loop: a schedule, a moving average, a log, and checkpoints that it continues from bit by bit."""

from __future__ import annotations

import copy
import math
import os
import random
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from ..flow.precision import bfloat16_is_faster
from .optimizers import optimizers

CHECKPOINT_SECONDS = 120
LOG_PICTURES = 2_000
MAX_SKIPPED = 100


def device() -> torch.device:
    """The fastest available device: CUDA, MPS or CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


Model = TypeVar("Model", bound=nn.Module)


class Trainer(Generic[Model]):
    """Trains a module until it has seen a number of pictures, from the last checkpoint on.

    Args:
        model: to train; an existing checkpoint replaces its weights.
        loss: the loss of one batch; it draws its own batch, with `rng` and torch's generators.
        rng: the random generator of the batches. Checkpoints hold its state and that of torch's generators: a resumed
            training sees the same batches as an uninterrupted one.
        checkpoint: file of the checkpoint; the log is beside it as `.csv`.
        settings: `batch_size`, `pictures`, `learning_rate`, `ema_decay`; optional are `warmup_pictures`, `cooldown` and
            `weight_decay`.
        evaluate: figures of the averaged model, logged beside the loss.
        hidden_weights: matrices between hidden states. Muon trains them, and AdamW all other parameters: on flows,
            Muon needs fewer pictures for the same loss.
        autocast: to bfloat16, on devices that are fast at it; without it, the model itself chooses the precision of its
            parts.
    """

    def __init__(
        self,
        model: Model,
        loss: Callable[[Model], Tensor],
        checkpoint: Path,
        settings: dict[str, Any],
        evaluate: Callable[[Model], float],
        *,
        rng: random.Random,
        hidden_weights: Iterable[Tensor] = (),
        autocast: bool = True,
    ) -> None:
        self.model, self.loss, self.evaluate, self.rng = model, loss, evaluate, rng
        self.checkpoint, self.settings = checkpoint, settings
        self.autocast = autocast and bfloat16_is_faster(device().type)
        self.average = copy.deepcopy(model).requires_grad_(False)
        self.optimizers = optimizers(model, hidden_weights, settings.get("weight_decay", 0.0))
        self.pictures = self.skipped = 0
        if checkpoint.exists():
            self._resume()

    def run(self) -> Model:
        """Train to the end, and return the averaged model."""
        total, batch_size = self.settings["pictures"], self.settings["batch_size"]
        saved = time.monotonic()
        losses: list[float] = []
        bar = tqdm(total=total, initial=self.pictures, unit="picture", mininterval=5)
        while self.pictures < total:
            losses.append(self._step())
            self.pictures += batch_size
            bar.update(batch_size)
            if len(losses) * batch_size >= LOG_PICTURES:
                self._log(statistics.median(losses))
                losses.clear()
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self._save()
                saved = time.monotonic()
        bar.close()
        self._save()
        return self.average

    def _step(self) -> float:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self._learning_rate()
        kind = device().type
        # On a CPU plain attention is faster than the fused one at such few tokens.
        attention = sdpa_kernel(SDPBackend.MATH if kind == "cpu" else list(_FUSED))
        with torch.autocast(kind, torch.bfloat16, enabled=self.autocast), attention:
            loss = self.loss(self.model)
            loss.backward()
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), 1.0))
        if math.isfinite(norm):
            for optimizer in self.optimizers:
                optimizer.step()
            self._update_average()
        else:
            self._skip()
        self.model.zero_grad(set_to_none=True)
        return loss.item()

    def _skip(self) -> None:
        """Skip a batch whose gradient overflowed; an exponential scale causes this now and then.

        Raises:
            FloatingPointError: it happens too often.
        """
        self.skipped += 1
        if self.skipped > MAX_SKIPPED:
            raise FloatingPointError(
                f"More than {MAX_SKIPPED} gradients have overflowed; lower the learning rate and go on from "
                f"{self.checkpoint}, which is from before the last of them."
            )

    def _learning_rate(self) -> float:
        """Linear warm-up, and in the last share, `cooldown`, which is all by default, a cosine down to a fiftieth."""
        warmup, cooldown = self.settings.get("warmup_pictures", 1_000), self.settings.get("cooldown", 1.0)
        rise = min(1.0, (self.pictures + 1) / warmup)
        left = max(0.0, 1 - self.pictures / self.settings["pictures"]) / cooldown
        fall = 0.5 * (1 - math.cos(math.pi * min(1.0, left)))
        return self.settings["learning_rate"] * rise * (0.02 + 0.98 * fall)

    @torch.no_grad()
    def _update_average(self) -> None:
        steps = self.pictures / self.settings["batch_size"]
        decay = min(self.settings["ema_decay"], (1 + steps) / (10 + steps))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)

    def _log(self, loss: float) -> None:
        path = self.checkpoint.with_suffix(".csv")
        if not path.exists():
            path.write_text("pictures,loss,held_out\n")
        with torch.no_grad(), path.open("a") as file:
            file.write(f"{self.pictures},{loss:.5f},{self.evaluate(self.average):.5f}\n")

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "pictures": self.pictures,
            "rng": self.rng.getstate(),
            "torch_rng": _torch_rng_states(),
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.checkpoint)

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=device(), weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.pictures = state["pictures"]
        self.rng.setstate(state["rng"])
        _set_torch_rng_states(state["torch_rng"])


def _torch_rng_states() -> dict[str, Tensor]:
    """States of the generators of the device and of the CPU."""
    states = {"cpu": torch.get_rng_state()}
    if device().type != "cpu":
        states[device().type] = getattr(torch, device().type).get_rng_state()
    return states


def _set_torch_rng_states(states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"].cpu())
    if device().type in states and device().type != "cpu":
        getattr(torch, device().type).set_rng_state(states[device().type].cpu())


_FUSED = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)
