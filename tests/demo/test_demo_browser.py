"""The demo in a headless Chromium, clicked through as a person would; skipped where there is no chromium."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from demo_page import DESKTOP, PHONE, Visit, open_graph, run_graph, visit_in
from demo_server import Demo
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Browser, expect

from nodes.catalogue import NODES

# Words whose contrast with what is behind them is below 4.5, the least that WCAG 2 (1.4.3) allows small text.
FAINT = """() => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const linear = (value) => value <= 10.31 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const style = getComputedStyle(at);
            if (style.backgroundImage !== "none") return null;
            const colour = channels(style.backgroundColor);
            if (colour[3] === undefined || colour[3] > 0.9) return colour;
        }
        return [255, 255, 255];
    };
    const faint = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].filter((node) => node.nodeType === 3);
        const words = own.map((node) => node.data.trim()).join("");
        if (!words || !element.checkVisibility() || element.closest("footer, option, [disabled]")) continue;
        const background = behind(element);
        if (!background) continue;
        const [one, other] = [luminance(channels(getComputedStyle(element).color)), luminance(background)];
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (contrast < 4.5) faint.push(`${words.slice(0, 30)}: ${contrast.toFixed(1)}`);
    }
    return [...new Set(faint)];
}"""
pytestmark = pytest.mark.skipif(not chromium.found(), reason="there is no chromium")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo")) as server:
        yield server


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


def test_prompt_becomes_a_picture_with_previews_on_the_way(visitor: Visit) -> None:
    page = visitor.page
    page.evaluate(
        """() => {
            window.frames_ = new Set();
            const note = () => document.querySelectorAll("#pictures img").forEach((img) => window.frames_.add(img.src));
            new MutationObserver(note).observe(document.body, { subtree: true, childList: true, attributes: true });
        }"""
    )
    page.get_by_text("More settings").first.click()
    page.get_by_label("sampler").first.click()  # the slower one, so that there is something to see
    page.get_by_role("option", name="sequential").click()
    visitor.draw("a red heart")
    frames = page.evaluate("() => window.frames_.size")
    assert frames >= 3
    expect(visitor.shown(".status")).to_contain_text("bits per dimension")
    assert visitor.shown("#pictures img").evaluate("img => img.naturalWidth") == 64
    expect(page.locator("#pictures")).to_contain_text("seed 0")


def test_example_draws_at_once(visitor: Visit) -> None:
    visitor.page.get_by_role("button", name="blue heart").click()
    visitor.shown(".status table").wait_for()
    expect(visitor.page.locator("#prompt textarea")).to_have_value("blue heart")


def test_model_of_classes_says_what_it_can_be_asked_for(visitor: Visit) -> None:
    page = visitor.page
    page.get_by_text("More settings").first.click()
    page.get_by_label("model").first.click()
    page.get_by_role("option", name="tarflow-mini", exact=True).click()
    page.get_by_text(re.compile("one of these.*cat.*heart")).wait_for()
    visitor.draw("cat")
    assert visitor.shown("#pictures img").evaluate("img => img.naturalWidth") == 32


def test_dice_throws_another_seed(visitor: Visit) -> None:
    seed = visitor.page.get_by_label("seed").first
    expect(seed).to_have_value("0")
    visitor.page.get_by_role("button", name="Another seed").first.click()
    expect(seed).not_to_have_value("0")


def test_cancel_stops_the_work_and_frees_the_slot(visitor: Visit) -> None:
    page = visitor.page
    page.get_by_text("More settings").first.click()
    page.get_by_label("sampler").first.click()
    page.get_by_role("option", name="sequential").click()
    page.locator("input[type=number]").first.fill("16")  # pictures at once
    page.fill("#prompt textarea", "a red heart")
    page.click("#draw")
    visitor.shown(".status progress").wait_for()
    page.get_by_role("button", name="Cancel").first.click()
    page.get_by_text("Cancelled.").wait_for()
    page.wait_for_timeout(1000)  # Gradio's page takes no click on what it is only just cancelling
    page.locator("input[type=number]").first.fill("1")
    visitor.draw("cat face")


def test_work_of_a_visitor_who_leaves_ends(window: Browser, demo: Demo) -> None:
    with visit_in(window, demo) as visitor:
        page = visitor.page
        page.get_by_text("More settings").first.click()
        page.get_by_label("sampler").first.click()
        page.get_by_role("option", name="sequential").click()
        page.get_by_label("aspect ratio").first.click()
        page.get_by_role("option", name="width and height").click()
        page.locator("input[type=number]").first.fill("16")
        page.fill("#prompt textarea", "a red heart")
        page.click("#draw")  # 16 pictures of 256×256, which takes minutes
        visitor.shown(".status progress").wait_for()
    for _ in range(20):
        before = demo.computed()
        time.sleep(0.5)
        if demo.computed() - before < 0.1:
            return
    raise AssertionError("the work goes on")


def test_likelihood_shows_a_heatmap_with_values_under_the_pointer(visitor: Visit) -> None:
    visitor.draw("a red heart")
    visitor.measure()
    view = visitor.page.locator("#likelihood-view")
    canvas = view.locator("canvas")
    drawn = canvas.evaluate("canvas => canvas.toDataURL()")
    view.locator("input[type=range]").fill("0")
    assert canvas.evaluate("canvas => canvas.toDataURL()") != drawn  # the picture, without the map over it
    canvas.hover()
    expect(view).to_contain_text(re.compile(r"-?[\d.]+ nats here"))
    assert "bits/dim" in (canvas.get_attribute("aria-label") or "")


def test_picture_goes_to_noise_and_back(visitor: Visit) -> None:
    visitor.draw("a red heart")
    visitor.invert()
    expect(visitor.shown(".status")).to_contain_text(re.compile(r"relative error of \d\.\de-0\d"))
    before, after = (visitor.page.locator("#there-and-back img").nth(i).bounding_box() for i in range(2))
    assert before == after  # pixel upon pixel
    frame = visitor.page.locator("#there-and-back .slider-wrap").bounding_box()
    assert before is not None
    assert frame is not None
    assert before["height"] == frame["height"] > 300  # the whole picture


def test_every_node_panel_runs(visitor: Visit, tmp_path: Path) -> None:
    """Each with what those before it made; a label of a class needs another model, and says so."""
    picture = tmp_path / "red.png"
    Image.new("RGB", (64, 64), "red").save(picture)
    visitor.tab("Nodes")
    for node in NODES:
        panel = visitor.open_panel(node.id)
        if node.id in ("STARFlowEncode", "STARFlowLikelihood", "STARFlowInvert"):
            panel.locator("input[type=file]").first.set_input_files(picture)
            panel.locator("img").first.wait_for()
        if node.id in ("STARFlowLikelihood", "STARFlowInvert"):  # a picture or a latent, and not both
            panel.get_by_label("latent").first.fill("")
        if node.id == "STARFlowSampler":  # noise of another kind than what is chosen by itself
            panel.get_by_label("noise").first.fill("")
        visitor.shown(f"#run-{node.id}").click()
        if node.id == "STARFlowClassLabel":
            visitor.page.get_by_text("knows no classes").wait_for()
            visitor.page.get_by_role("button", name="Close").or_(visitor.page.locator(".toast-close")).first.click()
        else:
            panel.get_by_text("Done.").wait_for()
        panel.locator("button").first.click()  # closed again


def test_visitors_handles_go_with_them(window: Browser, demo: Demo) -> None:
    client = Client(demo.address, verbose=False, analytics_enabled=False)
    with visit_in(window, demo) as visitor:
        visitor.tab("Nodes")
        panel = visitor.run_panel("STARFlowLoader")
        handle = panel.get_by_label("text encoder (handle)").input_value()
        client.predict(handle, "x", api_name="/STARFlowTextEncode")

    def until_it_is_gone() -> None:
        for _ in range(100):
            client.predict(handle, "x", api_name="/STARFlowTextEncode")
            time.sleep(0.2)

    with pytest.raises(AppError, match="nothing under the handle"):
        until_it_is_gone()


def test_error_is_shown_in_words(visitor: Visit) -> None:
    visitor.tab("Likelihood")
    visitor.shown("#measure").click()
    visitor.page.get_by_text("There is no picture yet").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_page_fits_and_can_be_read(window: Browser, demo: Demo, size: tuple[int, int], scheme: str) -> None:
    with visit_in(window, demo, size, scheme) as visitor:
        page = visitor.page
        visitor.draw("a red heart")
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
        for name in ("Likelihood", "Invert", "Nodes"):
            visitor.tab(name)
            for node in NODES if name == "Nodes" else ():
                visitor.open_panel(node.id)
            assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.evaluate(FAINT) == []
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll("input, textarea, select, button")].filter((field) =>
                field.checkVisibility() && !field.labels?.length && !field.ariaLabel && !field.title
                && !field.getAttribute("aria-labelledby") && !field.textContent.trim()
                && field.type !== "file").map((field) => field.outerHTML.slice(0, 200))"""
        )
        assert unnamed == []
        assert visitor.errors == []


def test_keyboard_alone_is_enough(visitor: Visit) -> None:
    page = visitor.page
    page.locator("#prompt textarea").focus()
    page.keyboard.type("a red heart")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.id") == "draw"
    page.keyboard.press("Enter")
    visitor.shown(".status table").wait_for()
    assert visitor.page.locator(".status").first.get_attribute("aria-live") == "polite"


def test_example_graph_runs_on_gradios_canvas(window: Browser, tmp_path: Path) -> None:
    with Demo(tmp_path, program=("demo.graph", "text_to_image")) as canvas:
        page = window.new_page()
        open_graph(page, canvas)
        run_graph(page)
        picture = page.locator("img[src*='file=']").last
        assert picture.evaluate("img => [img.naturalWidth, img.naturalHeight]") == [256, 64]
        page.close()
        assert canvas.status("/gradio_api/file=/etc/passwd") == 403
        assert canvas.reached_outside() == []


def test_server_reached_nothing_outside(demo: Demo) -> None:
    """The last of these tests."""
    assert demo.reached_outside() == []
