from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

import starflow_core.flow.predictor
from starflow_core.pipeline import Pipeline
from starflow_core.samplers import Jacobi, Sampler, Sequential

# Apple's MPS lacks these dtypes: an operation that takes or makes one fails there.
MISSING = (torch.float64, torch.complex32, torch.complex64, torch.complex128)


class Strict(TorchDispatchMode):
    """Raises where an operation takes or makes a tensor of a dtype that not every device has."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_flatten((args, kwargs, result))[0]:
            assert not (isinstance(value, Tensor) and value.dtype in MISSING), f"{func} with {value.dtype}"
        return result


@pytest.fixture(autouse=True)
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moving anything to CUDA by name fails."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("CUDA is named")

    monkeypatch.setattr(torch.Tensor, "cuda", fail)
    monkeypatch.setattr(nn.Module, "cuda", fail)


@pytest.fixture
def strict(pipeline: Pipeline) -> Iterator[Pipeline]:
    """The embedded model, its memory of prompts empty, where missing dtypes raise."""
    pipeline.text_encoder._remembered.clear()
    with Strict():
        yield pipeline


@pytest.mark.parametrize("make", [lambda: torch.zeros(2).double(), lambda: torch.zeros(2).to(torch.complex64)])
def test_missing_dtypes_are_noticed(make: Any) -> None:
    with Strict(), pytest.raises(AssertionError, match="with torch"):
        make()


@pytest.mark.parametrize("drafts", [False, True])
@pytest.mark.parametrize("sampler", [Sequential(), Jacobi(), Jacobi(block_size=3)], ids=str)
def test_generate_needs_no_missing_dtype(
    strict: Pipeline, sampler: Sampler, drafts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starflow_core.flow.predictor, "bfloat16_is_faster", lambda device_type: drafts)
    monkeypatch.setattr(starflow_core.flow.predictor, "DRAFT_ROWS", 0)
    image = strict.generate("a red heart", negative="dog", guidance=2.0, size=24, sampler=sampler, denoise=True)[0]
    assert image.size == (24, 24)


def test_score_and_reconstruct_need_no_missing_dtype(strict: Pipeline) -> None:
    image = Image.effect_noise((40, 24), 60)
    assert math.isfinite(strict.score(image, "cat", draws=2, size=24).bits_per_dim)
    assert strict.reconstruct(image, "cat", size=24).latent_error < 1e-3
