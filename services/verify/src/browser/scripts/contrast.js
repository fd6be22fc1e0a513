// Text whose contrast to what is behind it is below 4.5 (WCAG 2.2, 1.4.3), and how many texts there are.
const parse = (colour) => {
  const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
  return { channels: [red, green, blue], alpha };
};
const luminance = ({ channels }) => {
  const [red, green, blue] = channels.map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const behind = (at) => {
  for (let above = at; above; above = above.parentElement) {
    const colour = parse(getComputedStyle(above).backgroundColor);
    if (colour.alpha > 0) return colour;
  }
  return parse("rgb(255, 255, 255)");
};
const texts = [...document.querySelectorAll("body *")].filter((at) =>
  at.checkVisibility() && [...at.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()));
const measured = texts.map((at) => {
  const [a, b] = [luminance(parse(getComputedStyle(at).color)), luminance(behind(at))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  return { text: at.innerText.slice(0, 30), ratio };
});
return {
  texts: measured.length,
  background: getComputedStyle(document.body).backgroundColor,
  weakest: Math.min(...measured.map(({ ratio }) => ratio)),
  faint: measured.filter(({ ratio }) => ratio < 4.5).map(({ text, ratio }) => `${JSON.stringify(text)} ${ratio.toFixed(1)}`),
};
