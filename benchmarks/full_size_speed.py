"""Speed of the published model's size on a CPU: `python -m benchmarks.full_size --speed`.

A whole picture takes minutes, so each kind of block is timed over a stretch in the middle of a picture, where attention
to earlier tokens costs its mean, and a picture is computed from the time of a token. The weights are random: PyTorch's
default ones, whose outputs are scaled as in `benchmarks.models`. Formats of weights take turns with bfloat16, token by
token, in one process. Errors are relative L2 errors of the stretch against float32 with the weights of bfloat16; they
do not show how an error grows along a picture.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from starflow_core import operations as casting
from starflow_core.flow.block import FlowBlock
from starflow_core.flow.config import StarFlowConfig
from starflow_core.flow.guidance import StarFlowGuidance
from starflow_core.flow.noise import seeded_noise
from starflow_core.flow.predictor import Predictor
from starflow_core.flow.rotary import Rotary, rotary_table
from starflow_core.quantization.formats import quantized, with_layers_for
from starflow_core.samplers import Jacobi, Sampler, Sequential

from .models import OUTPUT_GAIN

FORMATS = ("int8", "int4")
ROWS = (4, 8, 16)  # of the matrix products in an iteration on a window
GUIDANCE = 3.6
SEED = 3


@dataclass
class Timed:
    """What was measured of one format and sampler in one kind of block."""

    seconds: list[float] = field(default_factory=list)  # of a token, in each round
    iterations: int = 0
    error: float = 0.0

    @property
    def token(self) -> float:
        return statistics.median(self.seconds)


Results = dict[tuple[str, int], Timed]  # by the format of the weights and the rows of a window; 0 for token by token


class Middle(Predictor):
    """A predictor that has read the first tokens of a picture; samplers see those after them."""

    def read(self, known: Tensor) -> None:
        """Known tokens (B, P, D), P ≥ 1, in the block's order."""
        contexts = self.block.with_start(known)
        super().predict(contexts[:, :-1])
        self._before, self._last = known.shape[1], contexts[:, -1:]

    def start(self, z: Tensor) -> tuple[Tensor, Tensor, int]:
        contexts = torch.cat([self._last, z], dim=1)
        return contexts, contexts[:, 1:], 0

    def rollback(self, position: int) -> None:
        super().rollback(self._before + position)


def random_block(config: StarFlowConfig, index: int) -> FlowBlock:
    """A block of random weights in bfloat16, made tensor by tensor."""
    generator = torch.Generator().manual_seed(index)
    block = FlowBlock(config.block(index), casting, device="meta")
    made: dict[str, Tensor] = {}
    for name, tensor in block.state_dict().items():
        weight = torch.zeros(tensor.shape, dtype=torch.bfloat16)
        layer = block.get_submodule(name.rpartition(".")[0])
        if name == "sos_embed":
            weight.normal_(generator=generator)
        elif isinstance(layer, torch.nn.Linear):
            bound = layer.in_features**-0.5 * (OUTPUT_GAIN if name.startswith("proj_out") else 1)
            weight.uniform_(-bound, bound, generator=generator)
        elif name.endswith("norm.weight") and not name.startswith("final_norm"):
            weight.fill_(1)
        made[name] = weight
    block.load_state_dict(made, assign=True)
    return block.requires_grad_(False)


def in_format(block: FlowBlock, name: str) -> FlowBlock:
    with torch.device("meta"):
        plain = FlowBlock(block.shape, casting)
    weights = quantized(plain, block.state_dict(), name)
    few = with_layers_for(plain, weights)
    few.load_state_dict(weights, assign=True)
    return few.requires_grad_(False)


class Subject:
    """A kind of block with what it draws from: one picture's noise, guided where the block sees the text."""

    def __init__(self, config: StarFlowConfig, index: int, stretch: int) -> None:
        self.config, self.stretch = config, stretch
        self.block = random_block(config, index)
        side = config.img_size // config.patch_size
        self.tokens, self.grid = side**2, (side, side)
        self.known = (self.tokens - stretch) // 2
        self.z = seeded_noise((self.tokens, self.block.shape.token_dim), SEED, 1)
        self.is_guided = self.block.is_conditioned
        text = (config.txt_size, config.txt_dim)
        self.given, self.nothing = (seeded_noise(text, seed, 1) for seed in (1_000, 2_000))

    def predictor(self, block: FlowBlock, dtype: torch.dtype) -> Middle:
        device, text = torch.device("cpu"), self.config.txt_size if self.is_guided else 0
        rotary: Rotary = rotary_table(self.config, self.grid, text, device=device, dtype=dtype)
        guidance = StarFlowGuidance(GUIDANCE) if self.is_guided else None
        given, nothing = (self.given, self.nothing) if self.is_guided else (None, None)
        made = Middle(block, rotary, given, nothing, guidance, 1, self.tokens, device=device, dtype=dtype)
        made.read(self.z[:, : self.known])
        return made

    def sampler(self, rows: int) -> Sampler:
        return Jacobi(block_size=max(1, rows // (2 if self.is_guided else 1)), drafts=False) if rows else Sequential()

    def run(self, predictor: Middle, sampler: Sampler) -> tuple[float, int, Tensor]:
        """Seconds a token, iterations, and the tokens of the stretch."""
        predictor.rollback(0)
        clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
        start = clock()
        for iterations, (known, x) in enumerate(sampler.invert(predictor, self.z[:, self.known :]), 1):
            if known >= self.stretch:
                return (clock() - start) / known, iterations, x[:, : self.stretch].clone()
        raise AssertionError("a stretch ends before the picture")

    def reference(self) -> Tensor:
        """The stretch in float32, all its tokens at once."""
        z = self.z[:, self.known : self.known + self.stretch]
        *_, (_, x) = Jacobi(tolerance=1e-4, drafts=False).invert(self.predictor(self.block, torch.float32), z)
        return x.clone()


@torch.inference_mode()
def measured(subject: Subject, rounds: int) -> Results:
    """Each format in turns with bfloat16, token by token and on windows."""
    exact, results = subject.reference(), Results()
    plain = subject.predictor(subject.block, torch.bfloat16)
    for name in FORMATS:
        few = subject.predictor(in_format(subject.block, name), torch.bfloat16)
        cases = [("bfloat16", plain, 0), (name, few, 0)]
        for rows in ROWS:
            cases += [("bfloat16", plain, rows)] * (name == FORMATS[0]) + [(name, few, rows)]
        for turn in range(rounds):
            for weights, predictor, rows in cases:
                if turn == 0:
                    subject.run(predictor, subject.sampler(0))  # the first product in a format packs its weights
                seconds, iterations, x = subject.run(predictor, subject.sampler(rows))
                timed = results.setdefault((weights, rows), Timed())
                timed.seconds.append(seconds)
                timed.iterations, timed.error = iterations, float((x - exact).norm() / exact.norm())
        del few, cases
    return results


def lines(config: StarFlowConfig, stretch: int, rounds: int, layers: int | None = None) -> Iterator[str]:
    """The table of both kinds of block, then what a picture takes by computation; `layers` of the deep block stand for
    all.
    """
    *shallow, all_layers = config.layers_per_block
    config = dataclasses.replace(config, layers_per_block=(*shallow, layers or all_layers))
    deep = config.num_blocks - 1
    yield f"Computed from {stretch} tokens in the middle of a picture, medians of {rounds} rounds.\n"
    yield "| block | weights | rows of a product | tokens a step | ms a token | speed-up | error |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    both: list[Results] = []
    for index, what in ((0, f"{config.layers_per_block[0]} layers"), (deep, f"{config.layers_per_block[deep]} layers")):
        subject = Subject(config, index, stretch)
        results = measured(subject, rounds)
        both.append(results)
        today = results["bfloat16", 0].token
        for (weights, rows), timed in sorted(results.items(), key=lambda entry: (entry[0][0] != "bfloat16", entry[0])):
            one = f"{2 if subject.is_guided else 1}, token by token"
            pace = stretch / timed.iterations
            yield (
                f"| {what}{', guided' if subject.is_guided else ''} | {weights} | {rows or one} | {pace:.2f} "
                f"| {1000 * timed.token:.0f} | {today / timed.token:.2f}× | {timed.error:.1%} |"
            )
        tokens = subject.tokens
        del subject
    yield from _pictures(both, tokens, (deep, all_layers / config.layers_per_block[deep]))


def _pictures(both: list[Results], tokens: int, times: tuple[float, float]) -> Iterator[str]:
    """`times` is how often each kind of block, as measured, is passed for a token."""
    yield "\n| weights | a picture token by token | speed-up | with the fastest windows | speed-up |"
    yield "| --- | --- | --- | --- | --- |"
    today = 0.0
    for weights in ("bfloat16", *FORMATS):
        plain = tokens * sum(n * results[weights, 0].token for n, results in zip(times, both, strict=True))
        least = [min(timed.token for (name, _), timed in results.items() if name == weights) for results in both]
        fast = tokens * sum(n * token for n, token in zip(times, least, strict=True))
        today = today or plain
        yield f"| {weights} | {plain:.0f} s | {today / plain:.2f}× | {fast:.0f} s | {today / fast:.2f}× |"
