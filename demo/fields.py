"""Fields that several pages share: the prompt, the model with its licence, and the buttons that start and cancel."""

from __future__ import annotations

from typing import Any

import gradio as gr

from nodes.conditioning import encode_text
from nodes.loading import load

from .components import component
from .documented import Parameter
from .models import available, classes_of, licence_notice
from .status import finished

PROMPT = next(given for given in encode_text.inputs if given.name == "text")
MODEL_NAME = next(given for given in load.inputs if given.name == "model")


def model_field() -> Any:
    """Return a dropdown of the models on this machine; a note below it names classes and licences that are not open."""
    model = component(MODEL_NAME)
    notice = gr.Markdown(visible=False)

    def tell(name: str) -> Any:
        classes = classes_of(name) if name in available() else []
        asked = f"Instead of a prompt, it takes one of these, or nothing: {', '.join(classes)}." if classes else ""
        told = " ".join(filter(None, (asked, licence_notice(name))))
        return gr.Markdown(told, visible=bool(told))

    model.change(tell, model, notice, api_visibility="private", queue=False)
    return model


def model_parameter() -> Parameter:
    return Parameter("model", str, f"one of {', '.join(available())}")


def buttons(label: str, elem_id: str) -> tuple[Any, Any]:
    """Return the buttons that start and cancel the work of a page or panel."""
    with gr.Row():
        return gr.Button(label, variant="primary", elem_id=elem_id), gr.Button("Cancel", variant="stop")


def cancels(stop: Any, told: Any, *events: Any, said: str = "Cancelled.") -> None:
    """Make a button cancel the waiting and running jobs of events, and show `said` in the status line `told`."""
    stopped = stop.click(None, cancels=list(events), queue=False, api_visibility="private")
    # Only after the cancel, since a last output of the work may arrive before it.
    stopped.then(lambda: finished(said), outputs=told, queue=False, api_visibility="private")
