"""All that a training of a plan takes, put together anew whenever it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ..flow.flow import Flow
from .flows import hidden_weights, new_flow
from .lessons import Lessons, encoded
from .loop import Trainer
from .low_rank import new_low_rank
from .pictures import Pictures
from .processes import Processes
from .request import Plan
from .task import Task


@dataclass(frozen=True)
class Workshop:
    """The pictures, their task, and where it is done.

    Attributes:
        pictures: all of them.
        trained, held_out: places of those to train on, and of the others.
        task: what is learnt.
        device: to train on.
        processes: that train together.
    """

    pictures: Pictures
    trained: list[int]
    held_out: list[int]
    task: Task
    device: torch.device
    processes: Processes

    @property
    def unseen(self) -> list[Path]:
        """The files of the held-out pictures."""
        return [self.pictures.files[place] for place in self.held_out]

    @cached_property
    def latents(self) -> Tensor | None:
        """The latents of all pictures, encoded once; None where there are none to keep."""
        return encoded(self.pictures, self.task, self.device)

    def trainer(self, plan: Plan, folder: Path) -> Trainer[Flow]:
        """A trainer of a plan, with its checkpoint in a folder; it goes on from one that is there.

        Raises:
            ValueError: the checkpoint is damaged.
        """
        seed = plan.request.seed or 0
        torch.manual_seed(seed)
        flow = self._flow(plan)
        rank = self.processes.rank
        lessons = Lessons(
            self.pictures,
            self.trained,
            self.held_out,
            self.task,
            self.latents,
            batch_size=plan.settings["batch_size"],
            seed=seed + rank,
            device=self.device,
        )
        torch.manual_seed(seed + rank)  # the same weights, but other noise, in each process
        muon = hidden_weights(flow) if hasattr(torch.optim, "Muon") and plan.request.lora is None else []
        return Trainer(
            flow,
            lessons.loss,
            folder / "checkpoint.pt",
            plan.settings,
            lessons.held_out_bits,
            rng=lessons.rng,
            hidden_weights=muon,
            autocast=False,
            processes=self.processes,
            shares_frozen=plan.request.lora is not None,
        )

    def _flow(self, plan: Plan) -> Flow:
        """The flow to train, as it begins."""
        base = self.task.base
        if base is not None and plan.request.lora is not None:
            return new_low_rank(base.flow, plan.request.lora)
        flow = new_flow(self.task.config(plan), self.device)
        if base is not None:
            flow.load_state_dict(base.flow.state_dict())
        return flow
