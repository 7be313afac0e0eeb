"""Tables whose rows come from the workers of Ray."""

from __future__ import annotations

import argparse
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .inputs import Asked

if TYPE_CHECKING:
    from ..insight.measure import Measure
    from ..pipeline import Pipeline

T = TypeVar("T")


@contextmanager
def on_ray(
    make: Callable[[Pipeline], Measure[T]], options: argparse.Namespace
) -> Iterator[tuple[Measure[T], Callable[[Sequence[tuple[int, Asked]]], Iterator[list[dict[str, Any]]]]]]:
    """A measure, and what turns numbered pictures into batches of rows on the workers of Ray, in any order.

    Raises:
        ValueError: Ray is missing, there is no such cluster, or the model cannot be read.
    """
    import torch

    from ..scale.datasets import check_ray, pipeline_for

    if options.workers is not None and options.workers < 1:
        raise ValueError(f"--workers is {options.workers}; it must be at least 1.")
    check_ray()
    address = options.ray_address or os.environ.get("RAY_ADDRESS")
    _check_address(address)
    ray = _quiet_ray()
    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError:
        raise ValueError(f"There is no Ray at {address}.") from None
    try:
        dtype = getattr(torch, options.dtype) if options.dtype else None
        measure = make(pipeline_for(options.model, options.device, dtype))
        yield measure, partial(_rows, measure, options)
    finally:
        ray.shutdown()


def _check_address(address: str | None) -> None:
    """Check that something answers at an address such as HEAD:6379; Ray itself would try for minutes.

    Raises:
        ValueError: nothing does.
    """
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ValueError(f"There is no Ray at {address} ({error}).") from None


def _quiet_ray() -> Any:
    """Ray, with neither remarks nor progress bars of its own: the command has one bar, and says what is wrong."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def _rows(
    measure: Measure[T], options: argparse.Namespace, numbered: Sequence[tuple[int, Asked]]
) -> Iterator[list[dict[str, Any]]]:
    from ray.exceptions import RayError

    from ..scale.datasets import measured_dataset

    asked = [one for _, one in numbered]
    if missing := [measure.row(one.path, None, None, one.error) for one in asked if one.error]:
        yield missing
    if files := [one.path for one in asked if not one.error]:
        dataset = measured_dataset(files, measure, workers=options.workers, device=options.device)
        batches = iter(dataset.iter_batches(batch_format="pyarrow", batch_size=None))
        try:
            yield from (batch.to_pylist() for batch in batches)
        except RayError as error:
            said = str(error).strip().splitlines()[-1:]
            raise ValueError(f"A worker of Ray failed ({''.join(said).strip()}); --resume goes on.") from error
