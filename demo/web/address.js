// Shows what the address asks for, when the page opens and when the visitor goes back or forward.

const arrive = () => {
    starflow.sent = starflow.query();
    trigger("arrive", {});
};
window.addEventListener("popstate", arrive);
if (location.search) arrive();
