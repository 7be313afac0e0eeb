"""Checkpoints: written whole or not at all, with the state of all random generators."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def save_checkpoint(state: dict[str, Any], file: Path) -> None:
    """Write a checkpoint; the last one stays until the new one is whole.

    Raises:
        OSError: it cannot be written, as on a full disk.
    """
    part = file.with_suffix(".part")
    try:
        torch.save(state, part)
        os.replace(part, file)
    except (OSError, RuntimeError) as error:  # torch raises the latter where the disk is full
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error).partition("\n")[0]
        kept = "the last one is whole" if file.exists() else "there is none yet"
        raise OSError(
            f"{file} cannot be written ({why}); {kept}. Free some space, and run the same command again, which goes on "
            "from there."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def load_checkpoint(file: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        ValueError: it is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
    except Exception as error:  # torch raises all kinds
        raise ValueError(f"{file} is no checkpoint, or it is damaged; remove it to train from the start.") from error
    return state


def random_states(device: torch.device) -> dict[str, Tensor]:
    """States of torch's generators, of the CPU and of the device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = getattr(torch, device.type).get_rng_state()
    return states


def set_random_states(states: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"].cpu())
    if device.type in states and device.type != "cpu":
        getattr(torch, device.type).set_rng_state(states[device.type].cpu())
