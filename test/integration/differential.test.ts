/**
 * test/integration/differential.test.ts: the same random commands to a real redis-server and to our handlers, comparing raw
 * reply bytes in RESP2 and RESP3. KVORUM_SEED=n replays a run; KVORUM_COMMANDS=n makes it longer.
 * Where replies may differ, test/lib/differences.ts says why and how far.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { COMMANDS } from "../../src/commands/table.js";
import { MemoryDisk } from "../../src/platform/memory-disk.js";
import type { Keyspace } from "../../src/ports/keyspace.js";
import { Engine } from "../../src/storage/engine.js";
import { CommandDriver } from "../lib/command-driver.js";
import { CommandGenerator, DATABASES, KEYS, randomFrom } from "../lib/command-generator.js";
import { sameReply } from "../lib/differences.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";
import { ModelKeyspace } from "../lib/model-keyspace.js";
import { findRedisServer, RedisServer } from "../lib/redis-server.js";
import { bulkOf, elements, replyEnd, showReply } from "../lib/replies.js";

const SEED = Number(process.env["KVORUM_SEED"] ?? Date.now() % 1_000_000);
const COMMANDS_PER_PROTOCOL = Number(process.env["KVORUM_COMMANDS"] ?? 40_000);
const BATCH = 250;
function show(command: readonly Buffer[]): string {
  return command.map((part) => JSON.stringify(part.toString("latin1", 0, 80))).join(" ");
}

const buffers = (...parts: string[]): Buffer[] => parts.map((part) => Buffer.from(part, "latin1"));

/** What everything holds, asked in a fixed order. */
function sweep(): Buffer[][] {
  const commands: Buffer[][] = [];
  for (let db = DATABASES - 1; db >= 0; db--) {
    commands.push(buffers("SELECT", String(db)), buffers("DBSIZE"));
    for (const key of KEYS)
      commands.push(buffers("GET", key), buffers("PEXPIRETIME", key), buffers("OBJECT", "ENCODING", key));
  }
  return commands;
}

async function compare(
  redis: RedisServer,
  driver: CommandDriver,
  commands: Buffer[][],
  history: string[],
): Promise<void> {
  const pending = redis.run(commands);
  const ours = commands.map((command) => driver.run(command, Date.now()));
  const theirs = await pending;
  for (const [i, command] of commands.entries()) {
    history.push(`${show(command)}  ->  ${showReply(theirs[i])}`);
    if (sameReply(command, ours[i], theirs[i])) continue;
    const trace = history.slice(-25).join("\n");
    assert.unreachable(`seed ${SEED}:\n${trace}\nours:   ${showReply(ours[i])}\ntheirs: ${showReply(theirs[i])}`);
  }
}

const path = findRedisServer();
let redis: RedisServer;

test.before(async () => {
  if (path !== undefined) redis = await RedisServer.start(path);
});
test.after(async () => {
  if (path !== undefined) await redis.stop();
});

/** DUMP payloads that a real Redis made. */
async function payloads(): Promise<Buffer[]> {
  const values = ["", "a", "5", "-300", "70000", "2147483648", "x".repeat(100), "abc".repeat(200), "z".repeat(20000)];
  const made: Buffer[] = [];
  for (const value of values) {
    const replies = await redis.run([buffers("SET", "k", value), buffers("DUMP", "k")]);
    made.push(Buffer.from(bulkOf(replies[1]) as Buffer));
  }
  return made;
}

/** A keyspace, and what to do now and then to let it work in the background. */
interface Subject {
  readonly space: Keyspace;
  readonly rest: () => void;
}

function model(random: () => number): Subject {
  return { space: new ModelKeyspace(random), rest: () => {} };
}

/** The real store, with its log on a disk in memory. */
function store(): Subject {
  const scheduler = new FakeScheduler();
  scheduler.wallMs = Date.now();
  const engine = new Engine(new MemoryDisk(scheduler), scheduler, {
    mode: "no",
    partitions: 4,
    segmentBytes: 1 << 22,
    snapshotLogBytes: () => 1 << 24,
    newNode: () => ({ node: "0".repeat(40), hashSecret: [SEED, 2] }),
    seed: SEED,
  });
  let loaded = false;
  engine.load(1000, (error) => {
    if (error !== undefined) throw error;
    loaded = true;
  });
  while (!loaded) scheduler.endTurn();
  return { space: engine.store, rest: () => scheduler.advance(1) };
}

const SUBJECTS = [
  { name: "the model", proto: 2, make: model },
  { name: "the model", proto: 3, make: model },
  { name: "the store", proto: 2, make: store },
  { name: "the store", proto: 3, make: store },
];

for (const { name, proto, make } of SUBJECTS) {
  test(`random commands are answered alike by ${name} in RESP${proto}`, async () => {
    if (path === undefined) return;
    console.log(`seed ${SEED}`);
    const random = randomFrom(SEED + proto);
    await redis.run([buffers("HELLO", String(proto)), buffers("FLUSHALL")]);
    const generator = new CommandGenerator(random, await payloads());
    await redis.run([buffers("FLUSHALL")]);
    const { space, rest } = make(random);
    const driver = new CommandDriver(space);
    driver.context.reply.proto = proto;
    const history: string[] = [];
    for (let done = 0; done < COMMANDS_PER_PROTOCOL; done += BATCH) {
      const batch = Array.from({ length: BATCH }, () => generator.next());
      await compare(redis, driver, [...batch, ...sweep()], history);
      history.splice(0, history.length - 50);
      rest();
    }
  });
}

test("random decimals are added alike", async () => {
  if (path === undefined) return;
  const random = randomFrom(SEED);
  const digits = (most: number): string =>
    Array.from({ length: Math.floor(random() * most) }, () => Math.floor(random() * 10)).join("");
  const decimal = (): string => {
    const sign = ["", "", "-", "+"][Math.floor(random() * 4)];
    const exponent = random() < 0.3 ? `e${Math.floor((random() - 0.5) ** 3 * 40_000)}` : "";
    if (random() < 0.1)
      return `${sign}0x${Math.floor(random() * 2 ** 40).toString(16)}.${digits(6)}p${exponent.slice(1) || 0}`;
    return `${sign}${digits(random() < 0.1 ? 40 : 10)}.${digits(random() < 0.1 ? 30 : 6)}${exponent}`;
  };
  const commands = Array.from({ length: 5000 }, () => [
    buffers("SET", "k", decimal()),
    buffers("INCRBYFLOAT", "k", decimal()),
    buffers("INCRBYFLOAT", "k", decimal()),
  ]).flat();
  await compare(redis, new CommandDriver(new ModelKeyspace()), commands, []);
});

test("random patterns match alike", async () => {
  if (path === undefined) return;
  const random = randomFrom(SEED);
  const text = (alphabet: string, most: number): string =>
    Array.from({ length: Math.floor(random() * most) }, () => alphabet[Math.floor(random() * alphabet.length)]).join(
      "",
    );
  const commands = [buffers("SELECT", "0"), buffers("FLUSHALL")];
  for (let i = 0; i < 40; i++) commands.push(buffers("SET", text("ab]^-\\\xff", 6), ""));
  for (let i = 0; i < 3000; i++) commands.push(buffers("KEYS", text("**??[[]]^-\\ab", 10)));
  await compare(redis, new CommandDriver(new ModelKeyspace()), commands, []);
});

test("what DUMP gives, Redis restores", async () => {
  if (path === undefined) return;
  const driver = new CommandDriver(new ModelKeyspace());
  const random = randomFrom(SEED);
  for (let i = 0; i < 300; i++) {
    const length = Math.floor(random() ** 3 * 20_000);
    const alphabet = 1 + Math.floor(random() * 255);
    const value = Buffer.from(Array.from({ length }, () => Math.floor(random() * alphabet)));
    driver.run(["SET", "k", value], 1);
    const payload = bulkOf(driver.run(["DUMP", "k"], 1)) as Buffer;
    const replies = await redis.run([
      [...buffers("RESTORE", "k", "0"), payload, Buffer.from("REPLACE")],
      buffers("GET", "k"),
      buffers("DUMP", "k"),
    ]);
    assert.is(replies[0].latin1Slice(), "+OK\r\n");
    assert.ok(bulkOf(replies[1])?.equals(value), "Redis read another value");
    driver.run(["RESTORE", "j", "0", bulkOf(replies[2]) as Buffer, "REPLACE"], 1);
    assert.ok(bulkOf(driver.run(["GET", "j"], 1))?.equals(value), "we read another value");
  }
});

/** COMMAND INFO without what differs: notes of key specifications, and the order of subcommands. */
function plainInfo(reply: Buffer): unknown {
  const parts = elements(reply);
  if (parts === undefined) return reply.latin1Slice();
  const plain = parts.map(plainInfo);
  const notes = plain.indexOf("$5\r\nnotes\r\n");
  if (notes >= 0) plain.splice(notes, 2);
  const subcommands = plain[9];
  if (typeof plain[0] === "string" && Array.isArray(subcommands)) {
    const known = COMMANDS.flatMap((spec) => spec.subcommands ?? []).map((spec) => spec.fullName);
    const both = subcommands.filter((sub) => known.includes(String((sub as unknown[])[0]).split("\r\n")[1]));
    plain[9] = both.sort((a, b) => (String(a) < String(b) ? -1 : 1));
  }
  return plain;
}

/** KV.GET and the like. */
function isOurs(name: string): boolean {
  return name.startsWith("kv.");
}

test("COMMAND INFO says what Redis says", async () => {
  if (path === undefined) return;
  const driver = new CommandDriver(new ModelKeyspace());
  await redis.run([buffers("HELLO", "2")]);
  /** Newer than the Redis that judges. */
  const newer = ["waitaof", "client|setinfo", "client|no-touch"];
  for (const spec of COMMANDS) {
    if (newer.includes(spec.fullName) || isOurs(spec.name)) continue;
    const [theirs] = await redis.run([buffers("COMMAND", "INFO", spec.fullName)]);
    const ours = driver.run(["COMMAND", "INFO", spec.fullName], 1);
    const mine = (plainInfo(ours) as unknown[][])[0];
    if (spec.name === "client") mine[9] = (mine[9] as unknown[]).filter((sub) => !/setinfo|no-touch/.test(String(sub)));
    assert.equal(mine, (plainInfo(theirs) as unknown[][])[0], spec.fullName);
  }
});

/** Their arguments are described otherwise than in 7.0, or not there. */
const OTHER_DOCS = ["set", "debug", "waitaof"];

test("COMMAND DOCS has the arguments that Redis has", async () => {
  if (path === undefined) return;
  const driver = new CommandDriver(new ModelKeyspace());
  for (const spec of COMMANDS) {
    const ours = driver.run(["COMMAND", "DOCS", spec.name], 1);
    assert.is(replyEnd(ours, 0), ours.length, spec.name);
    if (spec.subcommands !== undefined || OTHER_DOCS.includes(spec.name) || isOurs(spec.name)) continue;
    const [theirs] = await redis.run([buffers("COMMAND", "DOCS", spec.name)]);
    for (const word of ["name", "token", "group", "flags", "key_spec_index", "arguments", "deprecated_since"]) {
      const [a, b] = [ours, theirs].map((reply) => reply.latin1Slice().split(`$${word.length}\r\n${word}\r\n`).length);
      assert.is(a, b, `${spec.name}: ${word}`);
    }
  }
});

test.run();
