// What the whole page shares: what stands in the address, and what goes from one part of the page to another.

window.starflow = {
    // Short, so that people can read it out.
    randomSeed: () => crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000,

    // What a part of the page hands over with an event, for the event's own script to take.
    sent: null,

    query() {
        return Object.fromEntries(new URLSearchParams(location.search));
    },

    // A new place in the history, unless it is where we are.
    go(entries) {
        const query = new URLSearchParams(entries).toString();
        if (`?${query}` !== location.search && (query || location.search)) {
            history.pushState(null, "", query ? `?${query}` : location.pathname);
        }
    },

    // The tab that is open; the first needs no word. (`page` is Gradio's own.)
    tab(name, first) {
        const { tab, ...rest } = this.query();
        if ((tab ?? first) !== name) this.go(name === first ? rest : { tab: name, ...rest });
    },

    // Parameters of an address that draws the same again: what differs from the settings at first.
    described(prompt, seed, settings, defaults) {
        const changed = Object.entries(settings).filter(([name, value]) => value !== defaults[name]);
        return { prompt, seed, ...Object.fromEntries(changed) };
    },

    // Drawing begins: the seed to draw with.
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

    // The address was read, and the fields hold what it says.
    arrived() {
        const { tab, ...asked } = this.sent;
        if (tab || asked.prompt === undefined || new URLSearchParams(asked).toString() === this.drawn) return;
        this.isGiven = asked.seed !== undefined;
        this.press("draw");
    },

    isBusy: () => document.body.classList.contains("drawing"),

    // Draw turns into Stop and back, with the keyboard's focus.
    busy(is) {
        const focused = document.activeElement?.id;
        document.body.classList.toggle("drawing", is);
        if (!is) window.dispatchEvent(new Event("starflow:end"));
        if (focused === (is ? "draw" : "stop")) document.getElementById(is ? "stop" : "draw")?.focus();
    },

    // Lines on the state of work are read out as they change.
    live() {
        for (const line of document.querySelectorAll(".status:not([aria-live])")) {
            line.setAttribute("role", "status");
            line.setAttribute("aria-live", "polite");
        }
    },

    // Uploaded files without those that were refused; with previews of what browsers do not show.
    accepted(verdicts, files) {
        const shown = (file, { preview }) => (preview ? { ...file, url: preview } : file);
        if (!Array.isArray(files)) return files && verdicts[0]?.taken ? shown(files, verdicts[0]) : null;
        const kept = files.map((file, i) => [file, verdicts[i]]).filter(([, verdict]) => verdict?.taken);
        return [kept.map(([file, verdict]) => ({ ...file, image: shown(file.image, verdict) }))];
    },

    // Press a button as soon as it is there, and show what will hold its result.
    async press(id, result) {
        while (!document.getElementById(id)) await new Promise(requestAnimationFrame);
        document.getElementById(id).click();
        document.getElementById(result)?.scrollIntoView({ block: "nearest" });
    },

    // A picture of the page as an uploaded one, as components hold it.
    async uploaded(address, name, upload) {
        const bytes = await (await fetch(address)).blob();
        const { path, url } = await upload(new File([bytes], name, { type: bytes.type }));
        return { path, url, orig_name: name, mime_type: bytes.type, size: bytes.size, meta: { _type: "gradio.FileData" } };
    },
};
