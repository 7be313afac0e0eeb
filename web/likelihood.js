// The likelihood of a picture, on the node that measured it, in a DOM widget, which the classic and the Vue front end
// both show. It comes back with its workflow: the front end keeps a workflow's outputs while its tab is open, and the
// browser those of this tab when the page is loaded anew.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { LikelihoodView, make, STYLE } from "./likelihood_view.js";

const NODE = "STARFlowLikelihood";
const views = new WeakMap(); // by node

app.registerExtension({
    name: "STARFlow.Likelihood",
    setup() {
        make("style", "", document.head).textContent = STYLE;
    },
    nodeCreated(node) {
        if (node.comfyClass !== NODE) return;
        const view = new LikelihoodView();
        views.set(node, view);
        const widget = node.addDOMWidget("likelihood", "starflow_likelihood", view.root, {
            serialize: false,
            hideOnZoom: false,
            getMinHeight: () => 240,
        });
        widget.serialize = false; // it holds nothing, and fields to come must not read it
        after(node, "onExecuted", (output) => {
            show(node, output);
            remember(node, output);
        });
        after(node, "onConfigure", () => show(node, remembered(node)));
        keepSeed(node);
        node.setSize([Math.max(node.size[0], 320), Math.max(node.size[1], 460)]);
    },
    onNodeOutputsUpdated(outputs) {
        for (const [locator, output] of Object.entries(outputs ?? {})) show(located(locator), output);
    },
});

function after(node, event, work) {
    const before = node[event];
    node[event] = function () {
        before?.apply(this, arguments);
        work(...arguments);
    };
}

function show(node, output) {
    const found = output?.starflow_likelihood ?? [];
    const source = (image) => api.apiURL(`/view?${new URLSearchParams(image)}`);
    if (found.length) views.get(node)?.show(found.map((one) => ({ ...one, source: source(one.image) })));
}

// A node by the front end's name for it: its number, after its subgraph's name where it is in one.
function located(locator) {
    const root = app.rootGraph ?? app.graph;
    const [number, subgraph] = String(locator).split(":").reverse();
    return (subgraph ? root.subgraphs?.get(subgraph) : root)?.getNodeById(Number(number));
}

const place = (node) => `starflow.likelihood:${node.graph?.id}:${node.id}`;

function remember(node, output) {
    try {
        sessionStorage.setItem(place(node), JSON.stringify({ starflow_likelihood: output?.starflow_likelihood }));
    } catch {
        sessionStorage.removeItem(place(node)); // more than the browser keeps: it is measured again after a reload
    }
}

function remembered(node) {
    return JSON.parse(sessionStorage.getItem(place(node)) ?? "null");
}

// A measurement must not move from run to run, which front ends cannot be told otherwise. A saved graph's own choice comes
// later, and wins.
function keepSeed(node) {
    const [control] = node.widgets.find((widget) => widget.name === "seed")?.linkedWidgets ?? [];
    if (control) control.value = "fixed";
}
