"""Fields that several pages share: the prompt, the model with its licence, and the buttons that start and cancel."""

from __future__ import annotations

from typing import Any

import gradio as gr

from nodes.conditioning import encode_text
from nodes.loading import load

from .components import component
from .documented import Parameter
from .models import available, classes_of, licence_notice
from .status import WITHOUT_PROGRESS, finished

LISTED = 12  # classes, in the note below a model

PROMPT = next(given for given in encode_text.inputs if given.name == "text")
MODEL_NAME = next(given for given in load.inputs if given.name == "model")
MEASURES = "starflow-mini-128"


def model_field(**changed: Any) -> Any:
    """Return a dropdown of the models on this machine; a note below it names classes and licences that are not open."""
    model = component(MODEL_NAME, **changed)
    notice = gr.Markdown(visible=False)

    def tell(name: str) -> Any:
        classes = classes_of(name) if name in available() else []
        more = f" and {len(classes) - LISTED:,} others" if len(classes) > LISTED else ""
        listed = f"{', '.join(classes[:LISTED])}{more}"
        asked = f"Instead of a prompt, it takes one of these, or nothing: {listed}." if classes else ""
        told = " ".join(filter(None, (asked, licence_notice(name))))
        return gr.Markdown(told, visible=bool(told))

    model.change(tell, model, notice, api_visibility="private", queue=False)
    return model


def measuring_model_field() -> Any:
    """Return the same dropdown, on the model whose likelihoods hold for pictures that it has not learnt."""
    return model_field(value=MEASURES if MEASURES in available() else available()[0])


def model_parameter() -> Parameter:
    return Parameter("model", str, f"one of {', '.join(available())}")


def buttons(label: str, elem_id: str) -> tuple[Any, Any]:
    """Return the buttons that start and cancel the work of a page or panel."""
    with gr.Row():
        return gr.Button(label, variant="primary", elem_id=elem_id), gr.Button("Cancel", variant="stop")


def cancels(stop: Any, told: Any, *events: Any, said: str = "Cancelled.") -> None:
    """Make a button cancel the waiting and running jobs of events, and show `said` in the status line `told`.

    A job that fails takes its progress out of the status line.
    """
    stopped = stop.click(None, cancels=list(events), queue=False, api_visibility="private")
    # Only after the cancel, since a last output of the work may arrive before it.
    stopped.then(lambda: finished(said), outputs=told, queue=False, api_visibility="private")
    for event in events:
        # A cancelled job counts as failed, and its event may come after the words of the cancel: they must stay.
        event.failure(None, told, told, js=WITHOUT_PROGRESS, queue=False, api_visibility="private")
