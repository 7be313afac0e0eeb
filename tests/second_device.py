"""A second device, which computes on the CPU but mixes with it as little as a GPU does: an operation on tensors of both
raises. It shows, on any machine, where something computes with weights that lie elsewhere.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")  # the only other one that every torch knows; here its tensors have numbers
MOVES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}


class There(Tensor):
    """A tensor of the second device; `held` has its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> There:
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
            requires_grad=held.requires_grad,
        )

    def __init__(self, held: Tensor) -> None:
        self.held = held

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        return _computed(func, args, kwargs or {})


class SecondDevice(TorchDispatchMode):
    """While it is on, tensors can be made on and moved to `DEVICE`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    if torch.is_inference_mode_enabled():  # where operations arrive that are otherwise made of smaller ones
        with SecondDevice():
            whole = func.decompose(*args, **kwargs)
        if whole is not NotImplemented:
            return whole
    given = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
    there = any(isinstance(tensor, There) for tensor in given)
    device = kwargs.get("device")
    if device is not None:
        there, kwargs = torch.device(device).type == DEVICE.type, kwargs | {"device": _real(device)}
    elif there and func not in MOVES:
        here = [tensor for tensor in given if not isinstance(tensor, There) and tensor.ndim]
        assert not here, f"{func} with tensors of two devices, one of {tuple(here[0].shape)} on the {here[0].device}"
    result = func(*tree_map(_held, args), **tree_map(_held, kwargs))
    if func._schema.is_mutable:  # writes into a tensor that there is already
        return args[0]
    if not there:
        return result
    with torch.inference_mode(False):  # a view of a weight is no tensor of inference mode
        return tree_map(lambda value: There(value) if isinstance(value, Tensor) else value, result)


def _held(value: Any) -> Any:
    return value.held if isinstance(value, There) else value


def _real(device: Any) -> torch.device:
    return torch.device("cpu") if torch.device(device).type == DEVICE.type else torch.device(device)
