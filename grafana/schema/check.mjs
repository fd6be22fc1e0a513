// Checks the dashboards and data sources against the types that Grafana publishes for its version in `.env`.
// Each file is compiled as a constant of its type, so that the compiler names file, line and field.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';

const here = import.meta.dirname;
const root = resolve(here, '../..');
const work = join(root, '.stack/schema');
const modules = join(work, 'node_modules');

// Unpacked without their dependencies, which are a web application; an import that is not there means any type.
function install(pin, integrity) {
  const [, name] = pin.match(/^(.+)@[^@]+$/);
  const folder = join(modules, name);
  const stamp = join(folder, '.integrity');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === integrity) return;
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--silent', '--json', '--pack-destination', work, pin], { encoding: 'utf8' }),
  );
  const archive = join(work, filename);
  const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (found !== integrity) throw new Error(`${pin} is ${found}, pins.json expects ${integrity}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['-xzf', archive, '-C', folder, '--strip-components=1']);
  rmSync(archive);
  writeFileSync(stamp, integrity);
}

const pins = JSON.parse(readFileSync(join(here, 'pins.json'), 'utf8'));
const wanted = readFileSync(join(root, '.env'), 'utf8').match(/^GRAFANA_IMAGE=.*:(.+)$/m)[1];
if (!(`@grafana/schema@${wanted}` in pins)) throw new Error(`.env has Grafana ${wanted}, pins.json another schema`);
mkdirSync(modules, { recursive: true });
for (const [pin, integrity] of Object.entries(pins)) install(pin, integrity);

const load = createRequire(join(modules, 'index.js'));
const ts = load('typescript');
const yaml = load('yaml');

// The import stands before the file's first line, so that lines stay as they are.
const sources = new Map();
const add = (file, type, value) => {
  const text = `import type { DashboardFile, DataSource } from './shapes'; export const it: ${type} = ${value}`;
  sources.set(join(work, `${basename(file)}.ts`), { file, text });
};

const shapes = join(work, 'shapes.ts');
writeFileSync(shapes, readFileSync(join(here, 'shapes.ts')));
const dashboards = join(root, 'grafana/dashboards');
for (const name of readdirSync(dashboards)) {
  add(`grafana/dashboards/${name}`, 'DashboardFile', readFileSync(join(dashboards, name), 'utf8'));
}
const provisioned = join(root, 'grafana/provisioning/datasources');
for (const name of readdirSync(provisioned)) {
  for (const source of yaml.parse(readFileSync(join(provisioned, name), 'utf8')).datasources) {
    const settings = JSON.stringify(source.jsonData, null, 2);
    add(`grafana/provisioning/datasources/${name}`, `DataSource['${source.type}']`, settings);
  }
}

const options = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  types: [],
};
const host = ts.createCompilerHost(options);
const { getSourceFile, fileExists } = host;
host.fileExists = (path) => sources.has(path) || fileExists(path);
host.getSourceFile = (path, ...rest) => {
  const ours = sources.get(path);
  return ours ? ts.createSourceFile(path, ours.text, ts.ScriptTarget.ESNext) : getSourceFile(path, ...rest);
};

const program = ts.createProgram([shapes, ...sources.keys()], options, host);
let failed = 0;
for (const path of [shapes, ...sources.keys()]) {
  const source = program.getSourceFile(path);
  for (const found of [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]) {
    const { line } = ts.getLineAndCharacterOfPosition(source, found.start);
    const file = sources.get(path)?.file ?? 'grafana/schema/shapes.ts';
    // YAML was written anew: its lines are others.
    const place = file.endsWith('.yaml') ? file : `${file}:${line + 1}`;
    console.log(`FAIL ${place} ${ts.flattenDiagnosticMessageText(found.messageText, '\n       ')}`);
    failed += 1;
  }
}
console.log(`${sources.size} files against Grafana ${wanted}, ${failed} mismatches`);
process.exitCode = failed ? 1 : 0;
