"""`starflow morph`: the way from one picture to another."""

from __future__ import annotations

import argparse
from typing import Any

from .animation import check_animation, save_animation
from .edits import add_drawing_options, asked_sampling
from .options import load_model, new_command
from .progress import progress_bar, say

FPS = 12.0


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "morph", _morph, "draw the way from one picture to another")
    command.add_argument("a", metavar="A", help="a picture file")
    command.add_argument("b", metavar="B", help="another")
    command.add_argument("--frames", type=int, default=16, help="number of pictures, with both ends; 16 by default")
    command.add_argument("--prompt", "--class", dest="prompt", default="", help="what A shows")
    command.add_argument("--to", metavar="PROMPT", help="what B shows; by default the same")
    command.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help=".gif, .webp or .mp4, or a folder with / at its end for the frames as PNG",
    )
    command.add_argument("--fps", type=float, default=FPS, help=f"frames a second; {FPS:g} by default")
    command.add_argument("--there-and-back", action="store_true", help="let the animation return to A")
    add_drawing_options(command, guided=False)


def _morph(options: argparse.Namespace) -> None:
    from ..editing.morph import check_frames
    from ..images import open_image

    check_frames(options.frames)
    check_animation(options.output, options.fps)
    a, b = open_image(options.a), open_image(options.b)
    pipeline = load_model(options)
    sampling = asked_sampling(options, pipeline)
    with progress_bar("drawing") as progress:
        found = pipeline.morph(a, b, options.frames, options.prompt, options.to, sampling, progress=progress)
    frames = found.frames + (found.frames[-2:0:-1] if options.there_and_back else [])
    say(str(save_animation(frames, options.output, options.fps)))
    say(f"ends: relative error {found.latent_error:.2e} (image → noise → image)")
