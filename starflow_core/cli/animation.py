"""Animations: GIF, WebP and MP4 files, and folders of PNG files."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import check_writable, write_whole
from .names import Target

if TYPE_CHECKING:
    from PIL import Image

KINDS = (".gif", ".webp", ".mp4")
MOST_FPS = 60.0
WAY_OUT = "pip install av (or imageio-ffmpeg), or write a .gif or .webp"


def check_animation(output: str, fps: float) -> None:
    """Check before the work that an animation can be written.

    Raises:
        ValueError: the ending is unknown, the folder is there already and not empty, the file cannot be written, MP4
            needs a package that is missing, or the frames a second are out of range.
    """
    if not 0 < fps <= MOST_FPS:
        raise ValueError(f"fps is {fps!r}; it must be a number above 0, and {MOST_FPS:g} at most.")
    path = Path(output)
    if is_folder(output):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ValueError(f"{path} is there already; give a new or an empty folder, so that nothing is mixed.")
        check_writable(Target(path / "0.png", is_asked_for=False))
        return
    if path.suffix.lower() not in KINDS:
        raise ValueError(
            f"{path} does not end with {' or '.join(KINDS)}, nor with / for a folder of PNG files, which is all that "
            "can be written."
        )
    check_writable(Target(path, is_asked_for=True))
    if path.suffix.lower() == ".mp4" and not (_has("av") or _has("imageio_ffmpeg")):
        raise ValueError(f"MP4 needs a package that is not installed: {WAY_OUT}.")


def is_folder(output: str) -> bool:
    """Whether a folder of PNG files is asked for."""
    return output.endswith(("/", os.sep)) or (Path(output).suffix.lower() not in KINDS and Path(output).is_dir())


def save_animation(frames: Sequence[Image.Image], output: str, fps: float) -> Path:
    """Write frames of one size, whole or not at all; return the path."""
    path = Path(output)
    if is_folder(output):
        return _save_folder(frames, path)
    suffix = path.suffix.lower()
    write: Any = _write_mp4 if suffix == ".mp4" else _write_pillow
    return write_whole(Target(path, is_asked_for=True), lambda part: write(frames, part, fps, suffix))


def _save_folder(frames: Sequence[Image.Image], folder: Path) -> Path:
    """Write PNG files of numbers that sort, into a new folder that appears when all are written."""
    part = folder.with_name(f".{secrets.token_hex(8)}.part")
    part.mkdir(parents=True)
    try:
        for number, frame in enumerate(frames):
            frame.save(part / f"{number:0{len(str(len(frames) - 1))}}.png")
        if folder.is_dir():
            folder.rmdir()
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _write_pillow(frames: Sequence[Image.Image], path: Path, fps: float, suffix: str) -> None:
    """Write a GIF, each frame in its own 256 colours, or a lossless WebP; both repeat for ever."""
    how: dict[str, Any] = {
        "save_all": True,
        "append_images": list(frames[1:]),
        "duration": round(1000 / fps),
        "loop": 0,
    }
    if suffix == ".gif":
        frames[0].save(path, format="GIF", disposal=1, **how)
    else:
        frames[0].save(path, format="WEBP", lossless=True, **how)


def _write_mp4(frames: Sequence[Image.Image], path: Path, fps: float, suffix: str) -> None:
    """Write H.264, whose sides are even."""
    even = [frame.crop((0, 0, frame.width // 2 * 2, frame.height // 2 * 2)) for frame in frames]
    if _has("av"):
        _write_by_av(even, path, fps)
    else:
        _write_by_ffmpeg(even, path, fps)


def _write_by_av(frames: Sequence[Image.Image], path: Path, fps: float) -> None:
    from fractions import Fraction

    import av

    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = *frames[0].size, "yuv420p"
        stream.options = {"crf": "12"}
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_image(frame)))
        file.mux(stream.encode())


def _write_by_ffmpeg(frames: Sequence[Image.Image], path: Path, fps: float) -> None:
    import imageio_ffmpeg

    how = {"codec": "libx264", "output_params": ["-crf", "12", "-f", "mp4"], "macro_block_size": 2}
    writer = imageio_ffmpeg.write_frames(str(path), frames[0].size, fps=fps, **how)
    writer.send(None)
    for frame in frames:
        writer.send(frame.tobytes())
    writer.close()


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
