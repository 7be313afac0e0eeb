// Cards of drawn pictures: each has the picture, its likelihood in words, and buttons for further actions.
//
// The component's value is the JSON text of { prompt, settings, defaults, pictures: [{ shown, file, name, alt, seed,
// words, standing, share, bits }] }. While pictures are being drawn, they have `shown` and `alt` only; before that, they are empty.

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
        find(".standing").textContent = find(".standing").title = picture.standing;
        const numbers = find(".numbers");
        numbers.textContent = `seed ${picture.seed} · ${picture.bits} bits/dim`;
        numbers.title = Number(picture.bits) < 0 ? "below 0, as a density can be above 1" : "";
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
            window.prompt("Copy this link:", address); // if the browser denies access to the clipboard
        }
        setTimeout(() => (told.textContent = ""), 2000);
    }
}

const cards = new Cards(element.querySelector(".cards"), upload, (name, data) => trigger(name, data));
const show = () => cards.show(JSON.parse(props.value || "{}"));
watch("value", show);
show();
// Shows empty frames until the first preview arrives. If the run ends without pictures, the earlier ones return.
window.addEventListener("starflow:begin", ({ detail }) => cards.show({ pictures: Array(detail.count).fill({}) }));
window.addEventListener("starflow:end", () => {
    show();
    if (!cards.cards.length) document.body.classList.remove("drawn");
});
