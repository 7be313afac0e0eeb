// Functions for the whole page: they read and write the address, and pass data between parts of the page.

window.starflow = {
    // A random seed, short enough to read aloud.
    randomSeed: () => crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000,

    // The data of an event: a part of the page sets it, and the script of the event reads it.
    sent: null,

    query() {
        return Object.fromEntries(new URLSearchParams(location.search));
    },

    // Adds an entry to the browser's history, unless the address stays the same.
    go(entries) {
        const query = new URLSearchParams(entries).toString();
        if (`?${query}` !== location.search && (query || location.search)) {
            history.pushState(null, "", query ? `?${query}` : location.pathname);
        }
    },

    // Writes the open tab into the address; the first tab has no entry. (Gradio uses the key `page` itself.)
    tab(name, first) {
        const { tab, ...rest } = this.query();
        if ((tab ?? first) !== name) this.go(name === first ? rest : { tab: name, ...rest });
    },

    // Returns the query that draws the same picture again: prompt, seed, and the settings that are not the defaults.
    described(prompt, seed, settings, defaults) {
        const changed = Object.entries(settings).filter(([name, value]) => value !== defaults[name]);
        return { prompt, seed, ...Object.fromEntries(changed) };
    },

    // Starts a drawing: updates the address and the page, and returns the seed to draw with.
    begin(prompt, seed, keep, settings, defaults) {
        if (this.isBusy()) return seed;
        const drawn = keep || this.isGiven ? seed : this.randomSeed();
        this.isGiven = false;
        const asked = this.described(prompt, drawn, settings, defaults);
        this.drawn = new URLSearchParams(asked).toString();
        this.go(asked);
        this.busy(true);
        document.body.classList.add("drawn");
        window.dispatchEvent(new CustomEvent("starflow:begin", { detail: { count: settings.batch_size } }));
        return drawn;
    },

    // Draws when the fields have the values of the address, if it has a prompt that is not drawn already.
    arrived() {
        const { tab, ...asked } = this.sent;
        if (tab || asked.prompt === undefined || new URLSearchParams(asked).toString() === this.drawn) return;
        this.isGiven = asked.seed !== undefined;
        this.press("draw");
    },

    isBusy: () => document.body.classList.contains("drawing"),

    // Replaces the button Draw by Stop, or Stop by Draw; the keyboard focus follows.
    busy(is) {
        const focused = document.activeElement?.id;
        document.body.classList.toggle("drawing", is);
        if (!is) window.dispatchEvent(new Event("starflow:end"));
        if (focused === (is ? "draw" : "stop")) document.getElementById(is ? "stop" : "draw")?.focus();
    },

    // Makes screen readers read out changes of the status lines.
    live() {
        for (const line of document.querySelectorAll(".status:not([aria-live])")) {
            line.setAttribute("role", "status");
            line.setAttribute("aria-live", "polite");
        }
    },

    // Returns the uploaded files that were accepted, with previews of those that browsers cannot show.
    accepted(verdicts, files) {
        const shown = (file, { preview }) => (preview ? { ...file, url: preview } : file);
        if (!Array.isArray(files)) return files && verdicts[0]?.taken ? shown(files, verdicts[0]) : null;
        const kept = files.map((file, i) => [file, verdicts[i]]).filter(([, verdict]) => verdict?.taken);
        return [kept.map(([file, verdict]) => ({ ...file, image: shown(file.image, verdict) }))];
    },

    // Presses a button as soon as it exists, and scrolls to the element of its result.
    async press(id, result) {
        while (!document.getElementById(id)) await new Promise(requestAnimationFrame);
        document.getElementById(id).click();
        document.getElementById(result)?.scrollIntoView({ block: "nearest" });
    },

    // Uploads a picture of the page; returns the file in the form that components hold.
    async uploaded(address, name, upload) {
        const bytes = await (await fetch(address)).blob();
        const { path, url } = await upload(new File([bytes], name, { type: bytes.type }));
        return { path, url, orig_name: name, mime_type: bytes.type, size: bytes.size, meta: { _type: "gradio.FileData" } };
    },
};
