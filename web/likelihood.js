// The likelihood of a picture, on the node that measured it, in a DOM widget, which the classic and the Vue front end
// both show.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { LikelihoodView, make, STYLE } from "./likelihood_view.js";

const NODE = "STARFlowLikelihood";

app.registerExtension({
    name: "STARFlow.Likelihood",
    setup() {
        make("style", "", document.head).textContent = STYLE;
    },
    nodeCreated(node) {
        if (node.comfyClass !== NODE) return;
        const view = new LikelihoodView();
        node.addDOMWidget("likelihood", "starflow_likelihood", view.root, {
            serialize: false,
            hideOnZoom: false,
            getMinHeight: () => 240,
        });
        const executed = node.onExecuted;
        node.onExecuted = function (output) {
            executed?.apply(this, arguments);
            const found = output?.starflow_likelihood ?? [];
            const source = (image) => api.apiURL(`/view?${new URLSearchParams(image)}`);
            if (found.length) view.show(found.map((one) => ({ ...one, source: source(one.image) })));
        };
        node.setSize([Math.max(node.size[0], 320), Math.max(node.size[1], 460)]);
    },
});
