"""What weights of few bits cost and save: `python -m benchmarks.formats`.

For each embedded model and format: megabytes of the flow's weights, the change of the log-likelihood of pictures that
the model drew, the relative error of their noise, and the difference of pictures drawn from the same noise. Then the
time of one product with a layer of the published model's size, by rows. All of it on the CPU.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from starflow_core.flow.noise import seeded_noise
from starflow_core.flow.precision import bfloat16_is_faster
from starflow_core.pipeline import Pipeline
from starflow_core.quantization import NAMES
from starflow_core.quantization.formats import FORMATS
from starflow_core.weights.model_folder import embedded_models, load

PROMPTS = ("a red heart", "a blue car", "a cat", "a house", "a green tree", "a slice of pizza", "the sun", "a fish")
TEMPERATURE = 0.7
WIDTH, EXPANDED = 3072, 12288  # of the published model's MLPs
ROWS = (1, 2, 4, 8, 16, 32, 64, 256)
REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=("models", "layers"), help="one of the two tables")
    parser.add_argument("--models", nargs="+", choices=embedded_models(), help="in the first table; all by default")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, bfloat16 fast: {bfloat16_is_faster('cpu')}")
    if options.only != "layers":
        models(options.models or embedded_models())
    if options.only != "models":
        layers()


@torch.inference_mode()
def models(names: Sequence[str]) -> None:
    print("\n| model | weights | MB | log p, bits/dim | error of the noise | difference of pictures, grey levels |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in names:
        exact = load(name, device="cpu", dtype=torch.float32)
        given = _conditions(exact)
        noise = TEMPERATURE * seeded_noise(exact.shape(None), 0, len(PROMPTS))
        x = exact.flow.inverse(noise, given)
        before, drawn = exact.flow(x, given), _grey_levels(exact, x)
        for weights in ("float32", "bfloat16", *NAMES):
            few = load(name, device="cpu", dtype=weights if weights in NAMES else getattr(torch, weights))
            few.flow.dtype = torch.bfloat16 if weights == "bfloat16" else torch.float32  # the weights' share alone
            after = few.flow(x, given)
            bits = float((after.log_prob - before.log_prob).mean()) / x[0].numel() / math.log(2)
            error = float((after.z - before.z).norm() / before.z.norm())
            levels = float((_grey_levels(exact, few.flow.inverse(noise, given)) - drawn).abs().mean())
            size = sum(tensor.nbytes for tensor in few.flow.state_dict().values()) / 1e6
            print(f"| {name} | {weights} | {size:.1f} | {bits:+.4f} | {error:.3f} | {levels:.2f} |", flush=True)


def _conditions(pipeline: Pipeline) -> Tensor | None:
    if pipeline.classes is not None:
        names = pipeline.classes.names
        return pipeline.condition([names[i % len(names)] for i in range(len(PROMPTS))])
    return pipeline.condition(PROMPTS)


def _grey_levels(pipeline: Pipeline, x: Tensor) -> Tensor:
    pixels = x if pipeline.autoencoder is None else pipeline.autoencoder.decode(x)
    return 127.5 * pixels.clamp(-1, 1)


@torch.inference_mode()
def layers() -> None:
    torch.manual_seed(0)
    weight = 0.02 * torch.randn(EXPANDED, WIDTH)
    print(f"\nMilliseconds of a product with a weight of {EXPANDED}×{WIDTH}, least of {REPEATS}, by rows\n")
    print(f"| input | weights | {' | '.join(map(str, ROWS))} |")
    print(f"| --- | --- {'| --- ' * len(ROWS)}|")
    for dtype in (torch.bfloat16, torch.float32):
        short = weight.to(dtype)
        _row(dtype, "plain", lambda x, short=short: torch.nn.functional.linear(x, short))  # type: ignore[misc]
        for name in NAMES:
            layer = FORMATS[name](WIDTH, EXPANDED, bias=False)
            layer.load_state_dict(FORMATS[name].quantize(weight))
            _row(dtype, name, layer)


def _row(dtype: torch.dtype, name: str, product: Callable[[Tensor], Tensor]) -> None:
    times: Sequence[float] = [_least_time(product, torch.randn(rows, WIDTH).to(dtype)) for rows in ROWS]
    input_dtype = str(dtype).removeprefix("torch.")
    print(f"| {input_dtype} | {name} | {' | '.join(f'{1000 * seconds:.1f}' for seconds in times)} |", flush=True)


def _least_time(product: Callable[[Tensor], Tensor], x: Tensor) -> float:
    product(x)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        product(x)
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
