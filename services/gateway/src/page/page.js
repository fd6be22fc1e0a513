"use strict";

// Everything shown comes in as text (textContent), and the policy refuses any other way (trusted types): nothing that a
// service answers can become markup.
const results = document.getElementById("results");
const table = document.getElementById("table");
const announce = document.getElementById("announce");
const problem = document.getElementById("problem");

/** The gateway gives up after 20 s by itself. */
const PATIENCE_MS = 30_000;
const TICK_MS = 200;

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Cells are named twice: by role, as a card's `display` takes the table's own away, and by label, for the card. */
function cell(row, label, className) {
  const made = row.insertCell();
  made.dataset.label = label;
  made.className = className;
  made.setAttribute("role", "cell");
  // What a card puts beside the label is one box.
  return made.appendChild(element("div", "", ""));
}

const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;

function colour(status) {
  if (status < 400) return "good";
  return status < 500 ? "fair" : "bad";
}

function detailOf(answer) {
  const result = answer.result ?? answer;
  return result.order_id ? `order ${result.order_id}` : result.detail ?? result.title ?? "";
}

/** The clipboard is there only on https and loopback: elsewhere the id is selected, to be copied by hand. */
async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    announce.textContent = `Copied ${code.textContent}.`;
  } catch {
    getSelection().selectAllChildren(code);
    announce.textContent = "The trace ID is selected: copy it with Ctrl+C or ⌘C.";
  }
}

function showTraceId(box, traceId, name) {
  const code = box.appendChild(element("code", "", traceId));
  const button = box.appendChild(element("button", "copy", "copy"));
  button.type = "button";
  button.setAttribute("aria-label", `copy the trace ID of this ${name} run`);
  button.addEventListener("click", () => copy(code));
}

function showLinks(box, answer, name) {
  const links = answer.links ?? {};
  // Where no trace store answers for one trace, a command does.
  if (!links.trace) box.append(element("code", "", `just trace ${answer.trace_id}`));
  for (const kind of ["trace", "logs", "metrics"].filter((kind) => links[kind])) {
    const link = box.appendChild(element("a", "", kind));
    link.href = links[kind];
    link.target = "_blank";
    link.rel = "noopener";
    link.setAttribute("aria-label", `${kind} of this ${name} run, in a new tab`);
  }
}

/** A row of the table, from the start of its request on. */
function begin(name) {
  const row = results.insertRow(0);
  row.setAttribute("role", "row");
  row.dataset.scenario = name;
  row.dataset.state = "running";
  cell(row, "Scenario", "name").textContent = name;
  const [status, time, traceId, see, detail] = [
    cell(row, "Status", "status"),
    cell(row, "Time", "time"),
    cell(row, "Trace ID", "trace-id"),
    cell(row, "See", "links"),
    cell(row, "Detail", "detail"),
  ];
  status.textContent = "running…";
  table.hidden = false;

  const started = performance.now();
  const ran = () => performance.now() - started;
  const tick = setInterval(() => { time.textContent = seconds(ran()); }, TICK_MS);
  const end = (state, took) => {
    clearInterval(tick);
    row.dataset.state = state;
    time.textContent = seconds(took);
  };
  return {
    /** Returns what there is to say about it. */
    answered(code, expected, answer) {
      const took = answer.duration_ms ?? ran();
      const verdict = code === expected ? "as expected" : `expected ${expected}`;
      end("done", took);
      status.replaceChildren(
        element("span", colour(code), String(code)),
        // Side by side on a card, they are two words also for who copies or hears them.
        " ",
        element("span", code === expected ? "verdict" : "verdict bad", verdict),
      );
      if (answer.trace_id) {
        showTraceId(traceId, answer.trace_id, name);
        showLinks(see, answer, name);
      }
      detail.textContent = detailOf(answer);
      return `${name}: status ${code}, ${verdict}, after ${seconds(took)}.`;
    },
    unanswered(error) {
      end("unanswered", ran());
      status.replaceChildren(element("span", "bad", "no answer"));
      detail.textContent = error.message;
      return `${name}: no answer.`;
    },
  };
}

async function run(button) {
  // aria-disabled instead of disabled: the keyboard focus stays where it is while the request runs.
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  const { scenario, expect } = button.dataset;
  const row = begin(scenario);
  announce.textContent = `Running ${scenario}…`;
  try {
    const response = await fetch(`/api/scenarios/${encodeURIComponent(scenario)}`, {
      method: "POST",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    // What is not from the gateway itself may be anything.
    const answer = await response.json().catch(() => ({}));
    problem.hidden = true;
    announce.textContent = row.answered(response.status, Number(expect), answer);
  } catch (error) {
    announce.textContent = row.unanswered(error);
    problem.textContent = "The gateway does not answer. Does it run? “just status” says so, “just run” starts it.";
    problem.hidden = false;
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

// They are disabled until here: a button that nothing listens to must not look alive.
for (const button of document.querySelectorAll("button[data-scenario]")) {
  button.addEventListener("click", () => run(button));
  button.disabled = false;
}
