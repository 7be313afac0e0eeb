"""A model of the pictures in a folder, from reading them to a model folder."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tqdm import tqdm

from ..flow.flow import Flow
from ..insight.reference import identity
from ..lora.adapter import Lora
from ..lora.apply import with_loras
from ..quantization.formats import format_of
from ..weights.model_folder import checked_device, load
from .choices import DTYPES, KINDS, NETWORKS
from .finish import finish
from .journal import Journal
from .listing import Listing, class_names, list_pictures
from .loop import MAX_SKIPPED, Trainer
from .low_rank import lora_of
from .pictures import Framing, Pictures
from .planning import planned, told
from .processes import processes
from .request import Plan, Request
from .task import Task
from .workshop import Workshop

if TYPE_CHECKING:
    from ..pipeline import Pipeline

FOLDER = "training"  # in the model folder
KEPT = {name: getattr(torch, name) for name in DTYPES}
LEAST_PICTURES = 8
HELD_OUT, MOST_HELD_OUT = 0.1, 256


def train(
    folder: os.PathLike[str] | str,
    output: os.PathLike[str] | str,
    *,
    kind: str | None = None,
    device: str | None = None,
    say: Callable[[str], None] = print,
    **settings: Any,
) -> Pipeline:
    """Train a flow of the pictures in a folder, and write it as a model folder.

    A training that was interrupted goes on from its last checkpoint, bit by bit, when it is asked for again: the
    pictures, and the settings that are given, must be the same.

    Args:
        folder: with pictures, and folders of them. Captions lie beside them, or in metadata, as `list_pictures` reads
            them.
        output: the model folder; `training` in it holds the plan, the checkpoint, the log and samples.
        kind: `tarflow`, a flow of pixels, the default, or `starflow`, a flow of the embedded autoencoder's latents.
        device: `cuda`, `mps` or `cpu`; the best one by default.
        say: is told what was found, what was chosen and what came out.
        settings: by name, such as `minutes=30, crop=True`; see `request.Request`.

    Returns:
        the pipeline that `load` gives for the model folder.

    Raises:
        ValueError: there are too few pictures, a setting is out of range, or the folder holds something else.
        OSError: a file cannot be written; the last checkpoint is whole.
        KeyboardInterrupt: SIGINT or SIGTERM has asked it to stop, and the checkpoint is written.
        TypeError: a setting is unknown.
    """
    together = processes(device)
    place = together.device or checked_device(device)
    say = say if together.is_main else lambda line: None
    source, target = Path(folder), Path(output)
    _check_free(target, source)
    file = target / FOLDER / "plan.json"
    begun = Plan.load(file) if all(together.gathered(file.exists())) else None
    base = _base(settings if begun is None else dataclasses.asdict(begun.request) | _given(settings), kind, place)
    kind = kind or (begun.request.kind if begun else KINDS[0] if base is None else _kind(base))
    request = Request(kind=kind, **settings)
    if begun is not None:
        begun.check_settings(request, target)
        request = begun.request
    listing = list_pictures(source)
    pictures = _read(listing, request, base, say, together.is_main)
    trained, held_out = pictures.split(HELD_OUT, MOST_HELD_OUT)
    data = _identity(pictures, listing)
    if begun is not None:
        begun.check_data(data, target)
        say(f"Going on with the training in {target}.")
    plan = begun or _first_plan(request, base, pictures, listing, len(trained), len(held_out), data)
    plan = dataclasses.replace(plan, processes=together.count)
    shop = Workshop(pictures, trained, held_out, Task.of(plan, pictures, listing, base, place, say), place, together)
    if begun is None:
        plan = together.gathered(planned(plan, shop, say))[0]
        if together.is_main:
            file.parent.mkdir(parents=True, exist_ok=True)
            names = "".join(f"{path.relative_to(source)}\n" for path in shop.unseen)
            (file.parent / "held_out.txt").write_text(names, encoding="utf-8")
            plan.save(file)
    together.wait()
    say(told(plan))
    _run(shop, plan, target, say)
    if base is None or request.lora is None:
        return load(target, device=place)
    return with_loras(base, [(Lora.load(target), 1.0)])


def _run(shop: Workshop, plan: Plan, target: Path, say: Callable[[str], None]) -> None:
    """Train by a plan, from the last checkpoint on, and write the model folder.

    Raises:
        ValueError: too many gradients overflow, or the checkpoint is damaged.
    """
    work = target / FOLDER
    trainer = shop.trainer(plan, work)
    pipeline_of = partial(shop.task.pipeline, plan=plan, name=target.name)
    is_main = shop.processes.is_main
    journal = Journal(work, trainer.log, pipeline_of, shop.task.prompts) if is_main else None
    trainer.watch = journal or trainer.watch
    try:
        flow = trainer.run()
    except FloatingPointError:
        rate = plan.settings["learning_rate"]
        raise ValueError(
            f"More than {MAX_SKIPPED} gradients have overflowed at the learning rate {rate:g}; train into another "
            f"folder with a lower one, such as {rate / 3:.2g}."
        ) from None
    if journal is not None:
        journal.draw(trainer.pictures, flow)
        journal.close()
        lora = None
        if plan.request.lora is not None and shop.task.base is not None:
            lora = lora_of(flow, shop.task.base.name, identity(shop.task.base.flow))
        finish(pipeline_of(flow), target, plan, shop.unseen, shop.task.prompts, _figure(trainer, flow), lora, say)
    shop.processes.wait()


def _figure(trainer: Trainer[Flow], flow: Flow) -> str:
    """How well a flow has learnt, in a sentence."""
    early = f" It stopped early, after {trainer.pictures} pictures." if trainer.best.is_over else ""
    return f"Held-out pictures take {trainer.evaluate(flow):.3f} bits per dimension.{early}"


def _check_free(target: Path, source: Path) -> None:
    """Check that a folder is free for a model, or holds its training.

    Raises:
        ValueError: it holds something else, or lies among the pictures.
    """
    if target.resolve().is_relative_to(source.resolve()):
        raise ValueError(
            f"{target} lies in {source}, and its samples would be taken for pictures to learn; name a folder elsewhere."
        )
    if target.exists() and not target.is_dir():
        raise ValueError(f"{target} is a file; name a folder for the model.")
    if target.is_dir() and any(target.iterdir()) and not (target / FOLDER / "plan.json").exists():
        left = {path.name for path in target.iterdir()} - {FOLDER}
        if left:
            raise ValueError(f"{target} is not empty, and holds no training to go on with; choose another folder.")


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _base(settings: Mapping[str, Any], kind: str | None, place: torch.device) -> Pipeline | None:
    """The model to train further; None where none is named.

    Args:
        settings: of a request, by name.
        kind: that is asked for; None for that of the base.
        place: device of the model.

    Raises:
        ValueError: there is no such model, it is of another kind than is asked for, or its weights are of few bits.
    """
    name, dtype = settings.get("base"), settings.get("dtype")
    if name is None:
        return None
    asked = torch.float32 if settings.get("lora") is None else KEPT.get(dtype or "")
    base = load(name, device=place, dtype=asked)
    if (format := format_of(base.flow)) is not None:
        raise ValueError(f"{name} has weights of {format}, which are not trained; name the model that it was made of.")
    if kind not in (None, _kind(base)):
        raise ValueError(f"{name} is a {_kind(base)} and no {kind}; leave the kind away, or name another base.")
    return base


def _kind(base: Pipeline) -> str:
    return "tarflow" if base.autoencoder is None else "starflow"


def _read(
    listing: Listing, request: Request, base: Pipeline | None, say: Callable[[str], None], shown: bool
) -> Pictures:
    """Read the pictures; tell what was found, and what cannot be read.

    Raises:
        ValueError: too few can be read.
    """
    framing = Framing(request.side if base is None else base.trained_side, bool(request.crop), bool(request.mirror))
    failures: list[str] = []
    off = None if shown else True  # None: off where nobody watches
    with tqdm(total=len(listing.files), unit="picture", desc="reading", leave=False, disable=off) as bar:
        pictures = Pictures.read(
            listing.files,
            framing,
            failures.append,
            lambda done, total: bar.update(done - bar.n),
            channels=base.channels if base is not None else None if request.kind == "tarflow" else 3,
        )
    for remark in [*listing.remarks, *failures]:
        say(remark)
    broken = f" {len(failures)} of {len(listing.files)} cannot be read." if failures else ""
    if len(pictures) < LEAST_PICTURES:
        raise ValueError(
            f"{listing.folder} holds {len(pictures)} picture{'s' * (len(pictures) != 1)} to learn;{broken} "
            f"{LEAST_PICTURES} are needed at least, and hundreds are better."
        )
    say(f"{listing.folder}: {len(pictures)} pictures{', all grey' * (pictures.channels == 1)}.{broken}")
    return pictures


def _identity(pictures: Pictures, listing: Listing) -> str:
    """Identifies the pictures, and what is said of them."""
    digest = blake2b(digest_size=8)
    for place, own in zip(pictures.places, pictures.digests, strict=True):
        digest.update(own + f"{listing.captions[place]}\n{listing.labels[place]}\n".encode())
    return digest.hexdigest()


def _first_plan(
    request: Request,
    base: Pipeline | None,
    pictures: Pictures,
    listing: Listing,
    trained: int,
    held_out: int,
    data: str,
) -> Plan:
    """The plan, as far as it follows from the pictures.

    Raises:
        ValueError: there are too many classes, or what is asked for is not there.
    """
    asked = request.condition or "auto"
    here = {"tarflow": ("classes", any(listing.labels)), "starflow": ("captions", any(listing.captions))}
    own, is_here = here[request.kind]
    if asked == own and not is_here:
        how = "put the pictures of each class into a folder" if own == "classes" else "write .txt files beside them"
        raise ValueError(f"There are no {own} for the pictures in {listing.folder}; {how}, or train without.")
    condition = own if is_here and asked in ("auto", own) else "nothing"
    classes = tuple(class_names(listing)) if condition == "classes" else ()
    if base is not None:
        classes = _of_base(base, classes)
        has_own = bool(classes) if own == "classes" else base.text_encoder is not None
        condition = condition if has_own else "nothing"
    network = request.base or request.network or next(iter(NETWORKS))
    side = pictures.framing.side
    return Plan(request, condition, classes, network, side, {}, 0.0, data, trained, held_out, pictures.channels)


def _of_base(base: Pipeline, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The classes of a base, which all those of the pictures must be among.

    Raises:
        ValueError: one is not.
    """
    if base.classes is None:
        return ()
    try:
        base.classes.encode(classes)
    except ValueError as error:
        raise ValueError(f"{base.name}: {error} Rename the folders, or train with --condition nothing.") from None
    return base.classes.entries
