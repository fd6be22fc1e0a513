// What does not fit the window, and what is too small for a finger.
const root = document.documentElement;
const name = (at) => `${at.localName}.${at.className} ${JSON.stringify(at.innerText.slice(0, 30))}`;
const shown = [...document.querySelectorAll("body *")].filter((at) => {
  // The head of a table of cards is there for assistive technology alone.
  const is_clipped = getComputedStyle(at.closest("thead") ?? at).clipPath !== "none";
  return at.checkVisibility() && !is_clipped;
});
const outside = shown.filter((at) => {
  const box = at.getBoundingClientRect();
  return box.left < -0.5 || box.right > root.clientWidth + 0.5;
});
const cut = shown.filter((at) => at.scrollWidth > at.clientWidth + 1 && getComputedStyle(at).overflowX === "hidden");
const small = shown.filter((at) => {
  const box = at.getBoundingClientRect();
  return at.matches("a, button") && (box.width < 24 || box.height < 24);
});
return {
  window: innerWidth,
  client: root.clientWidth,
  scroll: root.scrollWidth,
  shown: shown.length,
  outside: outside.map(name),
  cut: cut.map(name),
  small: small.map(name),
};
