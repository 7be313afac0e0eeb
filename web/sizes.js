// Width and height of STARFlow Sampler show what will be drawn: where the aspect ratio decides, that of the model.

import { app } from "../../scripts/app.js";

const [LOADER, SAMPLER] = ["STARFlowLoader", "STARFlowSampler"];
let sizes = {}; // [width, height] by model and aspect ratio

app.registerExtension({
    name: "STARFlow.Sizes",
    beforeRegisterNodeDef(nodeType, definition) {
        if (definition.name === LOADER) learn(definition);
    },
    refreshComboInNodes(definitions) {
        if (definitions?.[LOADER]) learn(definitions[LOADER]);
        updateAll();
    },
    nodeCreated(node) {
        if (node.comfyClass === LOADER) onChange(node, "model", updateAll);
        if (node.comfyClass !== SAMPLER) return;
        onChange(node, "aspect_ratio", () => update(node));
        const connected = node.onConnectionsChange;
        node.onConnectionsChange = function () {
            connected?.apply(this, arguments);
            update(node);
        };
    },
    afterConfigureGraph: updateAll,
});

function learn(definition) {
    sizes = { ...definition.input?.required, ...definition.input?.optional }.model?.[1]?.starflow_sizes ?? {};
}

const widget = (node, name) => node.widgets?.find((one) => one.name === name);

function onChange(node, name, work) {
    const one = widget(node, name);
    const before = one?.callback;
    if (one)
        one.callback = function () {
            const result = before?.apply(this, arguments);
            work();
            return result;
        };
}

function updateAll() {
    const root = app.rootGraph ?? app.graph;
    for (const graph of [root, ...(root?.subgraphs?.values() ?? [])])
        for (const node of graph?.nodes ?? []) if (node.comfyClass === SAMPLER) update(node);
}

function update(node) {
    const size = sizes[modelOf(node)]?.[widget(node, "aspect_ratio")?.value];
    const isConnected = node.inputs?.some((input) => input.name === "noise" && input.link != null);
    ["width", "height"].forEach((name, i) => {
        const one = widget(node, name);
        if (!one) return;
        if (size && !isConnected) one.value = size[i];
        one.disabled = Boolean(size || isConnected); // of noise, the size is the noise's
    });
    node.setDirtyCanvas?.(true, true);
}

// The name of the model that is connected; undefined where that is not to be seen from here.
function modelOf(node) {
    const slot = (one) => one.inputs?.findIndex((input) => ["model", ""].includes(input.name));
    let from = node;
    for (let steps = 0; from && from.comfyClass !== LOADER && steps < 100; steps++) from = from.getInputNode?.(slot(from));
    return from && widget(from, "model")?.value;
}
