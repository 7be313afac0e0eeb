"""STARFlow Ascent."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from starflow_core.editing.ascent import DRAWS, MEASURED, MOST_STEPS, MOST_STRENGTH, OF, climb, measured
from starflow_core.editing.source import checked_finite
from starflow_core.memory import denoising_memory, forward_memory
from starflow_core.progress import part_of

from . import conditions, convert
from .declaration import CONDITIONING, FLOAT, IMAGE, LATENT, MODEL, Choice, Number, Output, Seed, Socket, node
from .host import Host
from .likelihood import data_of
from .pictures import decoded
from .values import Conditioning, Image, Latent, Model


@node(
    "STARFlowAscent",
    "STARFlow Ascent",
    "Makes pictures likelier, by a few steps up the gradient of the exact log-likelihood or of the match with a "
    "prompt, and says how likely they were before and are after.",
    outputs=(
        Output("image", IMAGE, "the likelier pictures, as the model sees them"),
        Output("latent", LATENT, "the same as latents"),
        Output(
            "log_prob_before",
            FLOAT,
            "in nats, a list: one for each picture; of a match, the gain by the conditioning",
            is_list=True,
        ),
        Output("log_prob_after", FLOAT, "the same of the likelier pictures", is_list=True),
    ),
    category="sampling",
    aliases=(
        *("gradient ascent", "clean up", "enhance", "denoise", "restore", "score", "Tweedie", "likelier"),
        *("log likelihood", "normalizing flow"),
    ),
)
def ascend(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    image: Annotated[Image | None, Socket("pictures; or a latent instead", IMAGE)] = None,
    latent: Annotated[Latent | None, Socket("from STARFlow Encode; or an image instead", LATENT)] = None,
    conditioning: Annotated[Conditioning | None, Socket("what the pictures show", CONDITIONING)] = None,
    strength: Annotated[
        float,
        Number(
            "of all steps together; higher for likelier, plainer pictures; 0 changes nothing", 0, MOST_STRENGTH, 0.05
        ),
    ] = 1.0,
    steps: Annotated[int, Number("number of steps", 1, MOST_STEPS, 1)] = 4,
    goal: Annotated[
        str, Choice("what grows: the likelihood, or its gain by the conditioning, which match needs", OF)
    ] = "likelihood",
    seed: Annotated[int, Seed("of the noise that is averaged over; it stays, so that figures compare")] = 0,
) -> tuple[Image, Latent, list[float], list[float]]:
    given, instead_of = _conditions(host, model, conditioning, goal)
    x = data_of(host, model, image, latent)
    flow = model.pipeline.flow
    with host.in_memory(model.flow, _memory(model, x, given)):
        climbed = _climbed(host, model, x, (given, instead_of), steps, strength, seed)
        before, after = ([measured(flow, one, given, instead_of, seed) for one in ones] for ones in (x, climbed))
    drawn = convert.latent(model, climbed)
    return convert.image(decoded(host, model, climbed)), {**(latent or {}), **drawn}, before, after


def _climbed(
    host: Host,
    model: Model,
    x: Tensor,
    climbs: tuple[Tensor | None, Tensor | None],
    steps: int,
    strength: float,
    seed: int,
) -> Tensor:
    """Data (B, C, H, W) after the ascent; `climbs` are the conditions that `climb` takes."""
    report, found = host.steps(), []
    for i, one in enumerate(x):
        told = part_of(report, i * steps, len(x) * steps)
        found.append(
            climb(model.pipeline.flow, one[None], *climbs, steps=steps, strength=strength, seed=seed, on_progress=told)
        )
    return checked_finite(torch.cat(found))


def _conditions(
    host: Host, model: Model, conditioning: Conditioning | None, goal: str
) -> tuple[Tensor | None, Tensor | None]:
    """The flow's condition (1, …), and that whose likelihood is subtracted, for a match.

    Raises:
        ValueError: a match has no conditioning that says something; or as for `conditions.condition`.
    """
    given = conditions.condition(host, model, conditioning, 1)
    if goal != "match":
        return given, None
    if not conditions.says_something(host, model, conditioning):
        raise ValueError("A match needs a conditioning that says what the picture shows; connect one.")
    return conditions.of_one_length(given, conditions.of_prompts(host, model, [""]))


def _memory(model: Model, x: Tensor, condition: Tensor | None) -> int:
    """Bytes that the ascent takes beside the weights."""
    flow = model.pipeline.flow
    climbing = DRAWS * denoising_memory(flow, 1, flow.grid(x), condition)
    return max(climbing, forward_memory(flow, MEASURED, flow.grid(x), condition))
