"""Models in memory, shared by all visitors."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from typing import Any

from nodes.local_host import OWN, LocalHost
from nodes.values import Model, Placed
from starflow_core.codecs.autoencoder import AutoencoderConfig
from starflow_core.codecs.classes import Classes
from starflow_core.weights.model_folder import (
    DEFAULT_MODEL,
    embedded_models,
    model_folder,
    read_config,
    size_of_weights,
)
from starflow_core.weights.store import fetched
from starflow_core.weights.table import CHECKPOINTS

Parts = tuple[Model, Placed | None, Any]
KEPT = 4  # models in memory; the least recently used one is dropped first
LARGE = 10**9  # bytes: before a model with more weights is loaded, all others are dropped


def available() -> list[str]:
    """Return the names of the models on this machine, the default first."""
    names = dict.fromkeys([*embedded_models(), *(stored.name for stored in fetched())])
    return sorted(names, key=lambda name: name != DEFAULT_MODEL)


def licence_notice(name: str) -> str:
    """Return what a person must know before using a model; "" if its licences are open."""
    checkpoint = CHECKPOINTS.get(name)
    closed = [] if checkpoint is None else [licence for licence in checkpoint.licences if not licence.open]
    return " ".join(f"{name} is under {licence.name}: {licence.summary} {licence.address}" for licence in closed)


def classes_of(name: str) -> list[str]:
    """Return the names of the classes of a class-conditional model; an empty list for other models."""
    entries = read_config(model_folder(name)).get("classes", [])
    return list(Classes(tuple(entries)).names) if entries else []


def trained_side(name: str) -> int:
    """Return the side of the square pictures that a model was trained on, in pixels."""
    folder = model_folder(name)
    autoencoder = folder / "vae" / "config.json"
    factor = AutoencoderConfig.from_dict(json.loads(autoencoder.read_text())).factor if autoencoder.exists() else 1
    return factor * int(read_config(folder)["flow"]["img_size"])


class Models:
    """Loads each model at its first use and keeps a few in memory.

    Args:
        kept: the most models in memory.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept, self._lock = kept, threading.Lock()
        self._loaded: OrderedDict[tuple[str, str], Parts] = OrderedDict()

    def load(self, name: str, dtype: str) -> Parts:
        """Return a model with its parts, as `Host.load` does.

        Raises:
            ValueError: the model is not on this machine (visitors cannot fetch weights), or it is large and `dtype` is
                not its default.
        """
        if name not in available():
            fetch = f" Whoever runs this demo can bring it here: starflow fetch {name}" if name in CHECKPOINTS else ""
            raise ValueError(f"The model {name} is not on this machine; here are {', '.join(available())}.{fetch}")
        is_large = size_of_weights(model_folder(name)) > LARGE
        if is_large and dtype != OWN:
            raise ValueError(f"{name} is large, and runs in its default dtype here; choose {OWN}.")
        with self._lock:
            if (name, dtype) not in self._loaded:
                while self._loaded and len(self._loaded) >= (1 if is_large else self._kept):
                    self._loaded.popitem(last=False)
                self._loaded[name, dtype] = LocalHost().load(name, dtype, False)
            self._loaded.move_to_end((name, dtype))
            return self._loaded[name, dtype]


MODELS = Models()
