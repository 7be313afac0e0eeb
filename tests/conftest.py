from __future__ import annotations

import pytest
import torch
from hypothesis import settings

from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import load

settings.register_profile("reproducible", derandomize=True, deadline=None, database=None, max_examples=20)
settings.load_profile("reproducible")

# The models here are so small that waiting for a second thread costs more than it computes.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    """The embedded model; tests must not change it."""
    return load(device="cpu", dtype=torch.float32)
