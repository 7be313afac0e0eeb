// Colours of STARFlow's wires, which stand out on dark and on light palettes. A palette that has its own wins.

import { app } from "../../scripts/app.js";

const COLOURS = { STARFLOW_MODEL: "#12a594", STARFLOW_TEXT_ENCODER: "#c99700" };

app.registerExtension({
    name: "STARFlow.Colours",
    setup() {
        for (const table of [app.canvas.default_connection_color_byType, app.canvas.constructor.link_type_colors])
            for (const [type, colour] of Object.entries(COLOURS)) keep(table, type, colour);
        const style = document.createElement("style"); // of Vue nodes
        const lines = Object.entries(COLOURS).map(([type, colour]) => `--color-datatype-${type}: ${colour};`);
        style.textContent = `:root { ${lines.join(" ")} }`;
        document.head.append(style);
    },
});

// A palette, when it is chosen, empties the colours of all types that it does not know.
function keep(table, type, colour) {
    let chosen = table[type] || colour;
    Object.defineProperty(table, type, {
        get: () => chosen,
        set: (value) => {
            chosen = value || colour;
        },
        enumerable: true,
        configurable: true,
    });
}
