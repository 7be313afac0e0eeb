"""A flow whose own weights stay, and whose layers learn low-rank changes (LoRA, arXiv 2106.09685)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..flow.flow import Flow
from ..flow.state_dict import load_strict
from ..lora.adapter import Lora, zero_change
from .mixed_precision import MixedPrecision, edges_in_float32, training_operations

WEIGHT = ".weight"
WITHIN = ".attn_blocks."  # in names of what is within transformer layers
LARGE = 100_000_000  # weights of a flow whose activations are computed anew on the way back


class LowRankLinear(nn.Module):
    """A linear layer that stays as it is, plus x·Aᵀ·Bᵀ·α/r.

    Args:
        linear: the layer.
        down: A (r, in).
        up: B (out, r).
        scale: α/r.
    """

    def __init__(self, linear: nn.Module, down: Tensor, up: Tensor, scale: float) -> None:
        super().__init__()
        self.linear, self.scale = linear, scale
        self.down, self.up = nn.Parameter(down), nn.Parameter(up)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.linear(x) + self.scale * F.linear(F.linear(x.float(), self.down), self.up)
        return changed


def new_low_rank(base: Flow, rank: int) -> Flow:
    """A flow that begins as a base, whose weights it shares, with layers of low rank to train.

    Matrices of the base stay in its dtype, and are multiplied in bfloat16 where that is it, or is fast; all else is
    float32.

    Args:
        base: in float32 or bfloat16, on the device to train on.
        rank: r, of all layers.
    """
    is_short = base.dtype == torch.bfloat16
    flow = type(base)(base.config, MixedPrecision if is_short else training_operations(base.device.type), device="meta")
    edges_in_float32(flow)
    state = {name: t if WITHIN in name and t.ndim == 2 else t.float() for name, t in base.state_dict().items()}
    load_strict(flow, state, base.state_dict(), "flow")
    flow.computes_like(torch.empty(0, device=base.device))
    add_low_rank(flow, rank)
    is_large = sum(parameter.numel() for parameter in flow.parameters()) >= LARGE
    for block in flow.blocks:
        block.keeps_activations = not is_large
    return flow


def add_low_rank(flow: Flow, rank: int) -> None:
    """Freeze a flow, and give all linear layers within its transformer layers changes that are zero yet."""
    flow.requires_grad_(False)
    layers = {name: module for name, module in flow.named_modules() if _is_changed(name, module)}
    lora = zero_change({name: layer.weight for name, layer in layers.items()}, rank)
    device = next(flow.parameters()).device
    for name, layer in layers.items():
        parent, _, own = name.rpartition(".")
        scale = lora.alpha / rank
        changed = LowRankLinear(layer, lora.down[name].to(device), lora.up[name].to(device), scale)
        setattr(flow.get_submodule(parent), own, changed)


def lora_of(flow: Flow, base: str, weights: str) -> Lora:
    """What a flow has learnt.

    Args:
        flow: with the changes of `add_low_rank`.
        base: name of the model that it was.
        weights: identifies that model's weights.
    """
    layers = {name: module for name, module in flow.named_modules() if isinstance(module, LowRankLinear)}
    down = {name: layer.down.detach().cpu() for name, layer in layers.items()}
    up = {name: layer.up.detach().cpu() for name, layer in layers.items()}
    rank = next(iter(down.values())).shape[0]
    return Lora(down, up, next(iter(layers.values())).scale * rank, base, weights)


def merged_state(flow: Flow) -> dict[str, Tensor]:
    """The state dict of the same flow without layers of low rank, their changes added to its weights."""
    state = dict(flow.state_dict())
    for name, layer in [(name, module) for name, module in flow.named_modules() if isinstance(module, LowRankLinear)]:
        own = {key: state.pop(key) for key in list(state) if key.startswith(f"{name}.")}
        for key, tensor in own.items():
            if key.startswith(f"{name}.linear."):
                state[f"{name}.{key.removeprefix(f'{name}.linear.')}"] = tensor
        change = layer.scale * (layer.up.detach() @ layer.down.detach())
        state[name + WEIGHT] = state[name + WEIGHT] + change.to(state[name + WEIGHT])
    return state


def _is_changed(name: str, module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) and WITHIN in name
