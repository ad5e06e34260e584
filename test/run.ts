/**
 * test/run.ts: runs the test files, each in its own process, and counts.
 *
 *   node --import tsx test/run.ts                    every test/**\/*.test.ts
 *   node --import tsx test/run.ts sim                 a suite: the files under test/sim
 *   node --import tsx test/run.ts codec storage/wal   files whose path contains one of the words
 *
 * Why not uvu's own command: it has no time-outs, so one open socket hangs the run for ever, and a file that forgets
 * `test.run()` ends with exit code 0 having tested nothing.
 *
 * A file fails when a test in it fails, it exits with anything but 0, it executes no test at all, or it is not over in its time
 * (60 s, or what a comment `// timeout: 120s` in its first 5 lines says, and as much again on a busy machine), whereupon it is
 * killed with all its children.
 * Two run at a time, and beside them one of those that say `// mostly waits` in their first 5 lines.
 * The files are built once, each into one piece of JavaScript, and so is the program where a file starts it as a process, into a
 * directory of their own that goes with the run. Any of them runs from source too: node --import tsx test/FILE.
 * KVORUM_CLI=dist/cli.js takes a program that is built already.
 * A file that cannot run here prints a line `SKIPPED: why`. That is repeated loudly at the end, and is a failure when
 * CI=true or KVORUM_NO_SKIP=1. The last line is always `N passed, N failed`, counted in tests.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Options } from "tsup";

const ROOT = resolve(import.meta.dirname, "..");
const TEST_DIR = import.meta.dirname;
/** Where packages are found from, and package.json two above. */
const BUILT = join(ROOT, "node_modules", `.kvorum-test-${process.pid}`);
const TESTS_BUILT = join(BUILT, "tests");
/** Programs of the tests' own, which are built with them. */
const FIXTURES = ["test/unit/cli/serve-fixture.ts"];
const STARTS_PROGRAM = /lib\/(process-server|kvorum-process|program)\.js"/;
const JOBS_MAX = 2;
const TIMEOUT_DEFAULT_S = 60;
/** How much longer than it says a file may take: the limit is for what hangs, not for a machine that has other work. */
const PATIENCE = 3;
const STEP_MS = 500;
const HEADER_LINES = 5;
const OUTPUT_CHARS_MAX = 1_000_000; // per file; the end is kept
const PIPE_GRACE_MS = 1_000; // how long output may trail behind a process that is gone

type TestFile = { readonly path: string; readonly timeoutMs: number; readonly waits: boolean };
type Outcome = {
  readonly path: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
  readonly problems: readonly string[];
  readonly output: string;
  readonly elapsedMs: number;
};
type Ended = { readonly code: number | null; readonly signal: string | null; readonly timedOut: boolean };

const noSkip = process.env["CI"] === "true" || process.env["KVORUM_NO_SKIP"] === "1";
const running = new Set<ChildProcess>();

/** Test files with their limits, the most patient first: the longest file must not be the last to start. */
function findTests(filters: readonly string[]): TestFile[] {
  const paths = readdirSync(TEST_DIR, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts") && !path.includes("node_modules"))
    .map((path) => path.split(sep).join("/"))
    .filter((path) => filters.length === 0 || filters.some((filter) => matches(path, filter)))
    .sort();
  return paths
    .map((path) => ({ path: `test/${path}`, ...saidBy(join(TEST_DIR, path)) }))
    .sort((a, b) => b.timeoutMs - a.timeoutMs);
}

function matches(path: string, filter: string): boolean {
  const word = filter.replace(/^(\.\/)?test\//, "").replace(/\/$/, "");
  const folder = join(TEST_DIR, word);
  if (existsSync(folder) && statSync(folder).isDirectory()) return path.startsWith(`${word}/`);
  return path.includes(word);
}

/** What a file's first lines say of it. */
function saidBy(file: string): { timeoutMs: number; waits: boolean } {
  const head = readFileSync(file, "utf8").split("\n", HEADER_LINES).join("\n");
  const seconds = /^\s*(?:\/\/|\*)\s*timeout:\s*(\d+)\s*s\b/m.exec(head)?.[1];
  return {
    timeoutMs: Number(seconds ?? TIMEOUT_DEFAULT_S) * PATIENCE * 1000,
    waits: /^\/\/ mostly waits$/m.test(head),
  };
}

/** `import.meta` says where the source is, also of what was built elsewhere: documents and golden files are found from there. */
const sourcePlaces: NonNullable<Options["esbuildPlugins"]>[number] = {
  name: "source-places",
  setup(building) {
    building.onLoad({ filter: /\.ts$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8"))
        .replaceAll("import.meta.dirname", JSON.stringify(dirname(path)))
        .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href)),
      loader: "ts",
    }));
  },
};

/**
 * Started from source, each file and each process of the program would first translate all it imports, and load a hundred modules one by
 * one: two thirds of a second of CPU each time, a third of the suite's time.
 */
async function buildFor(files: readonly TestFile[]): Promise<void> {
  if (files.length === 0) return;
  const sources = [...files.map(({ path }) => path), ...FIXTURES];
  await build({
    config: false,
    entry: Object.fromEntries(sources.map((path) => [path.replace(/\.ts$/, ""), path])),
    outDir: TESTS_BUILT,
    format: "esm",
    target: "node20",
    platform: "node",
    skipNodeModulesBundle: true,
    splitting: true, // what is imported late is loaded late
    sourcemap: true,
    clean: false,
    silent: true,
    esbuildPlugins: [sourcePlaces],
  });
  process.env["KVORUM_TESTS_BUILT"] = TESTS_BUILT;
  if (process.env["KVORUM_CLI"] !== undefined) return;
  if (!files.some(({ path }) => STARTS_PROGRAM.test(readFileSync(join(ROOT, path), "utf8")))) return;
  await build({ outDir: BUILT, clean: false, silent: true });
  process.env["KVORUM_CLI"] = join(BUILT, "cli.js");
}

/** Kill a file's process and whatever it started. Harmless when all are gone already. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === "win32") child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // ESRCH: nobody left.
  }
}

function built(path: string): string {
  return join(TESTS_BUILT, path.replace(/\.ts$/, ".js"));
}

/** @param job which of those that run at the same time. */
function run(file: TestFile, job: number): Promise<Outcome> {
  const started = performance.now();
  let output = "";
  const child = spawn(process.execPath, ["--enable-source-maps", built(file.path)], {
    cwd: ROOT,
    // Its own process group, so that a time-out takes its children with it.
    detached: process.platform !== "win32",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, FORCE_COLOR: "0", KVORUM_TEST_JOB: String(job) },
  });
  running.add(child);
  const take = (text: string): void => {
    output += text;
    if (output.length > OUTPUT_CHARS_MAX * 2) output = `[cut]\n${output.slice(-OUTPUT_CHARS_MAX)}`;
  };
  child.stdout.setEncoding("utf8").on("data", take);
  child.stderr.setEncoding("utf8").on("data", take);

  return new Promise((done) => {
    let timedOut = false;
    // Only time in which this process ran: where a machine stands still for a while, the file stood still too.
    let leftMs = file.timeoutMs;
    const timer = setInterval(() => {
      leftMs -= STEP_MS;
      if (leftMs > 0) return;
      clearInterval(timer);
      timedOut = true;
      killGroup(child);
    }, STEP_MS);
    const finish = (code: number | null, signal: string | null): void => {
      running.delete(child);
      done(judge(file, output, { code, signal, timedOut }, performance.now() - started));
    };
    child.once("error", (error) => {
      clearInterval(timer);
      take(`${error.stack}\n`);
      finish(null, null);
    });
    child.once("exit", (code, signal) => {
      clearInterval(timer);
      killGroup(child); // what it left behind must not disturb the next file, nor hold the pipes open
      const grace = setTimeout(() => finish(code, signal), PIPE_GRACE_MS);
      child.once("close", () => {
        clearTimeout(grace);
        finish(code, signal);
      });
    });
  });
}

/** The last number uvu printed behind `label`, or undefined: no summary was printed. */
function summaryNumber(output: string, label: string): number | undefined {
  const all = [...output.matchAll(new RegExp(`^ {2}${label}: +(\\d+)$`, "gm"))];
  const last = all.at(-1)?.[1];
  return last === undefined ? undefined : Number(last);
}

function judge(file: TestFile, raw: string, ended: Ended, elapsedMs: number): Outcome {
  const output = raw.replace(/\x1b\[[0-9;]*m/g, "");
  const total = summaryNumber(output, "Total");
  const passed = summaryNumber(output, "Passed") ?? 0;
  const skipped = [...output.matchAll(/^SKIPPED:.*$/gm)].map(([line]) => `${file.path}: ${line}`);
  const uvuSkipped = summaryNumber(output, "Skipped") ?? 0;
  if (uvuSkipped > 0) skipped.push(`${file.path}: SKIPPED: ${uvuSkipped} by test.skip`);

  const problems: string[] = [];
  let failed = Math.max(0, (total ?? 0) - passed);
  if (failed > 0) problems.push(`${failed} of ${total} tests failed`);
  if (ended.timedOut) {
    const where = total === undefined ? "" : " after its tests were over: something is still open";
    problems.push(`not over within ${file.timeoutMs / 1000} s${where}; killed`);
  } else if (ended.code !== 0 && failed === 0) {
    problems.push(`exit ${ended.code ?? ended.signal ?? "without a code"}`);
  }
  if ((total ?? 0) === 0 && skipped.length === 0 && problems.length === 0) {
    problems.push("executed no test (test.run() missing?)");
  }
  if (noSkip && skipped.length > 0) problems.push(`${skipped.length} skipped, and skipping is not allowed here`);
  // A file that fails for a reason that is no single test's counts as one failure.
  if (problems.length > 0 && failed === 0) failed = 1;
  return { path: file.path, passed, failed, skipped, problems, output, elapsedMs };
}

function report(outcome: Outcome): void {
  const seconds = `${(outcome.elapsedMs / 1000).toFixed(1)} s`.padStart(7);
  if (outcome.problems.length === 0) {
    const note = outcome.skipped.length > 0 ? "  SKIPPED, see below" : "";
    console.log(`ok   ${seconds}  ${String(outcome.passed).padStart(4)}  ${outcome.path}${note}`);
    return;
  }
  console.log(
    `FAIL ${seconds}  ${String(outcome.passed).padStart(4)}  ${outcome.path}: ${outcome.problems.join("; ")}`,
  );
  console.log(outcome.output.trimEnd().replace(/^/gm, "  | "));
}

async function main(filters: readonly string[]): Promise<number> {
  const started = performance.now();
  const files = findTests(filters);
  const busy = files.filter(({ waits }) => !waits);
  const waiting = files.filter(({ waits }) => waits);
  const outcomes: Outcome[] = [];
  await buildFor(files);
  const worker = async (_: unknown, job: number): Promise<void> => {
    const queue = job < JOBS_MAX ? busy : waiting;
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const outcome = await run(file, job);
      outcomes.push(outcome);
      report(outcome);
    }
  };
  await Promise.all(Array.from({ length: JOBS_MAX + 1 }, worker));

  let passed = 0;
  let failed = 0;
  for (const outcome of outcomes) {
    passed += outcome.passed;
    failed += outcome.failed;
  }
  if (outcomes.length === 0) console.log(`no test file matches ${filters.join(" ") || "test/**/*.test.ts"}`);
  for (const { path, problems } of outcomes)
    if (problems.length > 0) console.log(`FAILED: ${path}: ${problems.join("; ")}`);
  for (const line of outcomes.flatMap(({ skipped }) => skipped)) console.log(`!!! ${line}`);
  console.log(`${outcomes.length} files, ${((performance.now() - started) / 1000).toFixed(1)} s`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && outcomes.length > 0 ? 0 : 1;
}

// The files run in groups of their own, so Ctrl-C does not reach them by itself.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    for (const child of running) killGroup(child);
    process.exit(130);
  });
}

process.once("exit", () => rmSync(BUILT, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
process.exitCode = await main(process.argv.slice(2));
