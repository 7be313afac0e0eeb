"""What the page Insight measures, by means of the nodes. This module does not use Gradio."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from PIL import Image

from nodes import convert
from nodes.anomaly import fitted, judged
from nodes.confidence import measure
from nodes.loading import load
from nodes.match import match_prompts
from nodes.values import Model, Scorer
from starflow_core.insight import tiles
from starflow_core.insight.confidence import Confidence
from starflow_core.insight.match import Match
from starflow_core.insight.oddity import Oddity
from starflow_core.insight.tiles import Tiles
from starflow_core.progress import OnProgress

from .accelerator import accelerated
from .host import DemoHost
from .known import normal_pictures
from .steps import Done, Step, Watch, in_steps
from .work import check, prompted, run_node, scoring_work

ODD_DRAWS = 2  # noise draws of a scorer
KEPT = 2  # scorers of the built-in pictures; each keeps its model in memory


@dataclass(frozen=True)
class Matched:
    """A picture as the model sees it, and how well prompts explain it."""

    picture: Image.Image
    match: Match


@dataclass(frozen=True)
class Sure:
    """A picture as the model sees it, and how sure the model is of it."""

    picture: Image.Image
    confidence: Confidence


@dataclass(frozen=True)
class Judged:
    """A picture as the scorer sees it, how odd it is, and the number of normal pictures that it is compared with."""

    picture: Image.Image
    oddity: Oddity
    normal: int


@accelerated
def match(
    picture: Image.Image, prompts: str, model_name: str, draws: int, seed: int, tell: Callable[[str], object]
) -> Iterator[Step | Done[Matched]]:
    """Compare how well prompts, one a line, explain a picture; `tell` gets remarks on words that the model ignores."""

    def work(watch: Watch) -> Matched:
        host = DemoHost(watch, tell)
        model = _loaded(host, model_name)
        image = convert.image([picture])
        shown = run_node(match_prompts, host, model=model, image=image, prompts=prompts, draws=draws, seed=seed)
        return Matched(model.pipeline.fit(picture), shown.details[0])

    yield from in_steps(work)


@accelerated
def confidence(
    pictures: Sequence[Image.Image], prompt: str, model_name: str, draws: int, seed: int
) -> Iterator[Step | Done[list[Sure]]]:
    """Measure how sure a model is of pictures, given a prompt or a class, or given nothing where `prompt` is empty."""

    def work(watch: Watch) -> list[Sure]:
        host = DemoHost(watch)
        model, given, _ = prompted(host, model_name, prompt, "")
        check(scoring_work(len(pictures), draws))
        found = []
        for place, picture in enumerate(pictures):
            watch.step(place / len(pictures))
            image = convert.image([picture])
            shown = run_node(measure, host, model=model, image=image, conditioning=given, draws=draws, seed=seed)
            found.append(Sure(model.pipeline.fit(picture), shown.details[0]))
        return found

    yield from in_steps(work)


@accelerated
def judge(
    pictures: Sequence[Image.Image],
    normal: Sequence[Image.Image],
    model_name: str,
    closely: bool,
    tell: Callable[[str], object],
) -> Iterator[Step | Done[list[Judged]]]:
    """Judge how odd pictures are beside normal ones.

    Args:
        pictures: to judge.
        normal: normal pictures; none of them for those that come with the demo.
        model_name: of the model that looks at them.
        closely: whether pictures are looked at tile by tile, at their own resolution.
        tell: gets remarks on normal pictures that are left out.
    """

    def work(watch: Watch) -> list[Judged]:
        host = _Host(watch, tell)
        model = _loaded(host, model_name)
        beside = normal or normal_pictures()
        check(scoring_work(_tiles(model, [*pictures, *beside], closely), ODD_DRAWS))
        share = len(beside) / (len(beside) + len(pictures))
        host.part = (0.0, share)
        scorer = _fitted(host, model, beside, closely) if normal else _known(host, model, closely)
        host.part = (share, 1.0)
        found = judged(host, scorer, pictures)
        seen = [Tiles.of(one, model.pipeline.trained_side, scaled=not closely).image for one in pictures]
        number = len(scorer.anomaly.calibration)
        return [Judged(one, oddity, number) for one, oddity in zip(seen, found, strict=True)]

    yield from in_steps(work)


class _Host(DemoHost):
    """A host that shows the progress of measuring.

    Attributes:
        part: the shares of the job at which what is measured starts and ends.
    """

    part = (0.0, 1.0)

    def steps(self) -> OnProgress:
        first, last = self.part
        return lambda done, total: self._watch.step(first + (last - first) * done / total)


def _loaded(host: DemoHost, name: str) -> Model:
    model: Model = load(host, model=name, dtype="default", accept_licence=False).outputs[0]
    return model


def _tiles(model: Model, pictures: Sequence[Image.Image], closely: bool) -> int:
    side = model.pipeline.trained_side
    return sum(tiles.count(picture.size, side, scaled=not closely) for picture in pictures)


def _fitted(host: DemoHost, model: Model, normal: Sequence[Image.Image], closely: bool) -> Scorer:
    return fitted(host, model, normal, draws=ODD_DRAWS, tiled=closely)


_scorers: OrderedDict[tuple[str, bool], Scorer] = OrderedDict()  # one job at a time works, so no lock is needed


def _known(host: DemoHost, model: Model, closely: bool) -> Scorer:
    """Return the scorer of the built-in pictures, which is fitted at its first use."""
    key = model.pipeline.name, closely
    scorer = _scorers.pop(key, None)
    if scorer is None or scorer.model is not model:  # the model has been dropped from memory and loaded anew
        scorer = _fitted(host, model, normal_pictures(), closely)
    _scorers[key] = scorer
    while len(_scorers) > KEPT:
        _scorers.popitem(last=False)
    return scorer
