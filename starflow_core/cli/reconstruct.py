"""`starflow reconstruct`: a picture to noise and back."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .files import check_writable, save_picture
from .names import picture_target
from .options import add_model_options, load_model, new_command
from .sizes import change


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "reconstruct", _reconstruct, "take a picture to noise and back")
    command.add_argument("image", metavar="IMAGE", help="a picture file")
    command.add_argument(
        "-o", "--output", metavar="FILE", help="write the reconstructed picture: .png, .jpg, .webp, or a folder/"
    )
    command.add_argument("--prompt", "--class", dest="prompt", default="", help="what the picture shows")
    add_model_options(command)


def _reconstruct(options: argparse.Namespace) -> None:
    from ..images import as_rgb

    target = None
    if options.output is not None:
        target = picture_target(options.output, f"{Path(options.image).stem}-back")
        check_writable(target)
    pipeline = load_model(options)
    picture = as_rgb(options.image)
    fitted = pipeline.fit(picture)
    result = pipeline.reconstruct(fitted, options.prompt)
    is_cut = pipeline.flow.has_fixed_size and picture.width != picture.height
    if changed := change(picture.size, fitted.size, is_cut):
        print(f"size: {changed}")
    print(f"flow: relative error {result.latent_error:.2e} (image → noise → image)")
    print(f"picture: {result.psnr:.1f} dB PSNR (what the autoencoder keeps, where there is one)")
    if target:
        print(save_picture(result.image, target))
