"""Scores, matches and oddness of many pictures, as datasets of Ray."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..insight.anomaly import Anomaly
from ..insight.measure import Measure
from ..insight.measures import AnomalyMeasure, MatchMeasure, ScoreMeasure
from ..insight.ratio import LikelihoodRatio
from ..insight.scorer_file import model_of
from ..insight.scorers import Scorer, load_scorer
from ..pipeline import Pipeline
from ..weights.model_folder import DEFAULT_MODEL, default_dtypes, load, model_folder
from .sources import Pictures, as_dataset

if TYPE_CHECKING:
    from ray.data import Dataset


def score_dataset(
    pictures: Pictures,
    model: str | Pipeline = DEFAULT_MODEL,
    *,
    prompt: str | None = None,
    draws: int = 4,
    seed: int = 0,
    **how: Any,
) -> Dataset:
    """The likelihoods of pictures, as `Pipeline.score` gives them.

    Args:
        pictures: a folder, an address of one such as `s3://…`, Parquet, a list of files, or a dataset.
        model: a name, a folder, or a pipeline on the CPU.
        prompt: what the pictures show; None for the unconditional likelihood.
        draws: number of noise draws to average over.
        seed: of the draws.
        how: `column`, `workers`, `device` and `batch_size`, as for `measured_dataset`.

    Returns:
        a row for each picture, with the columns of `starflow score --output`, and those that the pictures came with.

    Raises:
        ValueError: Ray is missing, there is no picture or no such model, or an argument is out of range.
    """
    check_ray()
    pipeline = pipeline_for(model, how.get("device"))
    return measured_dataset(pictures, ScoreMeasure(pipeline, prompt, draws=draws, seed=seed), **how)


def match_dataset(
    pictures: Pictures,
    prompts: Sequence[str],
    model: str | Pipeline = DEFAULT_MODEL,
    *,
    draws: int = 4,
    seed: int = 0,
    **how: Any,
) -> Dataset:
    """How well prompts explain pictures, as `Pipeline.match` says it; other arguments as for `score_dataset`.

    Args:
        pictures: as for `score_dataset`.
        prompts: what a picture may show.
        model: as for `score_dataset`.
        draws: number of noise draws to average over.
        seed: of the draws.
        how: as for `measured_dataset`.

    Raises:
        ValueError: as `score_dataset`, or the model takes no prompts.
    """
    check_ray()
    pipeline = pipeline_for(model, how.get("device"))
    return measured_dataset(pictures, MatchMeasure(pipeline, prompts, draws=draws, seed=seed), **how)


def anomaly_dataset(
    pictures: Pictures,
    scorer: str | os.PathLike[str] | Scorer,
    model: str | Pipeline | None = None,
    **how: Any,
) -> Dataset:
    """How odd pictures are, as `Anomaly.score` says it.

    Args:
        pictures: as for `score_dataset`.
        scorer: fitted on normal pictures, or the file of such a one.
        model: that the scorer of a file was fitted with; by default the one of the name that the file says.
        how: as for `measured_dataset`.

    Raises:
        ValueError: as `score_dataset`, or the scorer cannot be read.
    """
    check_ray()
    if not isinstance(scorer, (Anomaly, LikelihoodRatio)):
        scorer = load_scorer(scorer, pipeline_for(model or model_of(Path(scorer)), how.get("device")))
    return measured_dataset(pictures, AnomalyMeasure(scorer), **how)


def measured_dataset(
    pictures: Pictures,
    measure: Measure[Any],
    *,
    column: str = "image",
    workers: int | None = None,
    device: str | None = None,
    batch_size: int | None = None,
) -> Dataset:
    """Rows of what is measured of pictures. Ray computes them when they are asked for, in any order.

    A broken picture is a row with an `error`. The weights go into Ray's object store once, and each worker takes them
    from there; a worker needs this package and no model folder, and no text encoder, since prompts are encoded here.

    Args:
        pictures: as for `score_dataset`.
        measure: what is measured.
        column: where a dataset or Parquet has the paths of pictures, or the bytes of their files. Paths are those of
            the workers: absolute, and on a file system that all share.
        workers: how many; by default one for each GPU of the cluster. If there is none, one for each CPU but one, which
            reads and writes.
        device: where each computes; by default cuda if the cluster has a GPU, and cpu otherwise.
        batch_size: pictures that a worker is given at once; by default those that the model takes together.

    Raises:
        ValueError: Ray is missing, there is no picture, or a number is out of range.
    """
    check_ray()
    import ray

    for name, value in (("workers", workers), ("batch_size", batch_size)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value!r}; it must be at least 1.")
    device = device or default_device()
    batch_size = batch_size or measure.at_once
    dataset, place = as_dataset(pictures, column, batch_size)
    there = {kind: int(ray.cluster_resources().get(kind, 0)) for kind in ("GPU", "CPU")}
    is_on_gpu = device.startswith("cuda")
    number = workers or max(1, there["GPU"] if is_on_gpu else there["CPU"] - 1)
    from .worker import Worker

    return dataset.map_batches(
        Worker,
        fn_constructor_args=(ray.put(measure.for_workers()), device, place),
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=ray.data.ActorPoolStrategy(size=number),
        # Workers that took every CPU would wait for ever for what reads their pictures.
        num_cpus=1 if number < there["CPU"] else 0,
        num_gpus=1 if is_on_gpu else 0,
    )


def pipeline_for(
    model: str | os.PathLike[str] | Pipeline, device: str | None = None, dtype: torch.dtype | None = None
) -> Pipeline:
    """A model on this machine's CPU, to be sent to workers; in the dtype that suits their device.

    Raises:
        ValueError: there is no such model.
    """
    if isinstance(model, Pipeline):
        return model
    suited = default_dtypes(model_folder(os.fspath(model)), torch.device(device or default_device()))
    return load(os.fspath(model), device="cpu", dtype=dtype or suited)


def default_device() -> str:
    """Where workers compute: cuda if the cluster has a GPU."""
    import ray

    if not ray.is_initialized():
        ray.init()
    return "cuda" if ray.cluster_resources().get("GPU", 0) >= 1 else "cpu"


def check_ray() -> None:
    """Check that Ray is there.

    Raises:
        ValueError: it is not.
    """
    if find_spec("ray") is None or find_spec("pyarrow") is None:
        raise ValueError('More than one machine needs Ray: pip install "starflow[scale]".')
