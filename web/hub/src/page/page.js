// Puts what the hub sends in place of what is shown. The page is whole without this.
const overview = document.getElementById("overview");
const state = document.getElementById("state");
const say = (text) => {
  if (state.textContent !== text) state.textContent = text;
};
const show = (event) => {
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
};
let events;
let silence;
const lost = () => say("Not live: the hub does not answer");
// A hub that has lost its power, or a cable, does not say that it is gone: what it does not say in time tells so.
const wait = () => {
  clearTimeout(silence);
  silence = setTimeout(() => {
    lost();
    listen();
  }, Number(state.dataset.silence));
};
const listen = () => {
  events?.close();
  events = new EventSource("events");
  events.addEventListener("overview", (event) => {
    wait();
    show(event);
  });
  events.addEventListener("error", lost);
  wait();
};
listen();
