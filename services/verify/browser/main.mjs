// Uses the scenario page in a headless Chromium. Prints one JSON object per check: name, outcome (pass, fail, skip), text,
// seconds. The argument is JSON: `chromium` is its program; `gateway`, `elsewhere` (any other server), and where they run
// `tempo` and `grafana` are addresses; `archive` is the folder where the Collector keeps traces if no Tempo does; `loki` is
// whether one runs.
import puppeteer from 'puppeteer-core';
import { Backends } from './backends.mjs';
import { breaks } from './breaks.mjs';
import { ScenarioPage } from './page.mjs';
import { walk } from './walk.mjs';

/** Seconds until what the page shows has arrived in a backend. */
const ARRIVAL = 20;

const target = JSON.parse(process.argv[2]);

async function row(name, run) {
  const started = performance.now();
  const print = (outcome, text) => {
    const seconds = (performance.now() - started) / 1000;
    console.log(JSON.stringify({ name: `page: ${name}`, outcome, text, seconds }));
  };
  try {
    const evidence = await run();
    if (evidence?.skip) print('skip', evidence.skip);
    else print('pass', evidence);
    return true;
  } catch (error) {
    print('fail', error.message);
    return false;
  }
}

let browser;
const options = {
  executablePath: target.chromium,
  pipe: true,
  // A browser that looks for updates, or for the shop behind a proxy, depends on more than the shop.
  args: [
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-gpu',
    '--disable-quic',
    '--disable-sync',
    '--no-first-run',
    '--no-proxy-server',
    // Root has no sandbox, and Chromium refuses to start rather than do without.
    ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
  ],
  defaultViewport: { width: 1280, height: 900 },
};
try {
  browser = await puppeteer.launch(options);
} catch (error) {
  await row('a browser starts', () => { throw error; });
}
if (browser) {
  const tab = await browser.newPage();
  const page = new ScenarioPage(tab, target.gateway);
  const backends = new Backends(target, ARRIVAL);
  let failed = 0;
  for (const [name, run] of walk(page, backends, target)) {
    failed += (await row(name, run)) ? 0 : 1;
    // A gateway that does not answer is one failure, not one for each check.
    if (!page.isOpen) break;
  }
  await row('each fault of the page is seen by its check', () => {
    if (failed) return { skip: `${failed} checks fail on the page as it is` };
    return breaks(browser, page, Object.assign(Object.create(backends), { patience: 0.5 }), target);
  });
  await browser.close();
}
