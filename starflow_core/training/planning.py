"""The size of a network, the length of a training and its learning rate, by what is measured on this machine."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import search
from .networks import choose
from .request import Plan
from .workshop import Workshop

LINES = 40  # of the log
PATIENCE = 6  # of these, above the lowest held-out figure, before it stops
PATIENT_STEPS = 40  # at least, for the same: in the first ones, the figure may rise for a while
USED = 0.85  # share of the time that is left for training, for steps; the rest is for the log and samples
LEAST = 0.25  # share of the whole time that is left for training at least, however long the measuring takes
MEASURED = 4  # steps that a network's speed is measured over, after a first one
BATCH = 32
NETWORK = "small"  # where a number of pictures is asked for, and no network
TRIED = {"weight_decay": 0.01, "ema_decay": 0.999, "pictures": 10**9, "learning_rate": search.DEFAULT}


def planned(plan: Plan, shop: Workshop, say: Callable[[str], None]) -> Plan:
    """The whole plan, from one that holds what follows from the pictures alone.

    Args:
        plan: to fill in.
        shop: where the training will be.
        say: is told what is measured.
    """
    begun = time.perf_counter()
    request, batch = plan.request, plan.request.batch_size or BATCH
    plan = dataclasses.replace(plan, settings={"batch_size": batch, **TRIED})
    plan = _sized(plan, shop, say)
    at_once = batch * shop.processes.count
    steps = _steps(plan, shop, begun)
    rate = request.learning_rate or search.DEFAULT
    if request.learning_rate is None and (each := search.search_steps(steps)):
        say(f"Searching a learning rate: {each} steps with each of {len(search.RATES)}.")
        tried = _of_length(plan, steps, at_once, rate)
        rate = search.best_rate(lambda rate: _losses(_at_rate(tried, rate, at_once * max(1, each // 4)), shop, each))
        steps = _steps(plan, shop, begun)
    return _of_length(plan, steps, at_once, rate)


def told(plan: Plan) -> str:
    """What a plan is, in sentences."""
    request, settings = plan.request, plan.settings
    side = plan.side
    seen = f"random {side}×{side} crops" if request.crop else f"pictures scaled to {side}×{side}"
    what = {"classes": f"given one of {len(plan.classes)} classes", "captions": "given captions", "nothing": "alone"}
    minutes = settings["pictures"] / plan.speed / 60 if plan.speed else 0.0
    own = " in each process" if plan.processes > 1 else ""
    speed = f", at {plan.speed:.0f} a second in some {minutes:.3g} minutes" if plan.speed else ""
    model = f"A {request.kind} of the size {plan.network!r}"
    if request.base is not None:
        model = f"A LoRA of rank {request.lora} of {request.base}" if request.lora else f"{request.base}, further,"
    return (
        f"{model} learns {seen}, {what[plan.condition]}, from {plan.trained} "
        f"pictures; {plan.held_out} are held out. It sees {settings['pictures']}{speed}, "
        f"{settings['batch_size']} a step{own}, with the learning rate {settings['learning_rate']:g}."
    )


def _steps(plan: Plan, shop: Workshop, begun: float) -> int:
    """How many steps to train: for as many pictures as are asked for, or as fit into what is left of the time.

    Args:
        plan: with the measured speed.
        shop: where the training will be.
        begun: when the measuring began; it counts within the time, and so does the search of a learning rate.
    """
    request, length = plan.request, plan.request.pictures
    if length is None:
        gone = max(shop.processes.gathered(time.perf_counter() - begun))
        length = USED * max(LEAST * request.seconds, request.seconds - gone) * plan.speed
    return max(1, round(length / (plan.settings["batch_size"] * shop.processes.count)))


def _of_length(plan: Plan, steps: int, at_once: int, rate: float) -> Plan:
    """The plan with the settings of a length and a learning rate."""
    settings = {
        "batch_size": plan.settings["batch_size"],
        "pictures": steps * at_once,
        "weight_decay": TRIED["weight_decay"],
        "warmup_pictures": max(1, steps // 50) * at_once,
        "cooldown": 0.6,
        "ema_decay": round(min(0.9995, 1 - 10 / (10 + steps / 2)), 5),
        "log_pictures": max(1, steps // LINES) * at_once,
        "patience": max(PATIENCE, -(-PATIENT_STEPS // max(1, steps // LINES))),
        "learning_rate": rate,
    }
    return dataclasses.replace(plan, settings=settings)


def _sized(plan: Plan, shop: Workshop, say: Callable[[str], None]) -> Plan:
    """The plan with its network, and the measured speed where a time is asked for."""
    request = plan.request

    def speed(network: str) -> float:
        say(f"Measuring the speed of {request.base or f'a {network} network'}.")
        return _speed(dataclasses.replace(plan, network=network), shop)

    if request.pictures is not None:
        own = plan.network if request.base or request.network else NETWORK
        return dataclasses.replace(plan, network=own)
    if request.network or request.base:
        name, found = plan.network, speed(plan.network)
    else:
        numbers = 4 * shop.pictures.numbers  # noise and random views make more of them
        name, found = choose(request.kind, USED * request.seconds, numbers, speed)
    return dataclasses.replace(plan, network=name, speed=float(f"{found:.4g}"))


def _speed(plan: Plan, shop: Workshop) -> float:
    """Pictures a second of all processes."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = shop.trainer(plan, Path(folder))
        trainer.step()
        took = []
        for _ in range(MEASURED):
            start = time.perf_counter()
            trainer.step()
            took.append(time.perf_counter() - start)
    return trainer.batch / max(shop.processes.gathered(statistics.median(took)))


def _losses(plan: Plan, shop: Workshop, steps: int) -> list[float]:
    """The losses of the first steps of a plan, the mean over all processes."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = shop.trainer(plan, Path(folder))
        for _ in range(steps):
            trainer.step()
    return [statistics.fmean(step) for step in zip(*shop.processes.gathered(trainer.losses), strict=True)]


def _at_rate(plan: Plan, rate: float, warmup: int) -> Plan:
    settings: dict[str, Any] = plan.settings | {"learning_rate": rate, "warmup_pictures": warmup}
    return dataclasses.replace(plan, settings=settings)
