// The address says what to show: when the page is opened, and when its visitor goes back or forward.

const arrive = () => {
    starflow.sent = starflow.query();
    trigger("arrive", {});
};
window.addEventListener("popstate", arrive);
if (location.search) arrive();
