/**
 * test/integration/cluster-dev.test.ts: `kvorum cluster dev`: three nodes come up and see one another, one that dies is told, Ctrl-C ends all in good
 * order, and no node outlives the command, however that ends.
 */
// timeout: 120s
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { freeRow } from "../lib/free-ports.js";
import { kvorum } from "../lib/kvorum-process.js";
import { PROGRAM } from "../lib/program.js";
import { within } from "../lib/within.js";

const WAIT_MS = 60_000;
const NODES = 3;

/** As `cluster dev` takes them: clients, HTTP, peers. */
function freeRows(): Promise<number> {
  return freeRow(NODES, 1000, 10_000);
}

class Dev {
  said = "";
  readonly port: number;
  readonly dir: string;
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;

  /** @param nodeOptions for this process and those it starts. @param more for each node. */
  constructor(
    port: number,
    dir = mkdtempSync(join(tmpdir(), "kvorum-dev-")),
    nodeOptions = "",
    more: readonly string[] = [],
  ) {
    this.port = port;
    this.dir = dir;
    const [command, ...words] = PROGRAM;
    const argv = [
      "cluster",
      "dev",
      "--nodes",
      String(NODES),
      "--port",
      String(port),
      "--dir",
      this.dir,
      "--",
      "--hz",
      "20",
      ...more,
    ];
    const env = { PATH: process.env["PATH"] ?? "", NODE_OPTIONS: nodeOptions };
    this.child = spawn(command, [...words, ...argv], { env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.said += text;
      });
    }
    this.exited = new Promise((resolve) => this.child.once("close", (code) => resolve(code)));
  }

  async until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const giveUp = performance.now() + WAIT_MS;
    while (!(await holds())) {
      if (performance.now() > giveUp) throw new Error(`not within ${WAIT_MS} ms: ${what}\n${this.said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  serving(): Promise<void> {
    return this.until(() => this.said.includes("Ctrl-C ends all nodes"), "all serve");
  }

  pid(id: string): number {
    return Number(readFileSync(join(this.dir, id, "kvorum.pid"), "utf8"));
  }

  private nodeRuns(id: string): boolean {
    try {
      return runs(this.pid(id));
    } catch {
      return false; // it took its file away
    }
  }

  async end(): Promise<void> {
    this.child.kill("SIGKILL");
    await within(WAIT_MS, this.exited, "the end");
    // The nodes end by themselves; a directory is not removed under one that still writes.
    await this.until(() => !["n1", "n2", "n3"].some((id) => this.nodeRuns(id)), "the nodes end");
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("three nodes; one dies and is told; Ctrl-C ends all", async () => {
  const dev = new Dev(await freeRows(), relative("", mkdtempSync(join(tmpdir(), "kvorum-dev-"))));
  try {
    await dev.serving();
    const status = async (): Promise<{ membersUp: number; ok: boolean }> =>
      JSON.parse((await kvorum("cluster", "status", "--json", "-s", `127.0.0.1:${dev.port + 1}`)).out);
    await dev.until(async () => (await status()).membersUp === NODES, "all links");
    assert.match(dev.said, new RegExp(`n1 +redis-cli -p ${dev.port} +pid ${dev.pid("n1")} +data .*/n1\n`));
    assert.not.match(dev.said, /Ctrl-C to stop/);
    assert.match(dev.said, /^n2 \| .*listening/m);
    const again = await kvorum("cluster", "dev", "--port", String(dev.port + 1));
    assert.is(again.code, 69);
    process.kill(dev.pid("n3"), "SIGKILL");
    await dev.until(
      () =>
        /n3 ended \(SIGKILL\); start it again.*\nkvorum: +node \S+ serve --id n3 .*--dir \/.*--hz 20\n/.test(dev.said),
      "n3",
    );
    assert.is((await status()).ok, true);
    const pids = ["n1", "n2"].map((id) => dev.pid(id));
    dev.child.kill("SIGINT");
    assert.is(await within(WAIT_MS, dev.exited, "the end"), 0);
    assert.match(dev.said, /n1 \| kvorum: stopped by SIGTERM; everything acknowledged is on disk/);
    assert.ok(!pids.some(runs));
  } finally {
    await dev.end();
  }
});

test("nodes whose lines are JSON are seen to serve", async () => {
  const dev = new Dev(await freeRows(), undefined, undefined, ["--log-format", "json"]);
  try {
    await dev.serving();
    const shown = /^n2 \| (\{.*"msg":"serving".*)$/m.exec(dev.said)?.[1] ?? "";
    assert.equal(JSON.parse(shown).cluster.members, ["n1", "n2", "n3"]);
  } finally {
    await dev.end();
  }
});

test("a node that cannot start ends all; nodes do not outlive a command that is killed", async () => {
  const dev = new Dev(await freeRows());
  try {
    await dev.serving();
    const pids = ["n1", "n2", "n3"].map((id) => dev.pid(id));
    // Its directories are in use: of each, and whichever node comes to know it first ends the others, perhaps before they have said so.
    const port = await freeRows();
    const second = await kvorum("cluster", "dev", "--port", String(port), "--dir", dev.dir);
    assert.is(second.code, 75, second.err);
    assert.match(second.out, /^n[123] \| kvorum: the data directory .* is in use/m);
    // Nodes that are stopped before they have a handler for it end by that signal: the code is of the one that ended by itself.
    assert.match(second.err, /^kvorum: n[123] could not start \(exit code 75\)\n/m);
    assert.not.match(second.err, /start it again/);
    const five = await kvorum("cluster", "dev", "--nodes", "5", "--port", String(port), "--dir", dev.dir);
    assert.equal([five.code, five.out], [64, ""], "refused before anything starts");
    assert.is(five.err, `kvorum: ${dev.dir} has a cluster of 3 (n1 n2 n3). Say --nodes 3, or choose another --dir\n`);
    const young = join(dev.dir, "young.mjs");
    writeFileSync(
      young,
      `if (/ --id n[23] /.test(process.argv.join(" "))) await new Promise((go) => setTimeout(go, ${WAIT_MS}));`,
    );
    const third = new Dev(await freeRows(), dev.dir, `--import=${young}`);
    assert.is(await within(WAIT_MS, third.exited, "the end of the third"), 75, third.said);
    dev.child.kill("SIGKILL");
    await dev.until(() => !pids.some(runs), "the nodes end");
  } finally {
    await dev.end();
  }
});

test.run();
