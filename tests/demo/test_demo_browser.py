"""The demo in a headless Chromium, clicked through as a person would; skipped where there is no chromium."""

from __future__ import annotations

import base64
import io
import json
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
# What can be seen and reaches beyond the window, without scrolling within a frame of its own.
OUTSIDE = """(width) => [...document.querySelectorAll("body *")].filter((element) => {
    if (!element.checkVisibility({ visibilityProperty: true })) return false;
    for (let at = element.parentElement; at; at = at.parentElement)
        if (at.clientWidth && getComputedStyle(at).overflowX !== "visible") return false;
    const box = element.getBoundingClientRect();
    return box.width > 0 && (box.right > width + 1 || box.left < -1);
}).map((element) => element.outerHTML.slice(0, 120))"""
UNNAMED = """() => [...document.querySelectorAll("input, textarea, select, button, .card a")].filter((field) =>
    field.checkVisibility() && !field.labels?.length && !field.ariaLabel && !field.title
    && !field.getAttribute("aria-labelledby") && !field.textContent.trim()
    && field.type !== "file").map((field) => field.outerHTML.slice(0, 200))"""
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


def test_first_screen_shows_what_a_flow_does(visitor: Visit) -> None:
    """At once, before anything is drawn: a picture, its likelihood, its noise, and the picture again."""
    page = visitor.page
    pictures = page.locator("#strip img")
    expect(pictures).to_have_count(4)
    assert all(pictures.nth(i).evaluate("img => img.complete && img.naturalWidth >= 256") for i in range(4))
    bottom = page.locator("#strip").evaluate("strip => strip.getBoundingClientRect().bottom")
    assert bottom <= DESKTOP[1]  # without scrolling
    expect(page.locator("#strip code")).to_contain_text("starflow generate")
    expect(page.locator("#prompt textarea, #prompt input")).to_be_focused()
    expect(page.get_by_label("aspect ratio")).to_be_hidden()  # settings are closed
    tabs = page.locator("#pages > .tab-wrapper [role=tab]").all_inner_texts()
    assert tabs == ["Create", "Likelihood", "Insight", "Noise and back", "Edit", "For developers"]


def test_enter_draws_four_pictures_with_previews_on_the_way(visitor: Visit) -> None:
    page = visitor.page
    page.evaluate(
        """() => {
            window.frames_ = new Set();
            const pictures = () => document.querySelectorAll(".card img[src]");
            const note = () => pictures().forEach((img) => window.frames_.add(img.src));
            new MutationObserver(note).observe(document.body, { subtree: true, childList: true, attributes: true });
        }"""
    )
    visitor.settings()
    page.get_by_text("More settings").locator("visible=true").click()
    visitor.choose("sampler", "sequential")  # the slower one, so that there is something to see
    visitor.fill_prompt("a red heart")
    page.keyboard.press("Enter")
    page.locator("#stop").wait_for()
    expect(page.locator("#draw")).to_be_hidden()
    visitor.drawn()
    expect(page.locator("#draw")).to_be_visible()
    expect(page.locator(".card")).to_have_count(4)
    assert page.evaluate("() => window.frames_.size") >= 8  # a preview of each, at least, and what came of it
    expect(page.locator("#strip")).to_be_hidden()  # the pictures have its place
    words = page.locator(".card .words").all_inner_texts()
    assert all("likel" in one for one in words)
    assert visitor.shown(".card img").evaluate("img => img.naturalWidth") == 512  # enlarged before it is sent


def test_each_drawing_has_another_seed_unless_it_is_kept(visitor: Visit) -> None:
    page = visitor.page

    def seeds() -> list[int]:
        captions = page.locator(".card .numbers").all_inner_texts()
        return [int(re.match(r"seed (\d+)", caption).group(1)) for caption in captions]

    few(visitor)
    visitor.draw("a red heart")
    first = seeds()
    expect(page.get_by_label("seed", exact=True).locator("visible=true")).to_have_value(str(first[0]))
    visitor.draw("a red heart")
    second = seeds()
    assert first != second
    page.locator("#keep input").check()
    visitor.draw("a red heart")
    assert seeds() == second


def few(visitor: Visit, pictures: int = 1) -> None:
    """Open the settings, and ask for fewer or more pictures than at first."""
    visitor.settings()
    field, slider = (visitor.page.get_by_label(f"{kind} for pictures") for kind in ("number input", "range slider"))
    for _ in range(50):  # a page that is still coming to life forgets what is typed
        field.fill(str(pictures))
        field.press("Tab")
        visitor.page.wait_for_timeout(100)
        if slider.input_value() == field.input_value() == str(pictures):
            return
    raise AssertionError("the field does not keep its value")


def test_sixteen_pictures_fit_the_frame(visitor: Visit) -> None:
    visitor.open("?prompt=a+red+heart&seed=3&batch_size=16&aspect_ratio=width+and+height&width=32&height=32")
    visitor.drawn()
    cards = visitor.page.locator(".cards")
    expect(visitor.page.locator(".card.done")).to_have_count(16)
    box = cards.bounding_box()
    assert box is not None
    assert box["height"] <= DESKTOP[1]  # all at once
    assert cards.evaluate("grid => grid.scrollHeight <= grid.clientHeight")
    for i in range(16):
        picture = visitor.page.locator(".card img").nth(i).bounding_box()
        assert picture is not None
        assert picture["width"] >= 100
        assert box["y"] <= picture["y"] < picture["y"] + picture["height"] <= box["y"] + box["height"]


def test_address_draws_the_same_again(visitor: Visit) -> None:
    """By reload, by a copied link, and by going back."""
    page = visitor.page
    few(visitor, 2)
    visitor.draw("a red heart")
    assert "prompt=a+red+heart" in page.url
    assert "batch_size=2" in page.url
    files = pictures_of(visitor)
    page.reload()
    visitor.drawn()
    assert pictures_of(visitor) == files

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.act("link", place=1)
    page.get_by_text("Link copied").wait_for()
    link = page.evaluate("() => navigator.clipboard.readText()")
    visitor.draw("owl")
    assert pictures_of(visitor) != files
    page.goto(link)
    visitor.drawn()
    # The link draws as many again, from the second's seed on, so the file names another batch.
    assert drawn_in(pictures_of(visitor)[0]) == drawn_in(files[1])
    expect(page.locator("#prompt textarea, #prompt input")).to_have_value("a red heart")


def drawn_in(file: str) -> tuple[bytes, dict[str, str]]:
    """The pixels of a data URI's picture, and its text but for the batch that it was drawn in."""
    image = Image.open(io.BytesIO(base64.b64decode(file.partition(",")[2])))
    text = dict(image.text)  # type: ignore[attr-defined]
    settings = {name: value for name, value in json.loads(text.pop("settings")).items() if name != "batch"}
    return image.tobytes(), text | {"settings": json.dumps(settings)}


def pictures_of(visitor: Visit) -> list[str]:
    """The files of the drawn pictures, as data URIs."""
    return [str(a.get_attribute("href")) for a in visitor.page.locator(".card [data-action=download]").all()]


def test_back_and_forward_go_through_pages_and_drawings(visitor: Visit) -> None:
    page = visitor.page
    few(visitor)
    visitor.draw("a red heart")
    files = pictures_of(visitor)
    visitor.tab("Likelihood")
    page.wait_for_url(re.compile("tab=likelihood"))
    visitor.tab("For developers")
    page.wait_for_url(re.compile("tab=developers"))
    page.go_back()
    expect(page.get_by_role("tab", name="Likelihood")).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(page.get_by_role("tab", name="Create")).to_have_attribute("aria-selected", "true")
    assert pictures_of(visitor) == files  # still there
    visitor.draw("owl")
    page.go_back()
    page.wait_for_function(
        "(file) => document.querySelector('.card.done [data-action=download]')?.href === file", arg=files[0]
    )
    expect(page.locator("#prompt textarea, #prompt input")).to_have_value("a red heart")


def test_address_opens_a_page_and_says_what_it_cannot_do(visitor: Visit) -> None:
    visitor.open("?tab=likelihood")
    expect(visitor.page.get_by_role("tab", name="Likelihood")).to_have_attribute("aria-selected", "true")
    visitor.open("?guidance=1000")
    visitor.page.get_by_text("Guidance is 1000").wait_for()


def test_downloaded_picture_says_how_it_was_drawn(visitor: Visit, tmp_path: Path) -> None:
    few(visitor)
    visitor.draw("a red heart")
    with visitor.page.expect_download() as download:
        visitor.act("download")
    assert re.fullmatch(r"a-red-heart-\d+\.png", download.value.suggested_filename)
    download.value.save_as(tmp_path / "heart.png")
    with Image.open(tmp_path / "heart.png") as picture:
        assert picture.size == (64, 64)  # itself, not as it is shown
        assert picture.text["prompt"] == "a red heart"  # type: ignore[attr-defined]
        assert f"seed={picture.text['seed']}" in visitor.page.url  # type: ignore[attr-defined]


def test_example_draws_at_once(visitor: Visit) -> None:
    visitor.page.locator("#examples button", has_text="owl").click()
    visitor.drawn()
    expect(visitor.page.locator("#prompt textarea, #prompt input")).to_have_value("owl")


def test_model_of_classes_says_what_it_can_be_asked_for(visitor: Visit) -> None:
    few(visitor)
    visitor.choose("model", "tarflow-mini")
    visitor.page.get_by_text(re.compile("one of these.*cat.*heart")).wait_for()
    visitor.draw("cat")
    assert visitor.shown(".card img").evaluate("img => img.alt").startswith("cat, seed")
    visitor.fill_prompt("no class")
    visitor.page.click("#draw")
    visitor.page.get_by_text("no class").locator("visible=true").first.wait_for()
    expect(visitor.page.locator("#draw")).to_be_visible()  # ready again after an error


def test_dice_is_drawn_and_throws_another_seed(visitor: Visit) -> None:
    visitor.settings()
    seed = visitor.page.get_by_label("seed", exact=True).locator("visible=true")
    expect(seed).to_have_value("0")
    dice = visitor.page.get_by_role("button", name="Another seed").first
    assert dice.locator("svg rect").count() == 1
    dice.click()
    expect(seed).not_to_have_value("0")


def test_stop_ends_the_work_and_frees_the_slot(visitor: Visit) -> None:
    page = visitor.page
    visitor.open("?prompt=a+red+heart&seed=0&batch_size=16&sampler=sequential&guidance=3")
    visitor.shown(".status progress").wait_for()
    page.click("#stop")
    page.get_by_text("Stopped.").wait_for()
    page.locator("#draw").wait_for()
    page.wait_for_timeout(1000)  # Gradio's page takes no click on what it is only just cancelling
    few(visitor)
    visitor.draw("cat face")


def test_work_of_a_visitor_who_leaves_ends(window: Browser, demo: Demo) -> None:
    with visit_in(window, demo) as visitor:
        visitor.open("?prompt=a+red+heart&seed=0&batch_size=16&sampler=sequential&guidance=3")
        visitor.shown(".status progress").wait_for()
    for _ in range(20):
        before = demo.computed()
        time.sleep(0.5)
        if demo.computed() - before < 0.1:
            return
    raise AssertionError("the work goes on")


def test_odd_places_of_a_drawn_picture_are_shown_with_values_under_the_pointer(visitor: Visit) -> None:
    few(visitor)
    visitor.draw("a red heart")
    visitor.measure()
    page = visitor.page
    assert "tab=likelihood" in page.url
    expect(page.locator("#scored-prompt textarea, #scored-prompt input")).to_have_value("a red heart")
    expect(visitor.shown(".status table")).to_contain_text(re.compile(r"a-red-heart-\d+\.png"))
    view = page.locator("#likelihood-view")
    canvas = view.locator("canvas")
    drawn = canvas.evaluate("canvas => canvas.toDataURL()")
    view.locator("input[type=range]").fill("0")
    assert canvas.evaluate("canvas => canvas.toDataURL()") != drawn  # the picture, without the map over it
    canvas.hover()
    expect(view).to_contain_text(re.compile(r"-?[\d.]+ nats here"))
    assert "bits/dim" in (canvas.get_attribute("aria-label") or "")


def test_drawn_picture_goes_to_noise_and_back(visitor: Visit) -> None:
    few(visitor)
    visitor.draw("a red heart")
    visitor.invert()
    expect(visitor.shown(".status")).to_contain_text(re.compile(r"relative error of \d\.\de-0\d"))
    before, after = (visitor.page.locator("#there-and-back img").nth(i).bounding_box() for i in range(2))
    assert before == after  # pixel upon pixel
    frame = visitor.page.locator("#there-and-back .slider-wrap").bounding_box()
    assert before is not None
    assert frame is not None
    assert before["height"] == frame["height"] > 300  # the whole picture


def test_drawn_picture_is_varied(visitor: Visit) -> None:
    few(visitor)
    visitor.draw("a red heart")
    visitor.act("vary")
    expect(visitor.page.locator("#variations img")).to_have_count(4)
    expect(visitor.page.locator("#variations")).to_be_in_viewport()


def test_only_required_sockets_are_filled_in_by_themselves(visitor: Visit) -> None:
    visitor.tab("For developers")
    visitor.run_panel("STARFlowLoader")
    sampler = visitor.open_panel("STARFlowSampler")
    expect(sampler.get_by_label("model").first).to_have_value(re.compile("model of STARFlow Loader"))
    encode = visitor.run_panel("STARFlowTextEncode")
    assert encode
    for name in ("positive", "negative", "noise"):
        expect(sampler.get_by_label(name).first).to_have_value("")
    visitor.shown("#run-STARFlowSampler").click()
    visitor.page.get_by_text("a prompt").or_(visitor.page.get_by_text("encoding")).first.wait_for()


def test_every_node_panel_runs(visitor: Visit, tmp_path: Path) -> None:
    """Each with what those before it made; three need what is not here, and say so."""
    pictures = [tmp_path / f"{number}.png" for number in range(9)]
    for number, path in enumerate(pictures):
        Image.new("RGB", (64, 64), (25 * number, 0, 0)).save(path)
    visitor.tab("For developers")
    for node in NODES:
        panel = visitor.open_panel(node.id)
        if any(given.name == "image" for given in node.inputs):
            files = pictures if node.id == "STARFlowAnomalyFit" else pictures[:1]
            panel.locator("input[type=file]").first.set_input_files(files)
            panel.locator("img").first.wait_for()
        if node.id == "STARFlowMorph":
            for place in range(2):
                panel.locator("input[type=file]").nth(place).set_input_files(pictures[place])
                panel.locator("img").nth(place).wait_for()
        if node.id == "STARFlowMatch":
            panel.get_by_label("prompts").fill("red square\ngreen frog")
        if node.id == "STARFlowSampler":
            for socket in ("positive", "negative"):
                panel.get_by_label(socket).first.click()
                visitor.page.get_by_role("option", name=re.compile("of STARFlow Text Encode")).first.click()
        if node.id == "STARFlowDecompress":  # the newest file is filled in
            expect(panel.get_by_label("file").first).to_have_value(re.compile(r"starflow_00001_\.sfl"))
        visitor.shown(f"#run-{node.id}").click()
        refused = {
            "STARFlowClassLabel": "knows no classes",
            "STARFlowInpaint": "No mask is connected",
            "STARFlowAnomalyLoad": "No file is chosen",
        }
        if node.id in refused:
            visitor.page.get_by_text(refused[node.id]).wait_for()
            visitor.page.get_by_role("button", name="Close").or_(visitor.page.locator(".toast-close")).first.click()
        else:
            panel.get_by_text("Done.").wait_for()
        panel.locator("button").first.click()  # closed again


@pytest.mark.parametrize("name", ["photo.heic", "drawing.svg", "empty.png"])
def test_what_is_no_picture_is_told_once_and_at_once(visitor: Visit, tmp_path: Path, name: str) -> None:
    content = {"photo.heic": b"\0\0\0\x18ftypheic", "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}
    (tmp_path / name).write_bytes(content.get(name, b""))
    visitor.open("?tab=back")
    field = visitor.page.locator("#inverted-picture")
    field.locator("input[type=file]").set_input_files(tmp_path / name)
    told = visitor.page.locator(".toast-body")
    told.first.wait_for()
    expect(told).to_have_count(1)
    expect(told).to_contain_text("PNG, JPEG, WEBP, GIF, BMP, TIFF")
    expect(field.locator("img")).to_have_count(0)  # the field is free for another


def test_tiff_is_taken_and_seen(visitor: Visit, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.tif")
    visitor.open("?tab=likelihood")
    visitor.page.locator("#scored-pictures input[type=file]").first.set_input_files(tmp_path / "red.tif")
    shown = visitor.page.locator("#scored-pictures img[src^='data:image/webp']").first
    shown.wait_for()
    assert shown.evaluate("img => img.naturalWidth") == 64
    visitor.shown("#measure").click()
    visitor.shown(".status table").wait_for()
    expect(visitor.shown(".status table")).to_contain_text("red.tif")


def test_visitors_handles_go_with_them(window: Browser, demo: Demo) -> None:
    client = Client(demo.address, verbose=False, analytics_enabled=False)
    with visit_in(window, demo) as visitor:
        visitor.tab("For developers")
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


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_fit_and_can_be_read(window: Browser, demo: Demo, size: tuple[int, int]) -> None:
    """With results on them, since those are what is wide; in the light and in the dark."""
    with visit_in(window, demo, size) as visitor:
        page = visitor.page

        def check() -> None:
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.locator("body.dark").wait_for(state="attached" if scheme == "dark" else "detached")
                page.wait_for_timeout(500)  # until colours have changed
                assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]
                outside = page.evaluate(OUTSIDE, size[0])
                assert outside == []
                assert page.evaluate(FAINT) == []
                assert page.evaluate(UNNAMED) == []

        check()
        visitor.settings()
        check()
        visitor.draw("a red heart")
        visitor.page.locator(".card img").first.hover()
        check()
        visitor.measure()
        check()
        visitor.invert()
        check()
        for question in ("Which prompt fits?", "Which one is odd?", "How sure is it?"):
            visitor.try_example(question)
            check()
        visitor.tab("For developers")
        for node in NODES:
            visitor.open_panel(node.id)
        check()
        assert visitor.errors == []


def test_keyboard_alone_is_enough(visitor: Visit) -> None:
    page = visitor.page
    few(visitor)
    page.locator("#prompt textarea, #prompt input").focus()
    page.keyboard.type("a red heart")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.id") == "draw"
    page.keyboard.press("Enter")
    page.locator("#stop").wait_for()
    assert page.evaluate("() => document.activeElement.id") == "stop"  # Enter stops
    visitor.drawn()
    assert page.evaluate("() => document.activeElement.id") == "draw"
    assert page.locator(".status").first.get_attribute("aria-live") == "polite"
    page.locator(".card [data-action=download]").focus()  # what hovering shows, focus shows as well
    for action in ("link", "odd"):
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.dataset.action") == action
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("tab=likelihood"))


def test_motion_is_left_out_where_people_ask_for_it(window: Browser, demo: Demo) -> None:
    context = window.new_context(reduced_motion="reduce")
    visitor = Visit(context.new_page(), demo)
    visitor.open()
    durations = visitor.page.evaluate(
        "() => [...document.querySelectorAll('button, figure')].map((one) => getComputedStyle(one).transitionDuration)"
    )
    assert all(float(one.rstrip("ms")) <= 0.01 for one in ", ".join(durations).split(", "))
    context.close()


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


def test_a_mask_is_painted_and_four_fills_come_ranked(visitor: Visit, tmp_path: Path) -> None:
    page = visitor.page
    picture = tmp_path / "heart.png"
    Image.new("RGB", (64, 64), "white").save(picture)
    visitor.tab("Edit")
    page.wait_for_url(re.compile("tab=edit"))
    visitor.shown("#inpaint").click()
    page.get_by_text("There is no picture yet").first.wait_for()
    page.locator("#inpainted-picture input[type=file]").set_input_files(picture)
    paper = visitor.shown(".painter canvas")
    visitor.shown("#inpaint").click()
    page.get_by_text("Nothing is painted yet").first.wait_for()
    box = paper.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5, steps=4)
    page.mouse.up()
    visitor.shown("#inpaint").click()
    page.get_by_text("is as it was").first.wait_for()
    expect(page.locator("#fills .thumbnail-item, #fills button.thumbnail-lg")).to_have_count(4)
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(OUTSIDE, DESKTOP[0]) == []
