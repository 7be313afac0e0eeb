"""STARFlow Text Encode and STARFlow Class Label."""

from __future__ import annotations

from typing import Annotated

from . import conditions, words
from .declaration import CONDITIONING, MODEL, TEXT_ENCODER, Output, Socket, Text, node
from .host import Host
from .values import Conditioning, Model, Placed


@node(
    "STARFlowTextEncode",
    "STARFlow Text Encode",
    "Turns a prompt into what a text-conditional flow reads. Use one for what is wanted, and one, which may be empty, "
    "for what is not.",
    outputs=(Output("conditioning", CONDITIONING),),
)
def encode_text(
    host: Host,
    text_encoder: Annotated[Placed | None, Socket("from STARFlow Loader", TEXT_ENCODER)],
    text: Annotated[str, Text("what to draw", lines=3)] = "",
) -> Conditioning:
    if text_encoder is None:
        raise ValueError("This model reads no text; name a class with STARFlow Class Label instead.")
    features = conditions.encoded(host, text_encoder, [words.plain(text)])
    return conditions.conditioning(features, "a model that reads text")


@node(
    "STARFlowClassLabel",
    "STARFlow Class Label",
    "Names a class for a class-conditional flow; leave it empty for any.",
    outputs=(Output("conditioning", CONDITIONING),),
)
def label_class(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    name: Annotated[str, Text("such as cat; an unknown name lists the known ones")] = "",
) -> Conditioning:
    classes = model.pipeline.classes
    if classes is None:
        raise ValueError(f"{model.pipeline.name} knows no classes; use STARFlow Text Encode instead.")
    return conditions.conditioning(classes.encode([name]), "a model of classes")
