// Puts what the hub sends in place of what is shown. The page is whole without this.
const overview = document.getElementById("overview");
const state = document.getElementById("state");
const say = (text) => {
  if (state.textContent !== text) state.textContent = text;
};
const events = new EventSource("events");
events.addEventListener("overview", (event) => {
  const left = overview.querySelector(".scroll")?.scrollLeft ?? 0;
  overview.innerHTML = event.data;
  const scroll = overview.querySelector(".scroll");
  if (scroll) scroll.scrollLeft = left;
  say("Live");
});
events.addEventListener("error", () => {
  say(events.readyState === EventSource.CLOSED ? "Not live: reload the page" : "Not live: the hub does not answer");
});
