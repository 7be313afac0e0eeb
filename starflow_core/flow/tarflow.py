"""TarFlow: a flow over pixels, conditioned on classes (arXiv 2412.06329)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import operations as casting
from .config import TarFlowConfig
from .flow import Flow
from .guidance import TarFlowGuidance

WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


class TarFlow(Flow):
    """A flow between pictures in [−1, 1] and noise; its condition is a class.

    The condition of `forward` and `inverse` is labels (B,), whole numbers below `num_classes`. A negative label, or
    None for all, means no class. Guidance steers away from no class by default, or from other labels.
    """

    config: TarFlowConfig
    data = "pictures"
    levels = 128.0

    def __init__(self, config: TarFlowConfig, operations: Any = casting, **factory: Any) -> None:
        super().__init__(config, operations, **factory)
        self.var: Tensor
        self.register_buffer("var", torch.ones(config.trained_side**2, config.token_dim, **factory))

    @property
    def prior_std(self) -> Tensor:
        """Square root of `var`, the prior's variance; only a volume-preserving flow learns it."""
        return self.var.to(self.device, torch.float32).sqrt()

    def check_weights(self) -> None:
        if not self.var.is_meta and not bool((self.var.float() > 0).all()):
            raise ValueError("These weights hold a var that is not positive, which is no variance.")

    def guide(self, strength: float, **options: Any) -> TarFlowGuidance:
        return TarFlowGuidance(strength, **options)

    def checked_condition(self, condition: Tensor | None, batch: int, name: str = "labels") -> Tensor | None:
        classes = self.config.num_classes
        if condition is None:
            return torch.full((batch,), -1, device=self.device) if classes else None
        if not classes:
            raise ValueError(f"This flow knows no classes; leave {name} away.")
        if condition.dtype not in WHOLE or condition.shape != (batch,):
            raise ValueError(
                f"{name}: got {condition.dtype} of shape {tuple(condition.shape)}; {batch} whole numbers are needed."
            )
        if int(condition.max()) >= classes:
            raise ValueError(
                f"{name}: there is no class {int(condition.max())}; this flow's classes are 0 to {classes - 1}."
            )
        return condition.to(self.device, torch.int64)

    def checked_unconditional(
        self, unconditional: Tensor | None, condition: Tensor | None, batch: int
    ) -> Tensor | None:
        if unconditional is not None and unconditional.shape == (1,):
            unconditional = unconditional.expand(batch)
        return self.checked_condition(unconditional, batch, "unconditional")
