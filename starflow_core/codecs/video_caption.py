"""What STARFlow-V's text encoder reads, and the sizes of its videos (arXiv 2511.20462)."""

from __future__ import annotations

import math

PIXELS = 16  # along a side of a latent
FRAMES = 4  # of a latent frame, but the first


def video_caption(
    prompt: str, *, fps: int | None = None, noise_std: float | None = None, aspect_ratio: str | None = None
) -> str:
    """The prompt in the wording of the training; the empty prompt of guidance has it, too.

    Args:
        prompt: what is to be seen.
        fps: frames a second, 0 for a picture; None for a model without `fps_cond`.
        noise_std: of the model; None for one without `cond_noise_level`.
        aspect_ratio: such as `16:9`; None for a model without `mix_aspect`.

    Raises:
        ValueError: a value is out of range.
    """
    text = prompt
    if fps is not None:
        if fps < 0:
            raise ValueError(f"fps is {fps}; it must be 0 (a picture) or more.")
        text = f"A video with {fps} fps:\n{text}\n" if fps else f"An image:\n{text}\n"
    if noise_std is not None:
        text = f"Noise Level {int(1000 * noise_std)}:\n{text}"
    if aspect_ratio is not None:
        _parts(aspect_ratio)
        text = f"{text}\n in a {aspect_ratio} aspect ratio.\n"
    return text


def video_size(aspect_ratio: str, side: int = 640) -> tuple[int, int]:
    """Width and height in pixels of the trained area side² at an aspect ratio such as `16:9`, in multiples of 16.

    Raises:
        ValueError: the aspect ratio is none, or too extreme.
    """
    w, h = _parts(aspect_ratio)
    width, height = (PIXELS * round(math.sqrt(side**2 * ratio) / PIXELS) for ratio in (w / h, h / w))
    if not (width and height):
        raise ValueError(f"aspect_ratio {aspect_ratio!r} is too extreme for a side of {side} pixels.")
    return width, height


def latent_frames(frames: int) -> int:
    """Latent frames T of a video of a wished number of frames, which decode to 4(T − 1) + 1 frames.

    Raises:
        ValueError: there is no frame.
    """
    if frames < 1:
        raise ValueError(f"frames is {frames}; a video has 1 or more.")
    return (frames - 1) // FRAMES + 1


def _parts(aspect_ratio: str) -> tuple[int, int]:
    try:
        w, h = (int(part) for part in aspect_ratio.split(":"))
        if w > 0 and h > 0:
            return w, h
    except ValueError:
        pass
    raise ValueError(f"aspect_ratio is {aspect_ratio!r}; it must be two positive whole numbers, such as '16:9'.")
