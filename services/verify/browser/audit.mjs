// Audits of the page as it is drawn: axe-core for what the guidelines (WCAG 2.2) say, and what axe-core has no rule for.
import axe from 'axe-core';
import { check } from './page.mjs';

/** Fails with each rule that is violated, or that axe-core could not decide, and the elements. */
async function run(tab, rules) {
  await tab.evaluate(axe.source);
  const { passes, violations, incomplete } = await tab.evaluate(
    (rules) =>
      window.axe.run(document, {
        preload: false,
        ...(rules ? { runOnly: rules } : { rules: { 'target-size': { enabled: true } } }),
      }),
    rules,
  );
  const faults = [...violations, ...incomplete].map(({ id, nodes }) => {
    const elements = nodes.slice(0, 3).map((node) => `${node.target.join(' ')} (${node.failureSummary?.split('\n')[1]?.trim()})`);
    return `${id}: ${elements.join(', ')}`;
  });
  check(faults.length === 0, faults.join('; '));
  return passes;
}

/** Nothing overflows the window or is cut off, and each target is at least 24 pixels in size. */
export async function fits(tab, width) {
  await tab.setViewport({ width, height: 800 });
  const seen = await tab.evaluate(() => {
    const root = document.documentElement;
    const name = (at) => `${at.localName}.${at.className} ${JSON.stringify(at.innerText.slice(0, 30))}`;
    const shown = [...document.querySelectorAll('body *')].filter((at) => {
      // The head of a table of cards is there for assistive technology only.
      const isClipped = getComputedStyle(at.closest('thead') ?? at).clipPath !== 'none';
      return at.checkVisibility() && !isClipped;
    });
    const outside = shown.filter((at) => {
      const box = at.getBoundingClientRect();
      return box.left < -0.5 || box.right > root.clientWidth + 0.5;
    });
    const cut = shown.filter((at) => at.scrollWidth > at.clientWidth + 1 && getComputedStyle(at).overflowX === 'hidden');
    return {
      window: innerWidth,
      client: root.clientWidth,
      scroll: root.scrollWidth,
      shown: shown.length,
      outside: outside.map(name),
      cut: cut.map(name),
    };
  });
  check(seen.window === width && seen.shown > 0, `the window is ${seen.window} wide, ${seen.shown} elements`);
  check(seen.scroll <= seen.client, `${seen.scroll} pixels in a window of ${seen.client}: ${seen.outside.join(', ')}`);
  check(seen.outside.length === 0, `outside: ${seen.outside.join(', ')}`);
  check(seen.cut.length === 0, `cut off: ${seen.cut.join(', ')}`);
  await run(tab, ['target-size']);
  return `${seen.scroll} of ${seen.client} pixels, ${seen.shown} elements`;
}

/** Every rule of axe-core, contrast among them, in this colour scheme. */
export async function isReadable(tab, scheme) {
  await tab.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  const background = await tab.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const isLight = background === 'rgb(255, 255, 255)';
  check(isLight === (scheme === 'light'), `the background is ${background}`);
  const passes = await run(tab);
  const contrast = passes.find(({ id }) => id === 'color-contrast');
  check(contrast, 'axe-core found no text');
  return `axe-core: ${contrast.nodes.length} texts, ${passes.length} rules`;
}

/** Tries what the policy must refuse: code in the page, markup from text, a connection and an image from elsewhere. */
export async function policy(tab, elsewhere) {
  const { refused, gotThrough } = await tab.evaluate(async (elsewhere) => {
    const refused = [];
    document.addEventListener('securitypolicyviolation', (event) => refused.push(event.effectiveDirective));
    const gotThrough = [];
    const attempt = (name, action) => {
      try {
        action();
        gotThrough.push(name);
      } catch {
        // Refused, as it should be.
      }
    };
    attempt('markup', () => { document.createElement('div').innerHTML = '<b>markup</b>'; });
    attempt('evaluated code', () => { setTimeout('0'); });
    const script = document.createElement('script');
    try {
      script.append('window.inlineRan = true');
      document.head.append(script);
    } catch {
      // Refused before it could run.
    }
    if (window.inlineRan) gotThrough.push('inline code');
    script.remove();
    new Image().src = elsewhere;
    await fetch(elsewhere, { mode: 'no-cors' }).then(() => gotThrough.push('connection'), () => {});
    // The event of the image is queued before this.
    await new Promise((done) => setTimeout(done, 50));
    return { refused, gotThrough };
  }, elsewhere);
  check(gotThrough.length === 0, `got through: ${gotThrough.join(', ')}`);
  for (const directive of ['require-trusted-types-for', 'connect-src', 'img-src']) {
    check(refused.includes(directive), `${directive} refused nothing, only ${refused.join(', ')}`);
  }
  return `${refused.length} attempts refused`;
}
