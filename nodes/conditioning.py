"""STARFlow Text Encode and STARFlow Class Label."""

from __future__ import annotations

from typing import Annotated

from . import conditions, words
from .declaration import CONDITIONING, MODEL, TEXT_ENCODER, Choice, Output, Socket, Text, node
from .host import Host
from .known import AS_NAMED, class_names
from .values import Conditioning, Model, Placed


@node(
    "STARFlowTextEncode",
    "STARFlow Text Encode",
    "Turns a prompt into what a text-conditional flow reads. Use one for what is wanted, and one, which may be empty, "
    "for what is not.",
    outputs=(Output("conditioning", CONDITIONING),),
    category="conditioning",
    aliases=("normalizing flow", "prompt", "text encoder", "CLIP text encode"),
)
def encode_text(
    host: Host,
    text_encoder: Annotated[Placed | None, Socket("from STARFlow Loader", TEXT_ENCODER)],
    text: Annotated[str, Text("what to draw", lines=3)] = "",
) -> Conditioning:
    if text_encoder is None:
        raise ValueError("This model reads no text; name a class with STARFlow Class Label instead.")
    prompt = words.plain(text)
    features = conditions.encoded(host, text_encoder, [prompt])
    conditions.tell_unread(host, text_encoder, [prompt])
    return conditions.conditioning(features, "a model that reads text", prompt)


@node(
    "STARFlowClassLabel",
    "STARFlow Class Label",
    "Names a class for a class-conditional flow, from the list or by its name; without either, any class will do.",
    outputs=(Output("conditioning", CONDITIONING),),
    category="conditioning",
    aliases=("normalizing flow", "class conditioning", "label", "category"),
)
def label_class(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    name: Annotated[str, Text("one that the list lacks, such as a fetched model's; empty for the list's")] = "",
    class_name: Annotated[
        str, Choice(f"the classes of the models on this machine; {AS_NAMED} takes the name, or any class", class_names)
    ] = AS_NAMED,
) -> Conditioning:
    classes = model.pipeline.classes
    if classes is None:
        raise ValueError(f"{model.pipeline.name} knows no classes; use STARFlow Text Encode instead.")
    chosen = _chosen(name, class_name)
    return conditions.conditioning(classes.encode([chosen]), "a model of classes", chosen)


def _chosen(name: str, class_name: str) -> str:
    """The one class of the two fields; "" for any.

    Raises:
        ValueError: they name different ones.
    """
    if class_name == AS_NAMED:
        return name
    if name.strip() and name.strip().casefold() != class_name.casefold():
        raise ValueError(f"Name is {name!r} and class name is {class_name!r}; empty the name, or choose {AS_NAMED}.")
    return class_name
