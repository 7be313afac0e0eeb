"""STARFlow Confidence."""

from __future__ import annotations

from typing import Annotated

import torch

from starflow_core.insight.confidence import bounds, confidence, doubt
from starflow_core.insight.likelihood import DRAW_BATCH
from starflow_core.memory import forward_memory
from starflow_core.progress import part_of

from . import conditions
from .declaration import CONDITIONING, FLOAT, IMAGE, MASK, MODEL, Number, Output, Seed, Shown, Socket, node
from .host import Host
from .pictures import decoded, encoded
from .seen import Seen
from .values import Conditioning, Image, Model


@node(
    "STARFlowConfidence",
    "STARFlow Confidence",
    "How sure a model is of a picture, drawn or given, and where: the error that it expects of each place from what it "
    "has seen before, on one scale for all pictures.",
    outputs=(
        Output("confidence", FLOAT, "larger is surer; of several pictures, the mean"),
        Output("heatmap", IMAGE, "how sure the model is by place, of the picture's size; the brighter, the surer"),
        Output("mask", MASK, "1 where the model knows nothing, 0 where it knows all but noise; of the picture's size"),
        Output("confidence_each", FLOAT, "larger is surer, a list: one for each picture", is_list=True),
    ),
    category="insight",
    aliases=(
        *("uncertainty", "variance", "standard deviation", "entropy", "error map", "quality", "heatmap"),
        *("which picture is best", "normalizing flow"),
    ),
)
def measure(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    image: Annotated[Image, Socket("pictures, drawn or given", IMAGE)],
    conditioning: Annotated[Conditioning | None, Socket("what the picture is thought to show", CONDITIONING)] = None,
    draws: Annotated[int, Number("noise draws that are averaged over", 1, 256, 1)] = 4,
    seed: Annotated[int, Seed("of the noise draws; it stays, so that figures compare")] = 0,
) -> Shown:
    given = conditions.condition(host, model, conditioning, 1)
    x = encoded(host, model, image)
    flow = model.pipeline.flow
    report, total = host.steps(), len(x) * draws
    with host.in_memory(model.flow, forward_memory(flow, min(draws, DRAW_BATCH), flow.grid(x), given)):
        found = [
            confidence(flow, one, given, draws=draws, seed=seed, on_progress=part_of(report, i * draws, total))
            for i, one in enumerate(x)
        ]
    seen = Seen.of(model, image, decoded(host, model, x[:1])[0].size)
    scores = [one.score for one in found]
    outputs = (
        sum(scores) / len(scores),
        seen.heatmaps([one.map for one in found], bounds(flow)),
        seen.mask(torch.stack([doubt(one.map, flow) for one in found])),
        scores,
    )
    return Shown(outputs, found)
