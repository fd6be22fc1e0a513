// Shows that the checks can fail: the page is served again with one fault, and the first check to fail must be the one
// named here, with this word. The scenarios answer as they did before, so that the shop is not asked again.
import { ScenarioPage, check, within } from './page.mjs';
import { walk } from './walk.mjs';

const HTML = '/';
const CSS = '/page.css';
const JS = '/page.js';
const POLICY = 'content-security-policy';

const LOADS = 'loads without an error or a refusal on the console';
const RUNNING = 'a run is shown as running, and the focus stays';
const TAB = 'Tab stops at each button, in order, and the focus is seen';
const ALOUD = 'each run is read out, when it begins and when it ends';
const KEPT = 'results stay, with newer ones above them';
const TRACES = 'both traces of normal are in the trace store, each with its root';
const LINKS = 'each link of normal shows the run';
const COPIED = 'the trace ID is copied by keyboard';
const FOLLOWED = 'links are reached by Tab and open in a tab of their own';
const LIGHT = 'can be read in light colours';
const DARK = 'can be read in dark colours';
const OFFLINE = 'says so when the gateway is out of reach, and recovers';
const QUIET = 'writes nothing else to the console';
const REFUSES = 'its policy refuses code, markup, connections and images that are not its own';

/** A file of the page, or its policy, with one text replaced by another. */
const edit = (row, word, where, text, by) => ({ row, word, where, text, by });
/** An answer of a scenario, changed by `change(answer, answers of all scenarios, scenario, 0 or 1)`. */
const change = (row, word, change) => ({ row, word, change });
/** The answer of the scenario `normal`, changed. */
const normal = (row, word, changed) => change(row, word, (it, all, scenario) => (scenario === 'normal' ? changed(it, all) : it));
const withBody = ({ status, body }, changed) => ({ status, body: { ...body, ...changed } });

const BREAKS = [
  edit(LOADS, 'Content Security Policy', HTML, '</main>', '<script>0</script></main>'),
  edit(LOADS, 'the title is', HTML, '<title>OTel Shop', '<title>Shop'),
  edit(RUNNING, 'nothing moves', CSS, 'animation: pulse 1s', 'animation: none 1s'),
  edit(RUNNING, 'less motion', CSS, '@media (prefers-reduced-motion: no-preference)', '@media all'),
  edit(RUNNING, 'the focus went to', JS, 'button.setAttribute("aria-disabled", "true")', 'button.disabled = true'),
  edit(RUNNING, 'not running', JS, '"click", () => run', '"mousedown", () => run'),
  edit(TAB, 'Tab stops at product-error', HTML, 'data-scenario="product-error"', 'data-scenario="product-error" tabindex="1"'),
  edit(TAB, 'has the outline none', CSS, ':focus-visible { outline: 3px solid', ':focus { outline: none; --unused: 3px solid'),
  normal('normal by keyboard shows 201', 'shows 502', (it) => ({ ...it, status: 502 })),
  normal('normal by keyboard shows 201', 'trace ID', (it) => withBody(it, { trace_id: '0'.repeat(32) })),
  edit('normal by click shows 201', 'not 10 runs', JS, '"click", () => run', '"keydown", (event) => event.key === "Enter" && run'),
  edit(ALOUD, 'is not among', JS, 'announce.textContent = `Running', 'announce.title = `Running'),
  edit(KEPT, 'became', JS, 'results.insertRow(0)', 'results.insertRow(-1)'),
  normal(KEPT, '9 trace IDs of 10', (_, all) => all.normal[0]),
  change(TRACES, 'the root answered 502', (it, all, scenario, turn) => {
    const swapped = { normal: 'product-error', 'product-error': 'normal' }[scenario];
    return swapped ? withBody(it, { trace_id: all[swapped][turn].body.trace_id }) : it;
  }),
  normal(LINKS, 'links ', (it) => withBody(it, { links: { ...it.body.links, metrics: undefined } })),
  normal(LINKS, 'metrics: ', (it) => withBody(it, { links: { ...it.body.links, metrics: it.body.links.metrics.replace('code', 'none') } })),
  edit(COPIED, 'the clipboard has', JS, 'writeText(code.textContent)', 'writeText("")'),
  edit(COPIED, 'is not visible', CSS, ':focus-visible { outline: 3px solid', '.copy:focus { outline: none !important } :focus-visible { outline: 3px solid'),
  edit(FOLLOWED, 'no second tab', JS, 'link.target = "_blank"', 'link.target = "_self"'),
  edit('fits a window 768 pixels wide', 'in a window of', CSS, 'main { max-width', 'main { min-width: 900px; max-width'),
  edit('fits a window 360 pixels wide', 'in a window of', CSS, 'main { max-width', 'main { min-width: 500px; max-width'),
  edit('fits a window 1280 pixels wide', 'cut off', CSS, '.status {', 'h1 { width: 3rem; overflow: hidden } .status {'),
  edit('fits a window 1280 pixels wide', 'target-size', CSS, '.status {', '.scenarios { gap: 0 } .scenarios li { padding: 0; font-size: .4rem; line-height: 1 } button[data-scenario] { min-height: 0; padding: 0 } .status {'),
  edit(LIGHT, 'color-contrast', CSS, '--muted: #57606a', '--muted: #b0b8c0'),
  edit(LIGHT, 'html-has-lang', HTML, ' lang="en"', ''),
  edit(DARK, 'color-contrast', CSS, '--muted: #a2acb8', '--muted: #3d4653'),
  edit(DARK, 'the background is', CSS, 'prefers-color-scheme: dark', 'prefers-color-scheme: none'),
  edit(OFFLINE, 'the page says', JS, 'problem.hidden = false', 'problem.hidden = true'),
  edit(OFFLINE, 'still says', JS, 'problem.hidden = true', 'problem.title = ""'),
  edit(QUIET, 'unexpected', JS, 'table.hidden = false', 'console.warn("unexpected"); table.hidden = false'),
  edit(REFUSES, 'got through: markup', POLICY, "require-trusted-types-for 'script'; trusted-types 'none'", ''),
  edit(REFUSES, 'got through: connection', POLICY, "connect-src 'self'", 'connect-src *'),
  edit(REFUSES, 'img-src refused nothing', POLICY, "img-src 'self'", 'img-src *'),
];

/** Seconds; the answers are there already. */
const ANSWERS = 8;
/** Rows of the walk that take long and that no later row depends on: they run only for a fault of theirs. */
const isLeftOut = (name) => /^(both traces of|each link of|fits a window|can be read) /.test(name);

/** Runs every break; returns how many there are, or throws with those that were not seen. */
export async function breaks(browser, page, backends, options) {
  const served = new Map();
  for (const path of [HTML, CSS, JS]) {
    const response = await fetch(new URL(path, page.address));
    served.set(path, { headers: Object.fromEntries(response.headers), body: await response.text() });
  }
  const answers = {};
  for (const [scenario, list] of Object.entries(page.answers)) {
    answers[scenario] = list.map(({ status, body }) => ({ status, body: JSON.parse(body) }));
  }
  const unseen = [];
  const left = [...BREAKS];
  const worker = async () => {
    for (let fault = left.shift(); fault; fault = left.shift()) {
      const seen = await first(browser, page.address, served, answers, fault, backends, options);
      if (seen.name === fault.row && seen.text.includes(fault.word)) continue;
      unseen.push(`"${fault.row}" should say "${fault.word}", but ${seen.name ? `"${seen.name}" said "${seen.text}"` : 'all passed'}`);
    }
  };
  await Promise.all([worker(), worker(), worker()]);
  check(unseen.length === 0, unseen.join('; '));
  return `${BREAKS.length} faults, each named by its row`;
}

/** The first row that fails on a page with this fault. */
async function first(browser, address, served, answers, fault, backends, options) {
  const context = await browser.createBrowserContext();
  try {
    const page = new ScenarioPage(await context.newPage(), address);
    await page.tab.setRequestInterception(true);
    const serve = server(page, served, answers, fault);
    page.tab.on('request', (request) => serve(request).catch((error) => page.console.push(`${address} ${error.message}`)));
    for (const [name, run] of walk(page, backends, { ...options, answers: ANSWERS })) {
      if (isLeftOut(name) && name !== fault.row) continue;
      try {
        await run();
      } catch (error) {
        return { name, text: error.message };
      }
    }
    return {};
  } finally {
    await context.close();
  }
}

/** Answers the requests of a page in place of the gateway. */
function server(page, served, answers, { where, text, by, change = (it) => it }) {
  const asked = {};
  const edited = (path, original) => {
    if (where !== path) return original;
    check(original.includes(text), `the break changes nothing: ${path} has no ${text}`);
    return original.replaceAll(text, by);
  };
  return async (request) => {
    const { pathname, origin } = new URL(request.url());
    const [, scenario] = pathname.match(/^\/api\/scenarios\/([\w-]+)$/) ?? [];
    const file = served.get(pathname);
    if (page.isOffline) return request.abort('internetdisconnected');
    if (origin !== new URL(page.address).origin) return request.respond({ body: '' });
    if (file) {
      const headers = { ...file.headers, [POLICY]: edited(POLICY, file.headers[POLICY]) };
      delete headers['content-length'];
      return request.respond({ headers, body: edited(pathname, file.body) });
    }
    if (!scenario) return request.continue();
    const turn = (asked[scenario] = (asked[scenario] ?? -1) + 1) % 2;
    const { status, body } = change(answers[scenario][turn], answers, scenario, turn);
    if (scenario === 'long-request') await within(ANSWERS, () => check(page.wasSeenRunning, 'nothing was seen running'));
    return request.respond({ status, contentType: 'application/json', body: JSON.stringify(body) });
  };
}
