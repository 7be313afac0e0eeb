// The likelihood of pictures: a heatmap over the picture, the value under the pointer, and a colour scale. Knows neither
// ComfyUI nor the demo, which both show it.
//
// A picture is { source, map, stops, in_words, log_prob, bits_per_dim, standard_error }: its address, rows of
// log-probabilities in nats by place, the colours from least to most likely, and its likelihood, first in words, which
// are empty where there are none.

export const STYLE = `
.starflow-likelihood { display: flex; flex-direction: column; gap: 6px; height: 100%; min-height: 0; box-sizing: border-box;
    padding: 6px; font: 12px/1.4 sans-serif; color: var(--input-text, inherit); }
.starflow-likelihood canvas { flex: 1 1 0; min-height: 0; width: 100%; object-fit: contain; image-rendering: pixelated;
    cursor: crosshair; }
.starflow-likelihood .words { text-align: center; font-size: 13px; }
.starflow-likelihood .words:empty { display: none; }
.starflow-likelihood .value { text-align: center; min-height: 1.4em; }
.starflow-likelihood .words:not(:empty) + .value { font-size: 11px; }
.starflow-likelihood span { white-space: nowrap; }
.starflow-likelihood .scale { flex: 1 1 auto; height: 10px; border-radius: 3px; }
.starflow-likelihood .row { display: flex; justify-content: space-between; gap: 8px; align-items: center; }
.starflow-likelihood input { flex: 1 1 auto; min-width: 40px; }
.starflow-likelihood button { padding: 0 8px; }
`;

const ALONE = 16; // pixels a token, of a map without its picture

function colour(stops, share) {
    const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
    const below = Math.min(Math.floor(place), stops.length - 2);
    return stops[below].map((value, i) => Math.round(value + (stops[below + 1][i] - value) * (place - below)));
}

export function make(tag, className, parent) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    parent?.append(made);
    return made;
}

export class LikelihoodView {
    constructor() {
        this.root = make("div", "starflow-likelihood");
        this.canvas = make("canvas", "", this.root);
        this.canvas.role = "img";
        this.words = make("div", "words", this.root);
        this.value = make("div", "value", this.root);
        const ends = make("div", "row", this.root);
        this.low = make("span", "", ends);
        this.scale = make("div", "scale", ends);
        this.high = make("span", "", ends);
        const controls = make("label", "row", this.root);
        controls.append("overlay");
        this.opacity = make("input", "", controls);
        Object.assign(this.opacity, { type: "range", min: 0, max: 1, step: 0.05, value: 0.55, ariaLabel: "overlay" });
        this.next = make("button", "", controls);
        this.next.hidden = true;
        this.value.textContent = "run to see the likelihood";
        this.opacity.addEventListener("input", () => this.draw());
        this.next.addEventListener("click", () => this.show(this.pictures, this.chosen + 1));
        this.canvas.addEventListener("pointermove", (event) => this.point(event));
        this.canvas.addEventListener("pointerleave", () => this.summarise());
    }

    show(pictures, chosen = 0) {
        this.pictures = pictures;
        this.chosen = chosen % pictures.length;
        this.found = pictures[this.chosen];
        const values = this.found.map.flat().filter(Number.isFinite);
        this.range = [Math.min(...values), Math.max(...values)];
        const stops = this.found.stops.map((stop) => `rgb(${stop.join(",")})`).join(",");
        this.scale.style.background = `linear-gradient(to right, ${stops})`;
        this.low.textContent = `${this.range[0].toFixed(1)} nats`;
        this.high.textContent = `${this.range[1].toFixed(1)} nats`;
        this.next.hidden = pictures.length < 2;
        this.next.textContent = `${this.chosen + 1} / ${pictures.length}`;
        this.summarise();
        const image = new Image();
        image.onload = () => {
            this.image = image;
            this.draw();
        };
        image.onerror = () => {
            this.image = undefined; // the server has let go of it; the map is left
            this.draw();
        };
        image.src = this.found.source;
    }

    summarise() {
        if (!this.found) return;
        const { in_words, log_prob, bits_per_dim, standard_error } = this.found;
        const spread = standard_error === null ? "" : ` ± ${standard_error.toFixed(1)}`;
        const why = bits_per_dim < 0 ? " (below 0, as a density can be above 1)" : "";
        this.words.textContent = in_words ?? "";
        this.value.textContent = `${bits_per_dim.toFixed(3)} bits/dim${why}, ${log_prob.toFixed(1)}${spread} nats`;
        const told = in_words ? `${in_words}; ${this.value.textContent}` : this.value.textContent;
        this.canvas.ariaLabel = `heatmap of the likelihood, over the picture: ${told}`;
    }

    draw() {
        if (!this.found) return;
        const { map, stops } = this.found;
        const [low, high] = this.range;
        this.canvas.width = this.image?.width ?? map[0].length * ALONE;
        this.canvas.height = this.image?.height ?? map.length * ALONE;
        const context = this.canvas.getContext("2d");
        context.globalAlpha = 1;
        if (this.image) context.drawImage(this.image, 0, 0);
        context.globalAlpha = Number(this.opacity.value);
        const [tall, wide] = [this.canvas.height / map.length, this.canvas.width / map[0].length];
        map.forEach((row, y) =>
            row.forEach((value, x) => {
                context.fillStyle = `rgb(${colour(stops, high > low ? (value - low) / (high - low) : 0.5).join(",")})`;
                context.fillRect(x * wide, y * tall, wide, tall);
            }),
        );
    }

    // The picture is fitted into the canvas's box, so that margins lie at two of its sides.
    point(event) {
        if (!this.found) return;
        const box = this.canvas.getBoundingClientRect();
        const fit = Math.min(box.width / this.canvas.width, box.height / this.canvas.height);
        const across = (event.clientX - box.left - (box.width - this.canvas.width * fit) / 2) / (this.canvas.width * fit);
        const down = (event.clientY - box.top - (box.height - this.canvas.height * fit) / 2) / (this.canvas.height * fit);
        if (across < 0 || across >= 1 || down < 0 || down >= 1) return this.summarise();
        const { map } = this.found;
        const value = map[Math.floor(down * map.length)][Math.floor(across * map[0].length)];
        this.value.textContent = `${value.toFixed(2)} nats here`;
    }
}
