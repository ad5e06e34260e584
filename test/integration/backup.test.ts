/**
 * test/integration/backup.test.ts: backup, restore and inspect as an operator uses them: real processes, a load that does not
 * stop, kill -9, and a damaged byte.
 */
// timeout: 180s
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { freePort } from "../lib/free-ports.js";
import { KvorumProcess, kvorum } from "../lib/kvorum-process.js";
import { within } from "../lib/within.js";

const WAIT_MS = 60_000;
const KEYS = 300;
const PADDING = "x".repeat(400);

const temporary: string[] = [];
function directory(): string {
  const made = mkdtempSync(join(tmpdir(), "kvorum-backup-"));
  temporary.push(made);
  return made;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

function connect(port: number): Redis {
  const client = new Redis({ port, host: "127.0.0.1", retryStrategy: null, maxRetriesPerRequest: 0 });
  client.on("error", () => {});
  return client;
}

/** Writes pairs a:i and b:i in transactions, always with a higher number, until it is stopped or the server is gone. */
class Load {
  /** By i: highest number acknowledged, and highest sent. */
  readonly acknowledged: number[] = new Array(KEYS).fill(0);
  readonly sent: number[] = new Array(KEYS).fill(0);
  private readonly client: Redis;
  private stopping = false;
  private readonly over: Promise<void>;
  private number = 0;

  constructor(port: number) {
    this.client = connect(port);
    this.over = this.run();
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      const batch: Promise<void>[] = [];
      for (let k = 0; k < 30; k++) batch.push(this.write(this.number++ % KEYS, this.number));
      try {
        await Promise.all(batch);
        await pause(); // else it would take the processor from what is tested
      } catch {
        return; // the server was killed
      }
    }
  }

  private async write(i: number, number: number): Promise<void> {
    this.sent[i] = number;
    const value = `${number} ${PADDING}`;
    const replies = await this.client.multi().set(`a:${i}`, value).set(`b:${i}`, value).exec();
    if (replies?.every(([error]) => error === null) !== true) throw new Error("not acknowledged");
    this.acknowledged[i] = Math.max(this.acknowledged[i], number);
  }

  async rounds(count: number): Promise<void> {
    const until = this.number + count * KEYS;
    const reached = async (): Promise<void> => {
      while (this.number < until) await pause();
    };
    await within(WAIT_MS, reached(), "the load goes on");
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await within(WAIT_MS, this.over, "the load ends");
    this.client.disconnect();
  }
}

/** Every pair is there, whole, with at least what `least` says and nothing that was never sent. */
async function check(port: number, least: readonly number[], load: Load): Promise<void> {
  const client = connect(port);
  try {
    assert.is(await within(WAIT_MS, client.dbsize(), "dbsize"), KEYS * 2);
    for (let i = 0; i < KEYS; i++) {
      const [a, b] = await within(WAIT_MS, client.mget(`a:${i}`, `b:${i}`), "a pair");
      assert.is(a, b, `pair ${i} is half of a transaction`);
      const number = Number(a?.split(" ")[0]);
      assert.ok(number >= (least[i] as number), `pair ${i}: ${number}, ${least[i]} was acknowledged`);
      assert.ok(number <= (load.sent[i] as number), `pair ${i}: ${number} was never sent`);
      assert.is(a, `${number} ${PADDING}`);
    }
  } finally {
    client.disconnect();
  }
}

const nodeOf = (data: string): string =>
  JSON.parse(readFileSync(join(data, "kvorum.meta"), "utf8").split("\n")[0]).node;

test("backup under load, kill -9, restore elsewhere: everything acknowledged before is there, and no half of anything", async () => {
  const root = directory();
  const port = await freePort();
  const options = ["--port", String(port), "--dir", join(root, "data"), "--wal-segment-bytes", "1mb"];
  let server = await KvorumProcess.start(...options);
  const load = new Load(port);
  try {
    await load.rounds(4);
    const before = [...load.acknowledged];
    const made = await kvorum("backup", join(root, "new", "b1"), "-s", `127.0.0.1:${port}`, "--json");
    assert.is(made.code, 0, made.err);
    const { ok, lsn, directory: where } = JSON.parse(made.out);
    assert.equal([ok, where], [true, join(root, "new", "b1")]);
    assert.equal(readdirSync(join(root, "new")), ["b1"], "nothing is left beside it");
    const middle = [...load.acknowledged];
    await load.rounds(4);
    const again = await kvorum("backup", where, "-s", `127.0.0.1:${port}`);
    assert.is(again.code, 1);
    assert.match(again.err, "is not empty");
    const second = await kvorum("backup", join(root, "b2"), "-s", `127.0.0.1:${port}`);
    assert.is(second.code, 0, second.err);
    await server.end("SIGKILL");
    await load.stop();

    const restored = await kvorum("restore", where, "--dir", join(root, "restored"), "--json");
    assert.is(restored.code, 0, restored.err);
    assert.equal(JSON.parse(restored.out), { ok: true, directory: join(root, "restored"), keys: KEYS * 2, lsn });
    const laterRestored = await kvorum("restore", join(root, "b2"), "--dir", join(root, "later"));
    assert.match(laterRestored.out, /^600 keys, up to LSN \d+, are in /);
    assert.not.equal(nodeOf(join(root, "restored")), nodeOf(join(root, "data")));

    const copies: [string, readonly number[]][] = [
      ["restored", before],
      ["later", middle],
      ["data", load.acknowledged],
      // A backup opens as it is, too.
      ["b2", middle],
    ];
    for (const [name, least] of copies) {
      server = await KvorumProcess.start("--port", String(port), "--dir", join(root, name));
      await check(port, least, load);
      assert.is(await server.end(name === "data" ? "SIGKILL" : "SIGTERM"), name === "data" ? null : 0);
    }
    const used = await kvorum("restore", join(root, "b2"), "--dir", join(root, "again"));
    assert.is(used.code, 65);
    assert.not(existsSync(join(root, "again")));
  } finally {
    await server.end("SIGKILL");
    await load.stop();
  }
});

test("restore refuses damage with file and offset, what is in use, what is not empty, what is no backup", async () => {
  const root = directory();
  const port = await freePort();
  const data = join(root, "data");
  const server = await KvorumProcess.start("--port", String(port), "--dir", data);
  try {
    const client = connect(port);
    for (let i = 0; i < 50; i++) await within(WAIT_MS, client.set(`k${i}`, PADDING), "set");
    const relative = await within(WAIT_MS, client.call("KV.BACKUP", "somewhere").catch(String), "an answer");
    assert.match(String(relative), "ERR the directory must be an absolute path");
    client.disconnect();
    const backup = join(root, "backup");
    // An empty directory is as good as none.
    mkdirSync(backup);
    assert.is((await kvorum("backup", backup, "-s", `127.0.0.1:${port}`)).code, 0);

    const inUse = await kvorum("restore", backup, "--dir", data);
    assert.is(inUse.code, 75, inUse.err);
    assert.match(inUse.err, "is in use");
    await server.end("SIGKILL");
    const full = await kvorum("restore", backup, "--dir", data);
    assert.is(full.code, 1);
    assert.match(full.err, "is not empty");
    const foreign = join(root, "foreign");
    mkdirSync(foreign);
    writeFileSync(join(foreign, "letter.txt"), "mine");
    assert.is((await kvorum("restore", backup, "--dir", foreign)).code, 1);
    assert.equal(readdirSync(foreign), ["letter.txt"]);
    const nowhere = await kvorum("restore", join(root, "nowhere"), "--dir", join(root, "target"));
    assert.equal([nowhere.code, nowhere.err], [1, `kvorum: there is no ${join(root, "nowhere")}\n`]);
    const none = await kvorum("restore", foreign, "--dir", join(root, "target"));
    assert.is(none.code, 1);
    assert.match(none.err, "is not a backup");
    assert.is((await kvorum("restore", join(root, "nowhere"), "--dir", join(root, "target"))).code, 1);
    assert.is((await kvorum("restore")).code, 2);

    for (const name of readdirSync(backup)) {
      const path = join(backup, name);
      const bytes = readFileSync(path);
      const damaged = Buffer.from(bytes);
      const at = Math.floor(bytes.length * 0.6);
      damaged[at] = (damaged[at] as number) ^ 4;
      rmSync(path); // some are links to the data directory's own
      writeFileSync(path, damaged);
      const refused = await kvorum("restore", backup, "--dir", join(root, "target"));
      assert.is(refused.code, 65, `${name}: ${refused.err}`);
      assert.match(refused.err, new RegExp(`${name} at byte \\d+: `));
      assert.not(existsSync(join(root, "target")), "nothing was written");
      writeFileSync(path, bytes);
    }
    assert.is((await kvorum("restore", backup, "--dir", join(root, "target"))).code, 0);
  } finally {
    await server.end("SIGKILL");
  }
});

test("inspect: beside a running server, sealed, corrupt", async () => {
  const root = directory();
  const port = await freePort();
  const data = join(root, "data");
  const server = await KvorumProcess.start("--port", String(port), "--dir", data, "--wal-segment-bytes", "1mb");
  const load = new Load(port);
  try {
    await load.rounds(1);
    for (let i = 0; i < 4; i++) {
      const { code, out, err } = await kvorum("inspect", "wal", data, "--json");
      assert.is(code, 0, `${out.slice(-300)}${err}`);
      const { segments, end } = JSON.parse(out);
      assert.ok(["clean", "live", "torn"].includes(end.verdict));
      assert.ok(segments.length > 0 && segments[0].batches[0].flags[0] === "open");
    }
    await load.stop();
    assert.is(await server.end("SIGTERM"), 0);
    const text = await kvorum("inspect", "wal", data, "--records");
    assert.is(text.code, 0);
    assert.match(text.out, /^wal-\d{16}\.log {2}from LSN \d+, \d+ bytes\n/);
    // Which keys the log still holds depends on the snapshots under way: any record of the load will do.
    assert.match(text.out, /db 0 "[ab]:\d+", value \d+ bytes, body \d+ bytes\n/);
    assert.match(text.out, /\nsealed at wal-\d{16}\.log byte \d+\n\d+ batches, \d+ records, last LSN \d+\n$/);
    const snapshot = await kvorum("inspect", "snapshot", data, "--json", "--records");
    assert.is(snapshot.code, 0);
    const [newest] = JSON.parse(snapshot.out).snapshots;
    assert.equal([newest.end.verdict, newest.end.records], ["whole", KEYS * 2]);
    assert.is(newest.blocks[0].records[0].key.length > 2, true);

    const segment = readdirSync(data).find((name) => name.startsWith("wal-0")) as string;
    const bytes = readFileSync(join(data, segment));
    bytes[2000] = (bytes[2000] as number) ^ 1;
    writeFileSync(join(data, segment), bytes);
    const corrupt = await kvorum("inspect", "wal", join(data, segment));
    assert.is(corrupt.code, 65);
    assert.match(corrupt.out, new RegExp(`corrupt at ${segment} byte \\d+: `));
    assert.is((await kvorum("inspect", "snapshot", join(data, newest.name))).code, 0);
    assert.is((await kvorum("inspect", "wal", root)).code, 1);
    assert.is((await kvorum("inspect", "wal", join(root, "nowhere"))).code, 1);
    assert.is((await kvorum("inspect", "walls")).code, 2);
  } finally {
    await server.end("SIGKILL");
    await load.stop();
  }
});

test.after(() => {
  for (const made of temporary) rmSync(made, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

test.run();
