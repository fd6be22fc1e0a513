// Tries what the policy must refuse: code in the page, markup from text, and a connection and an image from elsewhere.
const [elsewhere, done] = arguments;
const refused = [];
document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
const got_through = [];
const attempt = (name, way) => {
  try {
    way();
  } catch {
    return;
  }
  got_through.push(name);
};
attempt("markup", () => { document.createElement("div").innerHTML = "<b>markup</b>"; });
attempt("evaluated code", () => { setTimeout("0"); });
const script = document.createElement("script");
try {
  script.append("window.inlineRan = true");
  document.head.append(script);
} catch { /* Refused before it could be tried. */ }
if (window.inlineRan) got_through.push("inline code");
script.remove();
new Image().src = elsewhere;
fetch(elsewhere, { mode: "no-cors" })
  .then(() => got_through.push("connection"), () => {})
  // The image's event is queued before this.
  .finally(() => setTimeout(() => done({ refused, got_through }), 50));
