"""Likelihoods of known pictures, kept beside a model, which tell a likelihood in words: "likelier than 83 % of …"."""

from __future__ import annotations

import json
import math
import os
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..flow.flow import Flow

FILE = "reference.json"  # in a model folder
FORMAT = "starflow-reference-1"
LEAST_PICTURES = 20
STEPS = 100  # between the least likely picture and the likeliest
LARGEST_FILE = 1_000_000  # bytes
LONGEST_TEXT = 300  # characters
MOST = 10**9  # pictures, draws or pixels of a side
# Where the pictures come from, and what they are called in a sentence.
KINDS = {
    "held out": "pictures of the kind the model was trained to know",
    "trained on": "the pictures the model was trained on",
    "given": "the pictures in the model's reference",
}
# The two conditions, by whether the caption or the class of each picture was given.
NAMES = {False: "nothing given", True: "description given"}


@dataclass(frozen=True)
class Spread:
    """How log-likelihoods are spread.

    Attributes:
        number: of the pictures.
        quantiles: in nats, ascending: the log-likelihood of the least likely picture, then of every hundredth of the
            pictures, up to the likeliest.
    """

    number: int
    quantiles: tuple[float, ...]

    @classmethod
    def of(cls, log_probs: Sequence[float]) -> Spread:
        """The spread of some log-likelihoods, in nats."""
        places = torch.linspace(0, 1, STEPS + 1, dtype=torch.float64)
        quantiles = torch.tensor(log_probs, dtype=torch.float64).quantile(places)
        return cls(len(log_probs), tuple(round(value, 3) for value in quantiles.tolist()))

    def share_below(self, log_prob: float) -> float:
        """The share of the pictures that are less likely, from 0 to 1; interpolated between the quantiles."""
        values = self.quantiles
        if log_prob <= values[0]:
            return 0.0
        if log_prob > values[-1]:
            return 1.0
        above = bisect_left(values, log_prob)
        below = above - 1
        return (below + (log_prob - values[below]) / (values[above] - values[below])) / STEPS


@dataclass(frozen=True)
class Standing:
    """A likelihood among those of a reference; as text, a sentence without a full stop.

    Attributes:
        share: of the reference's pictures that are less likely, from 0 to 1.
        number: of the reference's pictures.
        kind: of these pictures, one of `KINDS`.
    """

    share: float
    number: int
    kind: str

    def __str__(self) -> str:
        pictures = KINDS[self.kind]
        if self.share in (0, 1):
            every = f"all {self.number} {pictures.removeprefix('the ')}"
            return f"likelier than {every}" if self.share else f"less likely than {every}"
        return f"likelier than {percent(self.share)} of {pictures}"


def percent(share: float) -> str:
    """A share between 0 and 1 as a percentage; one that would round to 0 or 100 is told as a bound."""
    if share < 0.01:
        return "less than 1 %"
    return "more than 99 %" if share > 0.99 else f"{100 * share:.0f} %"


@dataclass(frozen=True)
class Reference:
    """Log-likelihoods of known pictures under a model, with noise as in training.

    Attributes:
        pictures: which pictures, in words.
        kind: one of `KINDS`: held out from the model's training, trained on, or given by whoever made this.
        size: width and height that all pictures had, in pixels.
        draws: noise draws that each likelihood is the mean of.
        seed: of the first draw.
        weights: identifies the weights of the flow; see `identity`.
        plain: the spread of the likelihoods, nothing given.
        described: the same, the caption or the class of each picture given; None for a model without either, or
            where too few pictures have one.
        prompt_weight: of a prompt's score among others, from 0.01 to 1, by which a posterior over prompts is as sure as
            it is right; see `prompt_weight.fitted_weight`. 1 where it was not measured.
    """

    pictures: str
    kind: str
    size: tuple[int, int]
    draws: int
    seed: int
    weights: str
    plain: Spread
    described: Spread | None = None
    prompt_weight: float = 1.0

    @classmethod
    def of(
        cls,
        flow: Flow,
        plain: Sequence[float],
        described: Sequence[float] = (),
        *,
        pictures: str,
        kind: str = "given",
        size: tuple[int, int],
        draws: int,
        seed: int,
    ) -> Reference:
        """A reference from log-likelihoods in nats; `insight.known_pictures` measures them.

        Args:
            flow: under which they were measured.
            plain: of all pictures, nothing given.
            described: of those with a caption or a class, that given; left out where they are too few.
            pictures: see the class.
            kind: see the class.
            size: see the class.
            draws: see the class.
            seed: see the class.

        Raises:
            ValueError: there are too few pictures, or a value is out of range.
        """
        if len(plain) < LEAST_PICTURES:
            raise ValueError(
                f"{len(plain)} picture{'s' * (len(plain) != 1)} cannot show how likely pictures are; give "
                f"{LEAST_PICTURES} at least, better some hundreds."
            )
        of_described = Spread.of(described) if len(described) >= LEAST_PICTURES else None
        made = cls(pictures, kind, size, draws, seed, identity(flow), Spread.of(plain), of_described)
        return cls.from_dict(made.to_dict())  # which checks it

    def share_below(self, log_prob: float, *, described: bool = False) -> float | None:
        """The share of the pictures that are less likely, from 0 to 1.

        Args:
            log_prob: in nats, of a picture of the reference's size.
            described: whether a caption or a class was given.

        Returns:
            None where the reference has no likelihoods under this condition.
        """
        spread = self.described if described else self.plain
        return None if spread is None else spread.share_below(log_prob)

    def standing(self, log_prob: float, size: tuple[int, int], *, described: bool) -> Standing | None:
        """Where a likelihood stands; None where it does not compare: another size, or a condition that is not there.

        Args:
            log_prob: in nats.
            size: width and height of the picture that was measured, in pixels.
            described: whether a caption or a class was given.
        """
        spread = self.described if described else self.plain
        if spread is None or size != self.size or math.isnan(log_prob):
            return None
        return Standing(spread.share_below(log_prob), spread.number, self.kind)

    def fits(self, flow: Flow) -> bool:
        """Whether the reference was measured with these weights."""
        return self.weights == identity(flow)

    def save(self, folder: Path) -> None:
        """Write the reference into a model folder.

        Raises:
            OSError: the file cannot be written.
        """
        part = folder / f".{FILE}.part"
        try:
            part.write_text(json.dumps(self.to_dict(), ensure_ascii=False) + "\n", encoding="utf-8")
            os.replace(part, folder / FILE)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: Path) -> Reference | None:
        """The reference in a model folder; None where there is none.

        Raises:
            ValueError: the file is no reference.
        """
        path = folder / FILE
        if not path.exists():
            return None
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise ValueError("it is too large")
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(
                f"{path} is no reference that this version reads ({error}); remove it, or make it again with "
                "`starflow reference`."
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """The content of the file."""
        spreads = {NAMES[False]: self.plain, NAMES[True]: self.described}
        return {
            "format": FORMAT,
            "pictures": self.pictures,
            "kind": self.kind,
            "size": list(self.size),
            "draws": self.draws,
            "seed": self.seed,
            "weights": self.weights,
            "log_prob": {
                name: {"number": spread.number, "quantiles": list(spread.quantiles)}
                for name, spread in spreads.items()
                if spread is not None
            },
            "prompt_weight": self.prompt_weight,
        }

    @classmethod
    def from_dict(cls, content: Any) -> Reference:
        """A reference from the content of a file.

        Raises:
            ValueError: the content is none; the message says what is wrong, in a few words.
        """
        if not isinstance(content, Mapping) or content.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT!r}")
        size, spreads = content.get("size"), content.get("log_prob")
        if not isinstance(size, list) or len(size) != 2:
            raise ValueError("size must be width and height")
        if not isinstance(spreads, Mapping) or NAMES[False] not in spreads or not spreads.keys() <= set(NAMES.values()):
            raise ValueError(f"log_prob must hold {NAMES[False]!r}, and may hold {NAMES[True]!r}")
        if content.get("kind") not in list(KINDS):
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        return cls(
            _text(content, "pictures"),
            content["kind"],
            (_whole(size[0], "size", 1), _whole(size[1], "size", 1)),
            _whole(content.get("draws"), "draws", 1),
            _whole(content.get("seed"), "seed", 0, 2**64 - 1),
            _text(content, "weights"),
            _spread(spreads[NAMES[False]]),
            _spread(spreads[NAMES[True]]) if NAMES[True] in spreads else None,
            _weight(content.get("prompt_weight", 1.0)),
        )


def identity(part: nn.Module) -> str:
    """Eight hexadecimal digits that identify a part's weights, in whichever of float32 and bfloat16 they are kept.

    They are a hash of the first numbers of each tensor.
    """
    digest = blake2b(digest_size=4)
    for name, tensor in part.state_dict().items():
        start = tensor.flatten()[:64].cpu().to(torch.bfloat16).float().contiguous()
        digest.update(name.encode() + start.numpy().tobytes())
    return digest.hexdigest()


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= LONGEST_TEXT:
        raise ValueError(f"{name} must be a line of 1 to {LONGEST_TEXT} characters")
    return value


def _whole(value: Any, name: str, least: int, most: int = MOST) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}")
    return value


def _spread(content: Any) -> Spread:
    if not isinstance(content, Mapping):
        raise ValueError("log_prob must hold numbers and quantiles")
    values = content.get("quantiles")
    if not isinstance(values, list) or len(values) != STEPS + 1 or not all(_is_number(value) for value in values):
        raise ValueError(f"quantiles must be {STEPS + 1} finite numbers")
    if any(left > right for left, right in pairwise(values)):
        raise ValueError("quantiles must ascend")
    return Spread(_whole(content.get("number"), "number", LEAST_PICTURES), tuple(float(value) for value in values))


def _weight(value: Any) -> float:
    if not _is_number(value) or not 0 < value <= 1:
        raise ValueError("prompt_weight must be a number above 0, up to 1")
    return float(value)


def _is_number(value: Any) -> bool:
    if type(value) is int:
        return abs(value) < MOST
    return type(value) is float and math.isfinite(value)
