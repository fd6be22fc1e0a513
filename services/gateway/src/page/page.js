"use strict";

// Everything shown comes in as text (textContent): nothing a service answers can become markup.
const results = document.getElementById("results");
const announce = document.getElementById("announce");

const say = (text) => { announce.textContent = text; };

function cell(row, label, text, className) {
  const td = row.insertCell();
  td.dataset.label = label;
  td.textContent = text;
  if (className) td.className = className;
  return td;
}

function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

function detailOf(answer) {
  const result = answer.result ?? answer;
  if (result.order_id) return `order ${result.order_id}`;
  return result.detail ?? result.title ?? "";
}

function show(name, status, milliseconds, answer) {
  const row = results.insertRow(0);
  cell(row, "Scenario", name);
  cell(row, "Status", status, `status ${status >= 200 && status < 400 ? "ok" : "bad"}`);
  cell(row, "Time", seconds(milliseconds));
  cell(row, "Trace ID", answer.trace_id ?? "", "trace-id");
  const see = cell(row, "See", "", "links");
  const links = answer.links ?? {};
  for (const kind of ["trace", "logs", "metrics"].filter((kind) => links[kind])) {
    const link = document.createElement("a");
    link.href = links[kind];
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = kind;
    link.setAttribute("aria-label", `${kind} of this ${name} run`);
    see.append(link, " ");
  }
  if (answer.trace_id && !links.trace) {
    const command = document.createElement("code");
    command.textContent = `just trace ${answer.trace_id}`;
    see.prepend(command, " ");
  }
  cell(row, "Detail", detailOf(answer));
}

async function run(button) {
  // aria-disabled instead of disabled: the keyboard focus stays where it is while the request runs.
  if (button.getAttribute("aria-disabled") === "true") return;
  const name = button.dataset.scenario;
  button.setAttribute("aria-disabled", "true");
  say(`Running ${name} …`);
  const started = performance.now();
  try {
    const response = await fetch(`/api/scenarios/${encodeURIComponent(name)}`, { method: "POST" });
    const answer = await response.json().catch(() => ({}));
    const took = answer.duration_ms ?? performance.now() - started;
    show(name, response.status, took, answer);
    say(`${name}: status ${response.status} after ${seconds(took)}.`);
  } catch (error) {
    show(name, 0, performance.now() - started, { detail: String(error) });
    say(`${name}: the gateway did not answer.`);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

for (const button of document.querySelectorAll("button[data-scenario]")) {
  button.addEventListener("click", () => run(button));
}
