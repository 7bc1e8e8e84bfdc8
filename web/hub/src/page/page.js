// Puts what the hub sends in place of what is shown. The page is whole without this.
const overview = document.getElementById("overview");
const state = document.getElementById("state");
const say = (text) => {
  if (state.textContent !== text) state.textContent = text;
};
const events = new EventSource("events");
events.addEventListener("overview", (event) => {
  const before = overview.querySelector(".scroll");
  const left = before?.scrollLeft ?? 0;
  const focused = before !== null && before === document.activeElement;
  // What somebody has marked to copy it is left alone until it is not marked any more.
  const marked = getSelection();
  if (!marked.isCollapsed && overview.contains(marked.anchorNode)) return;
  overview.innerHTML = event.data;
  const scroll = overview.querySelector(".scroll");
  if (scroll) scroll.scrollLeft = left;
  if (scroll && focused) scroll.focus({ preventScroll: true });
  say("Live");
});
events.addEventListener("error", () => {
  say(events.readyState === EventSource.CLOSED ? "Not live: reload the page" : "Not live: the hub does not answer");
});
