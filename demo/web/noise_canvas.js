// A picture's noise beside the picture: cells that are painted over get fresh noise.
//
// The component's value is the JSON text of { picture, file, noise, rows, columns, patches: [{ cells, seed }] }. The event `redraw`
// sends all patches, with the new one.

class NoiseCanvas {
    constructor(root, trigger) {
        Object.assign(this, { root, trigger, chosen: new Set() });
        root.innerHTML =
            '<div class="pair"><figure><div class="noise"><img alt="the noise"><div class="cells" role="grid" aria-label="cells of the noise">' +
            "</div></div><figcaption>its noise: paint here</figcaption></figure>" +
            '<figure><img class="drawn" alt="the picture"><figcaption>the picture</figcaption></figure></div>' +
            '<p><button type="button" data-do="undo">Undo</button> <button type="button" data-do="reset">The picture again</button>' +
            ' <a download="noise-canvas.png">Save</a></p>';
        this.cells = root.querySelector(".cells");
        this.cells.addEventListener("pointerdown", (event) => this.begin(event));
        this.cells.addEventListener("pointermove", (event) => this.over(event));
        window.addEventListener("pointerup", () => this.end());
        this.cells.addEventListener("keydown", (event) => this.key(event));
        root.addEventListener("click", (event) => this.act(event.target.dataset?.do));
    }

    show(found) {
        this.found = found;
        this.root.classList.add("loaded");
        this.root.classList.remove("waiting");
        this.root.querySelector(".noise img").src = found.noise;
        this.root.querySelector(".drawn").src = found.picture;
        this.root.querySelector("a").href = found.file;
        this.chosen.clear();
        this.cells.style.gridTemplateColumns = `repeat(${found.columns}, 1fr)`;
        if (this.cells.childElementCount !== found.rows * found.columns) {
            this.cells.replaceChildren(
                ...Array.from({ length: found.rows * found.columns }, (_, place) => {
                    const cell = document.createElement("div");
                    Object.assign(cell, { tabIndex: place ? -1 : 0, role: "gridcell" });
                    const [row, column] = [Math.floor(place / found.columns), place % found.columns];
                    cell.setAttribute("aria-label", `row ${row + 1}, column ${column + 1}`);
                    return cell;
                }),
            );
        }
        for (const cell of this.cells.children) cell.className = "";
    }

    begin(event) {
        if (this.root.classList.contains("waiting")) return;
        event.preventDefault();
        this.isPainting = true;
        this.paint(event.target);
    }

    over(event) {
        if (!this.isPainting) return;
        const under = document.elementFromPoint(event.clientX, event.clientY); // touches stay with their first target
        if (under?.parentElement === this.cells) this.paint(under);
    }

    paint(cell) {
        if (cell.parentElement !== this.cells) return;
        cell.className = "chosen";
        this.chosen.add([...this.cells.children].indexOf(cell));
    }

    end() {
        if (!this.isPainting) return;
        this.isPainting = false;
        const { columns, patches } = this.found;
        const cells = [...this.chosen].map((place) => [Math.floor(place / columns), place % columns]);
        this.send([...patches, { cells, seed: starflow.randomSeed() }]);
    }

    key(event) {
        const place = [...this.cells.children].indexOf(event.target);
        const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.found.columns, ArrowDown: this.found.columns }[event.key];
        if (step !== undefined) {
            event.preventDefault();
            this.cells.children[place + step]?.focus();
        } else if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            this.isPainting = true;
            this.paint(event.target);
            this.end();
        }
    }

    act(action) {
        if (!action || !this.found?.patches.length || this.root.classList.contains("waiting")) return;
        this.send(action === "undo" ? this.found.patches.slice(0, -1) : []);
    }

    send(patches) {
        this.root.classList.add("waiting");
        starflow.sent = patches;
        this.trigger("redraw", {});
    }
}

const canvas = new NoiseCanvas(element.querySelector(".noise-canvas"), trigger);
const show = () => props.value && canvas.show(JSON.parse(props.value));
watch("value", show);
show();
