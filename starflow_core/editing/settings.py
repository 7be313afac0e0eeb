"""Settings of how holes are filled."""

from __future__ import annotations

from dataclasses import dataclass

from ..flow.noise import check_seed
from ..sampling import check_guidance

MAX_COUNT, MAX_ROUNDS, MAX_STEPS, MAX_FEATHER = 64, 100, 10_000, 1024


@dataclass(frozen=True)
class Filling:
    """Settings of filling holes, checked when they are made.

    Attributes:
        seed: of the first fill; fill i is that of seed + i, whatever the count.
        count: fills.
        rounds: of the plain iteration, at the beginning.
        steps: through the density, after it. The first half are large, and settle the hole; each of the second half is
            a Langevin step that the exact density accepts or rejects.
        temperature: of the density, above 0 and up to 2; 1 is the model's own. Below 1, fills are likelier and less
            varied. The noise of the plain iteration has its square root as deviation.
        guidance: strength of guidance in the steps; 0 is off.
        feather: width in pixels, of the picture as the model sees it, within which the fill is matched to the hole's
            edge; None for a 16th of the model's side.

    Raises:
        ValueError: a setting is out of range; the message gives the range.
    """

    seed: int = 0
    count: int = 1
    rounds: int = 3
    steps: int = 12
    temperature: float = 0.3
    guidance: float = 0.0
    feather: int | None = None

    def __post_init__(self) -> None:
        check_seed(self.seed)
        _check_whole("count", self.count, 1, MAX_COUNT)
        _check_whole("rounds", self.rounds, 0, MAX_ROUNDS)
        _check_whole("steps", self.steps, 0, MAX_STEPS)
        if self.rounds + self.steps == 0:
            raise ValueError("rounds and steps are both 0, so nothing would be drawn; raise one of them.")
        check_guidance(self.guidance)
        value = self.temperature
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 2:
            raise ValueError(f"temperature is {value!r}; it must be a number above 0 and up to 2.")
        if self.feather is not None:
            _check_whole("feather", self.feather, 0, MAX_FEATHER)


def _check_whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}; it must be a whole number from {least} to {most}.")
