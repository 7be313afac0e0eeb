"""Settings of a drawing, checked when they are made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .flow.guidance import Guided
from .flow.noise import SEEDS, check_seed
from .samplers import Sampler

MAX_COUNT = 10_000
MAX_BEST_OF = 64
MAX_GUIDANCE = 100.0
MAX_TEMPERATURE = 2.0
GUIDANCE_OPTIONS = ("guided", "annealed", "attention_temperature")


@dataclass(frozen=True)
class Sampling:
    """Settings of the drawing; None is the model's default everywhere.

    Attributes:
        seed: of the first picture of each prompt; picture i is that of seed + i, whatever the count. Of several seeds,
            `count` pictures each.
        count: pictures a prompt and seed.
        best_of: candidates drawn for each picture, of which the one is kept that its prompt explains best, as `match`
            measures it. The candidates of picture i have the seeds seed + i·best_of and up.
        guidance: strength w of classifier-free guidance; 0 is off.
        negative: what guidance steers away from; "" for the unconditional prediction.
        size: side of a square or (width, height) in pixels.
        sampler: how the flow is inverted.
        denoise: remove the noise of training by the score.
        temperature: standard deviation of the noise, from 0 to 2. Below 1, pictures are likelier and less varied; at 0,
            all seeds give the same one (arXiv 1807.03039).
        guided, annealed, attention_temperature: of the guidance of a TarFlow, see `TarFlowGuidance`.
        memory: bytes that drawing may take beside the weights; it limits the number of pictures at once.
            None for as many at once as are fast.

    Raises:
        ValueError: a setting is out of range; the message gives the range.
    """

    seed: int | Sequence[int] = 0
    count: int = 1
    best_of: int = 1
    guidance: float | None = None
    negative: str = ""
    size: int | Sequence[int] | None = None
    sampler: Sampler | None = None
    denoise: bool | None = None
    temperature: float | None = None
    guided: Guided | None = None
    annealed: bool | None = None
    attention_temperature: float | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.count, bool) or not isinstance(self.count, int) or not 1 <= self.count <= MAX_COUNT:
            raise ValueError(f"count is {self.count!r}; it must be a whole number from 1 to {MAX_COUNT}.")
        if isinstance(self.best_of, bool) or not isinstance(self.best_of, int) or not 1 <= self.best_of <= MAX_BEST_OF:
            raise ValueError(f"best_of is {self.best_of!r}; it must be a whole number from 1 to {MAX_BEST_OF}.")
        if not self._first_seeds():
            raise ValueError("seed is empty; give at least one seed.")
        for seed in self._first_seeds():
            check_seed(seed)
        if self.guidance is not None:
            check_guidance(self.guidance)
        if self.temperature is not None:
            check_temperature(self.temperature)
        if self.memory is not None and (isinstance(self.memory, bool) or not isinstance(self.memory, int)):
            raise ValueError(f"memory is {self.memory!r}; it must be a whole number of bytes, or None for no limit.")

    def seeds(self) -> list[int]:
        """The seed of each of a prompt's pictures; where it is the best of several, of its first candidate."""
        return [(seed + i * self.best_of) % SEEDS for seed in self._first_seeds() for i in range(self.count)]

    def _first_seeds(self) -> tuple[int, ...]:
        return tuple(self.seed) if isinstance(self.seed, (list, tuple)) else (self.seed,)  # type: ignore[return-value]


@dataclass(frozen=True)
class SamplingDefaults:
    """A model's own settings of sampling, from its folder.

    Attributes:
        guidance: strength w of classifier-free guidance.
        denoise: whether pictures are score-denoised.
        temperature: standard deviation of the noise.
        iterations: of each block of the flow, as `count_iterations` measures them; None where unknown.
        guided, annealed, attention_temperature: of the guidance of a TarFlow; None for its own defaults.

    Raises:
        ValueError: a value is out of range.
    """

    guidance: float = 0.0
    denoise: bool = False
    temperature: float = 1.0
    iterations: tuple[int, ...] | None = None
    guided: Guided | None = None
    annealed: bool | None = None
    attention_temperature: float | None = None

    def __post_init__(self) -> None:
        check_guidance(self.guidance)
        check_temperature(self.temperature)
        if not isinstance(self.denoise, bool):
            raise ValueError(f"denoise is {self.denoise!r}; it must be true or false.")
        counts = () if self.iterations is None else self.iterations
        if not isinstance(counts, tuple) or not all(type(count) is int and count > 0 for count in counts):
            raise ValueError(f"iterations is {counts!r}; it must hold a count of 1 or more for each block.")

    @classmethod
    def from_dict(cls, names: Mapping[str, Any]) -> SamplingDefaults:
        """Raises ValueError where a name is unknown or a value out of range."""
        known = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(names.keys() - set(known)):
            raise ValueError(f"Unknown defaults for sampling: {', '.join(unknown)}; known are {', '.join(known)}.")
        values = dict(names)
        if isinstance(values.get("iterations"), list):
            values["iterations"] = tuple(values["iterations"])
        return cls(**values)


def chosen(sampling: Sampling | None, settings: Mapping[str, Any]) -> Sampling:
    """`sampling` with some settings replaced by name.

    Raises:
        ValueError: a setting is out of range.
        TypeError: a setting is unknown.
    """
    return dataclasses.replace(sampling or Sampling(), **settings)


def guidance_options(sampling: Sampling, defaults: SamplingDefaults) -> dict[str, Any]:
    """Options of the guidance: the chosen ones, or else the model's defaults; unset ones are left out."""
    chosen = {name: getattr(sampling, name) for name in GUIDANCE_OPTIONS}
    values = {name: getattr(defaults, name) if value is None else value for name, value in chosen.items()}
    return {name: value for name, value in values.items() if value is not None}


def check_guidance(guidance: float) -> None:
    """Check a strength of guidance.

    Raises:
        ValueError: it is not a number from 0 to 100.
    """
    if not _is_between(guidance, MAX_GUIDANCE):
        raise ValueError(f"guidance is {guidance!r}; it must be a number from 0 (off) to {MAX_GUIDANCE:g}.")


def check_temperature(temperature: float) -> None:
    """Check a temperature.

    Raises:
        ValueError: it is not a number from 0 to 2.
    """
    if not _is_between(temperature, MAX_TEMPERATURE):
        raise ValueError(f"temperature is {temperature!r}; it must be a number from 0 to {MAX_TEMPERATURE:g}.")


def _is_between(value: object, most: float) -> bool:
    """Whether it is a number from 0 to `most`."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most
