"""STARFlow Pick Likeliest."""

from __future__ import annotations

from typing import Annotated

import torch

from starflow_core.flow.noise import SEEDS
from starflow_core.insight.scoring import at_once, log_probs
from starflow_core.memory import forward_memory

from . import conditions
from .declaration import CONDITIONING, FLOAT, IMAGE, MODEL, Number, Output, Seed, Socket, node
from .host import Host
from .pictures import encoded
from .values import Conditioning, Image, Model


@node(
    "STARFlowPickLikeliest",
    "STARFlow Pick Likeliest",
    "Picks the best of a batch of pictures, whichever model made them: those that the prompt explains best, or without "
    "a prompt the likeliest.",
    outputs=(
        Output("image", IMAGE, "the picked pictures, the best first"),
        Output("score", FLOAT, "in nats, a list: one for each picked picture", is_list=True),
    ),
    category="insight",
    aliases=(
        *("best of n", "best of batch", "rank pictures", "sort images", "select", "filter", "rerank", "cherry pick"),
        *("image from batch", "normalizing flow"),
    ),
)
def pick(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    image: Annotated[Image, Socket("a batch of pictures", IMAGE, many=True)],
    conditioning: Annotated[Conditioning | None, Socket("what the pictures are to show", CONDITIONING)] = None,
    count: Annotated[int, Number("pictures to pick; of a smaller batch, all", 1, 4096, 1)] = 1,
    draws: Annotated[int, Number("noise draws that are averaged over", 1, 256, 1)] = 4,
    seed: Annotated[int, Seed("of the noise draws; it stays, so that figures compare")] = 0,
) -> tuple[Image, list[float]]:
    given = conditions.condition(host, model, conditioning, 1)
    if conditioning is not None and given is not None:
        nothing, given = conditions.of_one_length(conditions.of_prompts(host, model, [""]), given)
        given = torch.cat([nothing, given])  # type: ignore[list-item]
    x = encoded(host, model, image)
    flow = model.pipeline.flow
    batch = at_once(flow.grid(x), len(x) * draws * 2)
    with host.in_memory(model.flow, forward_memory(flow, batch, flow.grid(x), given)):
        seeds = [(seed + i) % SEEDS for i in range(draws)]
        found = log_probs(flow, x, given, seeds, on_progress=host.steps()).log_prob
    scores = found[:, -1] - found[:, 0] if found.shape[1] > 1 else found[:, 0]
    places = scores.argsort(descending=True, stable=True)[:count]
    return image[places.to(image.device)], scores[places].tolist()
