// What has the focus, and how that is shown.
const at = document.activeElement;
const style = getComputedStyle(at);
const box = at.getBoundingClientRect();
return {
  is: at === document.body ? "" : at.innerText,
  label: at.getAttribute("aria-label") ?? at.innerText,
  outline: `${style.outlineStyle} ${style.outlineWidth} ${style.outlineColor}`,
  is_visible: !["none", "hidden"].includes(style.outlineStyle) && parseFloat(style.outlineWidth) >= 2 &&
    style.outlineColor !== getComputedStyle(document.body).backgroundColor &&
    box.bottom > 0 && box.top < innerHeight,
};
