"""The demo's parts, without a server."""

from __future__ import annotations

import asyncio
import json
import pickle
import re
import threading
import time
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch
from gradio.state_holder import SessionState
from PIL import Image

from demo import actions, graph, graph_format
from demo.components import component, shown
from demo.documented import documented, parameter
from demo.doors import Doors
from demo.errors import NO_MEMORY, OUR_FAULT, friendly, warn
from demo.handles import Handles, size_of
from demo.host import MOST_MEMORY, DemoHost
from demo.limits import here
from demo.models import Models, available, licence_notice
from demo.steps import Cancelled, Done, Listener, Step, Watch, in_steps
from nodes.catalogue import NODES
from nodes.declaration import IMAGE, Choice, Flag, Input, Node, Number, Output, Seed, Socket, Text
from nodes.values import Placed

# Fields, checked


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        (Number(least=0, most=1, step=0.1), [0, 0.5, 1], [-0.1, 1.1, float("nan"), float("inf"), "1", None, True]),
        (Number(least=8, most=64, step=8), [8, 64.0], [7, 12, 65, 8.5]),
        (Number(least=1, most=4, step=1), [1, 4], [0, 1.5, 5]),
        (Seed(), [0, 2**64 - 1, 7.0], [-1, 2**64, 0.5, "0", None, float("nan"), True]),
        (Text(longest=3), ["", "abc"], ["abcd", None, 3]),
        (Flag(), [True, False], [1, "yes", None]),
        (Choice(options=("a", "b")), ["a"], ["c", None, 1]),
    ],
)
def test_fields_refuse_what_is_out_of_range(field: Any, right: list[Any], wrong: list[Any]) -> None:
    given = Input("some_name", field)
    assert [given.checked(value) for value in right] == right
    for value in wrong:
        with pytest.raises(ValueError, match=r"^Some name "):
            given.checked(value)


# Components


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.id)
def test_every_input_and_output_has_a_component_with_its_limits_and_help(node: Node) -> None:
    with gr.Blocks():
        for given in node.inputs:
            made, field = component(given), here(given).field
            if isinstance(field, Number):
                assert (made.minimum, made.value) == (field.least, given.default)
                assert made.maximum <= field.most
            if isinstance(field, Choice):
                assert [value for _, value in made.choices] == field.names()
            assert field.help in (getattr(made, "info", None) or made.label)
        for output in node.outputs:
            assert shown(output).label.startswith(output.name.replace("_", " "))


def test_node_added_to_the_catalogue_gets_a_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    from demo import node_panels
    from nodes.declaration import IMAGE, Output, node

    @node("STARFlowNew", "STARFlow New", "Is new.", outputs=(Output("image", IMAGE),), category="new")
    def new(host: Any) -> Any: ...

    monkeypatch.setattr(node_panels, "NODES", (*NODES, new))
    with gr.Blocks() as site:
        node_panels.page()
    assert "STARFlowNew" in {event.api_name for event in site.fns.values()}


def test_documented_function_says_what_its_parameters_are() -> None:
    sampler = next(node for node in NODES if node.id == "STARFlowSampler")

    def run(request: gr.Request, *values: Any) -> Any: ...

    told = documented(run, "sampler", "Draws.", [parameter(given) for given in sampler.inputs])
    assert told.__doc__ is not None
    for given in sampler.inputs:
        assert f"{given.name}: {given.field.help}" in told.__doc__


# Handles


def test_handles_are_of_their_type_and_their_visitor() -> None:
    handles = Handles()
    mine = handles.put("me", "LATENT", "latent", {"samples": torch.zeros(2)})
    theirs = handles.put("you", "LATENT", "latent", 1)
    assert mine != theirs
    assert handles.of("me", "LATENT") == [("1: latent", mine)]
    assert handles.of("me", "MODEL") == []
    with pytest.raises(ValueError, match="of a LATENT, and a MODEL is needed"):
        handles.get(mine, "MODEL")
    handles.forget("me")
    with pytest.raises(ValueError, match="any more"):
        handles.get(mine, "LATENT")
    assert handles.get(theirs, "LATENT") == 1


def test_a_visitor_keeps_no_more_than_is_allowed() -> None:
    handles = Handles(count=3, size=100)
    kept = [handles.put("me", "LATENT", "latent", torch.zeros(10, dtype=torch.uint8)) for _ in range(5)]
    assert [handle for _, handle in handles.of("me", "LATENT")] == kept[:1:-1]
    other = handles.put("you", "LATENT", "latent", torch.zeros(90, dtype=torch.uint8))
    large = handles.put("me", "LATENT", "latent", torch.zeros(200, dtype=torch.uint8))
    assert [handle for _, handle in handles.of("me", "LATENT")] == [large]
    assert handles.get(other, "LATENT").nbytes == 90


def test_handles_expire() -> None:
    handles = Handles(seconds=0.0)
    handle = handles.put("me", "LATENT", "latent", 1)
    time.sleep(0.01)
    with pytest.raises(ValueError, match="any more"):
        handles.get(handle, "LATENT")


def test_size_is_that_of_all_tensors() -> None:
    value = {"samples": torch.zeros(4), "more": [torch.zeros(2), (torch.zeros(1), "x", None)]}
    assert size_of(value) == 28


# Steps


def test_work_tells_its_steps_and_its_result() -> None:
    def work(watch: Watch) -> str:
        for i in range(5):
            watch.step(i / 5, lambda: [Image.new("RGB", (1, 1))])
            time.sleep(0.1)
        return "result"

    *steps, last = in_steps(work)
    assert last == Done("result")
    assert any(isinstance(step, Step) and step.pictures for step in steps)


def test_work_whose_listener_leaves_ends() -> None:
    ended = threading.Event()

    def work(watch: Watch) -> None:
        try:
            while True:
                watch.step(0.5)
                time.sleep(0.01)
        except Cancelled:
            ended.set()
            raise

    steps = in_steps(work)
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert ended.wait(5)


def test_work_waits_until_cancelled_work_has_ended() -> None:
    running: list[int] = []

    def work(number: int) -> Any:
        def run(watch: Watch) -> list[int]:
            running.append(number)
            try:
                for _ in range(10 if number == 1 else 1):
                    watch.step(0.5)
                    time.sleep(0.05)
                return list(running)
            finally:
                running.remove(number)

        return run

    first = in_steps(work(1))
    next(first)
    first.close()  # type: ignore[attr-defined]
    *_, last = in_steps(work(2))
    assert last == Done([2])


def test_error_of_work_is_raised_where_people_wait() -> None:
    def work(watch: Watch) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(in_steps(work))


def test_work_may_not_take_for_ever() -> None:
    watch = Watch(seconds=0.0)
    time.sleep(0.01)
    with pytest.raises(ValueError, match="too long"):
        watch.step(0.1)


# Errors


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("size is <b>; choose another"), "size is &lt;b&gt;; choose another"),
        (MemoryError(), NO_MEMORY),
        (RuntimeError("CUDA out of memory. Tried to allocate"), NO_MEMORY),
        (RuntimeError("secret path /root/x"), OUR_FAULT),
        (KeyError("x"), OUR_FAULT),
    ],
)
@pytest.mark.parametrize("is_generator", [True, False])
def test_errors_are_told_in_words(error: Exception, told: str, is_generator: bool) -> None:
    def plain(value: int) -> int:
        raise error

    def generator(value: int) -> Any:
        yield value
        raise error

    with pytest.raises(gr.Error) as found:
        list(friendly(generator)(1)) if is_generator else friendly(plain)(1)
    assert found.value.message == told


def test_job_that_would_take_too_much_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="GB of memory"), DemoHost(Watch()).in_memory(Placed(None), MOST_MEMORY + 1):
        raise AssertionError


def test_work_beside_the_sampling_is_cancelled_too() -> None:
    listener = Listener()
    host = DemoHost(Watch(listeners=[listener]))
    host.steps()(1, 3)
    assert listener.news.get() == Step(0.0)
    listener.has_left.set()
    with pytest.raises(Cancelled):
        host.steps()(2, 3)


# Models


def test_models_are_shared_and_the_oldest_goes_first() -> None:
    models = Models(kept=2)
    first = models.load("tarflow-mini", "default")
    assert models.load("tarflow-mini", "default")[0] is first[0]
    models.load("tarflow-mini", "float32")
    models.load("starflow-mini", "default")
    assert models.load("tarflow-mini", "default")[0] is not first[0]


def test_model_that_is_not_here_is_not_fetched() -> None:
    with pytest.raises(ValueError, match="starflow fetch starflow-3b"):
        Models().load("starflow-3b", "default")
    with pytest.raises(ValueError, match="starflow-mini"):
        Models().load("/etc", "default")


def test_licences_that_are_not_open_are_told() -> None:
    assert "research" in licence_notice("starflow-3b")
    assert licence_notice("starflow-mini") == ""
    assert available()[0] == "starflow-mini"


# Where a GPU is lent by the job, actions run in another process: what goes in and comes out must be pickled.


@pytest.mark.parametrize(
    ("action", "given"),
    [
        (
            actions.run,
            ("STARFlowLoader", {"model": "starflow-mini", "dtype": "default", "accept_licence": False}, warn),
        ),
        (actions.score, ([Image.new("RGB", (64, 64), "red")], "a red heart", "starflow-mini", 1, 0)),
    ],
    ids=["run", "score"],
)
def test_what_actions_take_and_tell_can_be_pickled(action: Any, given: tuple[Any, ...]) -> None:
    told = [pickle.dumps(step) for step in action(*pickle.loads(pickle.dumps(given)))]
    assert len(told[-1]) < 200_000  # no model in it
    assert isinstance(pickle.loads(told[-1]), Done)


# Messages


def test_what_people_typed_is_shown_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(gr, "Warning", told.append)
    warn("Not understood: “<img src=x>” & “y”.")
    assert told == ["Not understood: “&lt;img src=x&gt;” &amp; “y”."]


def test_one_place_shows_messages() -> None:
    """Gradio shows them as HTML; there they are made text."""
    folder = Path(actions.__file__).parent
    shows = re.compile(r"\b(gr|gradio)\.(Warning|Info|Success)\b")
    assert [path.name for path in sorted(folder.rglob("*.py")) if shows.search(path.read_text())] == ["errors.py"]


# Graphs


@pytest.mark.parametrize("name", graph_format.names())
def test_example_graphs_become_workflows_whose_wires_fit(name: str) -> None:
    from gradio.workflow_api import WorkflowGraph, topo_sort

    made = graph_format.converted(json.loads((graph_format.WORKFLOWS / f"{name}.json").read_text()), name)
    read = WorkflowGraph(made)
    assert read.subjects or name == "likelihood"
    topo_sort(list(read.node_by_id), read.edges)
    for edge in read.edges:
        source, target = read.node_by_id[edge["from_node_id"]], read.node_by_id[edge["to_node_id"]]
        assert edge["type"] == next(p["type"] for p in source["outputs"] if p["id"] == edge["from_port_id"])
        assert edge["type"] == next(p["type"] for p in target["inputs"] if p["id"] == edge["to_port_id"])


def test_fields_of_a_saved_node_are_read_by_their_place() -> None:
    """A prompt may be a word that ComfyUI has for what becomes of seeds, and older graphs have fewer fields."""
    saved = [
        {"id": 1, "type": "STARFlowTextEncode", "widgets_values": ["fixed"]},
        {"id": 2, "type": "STARFlowSampler", "widgets_values": [7, "fixed", 2.5, "3:2"]},
    ]
    made = graph_format.converted({"nodes": saved, "links": []}, "x")
    assert made["references"][0]["data"] == {"out": "fixed"}
    data = made["operators"][1]["data"]
    assert (data["seed"], data["guidance"], data["aspect_ratio"], data["variation"]) == (7, 2.5, "3:2", 0.0)


def test_example_graph_runs_to_its_picture(tmp_path: Path, pipeline: Any) -> None:
    import numpy as np
    from gradio.workflow_api import WorkflowExecutor, WorkflowGraph

    functions = graph.Runner(tmp_path).functions()

    def call(data: list[Any], request: Any, token: Any) -> str:
        return json.dumps(functions[data[0]](*json.loads(data[1])))

    saved = json.loads((graph_format.WORKFLOWS / "text_to_image.json").read_text())
    made = WorkflowGraph(graph_format.converted(saved, "text to image"))
    words = {node["id"]: node["data"]["out"] for node in made.references}
    file = WorkflowExecutor(made, {"fn": call}).run(made.subjects[0]["id"], words)
    expected = pipeline.generate("dog face", seed=7, count=4)
    with Image.open(file) as row:
        found = np.asarray(row)
    assert (found == np.concatenate([np.asarray(picture) for picture in expected], axis=1)).all()


@pytest.mark.parametrize("name", graph_format.names())
def test_every_example_graph_shows_all_that_it_has_to_show(name: str, tmp_path: Path) -> None:
    from gradio.workflow_api import WorkflowExecutor, WorkflowGraph

    functions = graph.Runner(tmp_path).functions()

    def call(data: list[Any], request: Any, token: Any) -> str:
        return json.dumps(functions[data[0]](*json.loads(data[1])))

    saved = json.loads((graph_format.WORKFLOWS / f"{name}.json").read_text())
    made = WorkflowGraph(graph_format.converted(saved, name))
    words = {node["id"]: node["data"]["out"] for node in made.references}
    shown = [WorkflowExecutor(made, {"fn": call}).run(subject["id"], words) for subject in made.subjects]
    assert len(shown) >= 1
    for subject, found in zip(made.subjects, shown, strict=True):
        if subject["asset_type"] == "image":
            with Image.open(found) as picture:
                assert picture.size >= (64, 64)
        else:
            assert found


def test_batch_on_a_wire_stays_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file shows the pictures side by side; a node gets them as they were, to the last bit."""
    batch = torch.rand(3, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    seen: list[Any] = []
    image = (Output("image", IMAGE),)
    make = Node("Make", "Make", "", (), image, lambda host: batch)

    def note(host: Any, image: Any) -> Any:
        seen.append(image)
        return image

    look = Node("Look", "Look", "", (Input("image", Socket("", IMAGE)),), image, note)
    monkeypatch.setattr(graph, "outputs_of", lambda node, host, given: node(host, **given).outputs)
    runner = graph.Runner(tmp_path)
    (file,) = runner._function(make)()
    with Image.open(file["path"]) as row:
        assert row.size == (192, 64)
    runner._function(look)(file)
    assert torch.equal(seen[0], batch)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x.png", {"path": "/etc/passwd"}, {"url": "/gradio_api/file=/etc/passwd"}]
)
def test_graph_reads_no_other_files(tmp_path: Path, path: Any) -> None:
    runner = graph.Runner(tmp_path)
    with pytest.raises(ValueError, match="no file that was uploaded here"):
        runner.functions()["MaskToImage"](path)


def test_what_is_skipped_is_not_made_anew() -> None:
    """Gradio makes a component and its schema for each output that is skipped, in the loop that serves everybody."""
    with Doors() as blocks:
        pictures, told = gr.Gallery(), gr.HTML()
        gr.Button().click(lambda: (gr.skip(), "half"), None, [pictures, told])
    state = SessionState(blocks)
    data = asyncio.run(blocks.postprocess_data(blocks.fns[0], (gr.skip(), "half"), state))
    assert data == [gr.skip(), "half"]
    assert state[pictures._id] is pictures
