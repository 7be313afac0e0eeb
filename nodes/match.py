"""STARFlow Match."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from starflow_core.insight.match import Match, match
from starflow_core.insight.scoring import at_once
from starflow_core.memory import forward_memory

from . import conditions, words
from .declaration import FLOAT, IMAGE, MODEL, STRING, Number, Output, Seed, Shown, Socket, Text, node
from .host import Host
from .pictures import decoded, encoded
from .seen import Seen
from .values import Image, Model


@node(
    "STARFlowMatch",
    "STARFlow Match",
    "Which of some prompts explains a picture, and where: by how many nats each makes the picture likelier than no "
    "prompt does.",
    outputs=(
        Output("best", STRING, "the prompt that explains a picture best, a list: one for each picture", is_list=True),
        Output("heatmap", IMAGE, "where the best prompt explains the picture, of its size; the brighter, the more"),
        Output("score", FLOAT, "of the best prompt, in nats, a list: one for each picture", is_list=True),
        Output(
            "probability",
            FLOAT,
            "of the best prompt, if one of them is right and each as likely beforehand, a list: one for each picture",
            is_list=True,
        ),
        Output("report", STRING, "every prompt with its probability and score, the best first"),
    ),
    category="insight",
    aliases=(
        *("prompt match", "zero-shot classification", "classify", "CLIP score", "interrogate", "mutual information"),
        *("posterior", "caption", "normalizing flow"),
    ),
)
def match_prompts(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    image: Annotated[Image, Socket("a picture", IMAGE)],
    prompts: Annotated[str, Text("what it may show, one a line", lines=5)] = "",
    draws: Annotated[int, Number("noise draws that are averaged over", 1, 256, 1)] = 4,
    seed: Annotated[int, Seed("of the noise draws; it stays, so that figures compare")] = 0,
) -> Shown:
    asked = [words.plain(line.strip()) for line in prompts.splitlines() if line.strip()]
    if not asked:
        raise ValueError("There is no prompt to match; write one a line.")
    given = conditions.of_prompts(host, model, ["", *asked])
    if model.text_encoder is not None:
        conditions.tell_unread(host, model.text_encoder, asked)
    x = encoded(host, model, image)
    found = _matched(host, model, x, asked, given, draws, seed)
    seen = Seen.of(model, image, decoded(host, model, x[:1])[0].size)
    places = [int(one.scores.argmax()) for one in found]
    outputs = (
        [one.best for one in found],
        seen.heatmaps([one.maps[place] for one, place in zip(found, places, strict=True)]),
        [float(one.scores[place]) for one, place in zip(found, places, strict=True)],
        [float(one.posterior[place]) for one, place in zip(found, places, strict=True)],
        "\n\n".join(_report(one) for one in found),
    )
    return Shown(outputs, found)


def _matched(
    host: Host, model: Model, x: Tensor, prompts: list[str], given: Tensor, draws: int, seed: int
) -> list[Match]:
    flow, weight = model.pipeline.flow, model.pipeline.prompt_weight
    batch = at_once(flow.grid(x), len(x) * draws * len(given))
    with host.in_memory(model.flow, forward_memory(flow, batch, flow.grid(x), given[:1])):
        return match(flow, x, prompts, given, draws=draws, seed=seed, weight=weight, on_progress=host.steps())


def _report(found: Match) -> str:
    """Return one line per prompt, the best first."""
    return "\n".join(
        f"{found.posterior[place]:.1%}, {found.scores[place]:+.1f} nats: {found.prompts[place]}"
        for place in found.scores.argsort(descending=True).tolist()
    )
