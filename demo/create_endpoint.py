"""The endpoint `/create`, with which programs and agents draw pictures."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from nodes.declaration import Input, Socket
from nodes.likelihood import in_words
from nodes.sampling import sample
from starflow_core.cli.files import file_stem, save_png
from starflow_core.png_text import png_text

from . import actions
from .accelerator import ONE_AT_A_TIME
from .actions import Drawn
from .components import checked, component
from .documented import Parameter, documented, parameter
from .errors import friendly
from .fields import MODEL_NAME, PROMPT, model_parameter
from .status import drawing, finished
from .steps import Done
from .unread import unread

SETTINGS = [given for given in sample.inputs if not isinstance(given.field, Socket) and given.name != "variation"]
NEGATIVE = Input("negative", PROMPT.field, "")
WANTED = Input("prompt", PROMPT.field, "")


def endpoint() -> None:
    """Add the endpoint to the current Gradio Blocks.

    Its hidden fields have the defaults of the command `starflow`; a request gets these where it leaves out a parameter.
    """
    with gr.Column(visible=False):
        prompt, model, negative = component(WANTED), component(MODEL_NAME), component(NEGATIVE)
        settings = [component(given) for given in SETTINGS]
        gallery = gr.Gallery(label="Pictures", format="png", interactive=False)
        table, details, go = gr.HTML(), gr.JSON(), gr.Button()
    parameters = [
        Parameter("prompt", str, "what to draw, in words, or the name of a class"),
        model_parameter(),
        Parameter("negative", str, "what to steer away from", is_optional=True),
        *(parameter(given) for given in SETTINGS),
    ]
    purpose = "Draw pictures of a prompt with a normalizing flow; each comes with its likelihood."
    go.click(
        friendly(documented(_create, "create", purpose, parameters)),
        [prompt, model, negative, *settings],
        [gallery, table, details],
        api_name="create",
        **ONE_AT_A_TIME,
    )


def _create(prompt: str, model: str, negative: str, *values: Any) -> Iterator[tuple[Any, Any, Any]]:
    chosen = checked([WANTED, MODEL_NAME, NEGATIVE, *SETTINGS], [prompt, model, negative, *values])
    sampling = {given.name: chosen[given.name] for given in SETTINGS}
    with tempfile.TemporaryDirectory(prefix="starflow-") as folder:  # Gradio copies the files that this function yields
        for step in actions.draw(prompt, negative, model, sampling):
            if isinstance(step, Done):
                told = table_of(step.result) + finished(unread(model, prompt, negative))
                yield _written(step.result, Path(folder)), told, details_of(step.result)
            else:
                preview = gr.skip() if step.pictures is None else step.pictures
                yield preview, drawing(step.share), gr.skip()


def _written(drawn: list[Drawn], folder: Path) -> list[tuple[str, str]]:
    """Save pictures as PNG files with their settings; return each path with its caption."""
    written = []
    for one in drawn:
        path = folder / f"{file_stem(one.prompt, one.seed)}.png"
        save_png(one.picture, path, png_text(one.prompt, one.seed, one.settings))
        written.append((str(path), _caption(one)))
    return written


def _caption(one: Drawn) -> str:
    """Return the seed, and how likely the picture is, in words where there are any."""
    found = one.scored.likelihood
    return f"seed {one.seed} · {in_words(found) or f'{found.bits_per_dim:.3f} bits/dim'}"


def table_of(drawn: list[Drawn]) -> str:
    """Return the likelihoods as an HTML table."""
    rows = [
        f"<tr><td>{one.seed}</td><td>{html.escape(in_words(one.scored.likelihood)) or '–'}</td>"
        f"<td>{one.scored.likelihood.bits_per_dim:.3f}</td>"
        f"<td>{one.scored.likelihood.log_prob:.1f}</td></tr>"
        for one in drawn
    ]
    head = "<tr><th>seed</th><th>how likely</th><th>bits per dimension</th><th>log-probability, nats</th></tr>"
    caption = "How likely the model finds each, given the prompt"
    return finished(f"<table><caption>{caption}</caption>{head}{''.join(rows)}</table>")


def details_of(drawn: list[Drawn]) -> list[dict[str, Any]]:
    """Return the prompt, seed, likelihood and settings of each picture, for programs."""
    return [
        {
            "prompt": one.prompt,
            "seed": one.seed,
            "in_words": in_words(one.scored.likelihood),
            "bits_per_dim": one.scored.likelihood.bits_per_dim,
            "log_prob": one.scored.likelihood.log_prob,
            "settings": one.settings,
        }
        for one in drawn
    ]
