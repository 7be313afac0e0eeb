"""The command `starflow`."""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from .files import check_writable, file_stem, output_path, save_map, save_png
from .options import DTYPES, add_command
from .weights import add_weights_commands

if TYPE_CHECKING:
    import torch

    from ..codecs.text_encoder import TextEncoder
    from ..insight.likelihood import Likelihood
    from ..pipeline import Pipeline
    from ..samplers import Progress

SAMPLERS = ("jacobi", "sequential")
GUIDED = ("a", "b", "ab")  # as in guidance.py, which would import torch before it is needed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, 1 for an error, 2 for wrong usage, 130 when cancelled."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except ValueError as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
    except MemoryError:
        return _failed("There is not enough memory; try a smaller size or count.")
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        return _failed("There is not enough memory; try a smaller size or count.")
    except KeyboardInterrupt:
        print("Cancelled.", file=sys.stderr)
        return 130
    return 0


def _failed(message: str) -> int:
    print(f"starflow: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="starflow", description="Pictures by a normalizing flow, and their likelihoods."
    )
    parser.add_argument("--version", action="version", version=f"starflow {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    generate = add_command(commands, "generate", _generate, "draw pictures of prompts")
    generate.add_argument("prompts", nargs="*", metavar="PROMPT", help="what to draw")
    generate.add_argument(
        "--class", dest="classes", action="append", default=[], metavar="NAME", help="a class of a model that has some"
    )
    generate.add_argument("-o", "--output", metavar="FILE", help="PNG file; by default named after the prompt and seed")
    generate.add_argument("--seed", type=int, default=0, help="of the first picture; picture i is that of seed + i")
    generate.add_argument("--count", type=int, default=1, help="pictures a prompt")
    generate.add_argument("--guidance", type=float, help="strength of guidance; 0 is off")
    generate.add_argument("--negative", default="", metavar="PROMPT", help="what to steer away from")
    generate.add_argument("--guided", choices=GUIDED, help="of a TarFlow: guide the scale (a), the mean (b) or both")
    generate.add_argument(
        "--annealed", action=argparse.BooleanOptionalAction, help="of a TarFlow: guidance that grows along the picture"
    )
    generate.add_argument(
        "--attention-temperature", type=float, metavar="T", help="of a TarFlow: of the unconditional pass; 1 is none"
    )
    generate.add_argument("--size", type=_size, metavar="WxH", help="in pixels; a single number is a square")
    generate.add_argument("--sampler", choices=SAMPLERS, default="jacobi", help="jacobi is the faster one")
    generate.add_argument("--tolerance", type=float, default=0.01, help="of jacobi, against sequential; 0.01 is 1 %%")
    generate.add_argument("--denoise", action=argparse.BooleanOptionalAction, help="take off the last noise")
    generate.add_argument("--temperature", type=float, metavar="T", help="of the noise; lower is likelier, less varied")
    _add_model_options(generate)

    score = add_command(commands, "score", _score, "print the likelihood of pictures")
    score.add_argument("images", nargs="+", metavar="IMAGE", help="a picture file")
    score.add_argument("--prompt", "--class", dest="prompt", help="what the pictures are thought to show")
    score.add_argument("--draws", type=int, default=4, help="noise draws that are averaged over")
    score.add_argument("--seed", type=int, default=0, help="of the noise draws")
    score.add_argument("--map", metavar="FILE", help="write the map of log-likelihoods: .png, or .npy for the numbers")
    score.add_argument("--json", action="store_true", help="print JSON, one object a line")
    _add_model_options(score)

    reconstruct = add_command(commands, "reconstruct", _reconstruct, "take a picture to noise and back")
    reconstruct.add_argument("image", metavar="IMAGE", help="a picture file")
    reconstruct.add_argument("-o", "--output", metavar="FILE", help="write the picture that comes back")
    reconstruct.add_argument("--prompt", "--class", dest="prompt", default="", help="what the picture shows")
    _add_model_options(reconstruct)

    bpd = add_command(commands, "bpd", _bpd, "measure bits per dimension of the 8-bit pictures in a folder")
    bpd.add_argument("folder", type=Path, metavar="FOLDER", help="with pictures, and folders of them")
    bpd.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="CSV file, a line a picture; gone on with if there"
    )
    bpd.add_argument("--draws", type=int, default=1, help="importance draws a picture")
    bpd.add_argument("--seed", type=int, default=0, help="of the dequantisation noise")
    bpd.add_argument("--resize", action="store_true", help="crop and scale pictures of other sizes")
    label = bpd.add_mutually_exclusive_group()
    label.add_argument("--class", dest="label", default="", metavar="NAME", help="of all pictures")
    label.add_argument(
        "--class-from-folder", action="store_true", help="each picture's folder is named after its class"
    )
    _add_model_options(bpd, "float32 by default")

    add_weights_commands(commands)

    info = add_command(commands, "info", _info, "describe a model")
    info.add_argument("model", nargs="?", metavar="MODEL", help="name or folder; the embedded one by default")
    return parser


def _add_model_options(
    command: argparse.ArgumentParser, dtype: str = "bfloat16 on cuda and float32 elsewhere by default"
) -> None:
    command.add_argument("--model", metavar="NAME", help="name or folder of the model; starflow-mini by default")
    command.add_argument("--device", help="cuda, mps or cpu; the best there is by default")
    command.add_argument("--dtype", choices=DTYPES, help=f"of the flow; {dtype}")


def _generate(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..png_text import png_text, settings_of
    from ..samplers import Sequential
    from ..sampling import Sampling

    pipeline = _load(options)
    prompts = _prompts(options, pipeline)
    sampling = Sampling(
        seed=options.seed,
        count=options.count,
        guidance=options.guidance,
        negative=options.negative,
        size=options.size,
        sampler=Sequential() if options.sampler == "sequential" else pipeline.jacobi(options.tolerance),
        denoise=options.denoise,
        temperature=options.temperature,
        guided=options.guided,
        annealed=options.annealed,
        attention_temperature=options.attention_temperature,
    )
    targets: dict[Path, None] = {}  # in order, and quick to look up
    for number in range(len(prompts)):
        for seed in sampling.seeds():
            targets[_target(options.output, prompts, number, seed, options.count > 1, targets)] = None
    for target in targets:
        check_writable(target)
    for prompt in (*prompts, options.negative):
        if pipeline.text_encoder is not None:
            _warn_of_prompt(prompt, pipeline.text_encoder, pipeline.name)
    settings = settings_of(pipeline, sampling, options.sampler, options.tolerance)
    with _progress_bar("drawing") as progress:
        for target, picture in zip(targets, pipeline.pictures(prompts, sampling, progress), strict=True):
            save_png(picture.image, target, png_text(picture.prompt, picture.seed, settings))
            tqdm.write(str(target))  # above the bar, where there is one


def _warn_of_prompt(prompt: str, text_encoder: TextEncoder, model: str) -> None:
    """Say what of a prompt is not read."""
    if text_encoder.is_truncated(prompt):
        print(f"starflow: only the first {text_encoder.tokens} tokens of {prompt[:40]!r}… are read", file=sys.stderr)
    if text_encoder.is_unknown(prompt):
        print(f"starflow: {model} knows no word of {prompt[:40]!r}, and draws anything", file=sys.stderr)


def _prompts(options: argparse.Namespace, pipeline: Pipeline) -> list[str]:
    """What to draw: prompts, names of classes, or anything where the model knows neither or no class is named."""
    if options.classes and pipeline.classes is None:
        instead = "give a prompt instead" if pipeline.text_encoder else "leave --class away"
        raise ValueError(f"The model {pipeline.name!r} knows no classes; {instead}.")
    prompts = [*options.prompts, *options.classes]
    if not prompts and pipeline.text_encoder is not None:
        raise ValueError(f"The model {pipeline.name!r} needs a prompt: say what to draw.")
    return prompts or [""]


def _score(options: argparse.Namespace) -> None:
    from ..images import open_image
    from ..insight.heatmap import heatmap

    if options.map and len(options.images) > 1:
        raise ValueError("--map takes a single picture; give one, or leave --map away.")
    map_file = output_path(options.map, ".npy") if options.map else None
    if map_file:
        check_writable(map_file)
    pipeline = _load(options)
    for path in options.images:
        image = open_image(path)
        likelihood = pipeline.score(image, options.prompt, draws=options.draws, seed=options.seed)
        print(_as_json(path, options, likelihood) if options.json else _as_line(path, likelihood))
        if map_file:
            save_map(likelihood.map, heatmap(likelihood.map, pipeline.fit(image).size), map_file)


def _as_line(path: str, likelihood: Likelihood) -> str:
    error = f" ± {likelihood.standard_error:.1f}" if len(likelihood.draws) > 1 else ""
    return f"{path}: {likelihood.bits_per_dim:.4f} bits/dim, log-likelihood {likelihood.log_prob:.1f}{error} nats"


def _as_json(path: str, options: argparse.Namespace, likelihood: Likelihood) -> str:
    return json.dumps(
        {
            "image": path,
            "prompt": options.prompt,
            "log_prob": likelihood.log_prob,
            "standard_error": likelihood.standard_error if len(likelihood.draws) > 1 else None,
            "bits_per_dim": likelihood.bits_per_dim,
            "draws": options.draws,
            "map": likelihood.map.tolist(),
        }
    )


def _reconstruct(options: argparse.Namespace) -> None:
    from ..images import open_image

    output = output_path(options.output) if options.output else None
    if output:
        check_writable(output)
    image = open_image(options.image)
    result = _load(options).reconstruct(image, options.prompt)
    if output:
        save_png(result.image, output)
    print(f"flow: relative error {result.latent_error:.2e} (image → noise → image)")
    print(f"picture: {result.psnr:.1f} dB PSNR (what the autoencoder keeps, where there is one)")


def _bpd(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..flow.noise import check_seed
    from ..insight.evaluation import Entry, Protocol, Table, fingerprint, mean_and_error, measure, pictures_in
    from ..pipeline import check_draws

    check_draws(options.draws)
    check_seed(options.seed)
    folder: Path = options.folder
    files = pictures_in(folder)
    pipeline = _load(options, "float32")
    protocol = Protocol(
        f"{pipeline.name} {fingerprint(pipeline.flow)}", options.draws, options.seed, bool(options.resize)
    )
    if options.output:
        check_writable(options.output)
    table = Table(options.output, protocol)
    measured = {measurement.image for measurement in table.measurements}
    wanted = [
        Entry(path, name, path.parent.name if options.class_from_folder else options.label)
        for path in files
        if (name := path.relative_to(folder).as_posix()) not in measured
    ]
    failures: list[str] = []
    with tqdm(total=len(files), initial=len(files) - len(wanted), disable=None, leave=False, unit="picture") as bar:
        for measurement in measure(pipeline, wanted, protocol, failures.append):
            table.append([measurement])
            bar.update()
    for failure in failures:
        print(f"starflow: {failure}", file=sys.stderr)
    if not table.measurements:
        raise ValueError("No picture could be measured.")
    mean, error = mean_and_error([measurement.bits_per_dim for measurement in table.measurements])
    print(
        f"{len(table.measurements)} pictures: {mean:.4f} ± {error:.4f} bits/dim "
        f"(mean and its standard error, {options.draws} importance draw{'s' if options.draws > 1 else ''} each)"
    )
    if failures:
        raise ValueError(f"{len(failures)} pictures could not be measured and are not in the mean.")


def _info(options: argparse.Namespace) -> None:
    from ..weights.model_folder import DEFAULT_MODEL, load, model_folder

    folder = model_folder(options.model or DEFAULT_MODEL)
    pipeline = load(folder, device="cpu")
    flow, side = pipeline.flow, pipeline.trained_side
    config = flow.config
    print(f"{folder.name}: {folder}")
    for name, module in pipeline.parts().items():
        print(f"  {name}: {sum(parameter.numel() for parameter in module.parameters()):,} parameters")
    latents = f", {config.img_size}×{config.img_size}×{config.in_channels} latents" if flow.data == "latents" else ""
    noise = "uniform dequantisation noise" if flow.is_dequantized else f"noise std {config.noise_std:g}"
    print(f"  pictures: {side}×{side} pixels{latents}")
    print(f"  flow: {config.num_blocks} blocks of {[len(block.attn_blocks) for block in flow.blocks]} layers, {noise}")
    print(f"  text: {f'{pipeline.text_encoder.tokens} tokens' if pipeline.text_encoder else 'none'}")
    print(f"  classes: {', '.join(pipeline.classes.names) if pipeline.classes else 'none'}")
    defaults = pipeline.defaults
    denoised = "on" if defaults.denoise else "off"
    print(f"  defaults: guidance {defaults.guidance:g}, temperature {defaults.temperature:g}, denoise {denoised}")
    if (folder / "README.md").is_file():
        print(f"  model card, with the licence: {folder / 'README.md'}")


def _load(options: argparse.Namespace, default_dtype: str | None = None) -> Pipeline:
    import torch

    from ..weights.model_folder import DEFAULT_MODEL, load

    chosen = options.dtype or default_dtype
    dtype: torch.dtype | None = getattr(torch, chosen) if chosen else None
    return load(options.model or DEFAULT_MODEL, device=options.device, dtype=dtype)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})(?:[x×](\d{1,6}))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write it like 64 or 96x64")
    width, height = match[1], match[2] or match[1]
    return int(width), int(height)


@contextmanager
def _progress_bar(what: str) -> Iterator[Callable[[Progress], None]]:
    """A progress bar on a terminal, and none in a pipe."""
    from tqdm import tqdm

    with tqdm(desc=what, disable=None, leave=False, bar_format="{desc} {percentage:3.0f}% |{bar}| {remaining}") as bar:

        def report(step: Progress) -> None:
            bar.total = step.total
            bar.update(step.done - bar.n)

        yield report


def _target(
    output: str | None, prompts: Sequence[str], number: int, seed: int, several: bool, taken: Container[Path]
) -> Path:
    """The file of a picture: as asked for, with what tells several apart, or named after prompt and seed.

    Only a file that was asked for is written over.
    """
    if output is None:
        name = file_stem(prompts[number], seed)
        names = itertools.chain([f"{name}.png"], (f"{name}-{i}.png" for i in itertools.count(2)))
        return next(path for path in map(Path, names) if path not in taken and not path.exists())
    path = output_path(output)
    prompt_part = f"-{number + 1}" if len(prompts) > 1 else ""
    seed_part = f"-{seed}" if several else ""
    return path.with_name(f"{path.stem}{prompt_part}{seed_part}{path.suffix}")
