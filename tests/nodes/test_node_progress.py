"""Every node that may work for long says how far it is, and ends where it is told to."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from node_runs import run

from nodes.local_host import LocalHost
from nodes.values import Model
from starflow_core.insight import likelihood
from starflow_core.samplers import Progress
from starflow_core.weights.model_folder import load


class Cancelled(BaseException):
    pass


class Watching(LocalHost):
    """Notes every step, and cancels at the `last`."""

    def __init__(self, last: int | None = None) -> None:
        super().__init__(self._sampled, "cpu", self._stepped)
        self.seen: list[tuple[int, int]] = []
        self._last = last

    def _sampled(self, step: Progress) -> None:
        self._stepped(step.done, step.total)

    def _stepped(self, done: int, total: int) -> None:
        self.seen.append((done, total))
        if len(self.seen) == self._last:
            raise Cancelled


@pytest.fixture
def given(starflow: tuple[Model, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Inputs of each node, of three pictures where it takes several."""
    model = starflow[0]
    monkeypatch.setattr("nodes.inversion.TOKENS_AT_ONCE", 64)  # a picture at once
    monkeypatch.setattr("starflow_core.insight.likelihood.DENOISED_AT_ONCE", 64)
    run("TextEncode", text_encoder=starflow[1], text="")  # which is remembered from here on
    images = torch.rand(3, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    latent = run("Encode", model=model, image=images)
    return {
        "Encode": {"model": model, "image": images},
        "Decode": {"model": model, "latent": latent},
        "Invert": {"model": model, "latent": latent},
        "Likelihood": {"model": model, "latent": latent, "draws": 20},
        "Sampler": {"model": model, "batch_size": 3, "guidance": 0.0, "denoise": "on"},
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Encode", [(1, 3), (2, 3), (3, 3)]),
        ("Decode", [(1, 3), (2, 3), (3, 3)]),
        ("Invert", [(0, 3), (1, 3), (2, 3), (3, 3)]),
        (
            "Likelihood",  # in eight draws at once, and then the pictures beside the maps
            [*((done, 60) for done in (8, 16, 20, 28, 36, 40, 48, 56, 60)), (1, 3), (2, 3), (3, 3)],
        ),
    ],
)
def test_work_is_told_of_in_parts(given: dict[str, dict[str, Any]], name: str, expected: list[tuple[int, int]]) -> None:
    host = Watching()
    run(name, host, **given[name])
    assert host.seen == expected


@pytest.mark.parametrize("name", ["Encode", "Decode", "Invert", "Likelihood", "Sampler"])
def test_work_ends_where_it_is_cancelled(given: dict[str, dict[str, Any]], name: str) -> None:
    host = Watching(last=2)
    with pytest.raises(Cancelled):
        run(name, host, **given[name])
    assert len(host.seen) == 2


def test_denoising_goes_on_where_sampling_ends(given: dict[str, dict[str, Any]]) -> None:
    host, sampled = Watching(), Watching()
    run("Sampler", host, **given["Sampler"])
    run("Sampler", sampled, **given["Sampler"] | {"denoise": "off"})
    done, total = sampled.seen[-1]
    assert done == total
    assert host.seen[-4:] == [(done + i, total + 3) for i in range(4)]
    with pytest.raises(Cancelled):
        run("Sampler", Watching(last=len(host.seen) - 1), **given["Sampler"])


def test_batches_of_denoising_are_those_of_the_whole(
    starflow: tuple[Model, Any], given: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = given["Sampler"]
    apart = run("Sampler", **settings)["samples"]
    monkeypatch.setattr("starflow_core.insight.likelihood.DENOISED_AT_ONCE", 4096)
    torch.testing.assert_close(apart, run("Sampler", **settings)["samples"], rtol=1e-4, atol=1e-4)


def test_prompt_is_told_of_once_and_what_is_remembered_not_at_all(starflow: tuple[Model, Any]) -> None:
    host = Watching()
    run("TextEncode", host, text_encoder=starflow[1], text="a prompt that nobody had before")
    assert host.seen == [(0, 1), (1, 1)]
    run("TextEncode", host, text_encoder=starflow[1], text="a prompt that nobody had before")
    assert len(host.seen) == 2


def test_model_is_loaded_byte_by_byte() -> None:
    seen: list[tuple[int, int]] = []
    load("starflow-mini", device="cpu", on_progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert len({total for _, total in seen}) == 1
    assert seen[-1][0] == seen[-1][1]
    assert len(seen) > 50

    def cancel(done: int, total: int) -> None:
        if done > total // 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        load("starflow-mini", device="cpu", on_progress=cancel)


def test_cancelled_likelihood_computes_no_further_draws(monkeypatch: pytest.MonkeyPatch, tarflow: Model) -> None:
    flow = tarflow.pipeline.flow
    computed: list[int] = []
    noised = likelihood.with_training_noise

    def counted(*arguments: Any) -> torch.Tensor:
        computed.append(arguments[-1])
        return noised(*arguments)

    def cancel(done: int, total: int) -> None:
        raise Cancelled

    monkeypatch.setattr(likelihood, "with_training_noise", counted)
    x = torch.zeros(flow.config.in_channels, 32, 32)
    with pytest.raises(Cancelled):
        likelihood.score(flow, x, None, draws=256, on_progress=cancel)
    assert computed == [likelihood.DRAW_BATCH]
