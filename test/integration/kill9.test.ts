/**
 * test/integration/kill9.test.ts: kill -9 of a real server under load, and again: no acknowledged write is lost, none undone, no EXEC half
 * done, and what a reader saw stays. ROUNDS=100 makes it a campaign, KVORUM_SEED=n repeats the choices of one.
 */
// timeout: 120s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../src/lib/random.js";
import { freePort } from "../lib/free-ports.js";
import { Connection } from "../lib/process-client.js";
import { ServerProcess, withDirectory } from "../lib/process-server.js";
import { Writer } from "../lib/process-writer.js";

const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const SEED = Number(process.env["KVORUM_SEED"] ?? Date.now() % 1_000_000);
const ROUND_MS_MAX = 30_000;
const WRITERS = 6;
/** Acknowledged writes before a kill; most rounds have far more. */
const ROUND_ACKNOWLEDGED_MIN = 100;
/** An EXEC of 9 MiB: more than one write system call takes at once, and more than a batch usually is. */
const LARGE_PARTS = 9;
const LARGE_BYTES = 1 << 20;
const LARGE_NAMES: readonly string[] = Array.from({ length: LARGE_PARTS }, (_, i) => `large:${i}`);

/** Writes large transactions, one after the other: all parts carry the same number. */
class LargeWriter {
  acknowledged = 0;
  sent = 0;

  async run(port: number): Promise<void> {
    const connection = await Connection.open(port).catch(() => undefined);
    while (connection !== undefined && !connection.closed) {
      await sleep(100); // the small ones are to have their turn
      const number = ++this.sent;
      const value = Buffer.alloc(LARGE_BYTES, `${number}.`);
      const queued = [connection.send("MULTI"), ...LARGE_NAMES.map((name) => connection.send("SET", name, value))];
      for (const each of queued) each.catch(() => {});
      const reply = await connection.send("EXEC").catch(() => undefined);
      if (Array.isArray(reply)) this.acknowledged = number;
    }
    connection?.close();
  }

  async verify(connection: Connection): Promise<string | undefined> {
    const values = (await connection.ask("MGET", ...LARGE_NAMES)) as (string | null)[];
    const numbers = values.map((value) => Number(value?.split(".", 1)[0] ?? 0));
    if (new Set(numbers).size !== 1) return `a transaction is half done: ${numbers.join(" ")}`;
    for (const value of values) {
      const whole = value === null || value === Buffer.alloc(LARGE_BYTES, `${numbers[0]}.`).latin1Slice();
      if (!whole) return `a value of transaction ${numbers[0]} is damaged`;
    }
    if (numbers[0] < this.acknowledged) return `transaction ${this.acknowledged} is lost: ${numbers[0]} is there`;
    this.sent = Math.max(this.sent, numbers[0]);
    this.acknowledged = numbers[0];
    return undefined;
  }
}

/** Looks at the counters that others write: what it saw must not go back. Now and then it asks for a snapshot. */
class Reader {
  private readonly seen = new Map<string, number>();
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  async run(port: number): Promise<void> {
    const connection = await Connection.open(port).catch(() => undefined);
    while (connection !== undefined && !connection.closed) {
      const name = `w${this.random.below(WRITERS)}:n`;
      const value = await connection.send("GET", name).catch(() => undefined);
      if (typeof value === "string") this.seen.set(name, Math.max(Number(value), this.seen.get(name) ?? 0));
      if (this.random.below(2000) === 0) connection.send("BGSAVE").catch(() => {});
    }
    connection?.close();
  }

  async verify(connection: Connection): Promise<string | undefined> {
    for (const [name, seen] of this.seen) {
      const now = Number(await connection.ask("GET", name));
      if (now < seen) return `${name} was seen as ${seen} and is ${now}`;
    }
    return undefined;
  }
}

async function campaign(mode: string, rounds: number, segmentBytes: number): Promise<number> {
  const random = new Random(SEED);
  const writers = Array.from({ length: WRITERS }, (_, i) => new Writer(`w${i}`, random));
  const large = new LargeWriter();
  const reader = new Reader(random);
  const all = [...writers, large, reader];
  const args = ["--appendfsync", mode, "--wal-segment-bytes", String(segmentBytes)];
  await withDirectory(rounds * ROUND_MS_MAX, async (dir, start) => {
    const port = await freePort();
    const first = performance.now();
    let server: ServerProcess = await start({ port, args });
    const startMs = performance.now() - first;
    for (let round = 1; round <= rounds; round++) {
      const load = Promise.all(all.map((one) => one.run(port)));
      // A slow machine is given the time that a load worth the name takes.
      const least = acknowledgedBy(writers) + ROUND_ACKNOWLEDGED_MIN;
      while (acknowledgedBy(writers) < least) await sleep(5);
      await sleep(random.below(350));
      await server.end("SIGKILL");
      await load;
      // Some starts are killed too, at whatever they are doing: the first took as long as it takes here, without recovery.
      if (random.below(3) === 0) {
        const hasty = ServerProcess.launch({ port, args, dir });
        await sleep(startMs * (0.5 + random.below(100) / 100));
        await hasty.end("SIGKILL");
      }
      server = await start({ port, args });
      const connection = await Connection.open(port);
      for (const one of all) {
        const wrong = await one.verify(connection);
        assert.is(wrong, undefined, `appendfsync ${mode}, round ${round}, KVORUM_SEED=${SEED}: ${wrong}`);
      }
      connection.close();
    }
    await server.end();
  });
  return acknowledgedBy(writers);
}

function acknowledgedBy(writers: readonly Writer[]): number {
  return writers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

for (const [mode, rounds, segmentBytes] of [
  ["always", ROUNDS, 64 << 20],
  ["always", Math.ceil(ROUNDS / 2), 256 << 10],
  ["everysec", Math.ceil(ROUNDS / 3), 1 << 20],
  ["no", Math.ceil(ROUNDS / 3), 1 << 20],
] as const) {
  test(`kill -9, appendfsync ${mode}, log files of ${segmentBytes >> 10} KiB: nothing acknowledged is lost`, async () => {
    const started = performance.now();
    const acknowledged = await campaign(mode, rounds, segmentBytes);
    console.log(
      `${mode}: ${rounds} kills, ${acknowledged} acknowledged, ${Math.round((performance.now() - started) / 1000)} s, seed ${SEED}`,
    );
    assert.ok(acknowledged >= rounds * ROUND_ACKNOWLEDGED_MIN, `a load worth the name: ${acknowledged}`);
  });
}

test.run();
