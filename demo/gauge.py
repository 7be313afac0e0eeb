"""How likely the pictures of one run are, in words. They are compared with each other only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from starflow_core.insight.likelihood import Likelihood

ORDINALS = {2: "second", 3: "third"}
SURE = 2.0  # two likelihoods differ if they are further apart than this many standard errors


@dataclass(frozen=True)
class Gauge:
    """The likelihood that is shown below a picture.

    Attributes:
        words: how likely the picture is.
        share: its position between the least likely picture of the run (0) and the likeliest (1); None if there is no
            other picture, or if the differences are within the noise of the measurement.
    """

    words: str
    share: float | None


def gauges(found: Sequence[Likelihood]) -> list[Gauge]:
    """Return a gauge for each picture of a run.

    The pictures must have the same size, since a log-probability (nats) is a sum over all dimensions of a picture.
    """
    if len(found) == 1:
        return [Gauge("draw more to compare it with", None)]
    log_probs = [one.log_prob for one in found]
    least, most = min(found, key=_log_prob), max(found, key=_log_prob)
    if not _differ(least, most):
        return [Gauge(f"as likely as the other{'s' if len(found) > 2 else ''}", None)] * len(found)
    span = most.log_prob - least.log_prob
    return [Gauge(_words(one, log_probs, least, most), (one.log_prob - least.log_prob) / span) for one in found]


def _log_prob(found: Likelihood) -> float:
    return found.log_prob


def _differ(one: Likelihood, other: Likelihood) -> bool:
    """Return whether two likelihoods differ by more than the random noise draws explain."""
    errors = [0.0 if math.isnan(found.standard_error) else found.standard_error for found in (one, other)]
    return abs(one.log_prob - other.log_prob) > SURE * math.hypot(*errors)


def _words(one: Likelihood, log_probs: Sequence[float], least: Likelihood, most: Likelihood) -> str:
    count = len(log_probs)
    if one is most:
        return f"likeliest of these {count}"
    if one is least:
        return f"least likely of these {count}"
    if not _differ(one, most):
        return "about as likely as the likeliest"
    if not _differ(one, least):
        return "about as unlikely as the least likely"
    place = 1 + sum(value > one.log_prob for value in log_probs)
    return f"{ORDINALS.get(place, f'{place}th')} likeliest of these {count}"
