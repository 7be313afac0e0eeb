// A picture to paint a mask on. What is painted is drawn anew.
//
// The component's value is the address of the picture; "" for none. The event `painted` sends the mask as a data URI of a PNG, white
// where it was painted; "" for nothing.

const LONGEST = 512; // pixels of the mask; it is enlarged to the picture's size
const MARK = "rgb(13 148 136)";

class Painter {
    constructor(root, trigger) {
        Object.assign(this, { root, trigger, strokes: [] });
        root.innerHTML =
            '<div class="sheet"><img alt="the picture"><canvas role="img" aria-label="the mask: paint over what shall be drawn anew"></canvas></div>' +
            '<div class="tools"><label>brush <input type="range" min="2" max="40" value="14"></label>' +
            '<button type="button" data-do="undo">Undo</button><button type="button" data-do="clear">Clear</button></div>';
        this.image = root.querySelector("img");
        this.canvas = root.querySelector("canvas");
        this.size = root.querySelector("input");
        this.image.addEventListener("load", () => this.fit());
        this.canvas.addEventListener("pointerdown", (event) => this.begin(event));
        this.canvas.addEventListener("pointermove", (event) => this.move(event));
        for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, () => this.end());
        root.addEventListener("click", (event) => this.act(event.target.dataset?.do));
    }

    show(address) {
        this.root.classList.toggle("loaded", Boolean(address));
        this.strokes = [];
        if (address) this.image.src = address;
        else this.image.removeAttribute("src");
        this.send();
    }

    fit() {
        const { naturalWidth, naturalHeight } = this.image;
        const scale = LONGEST / Math.max(naturalWidth, naturalHeight);
        this.canvas.width = Math.max(1, Math.round(naturalWidth * scale));
        this.canvas.height = Math.max(1, Math.round(naturalHeight * scale));
        this.draw();
    }

    place(event) {
        const box = this.canvas.getBoundingClientRect();
        return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    }

    begin(event) {
        if (event.button) return;
        event.preventDefault();
        this.canvas.setPointerCapture(event.pointerId);
        this.strokes.push({ width: this.size.value / 100, points: [this.place(event)] });
        this.isPainting = true;
        this.draw();
    }

    move(event) {
        if (!this.isPainting) return;
        this.strokes.at(-1).points.push(this.place(event));
        this.draw();
    }

    end() {
        if (!this.isPainting) return;
        this.isPainting = false;
        this.send();
    }

    act(action) {
        if (!action) return;
        if (action === "undo") this.strokes.pop();
        if (action === "clear") this.strokes = [];
        this.draw();
        this.send();
    }

    draw() {
        const pen = this.canvas.getContext("2d");
        const { width, height } = this.canvas;
        pen.clearRect(0, 0, width, height);
        Object.assign(pen, { strokeStyle: MARK, lineCap: "round", lineJoin: "round" });
        for (const { width: share, points } of this.strokes) {
            pen.lineWidth = share * Math.min(width, height);
            pen.beginPath();
            for (const [x, y] of [points[0], ...points]) pen.lineTo(x * width, y * height);
            pen.stroke();
        }
    }

    mask() {
        if (!this.strokes.length) return "";
        const white = Object.assign(document.createElement("canvas"), { width: this.canvas.width, height: this.canvas.height });
        const pen = white.getContext("2d");
        pen.drawImage(this.canvas, 0, 0);
        Object.assign(pen, { globalCompositeOperation: "source-in", fillStyle: "white" });
        pen.fillRect(0, 0, white.width, white.height);
        Object.assign(pen, { globalCompositeOperation: "destination-over", fillStyle: "black" });
        pen.fillRect(0, 0, white.width, white.height);
        return white.toDataURL("image/png");
    }

    send() {
        starflow.sent = this.mask();
        this.trigger("painted", {});
    }
}

const painter = new Painter(element.querySelector(".painter"), trigger);
const show = () => painter.show(props.value);
watch("value", show);
if (props.value) show();
