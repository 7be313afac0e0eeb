"""One pipeline, used by several threads at once, gives what it gives to one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from starflow_core.pipeline import Pipeline

THREADS = 4
PROMPTS = ("a red heart", "cat", "", "a blue car and a dog on a mat, with a hat and a long red scarf " * 3)


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 16, 3), dtype=np.uint8))


JOBS: dict[str, Callable[[Pipeline, int], Any]] = {
    "generate": lambda pipeline, i: np.array(pipeline.generate(PROMPTS[i], seed=i, size=16, denoise=True)[0]),
    "score": lambda pipeline, i: pipeline.score(picture(i), PROMPTS[i], draws=1, seed=i, size=16).map,
    "encode": lambda pipeline, i: pipeline.encode(picture(i), size=16),
    "reconstruct": lambda pipeline, i: pipeline.reconstruct(picture(i), PROMPTS[i], size=16).noise,
    "condition": lambda pipeline, i: pipeline.condition([PROMPTS[i]]),
    "is_truncated": lambda pipeline, i: pipeline.text_encoder.is_truncated(PROMPTS[i]),
    "unread": lambda pipeline, i: len(pipeline.text_encoder.unread(PROMPTS[i])),
    "tokenize": lambda pipeline, i: pipeline.text_encoder.tokenize([PROMPTS[i]])[0],
}


@pytest.mark.parametrize("keeps", [True, False], ids=["", "text encoder read again"])
def test_everything_at_once(pipeline: Pipeline, keeps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "keep_text_encoder", keeps)
    todo = [(name, i) for i in range(len(PROMPTS)) for name in JOBS]
    alone = {(name, i): JOBS[name](pipeline, i) for name, i in todo}
    pipeline.text_encoder._remembered.clear()
    start = Barrier(THREADS)

    def work(number: int) -> dict[tuple[str, int], Any]:
        start.wait()
        mine = todo[number:] + todo[:number]  # all the same, each from elsewhere on
        return {job: JOBS[job[0]](pipeline, job[1]) for job in mine}

    with ThreadPoolExecutor(THREADS) as threads:
        for found in threads.map(work, [number * len(todo) // THREADS for number in range(THREADS)]):
            for job, result in found.items():
                torch.testing.assert_close(torch.as_tensor(result), torch.as_tensor(alone[job]), msg=str(job))
