"""The sampler node draws as the pipeline does."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from torch import Tensor

from nodes.catalogue import NODES
from nodes.local_host import LocalHost
from nodes.values import Latent, Model
from starflow_core.pipeline import Pipeline
from starflow_core.samplers import Sequential

BY_ID = {node.id: node for node in NODES}
SMALL = {"aspect_ratio": "width and height", "width": 16, "height": 16}


class FreeMemory(LocalHost):
    """A host that says how many bytes are free."""

    def __init__(self, free: int | None) -> None:
        super().__init__(device="cpu")
        self._free = free

    def in_memory(self, placed: Any, memory: int) -> Any:
        return contextlib.nullcontext(self._free)


@pytest.fixture(scope="module")
def loaded() -> tuple[Model, Any]:
    model, encoder, _ = BY_ID["STARFlowLoader"](LocalHost(device="cpu"), model="starflow-mini").outputs
    return model, encoder


def drawn(loaded: tuple[Model, Any], free: int | None = None, **settings: Any) -> Latent:
    model, encoder = loaded
    host = FreeMemory(free)
    positive, negative = (
        BY_ID["STARFlowTextEncode"](host, text_encoder=encoder, text=text).outputs[0] for text in ("red heart", "dog")
    )
    sampler = BY_ID["STARFlowSampler"]
    latent: Latent = sampler(host, model=model, positive=positive, negative=negative, **SMALL | settings).outputs[0]
    return latent


@pytest.mark.parametrize(
    "settings",
    [{}, {"guidance": 2.0, "sampler": "sequential"}, {"temperature": 0.8, "denoise": "on"}, {"batch_size": 3}],
    ids=str,
)
def test_latents_are_those_of_the_pipeline(
    loaded: tuple[Model, Any], settings: dict[str, Any], pipeline: Pipeline
) -> None:
    latent = drawn(loaded, seed=4, **settings)["samples"]
    names = {"batch_size": "count"}
    values: dict[Any, Any] = {"sequential": Sequential(), "on": True}
    same: dict[str, Any] = {names.get(name, name): values.get(value, value) for name, value in settings.items()}
    expected = pipeline.generate_latents("red heart", seed=4, negative="dog", size=16, **same)
    scale = pipeline.autoencoder.config.scaling_factor
    torch.testing.assert_close(latent * scale, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("free", "batches"), [(None, [5]), (2**40, [5]), (1, [1] * 5)])
def test_batch_is_cut_to_the_memory_that_is_free(
    loaded: tuple[Model, Any], free: int | None, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which changes nothing about the latents."""
    model, _ = loaded
    sizes: list[int] = []
    kind = type(model.pipeline.flow)
    inverse = kind.inverse

    def watched(self: Any, z: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        sizes.append(len(z))
        return inverse(self, z, *args, **kwargs)

    monkeypatch.setattr(kind, "inverse", watched)
    latent = drawn(loaded, free, seed=3, batch_size=5, sampler="sequential")["samples"]
    assert sizes == batches
    alone = drawn(loaded, seed=6, sampler="sequential")["samples"]
    torch.testing.assert_close(latent[3:4], alone, rtol=1e-4, atol=1e-4)
