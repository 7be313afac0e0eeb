"""STARFlow Loader."""

from __future__ import annotations

from typing import Annotated, Any

from starflow_core.quantization import NAMES
from starflow_core.weights.model_folder import DEFAULT_MODEL, embedded_models
from starflow_core.weights.store import fetched
from starflow_core.weights.table import CHECKPOINTS

from .declaration import MODEL, TEXT_ENCODER, VAE, Choice, Flag, Output, node
from .host import Host
from .values import Model, Placed

DTYPES = ("default", "bfloat16", "float16", "float32")


def models() -> list[str]:
    """Names of the models: embedded, on this machine, and those to download."""
    known = [*embedded_models(), *(stored.name for stored in fetched()), *CHECKPOINTS]
    return sorted(dict.fromkeys(known), key=lambda name: name != DEFAULT_MODEL)


@node(
    "STARFlowLoader",
    "STARFlow Loader",
    "Loads a normalizing flow with its text encoder and its autoencoder. Embedded models work at once.",
    outputs=(
        Output("model", MODEL, "the flow"),
        Output("text_encoder", TEXT_ENCODER, "reads prompts; nothing for a model of classes"),
        Output("vae", VAE, "between pictures and latents, for native nodes such as VAE Decode"),
    ),
    category="loaders",
    aliases=("normalizing flow", "TarFlow", "load model", "checkpoint", "Apple STARFlow"),
)
def load(
    host: Host,
    model: Annotated[
        str, Choice("embedded ones work at once; others are fetched when they are first asked for", models)
    ] = DEFAULT_MODEL,
    dtype: Annotated[
        str,
        Choice(
            "of the flow's weights; int8, fp8 and int4 take the least memory; by default what suits",
            (*DTYPES, *NAMES),
        ),
    ] = "default",
    accept_licence: Annotated[
        bool, Flag("of a model that is to be fetched: Apple's are for research only, see the help of this node")
    ] = False,
) -> tuple[Model, Placed | None, Any]:
    return host.load(model, dtype, accept_licence)
