"""The page Insight, by its endpoints and in a headless Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import chromium
import pytest
import torch
from demo_page import PHONE, Visit, visit_in
from demo_server import Demo
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Browser, expect

from demo import insights, known
from demo.host import DemoHost
from demo.overlays import Overlay, clear_below, overlaid
from demo.steps import Done
from demo.uploads import MAX_NORMAL
from starflow_core.insight.anomaly import Anomaly
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import load

PROMPTS = "avocado\npear\nred heart"
browses = pytest.mark.skipif(not chromium.found(), reason="there is no chromium")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo"), environment={"OMP_NUM_THREADS": "1"}) as server:
        yield server


@pytest.fixture
def client(demo: Demo, tmp_path: Path) -> Client:
    return Client(demo.address, verbose=False, download_files=tmp_path, analytics_enabled=False)


@pytest.fixture(scope="module")
def measuring() -> Pipeline:
    return load("starflow-mini-128", device="cpu")


def files(names: list[str]) -> list[Any]:
    return [{"image": handle_file(str(known.FOLDER / f"{name}.png")), "caption": None} for name in names]


def matched(client: Client, name: str) -> Any:
    given = handle_file(str(known.FOLDER / f"{name}.png"))
    return client.predict(given, PROMPTS, draws=2, seed=3, api_name="/match")


# Endpoints


def test_match_is_that_of_the_model(client: Client, measuring: Pipeline) -> None:
    told, _, maps, numbers = matched(client, "avocado")
    expected = measuring.match(known.FOLDER / "avocado.png", PROMPTS.splitlines(), draws=2, seed=3)
    order = expected.scores.argsort(descending=True).tolist()
    found = numbers["prompts"]
    assert [one["prompt"] for one in found] == [expected.prompts[place] for place in order]
    assert [one["score"] for one in found] == pytest.approx(expected.scores[order].tolist(), abs=0.05)
    assert [one["posterior"] for one in found] == pytest.approx(expected.posterior[order].tolist(), abs=0.02)
    torch.testing.assert_close(torch.tensor(found[0]["map"]), expected.maps[order[0]], atol=0.01, rtol=0.01)
    assert expected.best in told
    assert [one["caption"] for one in maps] == [one["prompt"] for one in found]


def test_confidence_is_that_of_the_model_and_ranks_pictures(client: Client, measuring: Pipeline) -> None:
    names = ["noise", "hibiscus"]
    _, _, maps, numbers = client.predict(files(names), "", draws=2, api_name="/confidence")
    assert [one["picture"] for one in numbers] == ["hibiscus.png", "noise.png"]
    for one in numbers:
        expected = measuring.confidence(known.FOLDER / one["picture"], draws=2)
        assert one["confidence"] == pytest.approx(expected.score, abs=1e-3)
    assert len(maps) == 2


def test_odd_pictures_are_those_of_the_scorer(client: Client, measuring: Pipeline, tmp_path: Path) -> None:
    """Beside normal pictures of a visitor's own."""
    normal = known.normal_pictures()[:20]
    paths = [tmp_path / f"{place}.png" for place in range(len(normal))]
    for path, picture in zip(paths, normal, strict=True):
        picture.save(path)
    given = [{"image": handle_file(str(path)), "caption": None} for path in paths]
    told, _, maps, numbers = client.predict(
        files(["tractor", "noise"]), "my own", given, false_positive_rate=0.1, api_name="/odd"
    )
    scorer = Anomaly.fit(measuring, normal)
    assert [one["picture"] for one in numbers] == ["noise.png", "tractor.png"]
    for one in numbers:
        expected = scorer.score(known.FOLDER / one["picture"])
        assert one["score"] == pytest.approx(expected.score, rel=1e-3)
        assert one["p_value"] == pytest.approx(expected.p_value)
        assert one["is_odd"] == (expected.p_value <= 0.1)
    assert numbers[0]["is_odd"]
    assert "of 2</b> odd" in told
    assert len(maps) == 2


def test_few_normal_pictures_that_can_call_nothing_odd_are_told(client: Client) -> None:
    names = [*known._facts()["examples"]["odd"][1]["pictures"], "cat.png", "two.png"]
    given = [{"image": handle_file(str(known.FOLDER / name)), "caption": None} for name in names]
    told, *_ = client.predict(files(["noise"]), "my own", given, api_name="/odd")
    assert "8 normal pictures give no p below 0.11" in told


@pytest.mark.parametrize(
    ("endpoint", "given", "told"),
    [
        ("/match", (None, "a"), "no picture yet"),
        ("/match", ("avocado", " \n "), "no prompt to match"),
        ("/match", ("avocado", "a\n" * 200), "work of 50 pictures"),
        ("/match", ("avocado", "a (cat:1.5)"), "gives words a weight"),
        ("/confidence", ([], ""), "no picture yet"),
        ("/odd", ([], "emoji", []), "no picture yet"),
        ("/odd", (["tractor"], "my own", []), "0 normal pictures cannot show what is normal; drop 8 at least"),
        ("/odd", (["tractor"], "my own", ["tractor"] * 8), "All of these pictures are the same"),
        ("/odd", (["tractor"], "all", []), "must be one of|choose one of|emoji, my own"),
    ],
)
def test_bad_requests_are_told_in_a_sentence(client: Client, endpoint: str, given: tuple[Any, ...], told: str) -> None:
    def sent(value: Any) -> Any:
        if isinstance(value, list):
            return files(value)
        return handle_file(str(known.FOLDER / f"{value}.png")) if value == "avocado" else value

    with pytest.raises(AppError, match=told):
        client.predict(*map(sent, given), api_name=endpoint)


def test_more_normal_pictures_than_a_job_takes_are_refused(tmp_path: Path) -> None:
    from demo.uploads import all_opened

    path = tmp_path / "grey.png"
    Image.new("RGB", (8, 8), "grey").save(path)
    assert len(all_opened([str(path)] * MAX_NORMAL, most=MAX_NORMAL)) == MAX_NORMAL
    with pytest.raises(ValueError, match="These are 49 pictures; 48 at once is the most"):
        all_opened([str(path)] * (MAX_NORMAL + 1), most=MAX_NORMAL)


def test_two_visitors_at_once_get_what_each_would_alone(demo: Demo, tmp_path: Path) -> None:
    names = ["avocado", "snail"]
    clients = [
        Client(demo.address, verbose=False, download_files=tmp_path / name, analytics_enabled=False) for name in names
    ]
    alone = [matched(*pair)[3] for pair in zip(clients, names, strict=True)]
    with ThreadPoolExecutor(2) as threads:
        together = [one[3] for one in threads.map(matched, clients, names)]
    assert together == alone


# Parts


def test_built_in_scorer_is_fitted_once_for_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[int] = []
    few = known.normal_pictures()[:8]
    monkeypatch.setattr(insights, "normal_pictures", lambda: few)
    monkeypatch.setattr(insights, "_scorers", type(insights._scorers)())
    fitted = insights.fitted

    def counted(host: DemoHost, *given: Any, **settings: Any) -> Any:
        fits.append(len(given[1]))
        return fitted(host, *given, **settings)

    monkeypatch.setattr(insights, "fitted", counted)
    found = []
    for _ in range(2):
        *_, last = insights.judge([few[0]], [], "starflow-mini", False, lambda remark: None)
        assert isinstance(last, Done)
        found.append(last.result[0].oddity.score)
    assert fits == [8]
    assert found[0] == found[1]
    *_, last = insights.judge([few[0]], [], "tarflow-mini-8bit", False, lambda remark: None)
    assert fits == [8, 8]  # of another model


def test_built_in_pictures_are_of_one_size_and_examples_are_others() -> None:
    normal = known.normal_pictures()
    assert len(normal) == 96
    assert {picture.size for picture in normal} == {(128, 128)}
    assert len({picture.tobytes() for picture in normal}) == 96
    taken = {picture.tobytes() for picture in normal}
    for part in ("match", "confidence", "odd"):
        for example in known.examples(part):
            assert not taken & {picture.tobytes() for picture in example.pictures}
    assert all("\n" in example.prompts for example in known.examples("match"))


def test_words_of_prompts_stay_text() -> None:
    grey = Image.new("RGB", (8, 8), "grey")
    shown = overlaid([Overlay(grey, grey, "<img src=x onerror=alert(1)>", "1", 0.5)], "<b>")
    assert "<img src=x" not in shown
    assert "<b>" not in shown


def test_map_is_clear_where_values_are_low() -> None:
    clear = clear_below(Image.new("RGB", (4, 2), "yellow"), torch.tensor([[-1.0, 2.0]]))
    assert [clear.getchannel("A").getpixel((x, 0)) for x in (0, 3)] == [0, 255]


# In a browser


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with chromium.browser() as opened:
        yield opened


@pytest.fixture
def visitor(window: Browser, demo: Demo) -> Iterator[Visit]:
    with visit_in(window, demo) as opened:
        yield opened
        assert opened.errors == []
        assert opened.outside == []


@browses
def test_example_of_a_match_is_one_click_away(visitor: Visit) -> None:
    cards = visitor.try_example("Which prompt fits?")
    assert "tab=insight" in visitor.page.url
    expect(cards).to_have_count(5)
    expect(cards.first).to_contain_text(re.compile(r"avocado[\d.]+% · \+[\d.]+ nats"))
    expect(visitor.page.locator("#matched-prompts textarea")).to_have_value(re.compile("avocado\npear"))
    place = cards.first.locator(".map")
    before = place.evaluate("map => getComputedStyle(map).opacity")
    visitor.page.get_by_label("strength of the maps").locator("visible=true").fill("0")
    assert (before, place.evaluate("map => getComputedStyle(map).opacity")) == ("0.6", "0")
    visitor.page.locator("#matched-prompts textarea").fill("snail")
    visitor.page.locator("#match").click()
    expect(cards).to_have_count(1)
    expect(cards.first).to_contain_text("snail")


@browses
def test_odd_pictures_come_first_with_how_rare_they_are(visitor: Visit) -> None:
    cards = visitor.try_example("Which one is odd?")
    expect(cards).to_have_count(6)
    expect(cards.first.locator(".mark")).to_have_text("odd")
    p_values = [float(re.search(r"p ([\d.]+)", text)[1]) for text in cards.all_inner_texts()]  # type: ignore[index]
    assert p_values == sorted(p_values)
    expect(visitor.page.locator("#normal-pictures")).to_be_hidden()
    visitor.page.get_by_label("my own", exact=True).check()
    expect(visitor.page.locator("#normal-pictures")).to_be_visible()
    visitor.page.locator("#judge").click()
    visitor.page.get_by_text("0 normal pictures cannot show what is normal").wait_for()


@browses
def test_dropped_pictures_are_looked_at(window: Browser, demo: Demo) -> None:
    """On a phone."""
    with visit_in(window, demo, PHONE) as visitor:
        visitor.open("?tab=insight")
        visitor.tab("How sure is it?")
        chosen = [str(known.FOLDER / f"{name}.png") for name in ("noise", "palm-tree")]
        field = visitor.page.locator("#sure-pictures")
        field.locator("input[type=file]").first.set_input_files(chosen)
        expect(field.locator("img")).to_have_count(2)
        visitor.page.locator("#confidence").click()
        cards = visitor.page.locator("#sure .card")
        expect(cards).to_have_count(2)
        expect(cards.first).to_contain_text(re.compile(r"expects to be 0\.\d+ off"))
        assert visitor.errors == []
