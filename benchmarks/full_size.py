"""The published model's size without its weights: `python -m benchmarks.full_size FOLDER`, `--speed` or `--memory`.

Makes a random checkpoint of 3.9 billion parameters in the published format (float32, 15.5 GB), with a text encoder and
an autoencoder of the published sizes, and measures its conversion, loading, a forward pass and sampling steps in
bfloat16 on the CPU, each in a process of its own. What is made stays in the folder, and is used again by the next run.
"""

from __future__ import annotations

import argparse
import json
import mmap
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file

from starflow_core.codecs.autoencoder import Autoencoder, AutoencoderConfig
from starflow_core.flow.noise import seeded_noise
from starflow_core.flow.starflow import StarFlow
from starflow_core.samplers import Progress, Sequential
from starflow_core.weights.conversion import convert_file
from starflow_core.weights.model_folder import EMBEDDED, VAE_WEIGHTS, load
from starflow_core.weights.published import STARFLOW_3B

from . import full_size_memory, full_size_speed
from .memory import peak_memory

# Text tokens of the published model attend to each other, so that its masks are of tokens and text.
MASK = STARFLOW_3B.img_size**2 + STARFLOW_3B.txt_size
FLAN_T5_XL = {"d_model": 2048, "d_kv": 64, "num_heads": 32, "d_ff": 5120, "num_layers": 24, "vocab_size": 32128}
NEEDED = 15.6e9 + 7.8e9 + 2.9e9  # bytes: the checkpoint, the converted flow, text encoder and autoencoder
STD = 0.02  # of the random weights
STEPS = 16
PROMPT = "a red heart"


def make(folder: Path) -> None:
    """The checkpoint and the parts around it, random."""
    torch.manual_seed(0)
    make_checkpoint(folder / "checkpoint.pth")
    make_text_encoder(folder / "parts")
    make_autoencoder(folder / "parts" / "vae")


def make_checkpoint(path: Path) -> None:
    """Written a tensor at a time: first the file with holes for the numbers, then these through a shared mapping."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in StarFlow(STARFLOW_3B).state_dict().items()}
    shapes |= {f"blocks.{i}.attn_mask": torch.Size((MASK, MASK)) for i in range(STARFLOW_3B.num_blocks)}
    shapes |= {"var": torch.Size((STARFLOW_3B.img_size**2, STARFLOW_3B.in_channels))}
    part = path.with_suffix(".part")
    with torch.serialization.skip_data():
        torch.save({name: torch.empty(shape) for name, shape in shapes.items()}, part)
    with torch.serialization.set_default_mmap_options(mmap.MAP_SHARED):
        tensors = torch.load(part, mmap=True, weights_only=True)
    noise = STD * torch.randn(max(tensor.numel() for tensor in tensors.values()))
    for name, tensor in tensors.items():
        if name.endswith("norm.weight"):
            tensor.fill_(1)
        elif tensor.is_floating_point():
            tensor.view(-1).copy_(noise[: tensor.numel()])
    part.rename(path)


def make_text_encoder(folder: Path) -> None:
    """The encoder of flan-t5-xl's size, with the tokenizer of the embedded model."""
    from transformers import T5Config, T5EncoderModel

    config = T5Config(**FLAN_T5_XL, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    T5EncoderModel(config).save_pretrained(folder / "text_encoder")
    torch.set_default_dtype(default)
    shutil.copytree(EMBEDDED / "starflow-mini" / "tokenizer", folder / "tokenizer", dirs_exist_ok=True)


def make_autoencoder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    autoencoder = Autoencoder(AutoencoderConfig())
    (folder / "config.json").write_text(json.dumps(autoencoder.config.to_dict()))
    save_file(autoencoder.state_dict(), folder / VAE_WEIGHTS)


def convert(folder: Path) -> None:
    """The checkpoint as a model folder, in bfloat16."""
    shutil.rmtree(folder / "model", ignore_errors=True)
    convert_file(folder / "checkpoint.pth", folder / "model")
    for part in ("text_encoder", "tokenizer", "vae"):
        shutil.copytree(folder / "parts" / part, folder / "model" / part)


def load_model(folder: Path) -> None:
    load(folder / "model", device="cpu", dtype=torch.bfloat16)


@torch.inference_mode()
def forward(folder: Path) -> None:
    """Noise and likelihood of a picture of 256×256 pixels, with its prompt."""
    pipeline = load(folder / "model", device="cpu", dtype=torch.bfloat16)
    condition = pipeline.condition([PROMPT])
    with timed("forward pass"):
        pipeline.flow(seeded_noise((4, 32, 32), 0, 1), condition)


@torch.inference_mode()
def sample(folder: Path) -> None:
    """The first steps of a picture, token by token, with guidance."""
    pipeline = load(folder / "model", device="cpu", dtype=torch.bfloat16)
    with timed("text"):
        condition, unconditional = pipeline.condition([PROMPT]), pipeline.condition([""])
    times: list[float] = []

    def count(step: Progress) -> None:
        times.append(time.perf_counter())
        if len(times) > STEPS:
            raise StopIteration

    try:
        pipeline.flow.inverse(
            seeded_noise((4, 32, 32), 0, 1),
            condition,
            guidance=3.6,
            unconditional=unconditional,
            sampler=Sequential(),
            progress=count,
        )
    except StopIteration:
        print(json.dumps({f"{STEPS} guided steps": times[-1] - times[0]}))


@contextmanager
def timed(what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    print(json.dumps({what: time.perf_counter() - start}))


STAGES: dict[str, Callable[[Path], None]] = {
    "make": make,
    "convert": convert,
    "load": load_model,
    "forward": forward,
    "sample": sample,
}


def run(stage: str, folder: Path) -> None:
    """A stage in a process of its own, as a row of the table: time of all of it and of its parts, and peak memory."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.full_size", str(folder), "--stage", stage]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - start
    found: dict[str, float] = {}
    for line in finished.stdout.splitlines():
        found |= json.loads(line)
    peak = found.pop("peak")
    parts = ", ".join(f"{name} {value:.1f} s" for name, value in found.items())
    print(f"| {stage} | {seconds:.1f} s | {parts} | {peak / 1e9:.2f} GB |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", help="on a disk with 27 GB free")
    parser.add_argument("--speed", action="store_true", help="of formats and samplers instead; takes 12 GB of memory")
    parser.add_argument("--memory", action="store_true", help="of formats instead; takes 9 GB")
    parser.add_argument("--tokens", type=int, default=16, help="of the stretch that --speed times")
    parser.add_argument("--layers", type=int, help="of the deep block that --speed times; all by default")
    parser.add_argument("--rounds", type=int, default=3, help="of --speed")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        STAGES[options.stage](options.folder)
        print(json.dumps({"peak": peak_memory()}))
        return
    if options.speed:
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")
        for line in full_size_speed.lines(STARFLOW_3B, options.tokens, options.rounds, options.layers):
            print(line, flush=True)
        print(f"\nPeak memory {peak_memory() / 1e9:.1f} GB")
        return
    if options.memory:
        for line in full_size_memory.lines():
            print(line, flush=True)
        return
    if options.folder is None:
        parser.error("give a folder, --speed or --memory")
    options.folder.mkdir(parents=True, exist_ok=True)
    made = (options.folder / "checkpoint.pth").exists() and (options.folder / "parts" / "vae" / VAE_WEIGHTS).exists()
    free = shutil.disk_usage(options.folder).free
    if not made and free < NEEDED:
        raise SystemExit(
            f"Skipped: {options.folder} has {free / 1e9:.1f} GB free, and {NEEDED / 1e9:.1f} GB are needed for a while."
        )
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, bfloat16\n")
    print("| stage | time of the process | of which | peak memory |")
    print("| --- | --- | --- | --- |")
    for stage in list(STAGES)[made:]:
        run(stage, options.folder)


if __name__ == "__main__":
    main()
