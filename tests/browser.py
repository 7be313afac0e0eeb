"""ComfyUI's own front end in a headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chromium import browser
from comfyui_server import ComfyUI
from playwright.sync_api import ConsoleMessage, Dialog
from playwright.sync_api import Page as BrowserPage

SIZE = {"width": 1600, "height": 900}
# No greeting, no minimap over the graph; and what the front end would otherwise migrate, with an error of its own.
SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.UseNewMenu": "Top",
    "Comfy.Minimap.Visible": False,
    "Comfy.Canvas.LeftMouseClickBehavior": "panning",
    "Comfy.Canvas.MouseWheelScroll": "zoom",
    "Comfy.VueNodes.Enabled": False,
    "Comfy.ColorPalette": "dark",
}
VUE_NODES = {"Comfy.VueNodes.Enabled": True}
NODE_TITLE = 30  # its height, in the graph's units
# What every fresh ComfyUI complains of, whatever packs it has: it asks for things outside, also for the models of its
# own first graph, its own parts use what is deprecated, and a newer front end misses what an older server lacks.
HARMLESS = (
    *("ERR_NAME_NOT_RESOLVED", "status of 404", "user.css", "ERR_INTERNET_DISCONNECTED", "ERR_NETWORK"),
    *("huggingface.co/Comfy-Org", "ComfyApp graph accessed before initialization", "JobsApiError"),
)
READY = "() => Boolean(window.app?.vueAppReady && window.app.canvas?.graph)"
RUN = """() => new Promise((resolve, reject) => {
    const outputs = {};
    const api = window.comfyAPI.api.api;
    api.addEventListener("executed", ({ detail }) => { outputs[detail.node] = detail.output; });
    api.addEventListener("execution_success", () => resolve(outputs), { once: true });
    const fail = ({ detail }) => reject(new Error(detail.exception_message));
    api.addEventListener("execution_error", fail, { once: true });
    window.app.queuePrompt(0, 1);
})"""
PICTURES_ARE_THERE = "() => [...document.images].every((image) => image.complete)"
# Everything that pops up, from the start on, however short it stays.
WATCH = """() => {
    window.poppedUp = [];
    const look = () => {
        for (const shown of document.querySelectorAll(".p-toast-message, .p-dialog, [role=alertdialog], [role=alert]"))
            if (!window.poppedUp.includes(shown.innerText) && shown.innerText.trim())
                window.poppedUp.push(shown.innerText);
    };
    new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
}"""
# Left, top, width and height of every node, in the graph's own units, without its title; of Vue nodes, as they are on
# the page.
BOXES = """() => {
    const { graph, ds, canvas } = window.app.canvas;
    const from = canvas.getBoundingClientRect();
    return Object.fromEntries(graph.nodes.map((node) => {
        const shown = document.querySelector(`.lg-node[data-node-id="${node.id}"]`);
        if (!shown) return [node.id, [...node.pos, ...node.size]];
        const box = shown.getBoundingClientRect();
        const left = (box.left - from.left) / ds.scale - ds.offset[0];
        const top = (box.top - from.top) / ds.scale - ds.offset[1];
        return [node.id, [left, top + TITLE, box.width / ds.scale, box.height / ds.scale - TITLE]];
    }));
}""".replace("TITLE", str(NODE_TITLE))
# Heights of the pictures of a drawing under way that were seen on a node, within its box, in the graph's units.
PREVIEWS = """async ([script, id]) => {
    const heights = [];
    const look = () => {
        const { graph, ds } = window.app.canvas;
        const node = graph.getNodeById(id);
        const vue = document.querySelector(`.lg-node[data-node-id="${id}"]`);
        if (vue) {
            const box = vue.getBoundingClientRect();
            for (const image of vue.querySelectorAll("img")) {
                const shown = image.getBoundingClientRect();
                if (image.complete && shown.height && shown.top >= box.top && shown.bottom <= box.bottom + 1)
                    heights.push(shown.height / ds.scale);
            }
        } else if (node.imgs?.length) {
            const below = Math.max(...node.widgets.map((widget) => (widget.last_y ?? 0) + 20));
            heights.push(node.size[1] - below);
        }
    };
    const watching = setInterval(look, 20);
    await eval(script)();
    clearInterval(watching);
    return heights;
}"""
WIDGET = "window.app.canvas.graph.getNodeById(id).widgets.find((one) => one.name === name)"

Box = tuple[float, float, float, float]


class Page:
    """A page with the front end in it.

    Attributes:
        errors: what the browser's console complained of, and what it asked.
    """

    def __init__(self, page: BrowserPage) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", self._answer)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(part in message.text for part in HARMLESS):
            self.errors.append(message.text)

    def _answer(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":  # graphs that were never saved
            dialog.accept()
            return
        self.errors.append(dialog.message)
        dialog.dismiss()

    @property
    def complaints(self) -> list[str]:
        """Errors, and all that has popped up: toasts, alerts and dialogues."""
        return [*self.errors, *self.evaluate("() => window.poppedUp")]

    def evaluate(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    def wait_until_ready(self) -> None:
        self.page.wait_for_function(READY, timeout=120_000)
        self.page.wait_for_timeout(2500)

    def watch(self) -> None:
        """Note what pops up from now on."""
        self.evaluate(WATCH)

    def reload(self) -> None:
        self.page.reload()
        self.wait_until_ready()
        self.watch()

    def command(self, name: str) -> None:
        """One of the front end's commands."""
        self.evaluate("(name) => window.app.extensionManager.command.execute(name)", name)
        self.page.wait_for_timeout(800)

    def open_workflow(self, workflow: Any) -> None:
        """A graph as the front end saves it, in a tab of its own."""
        self.evaluate("async (workflow) => { await window.app.loadGraphData(workflow); }", workflow)
        self.fit()

    def fit(self) -> None:
        """Show all of the graph."""
        self.command("Comfy.Canvas.FitView")

    def run(self) -> Any:
        """Run the graph, as the button does; what each node showed."""
        outputs = self.evaluate(RUN)
        self.page.wait_for_function(PICTURES_ARE_THERE)
        self.page.wait_for_timeout(1500)  # until they are drawn
        return outputs

    def boxes(self) -> dict[str, Box]:
        """Where nodes lie and how large they are, below their titles, by number."""
        return {number: tuple(box) for number, box in self.evaluate(BOXES).items()}

    def previews(self, node: int) -> list[float]:
        """Run the graph; the heights of the previews that were seen on a node meanwhile."""
        heights: list[float] = self.evaluate(PREVIEWS, [f"({RUN})", node])
        return heights

    # Nodes and their widgets

    def add(self, kind: str) -> int:
        """A new node, as a person adds it; its number."""
        script = """(kind) => {
            const node = window.LiteGraph.createNode(kind);
            window.app.canvas.graph.add(node);
            return Number(node.id);
        }"""
        return int(self.evaluate(script, kind))

    def connect(self, origin: int, slot: int, target: int, name: str) -> None:
        script = """([origin, slot, target, name]) => {
            const { graph } = window.app.canvas;
            const node = graph.getNodeById(target);
            graph.getNodeById(origin).connect(slot, node, node.findInputSlot(name));
        }"""
        self.evaluate(script, [origin, slot, target, name])

    def widget(self, node: int, name: str) -> Any:
        """What a widget holds."""
        return self.evaluate(f"([id, name]) => {WIDGET}.value", [node, name])

    def choose(self, node: int, name: str, value: Any) -> None:
        """Fill in a widget, as a person does."""
        script = f"([id, name, value]) => {{ const one = {WIDGET}; one.value = value; one.callback?.(value); }}"
        self.evaluate(script, [node, name, value])

    def size(self, node: int) -> tuple[int, int]:
        """A sampler's width and height."""
        return self.widget(node, "width"), self.widget(node, "height")

    # The front end as a whole

    @property
    def version(self) -> tuple[int, ...]:
        """Of the front end."""
        return tuple(map(int, self.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__").split(".")[:2]))

    def set(self, name: str, value: Any) -> None:
        """Change a setting."""
        self.evaluate("([name, value]) => window.app.extensionManager.setting.set(name, value)", [name, value])
        self.page.wait_for_timeout(800)

    def colours(self, type: str) -> tuple[str, str, str]:
        """Of a type's slots, wires, and slots of Vue nodes."""
        script = """(type) => [
            window.app.canvas.default_connection_color_byType[type],
            window.app.canvas.constructor.link_type_colors[type],
            getComputedStyle(document.documentElement).getPropertyValue(`--color-datatype-${type}`).trim(),
        ]"""
        slots, wires, vue = self.evaluate(script, type)
        return slots, wires, vue

    def forget(self) -> None:
        """Forget what was complained of."""
        self.errors.clear()
        self.evaluate("() => { window.poppedUp = []; }")

    def screenshot(self, path: Path) -> None:
        self.page.screenshot(path=path)


@contextmanager
def opened(server: ComfyUI, settings: dict[str, Any] | None = None) -> Iterator[Page]:
    """The server's page, ready to be worked with; `settings` of the front end go beside our own."""
    for name, value in {**SETTINGS, **(settings or {})}.items():
        server.post(f"/settings/{name}", value)
    with browser() as chromium:
        page = Page(chromium.new_page(viewport=SIZE))
        page.page.goto(server.address)
        page.wait_until_ready()
        page.watch()
        yield page
