// The scenario page as a user has it: keys to press, buttons to click, and what can then be read.
import { setTimeout as sleep } from 'node:timers/promises';

export const check = (condition, text) => {
  if (!condition) throw new Error(text);
};

/** Calls `attempt` until it does not throw; after `seconds` its last error is thrown. */
export async function within(seconds, attempt) {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() >= deadline) throw error;
      await sleep(100);
    }
  }
}

export const summary = (runs) => runs.map(({ scenario, status }) => `${scenario} ${status}`).join(', ') || 'no results';
export const isRunning = ({ status }) => status.startsWith('running');

export class ScenarioPage {
  /** Messages of the console, uncaught errors and refusals of the policy, since the page was opened. */
  console = [];
  /** The gateway's answers by scenario, oldest first. */
  answers = {};
  isOpen = false;
  isOffline = false;
  wasSeenRunning = false;

  constructor(tab, address) {
    this.tab = tab;
    this.address = address;
    tab.on('console', (message) => this.console.push(`${message.location().url ?? ''} ${message.text()}`));
    tab.on('pageerror', (error) => this.console.push(`${address} ${error.message}`));
    tab.on('response', async (response) => {
      const [, scenario] = response.url().match(/\/api\/scenarios\/([\w-]+)$/) ?? [];
      if (!scenario) return;
      const body = await response.text().catch(() => '');
      (this.answers[scenario] ??= []).push({ status: response.status(), body });
    });
  }

  /** Records what a screen reader would read out, from here on. */
  async open() {
    await this.tab.goto(this.address);
    this.isOpen = true;
    await this.tab.evaluate(() => {
      window.announced = [];
      for (const region of document.querySelectorAll('[aria-live], [role=alert]')) {
        new MutationObserver(() => region.checkVisibility() && window.announced.push(region.innerText))
          .observe(region, { childList: true, characterData: true, subtree: true, attributes: true });
      }
    });
  }

  announced() {
    return this.tab.evaluate(() => window.announced);
  }

  /** The rows of the results, newest first. `innerText` leaves out what is not visible. */
  runs() {
    return this.tab.evaluate(() => {
      const text = (row, label) => row.querySelector(`[data-label="${label}"]`)?.innerText.trim() ?? '';
      return [...document.querySelectorAll('table tbody tr')].map((row) => {
        const [status, ...verdict] = text(row, 'Status').split(/\s+/);
        return {
          scenario: text(row, 'Scenario'),
          status,
          verdict: verdict.join(' '),
          traceId: row.querySelector('[data-label="Trace ID"] code')?.innerText ?? '',
          command: row.querySelector('[data-label="See"] code')?.innerText ?? '',
          links: Object.fromEntries([...row.querySelectorAll('a[href]')].map((link) => [link.innerText, link.href])),
          detail: text(row, 'Detail'),
        };
      });
    });
  }

  async newest() {
    const [run] = await this.runs();
    check(run, 'no results');
    return run;
  }

  /** Waits until the runs are as `wanted` says, and returns them. */
  until(seconds, what, wanted) {
    return within(seconds, async () => {
      const runs = await this.runs();
      check(wanted(runs), `not ${what}: ${summary(runs)}`);
      return runs;
    });
  }

  press(key) {
    return this.tab.keyboard.press(key);
  }

  async click(scenario) {
    const button = await this.tab.$(`button[data-scenario="${scenario}"]`);
    check(button, `no button ${scenario}`);
    check((await button.evaluate((it) => it.innerText)) === scenario, `the button ${scenario} has another text`);
    await button.click();
  }

  /** What has the keyboard's focus, and how that is shown. */
  focus() {
    return this.tab.evaluate(() => {
      const at = document.activeElement;
      const style = getComputedStyle(at);
      const box = at.getBoundingClientRect();
      return {
        text: at === document.body ? '' : at.innerText,
        label: at.getAttribute('aria-label') ?? at.innerText,
        outline: `${style.outlineStyle} ${style.outlineWidth} ${style.outlineColor}`,
        isVisible:
          !['none', 'hidden'].includes(style.outlineStyle) &&
          parseFloat(style.outlineWidth) >= 2 &&
          style.outlineColor !== getComputedStyle(document.body).backgroundColor &&
          box.bottom > 0 && box.top < innerHeight,
      };
    });
  }

  /** Presses Tab until the element with this text has the focus. */
  async tabTo(text) {
    const seen = [];
    while (seen.length < 40) {
      await this.press('Tab');
      const focus = await this.focus();
      if (focus.text === text) {
        check(focus.isVisible, `the focus of ${text} is not visible: ${focus.outline}`);
        return focus;
      }
      seen.push(focus.text);
    }
    throw new Error(`Tab does not reach ${text}, only ${seen.join(', ')}`);
  }

  alert() {
    return this.tab.$eval('[role=alert]', (alert) => (alert.checkVisibility() ? alert.innerText : ''));
  }

  /** As the settings of the operating system would. */
  prefer(name, value) {
    return this.tab.emulateMediaFeatures([{ name, value }]);
  }

  async offline(isOffline) {
    this.isOffline = isOffline;
    await this.tab.setOfflineMode(isOffline);
  }
}
