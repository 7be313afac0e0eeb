// The player of a morph: a slider over frames that are drawn already, and a button that plays them.
//
// The component's value is the JSON text of { frames: [address], animation: address }.

const MILLISECONDS = 90;

class Player {
    constructor(root) {
        this.root = root;
        root.innerHTML =
            '<figure class="morph"><img alt=""><figcaption><button type="button">Play</button>' +
            '<input type="range" min="0" value="0" step="1" aria-label="frame">' +
            '<a download="morph.webp">Save</a></figcaption></figure>';
        [this.image, this.button, this.slider, this.link] = ["img", "button", "input", "a"].map((name) => root.querySelector(name));
        this.slider.addEventListener("input", () => this.show());
        this.button.addEventListener("click", () => (this.timer ? this.stop() : this.play()));
    }

    load({ frames, animation }) {
        this.stop();
        this.frames = frames;
        this.slider.max = frames.length - 1;
        this.slider.value = 0;
        this.link.href = animation;
        this.root.classList.add("loaded");
        this.show();
    }

    show() {
        const place = Number(this.slider.value);
        this.image.src = this.frames[place];
        this.image.alt = `frame ${place + 1} of ${this.frames.length}`;
    }

    play() {
        const last = 2 * (this.frames.length - 1);
        let step = Number(this.slider.value);
        this.button.textContent = "Pause";
        this.timer = setInterval(() => {
            step = (step + 1) % last;
            this.slider.value = Math.min(step, last - step);
            this.show();
        }, MILLISECONDS);
    }

    stop() {
        clearInterval(this.timer);
        this.timer = undefined;
        this.button.textContent = "Play";
    }
}

const player = new Player(element.querySelector(".morph-place"));
const load = () => props.value && player.load(JSON.parse(props.value));
watch("value", load);
load();
