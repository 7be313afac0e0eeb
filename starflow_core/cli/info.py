"""`starflow info`: describe a model."""

from __future__ import annotations

import argparse
from typing import Any

from .options import new_command


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "info", _info, "describe a model")
    command.add_argument("model", nargs="?", metavar="MODEL", help="name or folder; the embedded one by default")


def _info(options: argparse.Namespace) -> None:
    from ..quantization.formats import format_of, number_of_weights
    from ..weights.model_folder import DEFAULT_MODEL, load, model_folder

    folder = model_folder(options.model or DEFAULT_MODEL)
    pipeline = load(folder, device="cpu")
    flow, side = pipeline.flow, pipeline.trained_side
    config = flow.config
    print(f"{folder.name}: {folder}")
    for name, module in pipeline.parts().items():
        kept = format_of(module)
        print(f"  {name}: {number_of_weights(module):,} parameters{f', in {kept}' if kept else ''}")
    latents = f", {config.img_size}×{config.img_size}×{config.in_channels} latents" if flow.data == "latents" else ""
    noise = "uniform dequantisation noise" if flow.is_dequantized else f"noise std {config.noise_std:g}"
    print(f"  pictures: {side}×{side} pixels{latents}")
    print(f"  flow: {config.num_blocks} blocks of {[len(block.attn_blocks) for block in flow.blocks]} layers, {noise}")
    print(f"  text: {f'{pipeline.text_encoder.tokens} tokens' if pipeline.text_encoder else 'none'}")
    print(f"  classes: {', '.join(pipeline.classes.names) if pipeline.classes else 'none'}")
    defaults = pipeline.defaults
    known = pipeline.reference
    print(f"  reference: {f'{known.plain.number} pictures, {known.pictures}' if known else 'none'}")
    denoised = "on" if defaults.denoise else "off"
    print(f"  defaults: guidance {defaults.guidance:g}, temperature {defaults.temperature:g}, denoise {denoised}")
    if (folder / "README.md").is_file():
        print(f"  model card, with the licence: {folder / 'README.md'}")
