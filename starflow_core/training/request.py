"""What a training is asked for, and the plan that follows from it."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..flow.noise import check_seed
from ..lora.adapter import MOST_RANK
from .choices import CONDITIONS, DTYPES, KINDS, MINUTES, NETWORKS, NOISE, SIDES
from .networks import TOKENS

LARGEST_SIDE = 1024
FORMAT = "starflow-training-1"


@dataclass(frozen=True)
class Request:
    """The settings of a training; None for what is chosen by itself.

    Attributes:
        kind: `tarflow`, a flow of pixels, or `starflow`, one of the embedded autoencoder's latents.
        minutes: of training; the size of the model and its length follow. 10 by default.
        pictures: to see, in place of a time.
        size: side of the squares that the model sees, in pixels: a multiple of 8, and of 64 for a STARFlow.
        crop: random squares at the pictures' own resolution; otherwise the middle square, scaled.
        mirror: half of the pictures are mirrored.
        condition: what the model is told of a picture: `classes`, `captions`, `nothing`, or `auto` for what there is.
        network: a size of `choices.NETWORKS`.
        noise_std: of the noise on what the model learns, in pictures in [−1, 1] or in scaled latents; 0 for a TarFlow
            of 8-bit pictures.
        learning_rate: found by a short search by default.
        batch_size: pictures a step, of each process.
        seed: of everything random.
        base: name or folder of a model to train further, whose kind, size and noise stay.
        lora: rank of a LoRA of the base, which is all that is trained.
        dtype: `float32` or `bfloat16`, of the base's weights beside a LoRA; by default as `load` chooses it, which is
            bfloat16 on NVIDIA cards from Ampere on, and where weights are over 4 GB.

    Raises:
        ValueError: a setting is out of range.
    """

    kind: str = "tarflow"
    minutes: float | None = None
    pictures: int | None = None
    size: int | None = None
    crop: bool | None = None
    mirror: bool | None = None
    condition: str | None = None
    network: str | None = None
    noise_std: float | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    seed: int | None = None
    base: str | None = None
    lora: int | None = None
    dtype: str | None = None

    def __post_init__(self) -> None:
        _check_one_of("kind", self.kind, KINDS)
        _check_one_of("condition", self.condition or CONDITIONS[0], CONDITIONS)
        _check_one_of("network", self.network or next(iter(NETWORKS)), tuple(NETWORKS))
        if self.minutes is not None and self.pictures is not None:
            raise ValueError("Both minutes and pictures are given; give one of them.")
        for name, least, most in (("minutes", 0, 1e6), ("learning_rate", 0, 1)):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and least < value <= most):
                raise ValueError(f"{name} is {value!r}; it must be a number above {least} and up to {most:g}.")
        for name, most in (("pictures", 10**12), ("batch_size", 65_536)):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or not 1 <= value <= most):
                raise ValueError(f"{name} is {value!r}; it must be a whole number from 1 to {most}.")
        if self.lora is not None and (type(self.lora) is not int or not 1 <= self.lora <= MOST_RANK):
            raise ValueError(f"lora is {self.lora!r}; it must be a rank, a whole number from 1 to {MOST_RANK}.")
        if self.lora is not None and self.base is None:
            raise ValueError("A LoRA changes another model; name it with base (--base MODEL).")
        _check_one_of("dtype", self.dtype or DTYPES[0], DTYPES)
        if self.dtype is not None and self.lora is None:
            raise ValueError("dtype is that of a base beside a LoRA; all else is trained in float32. Leave it away.")
        if self.base is not None and (self.network, self.size, self.noise_std) != (None, None, None):
            raise ValueError("network, size and noise_std are those of the base; leave them away.")
        multiple = TOKENS if self.kind == "tarflow" else TOKENS * 8
        if self.size is not None and (
            type(self.size) is not int or self.size % multiple or not multiple <= self.size <= LARGEST_SIDE
        ):
            raise ValueError(
                f"size is {self.size!r}; it must be a multiple of {multiple} up to {LARGEST_SIDE}, for a {self.kind}."
            )
        if self.noise_std is not None and not 0 <= self.noise_std <= 2:
            raise ValueError(f"noise_std is {self.noise_std!r}; it must be a number from 0 to 2.")
        if self.noise_std == 0 and self.kind == "starflow":
            raise ValueError("noise_std is 0, which is for a TarFlow of 8-bit pictures; a STARFlow needs some, as 0.2.")
        if self.kind == "starflow" and self.condition == "classes":
            raise ValueError("A STARFlow takes captions and no classes; train a tarflow, or with --condition captions.")
        if self.kind == "tarflow" and self.condition == "captions":
            raise ValueError("A TarFlow takes classes and no captions; train a starflow, or with --condition classes.")
        check_seed(self.seed or 0)

    @property
    def side(self) -> int:
        """Side of the squares, in pixels."""
        return self.size or SIDES[self.kind]

    @property
    def noise(self) -> float:
        """Standard deviation of the noise of training."""
        return NOISE[self.kind] if self.noise_std is None else self.noise_std

    @property
    def is_timed(self) -> bool:
        """Whether the length follows from a time."""
        return self.pictures is None

    @property
    def seconds(self) -> float:
        """Of training."""
        return 60 * (self.minutes or MINUTES)


@dataclass(frozen=True)
class Plan:
    """A training, with all that was chosen; kept beside its checkpoint, so that it goes on as it began.

    Attributes:
        request: what was asked for.
        condition: `classes`, `captions` or `nothing`.
        classes: their names, as `Classes` takes them.
        network: of `choices.NETWORKS`; the name of the base, where there is one.
        side: of the squares, in pixels.
        settings: of the `Trainer`.
        speed: pictures a second, as measured; 0 where it was not.
        data: identifies the pictures.
        trained, held_out: numbers of pictures to train on and of held-out ones.
        channels: of a picture.
        processes: that train together; the batch size is that of each.
    """

    request: Request
    condition: str
    classes: tuple[str, ...]
    network: str
    side: int
    settings: dict[str, Any]
    speed: float
    data: str
    trained: int
    held_out: int
    channels: int
    processes: int = 1

    def save(self, file: Path) -> None:
        """Write the plan, whole or not at all."""
        part = file.with_suffix(".part")
        try:
            text = json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=2, ensure_ascii=False)
            part.write_text(text + "\n", encoding="utf-8")
            os.replace(part, file)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, file: Path) -> Plan:
        """Read a plan.

        Raises:
            ValueError: it is damaged, or of another version.
        """
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                raise ValueError
            request, classes = Request(**content.pop("request")), tuple(content.pop("classes"))
            return cls(request=request, classes=classes, **content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(
                f"{file} is no plan of a training that this version reads; train into another folder."
            ) from None

    def check_settings(self, request: Request, folder: Path) -> None:
        """Check that a training may go on with what is asked for now; what is left away stays as it was.

        Raises:
            ValueError: another setting is asked for.
        """
        for name, value in dataclasses.asdict(request).items():
            was = getattr(self.request, name)
            if value is not None and value != was:
                before = "chosen by itself" if was is None else was
                raise ValueError(
                    f"{folder} holds a training with {name} {before}, and now it is {value}; leave the setting away to "
                    "go on with that training, or choose another folder."
                )

    def check_data(self, data: str, folder: Path) -> None:
        """Check that a training may go on with the pictures that are there now.

        Raises:
            ValueError: they have changed.
        """
        if data != self.data:
            raise ValueError(
                f"{folder} holds a training on other pictures: some have come, gone or changed since; choose another "
                "folder, or bring the pictures back to go on."
            )


def _check_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}.")
