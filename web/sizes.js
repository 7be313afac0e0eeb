// Width and height of STARFlow Sampler show what will be drawn: those of the model at the aspect ratio. Whoever changes
// them chooses them.

import { app } from "../../scripts/app.js";

const [LOADER, SAMPLER] = ["STARFlowLoader", "STARFlowSampler"];
const SIDES = ["width", "height"];
const OWN = "width and height"; // the aspect ratio that leaves them to the person
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
        SIDES.forEach((name, i) =>
            onChange(node, name, () => {
                const size = sizeOf(node);
                if (size && widget(node, name).value !== size[i]) widget(node, "aspect_ratio").value = OWN;
            }),
        );
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
    const size = sizeOf(node);
    if (!size) return;
    SIDES.forEach((name, i) => (widget(node, name).value = size[i]));
    node.setDirtyCanvas?.(true, true);
}

// Width and height by the aspect ratio; undefined where they are the person's own, or nobody knows yet.
const sizeOf = (node) => sizes[modelOf(node)]?.[widget(node, "aspect_ratio")?.value];

// The name of the model that is connected; undefined where that is not to be seen from here.
function modelOf(node) {
    const slot = (one) => one.inputs?.findIndex((input) => ["model", ""].includes(input.name));
    let from = node;
    for (let steps = 0; from && from.comfyClass !== LOADER && steps < 100; steps++) from = from.getInputNode?.(slot(from));
    return from && widget(from, "model")?.value;
}
