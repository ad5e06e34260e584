/**
 * test/unit/cli/serve.test.ts: how the process around a node starts and ends: exit codes, signals, last words.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { PROGRAM } from "../../lib/program.js";

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** @param act called with each piece of output seen so far. */
function run(
  script: readonly [string, ...string[]],
  argv: readonly string[],
  act?: (out: string, kill: (signal: NodeJS.Signals) => void) => void,
) {
  const env = { PATH: process.env["PATH"] ?? "" };
  const [command, ...words] = script;
  const child = spawn(command, [...words, ...argv], { env, timeout: 60_000 });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    act?.(out, (signal) => void child.kill(signal));
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  child.stdin.end();
  return new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, out, err })));
}

const CLI = PROGRAM;
const BUILT: string | undefined = process.env["KVORUM_TESTS_BUILT"];
const FIXTURE: readonly [string, ...string[]] =
  BUILT === undefined
    ? [process.execPath, "--import", "tsx", join(import.meta.dirname, "serve-fixture.ts")]
    : [process.execPath, join(BUILT, "test/unit/cli/serve-fixture.js")];

const fixture = (behaviour: string, argv: readonly string[] = [], act?: Parameters<typeof run>[2]): Promise<Ended> =>
  run(FIXTURE, [behaviour, ...argv], act);

/** Sends the signals one after the other, each when the text before it has been seen. */
function signals(...steps: readonly (readonly [text: string, signal: NodeJS.Signals])[]): Parameters<typeof run>[2] {
  let next = 0;
  return (out, kill) => {
    const step = steps[next];
    if (step === undefined || !out.includes(step[0])) return;
    next++;
    kill(step[1]);
  };
}

test("a signal stops the node, and the exit code is 0", async () => {
  const all = await Promise.all([
    fixture("", ["--port", "7000"], signals(["up on 7000", "SIGTERM"])),
    fixture("", [], signals(["up on 6379", "SIGINT"])),
  ]);
  for (const { code, out, err } of all) {
    assert.is(code, 0);
    assert.match(out, /stopped by SIG(TERM|INT)/);
    assert.is(err, "");
  }
});

test("a server that is told to stops when its standard input ends", async () => {
  const [told, untold] = await Promise.all([
    fixture("", ["--stop-at-end-of-input"]),
    fixture("", [], signals(["up on", "SIGTERM"])),
  ]);
  assert.is(told.code, 0);
  assert.match(told.out, /up on 6379\nkvorum: end of input: stopping\nkvorum: stopped by end of input; everything/);
  assert.match(untold.out, /stopped by SIGTERM/);
});

test("a second signal does not wait; SIGHUP is no signal to stop", async () => {
  const [second, hup] = await Promise.all([
    fixture("slow-stop", [], signals(["up on", "SIGTERM"], ["stopping", "SIGTERM"])),
    fixture("", [], signals(["up on", "SIGHUP"], ["SIGHUP: nothing to reload", "SIGTERM"])),
  ]);
  assert.is(second.code, 1);
  assert.match(second.err, "again: stopped without waiting");
  assert.is(hup.code, 0);
});

test("log-format json: all of standard output is one object a line, the start and the stop too", async () => {
  const dir = mkdtempSync(join(tmpdir(), "kvorum-serve-"));
  try {
    const argv = ["serve", "--log-format", "json", "--port", "0", "--unixsocket", join(dir, "s"), "--dir", dir];
    const { code, out } = await run(CLI, argv, signals(['"msg":"serving"', "SIGHUP"], ["SIGHUP", "SIGINT"]));
    assert.is(code, 0);
    const lines = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const line of lines) assert.equal(Object.keys(line).slice(0, 4), ["time", "level", "pid", "msg"]);
    const [start, ...more] = lines.filter(({ level }) => level !== "warning");
    assert.equal([start?.["msg"], start?.["directory"], start?.["appendfsync"]], ["serving", dir, "always"]);
    assert.equal(
      more.map(({ msg }) => msg),
      [
        "SIGHUP: nothing to reload; use CONFIG SET",
        "SIGINT: stopping",
        "stopped by SIGINT; everything acknowledged is on disk",
      ],
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("a start that fails exits with the code of its error", async () => {
  const [disk, port, other] = await Promise.all([fixture("throw74"), fixture("throw69"), fixture("throw")]);
  assert.equal([disk.code, port.code, other.code], [74, 69, 70]);
  assert.is(disk.err, "kvorum: no start\n");
});

test("a node that fails later, or while stopping, ends the process with its code", async () => {
  const [failed, asked, stopping] = await Promise.all([
    fixture("fail74"),
    fixture("fail0"),
    fixture("bad-stop", [], signals(["up on", "SIGTERM"])),
  ]);
  assert.equal([failed.code, asked.code, stopping.code], [74, 0, 74]);
  assert.match(failed.err, "kvorum: stopped: it failed");
  assert.match(stopping.err, "disk gone");
});

test("a fault of the program is said and exits 70", async () => {
  const [fault, reject] = await Promise.all([fixture("fault"), fixture("reject")]);
  assert.equal([fault.code, reject.code], [70, 70]);
  assert.match(fault.err, /fault, please report it: SyntaxError/);
  assert.match(reject.err, "unhandled");
});

test("configuration: warnings, errors, --check-config", async () => {
  const [bad, good, warned] = await Promise.all([
    run(CLI, ["serve", "--prot", "1", "--hz", "x"]),
    run(CLI, ["--check-config", "--port", "7777", "--requirepass", "x", "--save", ""]),
    fixture("fail0", ["--daemonize", "yes"]),
  ]);
  assert.is(bad.code, 64);
  assert.is(
    bad.err,
    'kvorum: --prot: unknown option "prot"; did you mean "--port"?\nkvorum: --hz: argument couldn\'t be parsed into an integer (given: "x")\n',
  );
  assert.equal([good.code, good.out], [0, "the configuration is good\n"]);
  assert.match(warned.err, /^warning: --daemonize is not followed: /);
});

test("verbs: version, help, config, a slip", async () => {
  const [version, help, options, origin, slip, set, rm] = await Promise.all([
    run(CLI, ["--version"]),
    run(CLI, ["--help"]),
    run(CLI, ["serve", "--help"]),
    run(CLI, ["config", "--show-origin", "--port", "7777", "--requirepass", "hunter2"]),
    run(CLI, ["sevre"]),
    run(CLI, ["set", "a", "b"]),
    run(CLI, ["rm", "a"]),
  ]);
  assert.match(version.out, /^kvorum \d+\.\d+\.\d+ /);
  assert.match(help.out, "kvorum put KEY");
  assert.match(options.out, "--max-value-bytes");
  assert.match(origin.out, /^--port +port 7777$/m);
  assert.match(origin.out, /^port \+ 1000 +http-port 8777$/m);
  assert.not.match(origin.out, "hunter2");
  assert.equal([version.code, help.code, options.code, origin.code, slip.code], [0, 0, 0, 0, 2]);
  assert.match(slip.err, 'did you mean "serve"?');
  assert.match(set.err, 'did you mean "put"?');
  assert.match(rm.err, 'did you mean "delete"?');
});

test.run();
