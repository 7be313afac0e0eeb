"""STARFlow Inpaint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import torch
from PIL import Image as Picture
from torch import Tensor

from starflow_core.drawing import of_batch
from starflow_core.editing.canvas import Canvas
from starflow_core.editing.filling import Hole
from starflow_core.editing.inpainting import DataFill, Painter, inpaint, inpaint_data
from starflow_core.editing.settings import Filling
from starflow_core.memory import denoising_memory, sampling_memory
from starflow_core.samplers import ProgressCallback

from . import conditions, convert
from .declaration import CONDITIONING, FLOAT, IMAGE, LATENT, MASK, MODEL, Number, Output, Seed, Socket, node
from .host import Host
from .pictures import PIXEL_MEMORY, decoded
from .values import Conditioning, Image, Latent, Mask, Model

DEFAULT = Filling()
OWN_FEATHER = -1  # a 16th of the model's side


@node(
    "STARFlowInpaint",
    "STARFlow Inpaint",
    "Draws the masked parts of a picture anew, several times, the likeliest first. Every other pixel stays exactly as "
    "it was.",
    outputs=(
        Output("image", IMAGE, "the pictures, of their own size, the likeliest fill of each first"),
        Output("latent", LATENT, "the same as latents, as the model sees them"),
        Output("log_prob", FLOAT, "in nats, a list: one for each picture; compare those of one picture", is_list=True),
    ),
    category="sampling",
    aliases=(
        *("inpainting", "outpainting", "fill", "repair", "remove object", "generative fill", "VAE Encode for Inpaint"),
        *("Set Latent Noise Mask", "mask", "normalizing flow"),
    ),
)
def fill_masked(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    image: Annotated[Image | None, Socket("a picture; or a latent instead", IMAGE)] = None,
    latent: Annotated[Latent | None, Socket("from STARFlow Encode; or an image instead", LATENT)] = None,
    mask: Annotated[
        Mask | None,
        Socket("white is drawn anew, as painted in the mask editor; of a latent, that of Set Latent Noise Mask", MASK),
    ] = None,
    positive: Annotated[Conditioning | None, Socket("what the whole picture shows", CONDITIONING)] = None,
    negative: Annotated[Conditioning | None, Socket("what guidance steers away from", CONDITIONING)] = None,
    seed: Annotated[int, Seed("of the first fill; fill i of a picture is that of seed + i")] = 0,
    count: Annotated[int, Number("fills of each picture", 1, 16, 1)] = 1,
    rounds: Annotated[int, Number("of the plain iteration, at the beginning", 0, 100, 1)] = DEFAULT.rounds,
    steps: Annotated[
        int, Number("through the density; the second half are accepted or rejected by the exact likelihood", 0, 1000, 1)
    ] = DEFAULT.steps,
    temperature: Annotated[
        float, Number("lower for likelier, less varied fills; 1 is the model's own", 0.01, 2, 0.01)
    ] = DEFAULT.temperature,
    guidance: Annotated[float, Number("how strongly to steer to the positive; 0 is off", 0, 30, 0.1)] = 0.0,
    feather: Annotated[
        int, Number("pixels in which a fill is matched to its edge; -1 for a 16th of the model's side", -1, 256, 1)
    ] = OWN_FEATHER,
) -> tuple[Image, Latent, list[float]]:
    width = None if feather == OWN_FEATHER else feather
    filling = Filling(seed, count, rounds, steps, temperature, guidance, width)
    condition = conditions.condition(host, model, positive, 1)
    away = conditions.condition(host, model, negative, 1) if guidance else None
    condition, away = conditions.of_one_length(condition, away)
    if latent is not None and image is None:
        return _in_latents(host, model, latent, mask, condition, away, filling)
    if image is None or latent is not None:
        raise ValueError("Connect an image or a latent, and not both.")
    if mask is None:
        raise ValueError("No mask is connected; paint one in the mask editor of Load Image, and connect its MASK.")
    return _in_pictures(host, model, image, mask, condition, away, filling)


def _in_pictures(
    host: Host,
    model: Model,
    image: Image,
    mask: Mask,
    condition: Tensor | None,
    away: Tensor | None,
    filling: Filling,
) -> tuple[Image, Latent, list[float]]:
    pipeline, painter = model.pipeline, model.pipeline.painter()
    masks = _of_each(mask, len(image))
    pictures = convert.pictures(image)
    canvases = [pipeline.canvas(one, holes) for one, holes in zip(pictures, masks, strict=True)]
    size = canvases[0].fitted.size
    report = _of_each_picture(host.progress(model), len(canvases))
    with (
        host.in_memory(model.flow, _memory(model, painter, size, condition)),
        host.in_memory(model.autoencoder, size[0] * size[1] * PIXEL_MEMORY),
    ):
        fills = [inpaint(painter, canvas, condition, away, filling, report(i)) for i, canvas in enumerate(canvases)]
    shown = [
        _unchanged_outside(image[i], canvas, fill.image)
        for i, (canvas, found) in enumerate(zip(canvases, fills, strict=True))
        for fill in found
    ]
    every = [fill for found in fills for fill in found]
    latent = convert.latent(model, torch.stack([fill.x for fill in every]))
    return torch.stack(shown), latent, [fill.log_prob for fill in every]


def _in_latents(
    host: Host,
    model: Model,
    latent: Latent,
    mask: Mask | None,
    condition: Tensor | None,
    away: Tensor | None,
    filling: Filling,
) -> tuple[Image, Latent, list[float]]:
    x, holes = convert.masked_data(model, latent, mask)
    every = filled(host, model, model.pipeline.painter(), (x, holes), (condition, away), [filling] * len(x))
    drawn = torch.stack([fill.x for fill in every])
    more = convert.beside(latent)
    if filling.count > 1:
        more.pop("batch_index", None)  # places in a batch are no longer those of one
    return (
        convert.image(decoded(host, model, drawn)),
        {**more, **convert.latent(model, drawn)},
        [fill.log_prob for fill in every],
    )


def filled(
    host: Host,
    model: Model,
    painter: Painter,
    masked: tuple[Tensor, Tensor],
    given: tuple[Tensor | None, Tensor | None],
    fillings: Sequence[Filling],
) -> list[DataFill]:
    """Data whose holes are drawn anew; the fills of a datum follow each other, the likeliest first.

    Args:
        host: runs it.
        model: whose data they are.
        painter: draws.
        masked: data (B, C, H, W), and where they are drawn anew (B, 1, H, W).
        given: the condition (1, …), and that which guidance steers away from.
        fillings: the settings, for each of the data.

    Raises:
        ValueError: a hole leaves nothing to go by, or there is none, or numbers overflow.
    """
    x, holes = masked
    size = (x.shape[3] * model.pipeline.factor, x.shape[2] * model.pipeline.factor)
    report = _of_each_picture(host.progress(model), len(x))
    fills: list[DataFill] = []
    with host.in_memory(model.flow, _memory(model, painter, size, given[0])):
        for i, filling in enumerate(fillings):
            hole = Hole.in_data(x[i : i + 1], holes[i : i + 1])
            fills += inpaint_data(painter, hole, *given, filling, report(i))
    return fills


def _unchanged_outside(given: Tensor, canvas: Canvas, filled: Picture.Image) -> Tensor:
    """The filled picture (H, W, 3); outside the hole the given one's own numbers, which may be finer than 8 bits."""
    hole = torch.from_numpy(canvas.hole)[..., None]
    colours = given[..., :3] if given.shape[-1] >= 3 else given[..., :1].expand(*given.shape[:-1], 3)
    return torch.where(hole, convert.image([filled])[0], colours.cpu().float())


def _of_each(mask: Mask, pictures: int) -> list[Tensor]:
    """A mask (H, W) for each picture.

    Raises:
        ValueError: it has another shape, or masks of another number of pictures.
    """
    if not isinstance(mask, Tensor) or mask.ndim != 3 or not mask.numel() or len(mask) not in (1, pictures):
        got = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise ValueError(f"This mask is {got}; it must be (1, H, W), or ({pictures}, H, W) for each picture one.")
    return [one.clamp(0, 1) for one in mask.float().expand(pictures, -1, -1)]


def _of_each_picture(report: ProgressCallback, pictures: int) -> Callable[[int], ProgressCallback]:
    return lambda number: of_batch(report, number, pictures)


def _memory(model: Model, painter: Painter, size: tuple[int, int], condition: Tensor | None) -> int:
    """Bytes that filling takes beside the weights."""
    flow, multiple = painter.flow, model.pipeline.multiple
    grid = (size[1] // multiple, size[0] // multiple)
    drawing = sampling_memory(flow, 1, grid, condition, sampler=painter.sampler)
    return max(drawing, denoising_memory(flow, 1, grid, condition))
