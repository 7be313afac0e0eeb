"""The training loop: a schedule, a moving average, a log, and checkpoints that it continues from bit by bit."""

from __future__ import annotations

import copy
import math
import random
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from ..flow.precision import bfloat16_is_faster
from . import log
from .checkpoint import load_checkpoint, random_states, save_checkpoint, set_random_states
from .optimizers import optimizers
from .processes import Processes
from .stopping import Best, asked_to_stop

CHECKPOINT_SECONDS = 120
LOG_PICTURES = 2_000
ASKED_STEPS = 16  # after which several processes ask each other whether to stop and to save
MAX_SKIPPED = 100


def device() -> torch.device:
    """The fastest available device: CUDA, MPS or CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


Model = TypeVar("Model", bound=nn.Module)


class Logged(NamedTuple):
    """A line of the log: pictures seen, the median loss since the last line, and the figure on held-out pictures."""

    pictures: int
    loss: float
    held_out: float


class Trainer(Generic[Model]):
    """Trains a module until it has seen a number of pictures, from the last checkpoint on.

    Args:
        model: to train; an existing checkpoint replaces its weights.
        loss: the loss of one batch; it draws its own batch, with `rng` and torch's generators.
        rng: the random generator of the batches. Checkpoints hold its state and that of torch's generators: a resumed
            training sees the same batches as an uninterrupted one.
        checkpoint: file of the checkpoint; the log is beside it as `.csv`.
        settings: `batch_size`, `pictures`, `learning_rate`, `ema_decay`; optional are `warmup_pictures`, `cooldown`,
            `weight_decay`, `log_pictures`, how often it logs, and `patience`: it stops after so many figures above the
            lowest one, and the model with the lowest is the result.
        evaluate: figures of the averaged model, logged beside the loss.
        hidden_weights: matrices between hidden states. Muon trains them, and AdamW all other parameters: on flows,
            Muon needs fewer pictures for the same loss.
        autocast: to bfloat16, on devices that are fast at it; without it, the model itself chooses the precision of its
            parts.
        watch: called with each line of the log and the averaged model.
        processes: that train together; `batch_size` is that of each.
        shares_frozen: weights of the model that are not trained are those of a model that stays: there is no copy of
            them, neither beside the model nor in checkpoints.

    Raises:
        ValueError: the checkpoint is damaged.
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
        watch: Callable[[Logged, Model], None] = lambda line, model: None,
        processes: Processes | None = None,
        shares_frozen: bool = False,
    ) -> None:
        self.model, self.loss, self.evaluate, self.rng = model, loss, evaluate, rng
        self.checkpoint, self.settings, self.watch = checkpoint, settings, watch
        self.processes = processes or Processes()
        self.device = next(model.parameters()).device
        self.autocast = autocast and bfloat16_is_faster(self.device.type)
        frozen = {name: p for name, p in model.named_parameters() if shares_frozen and not p.requires_grad}
        self._shared = frozenset(frozen)
        self.average = copy.deepcopy(model, {id(p): p for p in frozen.values()}).requires_grad_(False)
        self.optimizers = optimizers(model, hidden_weights, settings.get("weight_decay", 0.0))
        self.best = Best(settings.get("patience", 0))
        self.pictures = self.skipped = 0
        self.losses: list[float] = []  # since the last line of the log
        if checkpoint.exists():
            self._resume()

    def run(self) -> Model:
        """Train to the end, and return the averaged model.

        Raises:
            KeyboardInterrupt: SIGINT or SIGTERM asked it to stop; the checkpoint holds the last step.
            FloatingPointError: too many gradients overflow.
            OSError: a file cannot be written.
        """
        saved = time.monotonic()
        total, shown = self.settings["pictures"], self.processes.is_main
        with asked_to_stop() as is_asked, self._bar(total, shown) as bar:
            while self.pictures < total and not self.best.is_over:
                self.step()
                bar.update(self.batch)
                if self._is_due():
                    bar.set_postfix_str(self._log(), refresh=False)
                stops, saves = self._agreed(is_asked(), time.monotonic() - saved > CHECKPOINT_SECONDS)
                if stops or saves:
                    self._save()
                    saved = time.monotonic()
                if stops:
                    raise KeyboardInterrupt
        self._save()
        if self.best.weights is not None:
            self.average.load_state_dict(self.best.weights, strict=not self._shared)
        return self.average

    @property
    def log(self) -> Path:
        """The file of the log."""
        return self.checkpoint.with_suffix(".csv")

    @property
    def batch(self) -> int:
        """Pictures that all processes see in a step."""
        return int(self.settings["batch_size"]) * self.processes.count

    def step(self) -> None:
        """Train on one batch."""
        self.losses.append(self._step())
        self.pictures += self.batch

    def _agreed(self, stops: bool, saves: bool) -> tuple[bool, bool]:
        """Whether all processes stop, as soon as one is asked to, and whether they save, as the main one says."""
        if self.processes.count == 1:
            return stops, saves
        if self.pictures // self.batch % ASKED_STEPS:
            return False, False
        every = self.processes.gathered((stops, saves))
        return any(stops for stops, _ in every), every[0][1]

    def _bar(self, total: int, shown: bool) -> Any:
        return tqdm(total=total, initial=self.pictures, unit="picture", mininterval=5, disable=not shown)

    def _is_due(self) -> bool:
        """Whether a line of the log is due; the same after a resumption as without one."""
        every = self.settings.get("log_pictures", LOG_PICTURES)
        return bool(self.pictures // every > (self.pictures - self.batch) // every)

    def _step(self) -> float:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self._learning_rate()
        kind = self.device.type
        # On a CPU plain attention is faster than the fused one at such few tokens.
        attention = sdpa_kernel(SDPBackend.MATH if kind == "cpu" else list(_FUSED))
        with torch.autocast(kind, torch.bfloat16, enabled=self.autocast), attention:
            loss = self.loss(self.model)
            loss.backward()
        self.processes.average([p.grad for p in self.model.parameters() if p.grad is not None])
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
        steps = self.pictures / self.batch
        decay = min(self.settings["ema_decay"], (1 + steps) / (10 + steps))
        torch._foreach_lerp_(self._own_parameters(self.average), self._own_parameters(self.model), 1 - decay)

    def _own_parameters(self, model: Model) -> list[Tensor]:
        return [parameter for name, parameter in model.named_parameters() if name not in self._shared]

    def _own_state(self, model: Model) -> dict[str, Tensor]:
        """The state dict of a model without the weights that it shares."""
        return {name: tensor for name, tensor in model.state_dict().items() if name not in self._shared}

    @torch.no_grad()
    def _log(self) -> str:
        """Write a line of the log, and return it for people."""
        held_out = self.processes.gathered(self.evaluate(self.average))[0]  # of the main one, so that all stop together
        line = Logged(self.pictures, statistics.median(self.losses), held_out)
        self.losses.clear()
        self.best.see(line.held_out, self._own_state(self.average))
        if self.processes.is_main:
            log.append(self.log, *line)
            self.watch(line, self.average)
        return f"loss {line.loss:.3f}, held out {line.held_out:.3f}"

    def _save(self) -> None:
        generators = self.processes.gathered({"python": self.rng.getstate(), "torch": random_states(self.device)})
        if self.processes.is_main:
            state = {
                "model": self._own_state(self.model),
                "average": self._own_state(self.average),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "pictures": self.pictures,
                "losses": self.losses,
                "best": self.best.state(),
                "generators": generators,
            }
            save_checkpoint(state, self.checkpoint)
        self.processes.wait()

    def _resume(self) -> None:
        state = load_checkpoint(self.checkpoint, self.device)
        self.model.load_state_dict(state["model"], strict=not self._shared)
        self.average.load_state_dict(state["average"], strict=not self._shared)
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.pictures, self.losses = state["pictures"], state.get("losses", [])
        if "best" in state:
            self.best.resume(state["best"])
        every = state.get("generators") or [{"python": state["rng"], "torch": state["torch_rng"]}]
        own = every[min(self.processes.rank, len(every) - 1)]
        self.rng.setstate(own["python"])
        set_random_states(own["torch"], self.device)
        if self.processes.is_main:
            log.drop_after(self.log, self.pictures)


_FUSED = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)
