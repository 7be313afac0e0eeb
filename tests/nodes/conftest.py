"""Models as nodes hand them on; tests must not change them."""

from __future__ import annotations

from typing import Any

import pytest
from node_runs import run

from nodes.values import Model


@pytest.fixture(scope="session")
def starflow() -> tuple[Model, Any]:
    model, encoder, _ = run("Loader", model="starflow-mini")
    return model, encoder


@pytest.fixture(scope="session")
def tarflow() -> Model:
    model: Model = run("Loader", model="tarflow-mini")[0]
    return model
