// Looks up in the backends what the page shows of a run.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { check, within } from './page.mjs';

const ROOT = 'POST /api/scenarios/{name}';

async function fetched(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  check(response.ok, `${url} answers ${response.status}`);
  return response.text();
}

/** The spans of OTLP/JSON, each with the name of its service. */
function spansOf(document) {
  const { trace = document } = document;
  return (trace.resourceSpans ?? trace.batches ?? []).flatMap(({ resource, scopeSpans }) => {
    const service = attribute(resource, 'service.name');
    return scopeSpans.flatMap(({ spans }) => spans).map((span) => ({ ...span, service }));
  });
}

function attribute({ attributes = [] }, key) {
  const { value } = attributes.find((one) => one.key === key) ?? {};
  return value && String(Object.values(value)[0]);
}

export class Backends {
  /** `patience`: spans and lines arrive within a second, metrics with the next export, or with the one after it. */
  constructor({ tempo, archive, grafana, loki }, patience) {
    Object.assign(this, { tempo, archive, grafana, loki, patience });
    this.since = Date.now() / 1000;
  }

  /** The spans of a trace, from Tempo or from the files that the Collector writes in its place. */
  async spans(id) {
    if (this.tempo) return spansOf(JSON.parse(await fetched(`${this.tempo}/api/v2/traces/${id}`)));
    const files = readdirSync(this.archive).filter((name) => /^traces.*\.jsonl$/.test(name));
    const lines = files.flatMap((name) => readFileSync(join(this.archive, name), 'utf8').split('\n'));
    // The last line may be half written.
    const documents = lines.filter((line) => line.includes(id) && line.endsWith('}')).map((line) => JSON.parse(line));
    return documents.flatMap(spansOf).filter((span) => span.traceId === id);
  }

  /** The trace belongs to the run: one root, which is the page's request, and the business span of the scenario. */
  traced({ traceId, scenario }, status) {
    return within(this.patience, async () => {
      check(traceId, 'a run shows no trace ID');
      const spans = await this.spans(traceId);
      const roots = spans.filter(({ parentSpanId }) => !parentSpanId);
      check(roots.length === 1, `${roots.length} roots in ${spans.length} spans of trace ${traceId}`);
      const [root] = roots;
      check(root.service === 'gateway' && root.name === ROOT, `the root is ${root.name} of ${root.service}`);
      const answered = attribute(root, 'http.response.status_code');
      check(answered === String(status), `the root answered ${answered}`);
      const ran = attribute(spans.find(({ name }) => name === 'scenario.run') ?? {}, 'shop.scenario');
      check(ran === scenario, `shop.scenario is ${ran}`);
      return `${root.name}, ${spans.length} spans`;
    });
  }

  isGrafana(link) {
    return Boolean(this.grafana) && link.startsWith(this.grafana);
  }

  /** How many answers of `status` the link's query counts. */
  async count(link, status) {
    const { data } = JSON.parse(await fetched(link));
    const series = data?.result?.find(({ metric }) => metric.http_response_status_code === String(status));
    return series?.value[1];
  }

  async opened(kind, link, { traceId }, status) {
    const shows = async (text) => check((await fetched(link)).includes(text), `${kind}: ${link} has no ${text}`);
    // Grafana draws with scripts: all that can be asked for here is that the page is there.
    if (this.isGrafana(link)) return shows('<html');
    if (kind === 'trace') return shows(ROOT);
    if (kind === 'logs') return shows(traceId);
    check(kind === 'metrics', `a link to ${kind}`);
    const before = await this.count(`${link}&time=${this.since.toFixed(3)}`, status);
    const now = await this.count(link, status);
    check(now && now !== before, `metrics: ${link} shows ${now} answers of ${status}, ${before} before`);
  }

  /** Each signal that is stored here has a link, and the link shows the run. Without Tempo a command shows the trace. */
  async linked(run, status) {
    const kinds = Object.keys(run.links).sort();
    const expected = [this.loki && 'logs', 'metrics', this.tempo && 'trace'].filter(Boolean);
    // A link to logs that are stored elsewhere can be set by hand.
    const required = this.loki ? kinds : kinds.filter((kind) => kind !== 'logs');
    const command = this.tempo ? '' : `just trace ${run.traceId}`;
    check(
      String(required) === String(expected) && run.command === command,
      `links ${kinds.join(', ')}, command "${run.command}"`,
    );
    for (const kind of required) await within(this.patience, () => this.opened(kind, run.links[kind], run, status));
    return `${required.join(', ')} opened`;
  }
}
