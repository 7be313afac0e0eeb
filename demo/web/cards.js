// Drawn pictures as cards: the picture, how likely it is in words, and what can be done with it.
//
// The component's value is, as JSON, { prompt, settings, defaults, pictures: [{ shown, file, name, alt, seed, words, share,
// bits }] }; while pictures are being drawn they have `shown` and `alt` only, and before that nothing.

class Cards {
    constructor(root, upload, trigger) {
        Object.assign(this, { root, upload, trigger, cards: [] });
    }

    show(run) {
        this.run = run;
        const pictures = run.pictures ?? [];
        if (pictures.length !== this.cards.length) {
            this.cards = pictures.map((picture, place) => this.make(place));
            this.root.replaceChildren(...this.cards);
            this.root.dataset.many = pictures.length > 8 ? "many" : pictures.length > 4 ? "some" : "few";
        }
        pictures.forEach((picture, place) => this.fill(this.cards[place], picture));
    }

    make(place) {
        const card = document.createElement("figure");
        card.className = "card";
        card.innerHTML = TEMPLATE;
        card.addEventListener("click", (event) => {
            const action = event.target.closest("[data-action]")?.dataset.action;
            if (action) this.act(action, this.run.pictures[place], card);
        });
        return card;
    }

    fill(card, picture) {
        const find = (selector) => card.querySelector(selector);
        const image = find("img");
        card.classList.toggle("waiting", !picture.shown);
        if (picture.shown && image.src !== picture.shown) image.src = picture.shown;
        image.alt = picture.alt ?? "";
        const isDone = picture.file !== undefined;
        card.classList.toggle("done", isDone);
        if (!isDone) return;
        Object.assign(find("a"), { href: picture.file, download: picture.name });
        find(".words").textContent = picture.words;
        find(".numbers").textContent = `seed ${picture.seed} · ${picture.bits} bits/dim`;
        const gauge = find(".gauge");
        gauge.hidden = picture.share === null;
        gauge.firstElementChild.style.width = `${Math.round(100 * (picture.share ?? 0))}%`;
    }

    async act(action, picture, card) {
        if (action === "download") return;
        if (action === "link") return this.copy(picture, card);
        const file = await starflow.uploaded(picture.file, picture.name, this.upload);
        starflow.sent = { file, prompt: this.run.prompt, model: this.run.settings.model };
        this.trigger(action, {});
    }

    async copy(picture, card) {
        const { prompt, settings, defaults } = this.run;
        const query = new URLSearchParams(starflow.described(prompt, picture.seed, settings, defaults));
        const address = `${location.origin}${location.pathname}?${query}`;
        const told = card.querySelector(".told");
        try {
            await navigator.clipboard.writeText(address);
            told.textContent = "Link copied";
        } catch {
            window.prompt("Copy this link:", address); // where the browser keeps the clipboard to itself
        }
        setTimeout(() => (told.textContent = ""), 2000);
    }
}

const cards = new Cards(element.querySelector(".cards"), upload, (name, data) => trigger(name, data));
const show = () => cards.show(JSON.parse(props.value || "{}"));
watch("value", show);
show();
// While nothing is drawn yet, empty frames stand where the pictures will; what was there before stays if nothing comes.
window.addEventListener("starflow:begin", ({ detail }) => cards.show({ pictures: Array(detail.count).fill({}) }));
window.addEventListener("starflow:end", () => {
    show();
    if (!cards.cards.length) document.body.classList.remove("drawn");
});
