/**
 * test/unit/server/cluster-differential.test.ts: the same random commands to a node alone and to one in a cluster: the same replies, where the
 * cluster does not refuse because more than one key would be written. RESP2 and RESP3, with transactions and WATCH.
 */
// timeout: 120s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CommandGenerator, KEYS, randomFrom } from "../../lib/command-generator.js";
import { FakeCluster } from "../../lib/fake-cluster.js";
import { encodeCommand } from "../../lib/redis-server.js";
import { elements, integerOf, replyEnd, showReply } from "../../lib/replies.js";
import { type RawClient, startServer } from "./harness.js";

const COMMANDS = 4000;
/** Where the answer is this server's own affair. */
const NOT_COMPARED = /^(memory|randomkey|scan)$/i;
const LISTINGS = /^keys$/i;
const CLOCKS = /^p?(ttl|expiretime)$/i;
const CLOCKS_APART = 2000n;
const MINUS = 45;

async function ask(client: RawClient, parts: readonly Buffer[]): Promise<Buffer> {
  client.write(encodeCommand(parts));
  await client.until(() => replyEnd(client.received, 0) > 0, `the reply to ${parts.map(String).join(" ")}`);
  const end = replyEnd(client.received, 0);
  const reply = client.received.subarray(0, end);
  client.received = client.received.subarray(end);
  return reply;
}

function isRefused(reply: Buffer): boolean {
  return reply.latin1Slice().startsWith("-CROSSSLOT");
}

function same(parts: readonly Buffer[], here: Buffer, there: Buffer): boolean {
  if (here.equals(there)) return true;
  const name = parts[0].latin1Slice();
  if (NOT_COMPARED.test(name)) return here[0] !== MINUS && there[0] !== MINUS;
  if (LISTINGS.test(name)) return sorted(here) === sorted(there);
  // Each side reads its own clock.
  const [a, b] = [integerOf(here), integerOf(there)];
  if (!CLOCKS.test(name) || a === undefined || b === undefined || a < 0n || b < 0n) return false;
  return a - b <= CLOCKS_APART && b - a <= CLOCKS_APART;
}

function sorted(reply: Buffer): string {
  return (elements(reply) ?? [reply]).map(String).sort().join();
}

class Pair {
  readonly log: string[] = [];
  compared = 0;
  refused = 0;
  private queued: (readonly Buffer[])[] = [];
  private readonly one: RawClient;
  private readonly many: RawClient;

  constructor(one: RawClient, many: RawClient) {
    this.one = one;
    this.many = many;
  }

  /** @returns false when the cluster refused: then the other one was not asked. */
  async run(parts: readonly Buffer[]): Promise<boolean> {
    this.log.push(parts.map((part) => JSON.stringify(part.latin1Slice().slice(0, 60))).join(" "));
    const there = await ask(this.many, parts);
    if (isRefused(there)) {
      this.refused++;
      return false;
    }
    const here = await ask(this.one, parts);
    this.compared++;
    if (here.latin1Slice() === "+QUEUED\r\n") this.queued.push(parts);
    if (!same(parts, here, there) && !this.sameParts(here, there))
      assert.unreachable(
        `different replies\n  alone    ${showReply(here)}\n  cluster  ${showReply(there)}\n  after\n    ${this.log.slice(-12).join("\n    ")}`,
      );
    return true;
  }

  /** The replies to what was queued, one by one. */
  private sameParts(here: Buffer, there: Buffer): boolean {
    const [a, b] = [elements(here) ?? [], elements(there) ?? []];
    return a.length === this.queued.length && this.queued.every((parts, i) => same(parts, a[i], b[i]));
  }

  async text(...words: string[]): Promise<boolean> {
    return this.run(words.map((word) => Buffer.from(word, "latin1")));
  }

  /** Where the cluster refused an EXEC, the other one must do nothing either. */
  async exec(): Promise<void> {
    const done = await this.text("EXEC");
    this.queued = [];
    if (!done) await ask(this.one, [Buffer.from("DISCARD")]);
  }

  /** Both hold the same. */
  async compareKeys(): Promise<void> {
    for (const db of ["1", "0"]) {
      await this.text("SELECT", db);
      await this.text("DBSIZE");
      await this.text("KEYS", "*");
      for (const key of KEYS) {
        await this.text("GET", key);
        await this.text("PEXPIRETIME", key);
        await this.text("OBJECT", "ENCODING", key);
      }
    }
  }
}

async function transaction(pair: Pair, g: CommandGenerator): Promise<void> {
  if (g.chance(0.4)) await pair.text("WATCH", g.key());
  if (g.chance(0.3)) await pair.run(g.next());
  await pair.text("MULTI");
  // Mostly one key, so that mostly it can be done.
  const only = g.key();
  for (let left = 1 + Math.floor(g.random01() * 4); left > 0; left--) {
    const command = g.next();
    if (g.chance(0.8) && command.length > 1) command[1] = Buffer.from(only, "latin1");
    await pair.run(command);
  }
  await pair.exec();
}

for (const [proto, seed] of [
  ["2", 31],
  ["3", 32],
] as const) {
  test(`alone and in a cluster, protocol ${proto}`, async () => {
    const random = randomFrom(seed);
    const cluster = new FakeCluster({ random: randomFrom(seed + 100), spreading: 1 });
    const alone = await startServer();
    const many = await startServer({ cluster });
    try {
      const pair = new Pair(await alone.client(), await many.client());
      await pair.text("HELLO", proto);
      const payloads: Buffer[] = [];
      for (const value of ["x", "12345", "y".repeat(100)]) {
        await pair.text("SET", "k1", value);
        const dumped = await ask(await alone.client(), [Buffer.from("GET"), Buffer.from("k1")]);
        assert.ok(dumped.length > 0);
        const reply = await ask(await many.client(), [Buffer.from("DUMP"), Buffer.from("k1")]);
        payloads.push(Buffer.from(reply.subarray(reply.indexOf("\r\n") + 2, reply.length - 2)));
      }
      const g = new CommandGenerator(random, payloads);
      for (let i = 0; i < COMMANDS; i++) {
        if (g.chance(0.05)) await transaction(pair, g);
        else await pair.run(g.next());
        if (i % 500 === 499) await pair.compareKeys();
      }
      await pair.compareKeys();
      assert.ok(pair.compared > COMMANDS * 0.8, `compared ${pair.compared}`);
      assert.ok(pair.refused > 20, `refused ${pair.refused}`);
    } finally {
      await alone.close();
      await many.close();
    }
  });
}

test.run();
