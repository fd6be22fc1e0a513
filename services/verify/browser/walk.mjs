// What must be true of the page, in the order in which a user would find out.
import { fits, isReadable, policy } from './audit.mjs';
import { check, isRunning, summary, within } from './page.mjs';

/** Each scenario, in the order of the page, and the status that its order gets. */
export const SCENARIOS = [
  ['normal', 201],
  ['product-error', 502],
  ['inventory-timeout', 504],
  ['long-request', 201],
  ['out-of-stock', 409],
];

/** Seconds. The longest scenario takes five, and all run at the same time. */
const ANSWERS = 20;
/** Seconds, for what the page does by itself. */
const SOON = 5;

/** Each check as its name and a function that returns the evidence or throws; run them in order. */
export function* walk(page, backends, { elsewhere, answers = ANSWERS }) {
  const { tab } = page;
  const count = SCENARIOS.length;
  const stops = [];
  let typed = [];
  let all = [];

  const ended = (expected) =>
    page.until(answers, `${expected} runs at their end`, (runs) => runs.length === expected && !runs.some(isRunning));

  /** One row per scenario, by its newest run. */
  function* answered(means, run) {
    let done;
    for (const [scenario, status] of SCENARIOS) {
      yield [
        `${scenario} by ${means} shows ${status}`,
        async () => shows((await (done ??= run())).find((it) => it.scenario === scenario), status),
      ];
    }
  }

  yield [
    'loads without an error or a refusal on the console',
    async () => {
      await page.open();
      const title = await tab.title();
      check(page.console.length === 0, page.console.join('; '));
      check(title.includes('OTel Shop'), `the title is "${title}"`);
      return `"${title}", the console is empty`;
    },
  ];
  yield [
    'a run is shown as running, and the focus stays',
    async () => {
      // Tab to each button and Enter, with no pointer: all scenarios run at the same time.
      for (const _ of SCENARIOS) {
        await page.press('Tab');
        stops.push(await page.focus());
        await page.press('Enter');
      }
      return running(page).finally(() => (page.wasSeenRunning = true));
    },
  ];
  yield [
    'Tab stops at each button, in order, and the focus is seen',
    () => {
      const order = stops.map(({ text }) => text).join(', ');
      check(order === SCENARIOS.map(([name]) => name).join(', '), `Tab stops at ${order}`);
      const hidden = stops.find(({ isVisible }) => !isVisible);
      check(!hidden, `${hidden?.text} has the outline ${hidden?.outline}`);
      return `${stops.length} stops, outline ${stops[0].outline}`;
    },
  ];
  yield* answered('keyboard', async () => (typed = await ended(count)));
  yield* answered('click', async () => {
    for (const [scenario] of SCENARIOS) await page.click(scenario);
    return (all = await ended(2 * count));
  });
  yield [
    'each run is read out, when it begins and when it ends',
    async () => {
      const said = await page.announced();
      for (const [name, status] of SCENARIOS) {
        for (const words of [`Running ${name}`, `${name}: status ${status}`]) {
          check(said.some((it) => it.startsWith(words)), `"${words}" is not among "${said.join('", "')}"`);
        }
      }
      return `${said.length} announcements`;
    },
  ];
  yield [
    'results stay, with newer ones above them',
    () => {
      const kept = all.slice(-typed.length);
      check(typed.length && all.length > typed.length, `${summary(typed)} became ${summary(all)}`);
      check(JSON.stringify(kept) === JSON.stringify(typed), `${summary(typed)} became ${summary(all)}`);
      const ids = new Set(all.map(({ traceId }) => traceId));
      check(ids.size === all.length, `${ids.size} trace IDs of ${all.length} runs`);
      return `${all.length - typed.length} above ${typed.length}, all traces differ`;
    },
  ];
  for (const [scenario, status] of SCENARIOS) {
    yield [
      `both traces of ${scenario} are in the trace store, each with its root`,
      async () => {
        const runs = all.filter((run) => run.scenario === scenario);
        check(runs.length === 2, `${runs.length} runs instead of 2`);
        return (await Promise.all(runs.map((run) => backends.traced(run, status)))).join('; ');
      },
    ];
  }
  for (const [scenario, status] of SCENARIOS) {
    yield [
      `each link of ${scenario} shows the run`,
      () => {
        const run = all.find((it) => it.scenario === scenario);
        check(run, 'no row of it');
        return backends.linked(run, status);
      },
    ];
  }
  yield ['the trace ID is copied by keyboard', () => copied(page)];
  yield ['links are reached by Tab and open in a tab of their own', () => followed(page, backends)];
  for (const width of [1280, 768, 360]) yield [`fits a window ${width} pixels wide`, () => fits(tab, width)];
  for (const scheme of ['light', 'dark']) yield [`can be read in ${scheme} colours`, () => isReadable(tab, scheme)];
  yield ['says so when the gateway is out of reach, and recovers', () => unreachable(page, answers)];
  yield [
    'writes nothing else to the console',
    () => {
      // Chromium reports each failed request, also that of a scenario that should fail.
      const isExpected = (text) => text.includes('/api/scenarios/') && text.includes('Failed to load resource');
      const others = page.console.filter((text) => !isExpected(text));
      check(others.length === 0, others.join('; '));
      return `${page.console.length} failed requests, all of scenarios that should fail`;
    },
  ];
  // Last, as the attempts are on the console too.
  yield [
    'its policy refuses code, markup, connections and images that are not its own',
    () => policy(tab, elsewhere),
  ];
}

function shows(run, expected) {
  check(run, 'no row of it');
  const { status, verdict, detail, traceId } = run;
  check(status === String(expected) && verdict === 'as expected', `shows ${status} "${verdict}": ${detail}`);
  check(/^(?!0+$)[0-9a-f]{32}$/.test(traceId), `shows the trace ID "${traceId}"`);
  return `trace ${traceId}`;
}

/** While the long ones run: their rows say so, by motion only to those who want any. */
async function running(page) {
  const moving = () => page.tab.evaluate(() => document.getAnimations().length);
  await page.until(SOON, 'running', (runs) => runs.some(isRunning));
  const usual = await moving();
  await page.prefer('prefers-reduced-motion', 'reduce');
  const reduced = await moving();
  await page.prefer('prefers-reduced-motion', 'no-preference');
  const runs = await page.runs();
  check(runs.some(isRunning), `ended before it was seen: ${summary(runs)}`);
  check(usual > 0, 'nothing moves while it runs');
  check(reduced === 0, `${reduced} animations, though less motion is preferred`);
  const [last] = SCENARIOS.at(-1);
  const { text } = await page.focus();
  check(text === last, `the focus went to "${text}"`);
  return summary(runs);
}

async function copied(page) {
  const context = page.tab.browserContext();
  await context.overridePermissions(new URL(page.address).origin, ['clipboard-read', 'clipboard-sanitized-write']);
  const { traceId } = await page.newest();
  const { label } = await page.tabTo('copy');
  await page.press('Enter');
  await within(SOON, async () => {
    const said = await page.announced();
    check(said.includes(`Copied ${traceId}.`), `"Copied ${traceId}." is not read out, but "${said.at(-1)}"`);
  });
  const clipboard = await page.tab.evaluate(() => navigator.clipboard.readText());
  check(clipboard === traceId, `the clipboard has "${clipboard}" instead of ${traceId}`);
  return label;
}

/** The link to the logs: the answer names the trace, whatever stores the traces. Without Loki the link to the metrics. */
async function followed(page, backends) {
  const { links, traceId } = await page.newest();
  const kind = backends.loki ? 'logs' : 'metrics';
  const expected = backends.loki ? traceId : '"status":"success"';
  check(links[kind], `no link to the ${kind}`);
  const { label } = await page.tabTo(kind);
  const context = page.tab.browserContext();
  const before = await context.pages();
  await page.press('Enter');
  const opened = await within(SOON, async () => {
    const tab = (await context.pages()).find((it) => !before.includes(it));
    check(tab, 'no second tab');
    return tab;
  });
  try {
    await within(SOON, async () => {
      const content = await opened.content();
      check(backends.isGrafana(links[kind]) || content.includes(expected), `${opened.url()} has no ${expected}`);
    });
    return `${label}: ${new URL(opened.url()).pathname}`;
  } finally {
    await opened.close();
    await page.tab.bringToFront();
  }
}

async function unreachable(page, answers) {
  const before = (await page.runs()).length;
  await page.offline(true);
  let shown;
  try {
    await page.click('normal');
    await page.until(SOON, 'without an answer', (runs) => runs.length === before + 1 && runs[0].status === 'no');
    shown = await page.alert();
  } finally {
    await page.offline(false);
  }
  check(shown.includes('does not answer') && shown.includes('just run'), `the page says "${shown}"`);
  await page.click('normal');
  await page.until(answers, 'answered again', (runs) => runs.length === before + 2 && runs[0].status === '201');
  const left = await page.alert();
  check(!left, `the page still says "${left}"`);
  return shown;
}
