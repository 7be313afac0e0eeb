"""STARFlow LoRA."""

from __future__ import annotations

from typing import Annotated

from starflow_core.lora.adapter import Lora
from starflow_core.lora.apply import LARGEST
from starflow_core.weights.store import loras

from .declaration import MODEL, Choice, Number, Output, Socket, node
from .host import Host
from .values import Model

NONE = "none"


def names() -> list[str]:
    """The LoRAs to choose from."""
    return [NONE, *loras()]


@node(
    "STARFlowLora",
    "STARFlow LoRA",
    "Changes a model by a LoRA, which has learnt a style or a subject. Several one after another add up.",
    outputs=(Output("model", MODEL, "the flow with the LoRA"),),
    category="loaders",
    aliases=("lora", "low-rank adaptation", "style", "fine-tune", "load lora", "normalizing flow"),
)
def lora(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader; the one that the LoRA was trained on", MODEL)],
    lora: Annotated[str, Choice("a LoRA of starflow train, from the folder of LoRAs", names)] = NONE,
    strength: Annotated[float, Number("1 as it was trained, 0 for none", -LARGEST, LARGEST, 0.05)] = 1.0,
) -> Model:
    return model if lora == NONE else host.with_loras(model, [(Lora.load(loras()[lora]), strength)])
