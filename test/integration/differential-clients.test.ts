/**
 * test/integration/differential-clients.test.ts: random commands over two connections, to a real redis-server and to a kvorum that serves
 * sockets: transactions, WATCH across clients, the commands of the connection, arguments at random; raw reply bytes compared in RESP2 and
 * RESP3. KVORUM_SEED=n replays; KVORUM_COMMANDS=n makes it longer. Where replies may differ: test/lib/differences.ts.
 */
// timeout: 120s
import { connect, type Socket } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { startTestServer, type TestServer } from "../../src/testing.js";
import { CommandGenerator, DATABASES, KEYS, randomFrom } from "../lib/command-generator.js";
import { sameReply } from "../lib/differences.js";
import { encodeCommand, findRedisServer } from "../lib/redis-server.js";
import { elements, replyEnd, showReply } from "../lib/replies.js";
import { within } from "../lib/within.js";
import { type Judge, startJudge } from "../unit/server/redis.js";

const SEED = Number(process.env["KVORUM_SEED"] ?? Date.now() % 1_000_000);
const COMMANDS = Number(process.env["KVORUM_COMMANDS"] ?? 15_000);
const BATCH_MAX = 12;
const VALUE_BYTES_MAX = 512 * 1024 * 1024;

/** A raw connection: commands out, as many replies back. */
class Client {
  private readonly socket: Socket;
  private received: Buffer = Buffer.alloc(0);
  private wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake();
    });
  }

  static async connect(port: number): Promise<Client> {
    const socket = connect(port, "127.0.0.1");
    await within(
      5000,
      new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject)),
      "connect",
    );
    return new Client(socket.on("error", () => {}));
  }

  async run(commands: readonly (readonly Buffer[])[]): Promise<Buffer[]> {
    this.socket.write(Buffer.concat(commands.map(encodeCommand)));
    return within(60_000, this.collect(commands.length), `${commands.length} replies`);
  }

  private async collect(count: number): Promise<Buffer[]> {
    const replies: Buffer[] = [];
    for (let at = 0; replies.length < count; ) {
      const end = replyEnd(this.received, at);
      if (end < 0) {
        await new Promise<void>((resolve) => (this.wake = resolve));
        continue;
      }
      replies.push(this.received.subarray(at, end));
      at = end;
      if (replies.length === count) this.received = this.received.subarray(at);
    }
    return replies;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** One of the two clients, as both servers see it, and what it has queued. */
interface Pair {
  readonly ours: Client;
  readonly theirs: Client;
  queue: Buffer[][];
}

const words = (...parts: (string | Buffer)[]): Buffer[] =>
  parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part));

/** Commands of the connection and of transactions that answer the same whatever the server is called. */
const CONNECTION: readonly ((g: CommandGenerator) => Buffer[])[] = [
  () => words("PING"),
  (g) => words("PING", g.value()),
  (g) => words("PING", g.value(), "more"),
  (g) => words("ECHO", g.value()),
  () => words("ECHO"),
  (g) => words("SELECT", g.pick(["0", "0", "0", "1", "16", "-1", "x", "", "99999999999999999999"])),
  (g) => words("CLIENT", "SETNAME", g.pick(["", "name", "two words", "n\xff", "a\nb"])),
  () => words("CLIENT", "GETNAME"),
  (g) => words("CLIENT", "NO-EVICT", g.pick(["on", "OFF", "x"])),
  (g) => words("CLIENT", g.pick(["nosuch", "", "getname", "SETNAME"]), ...(g.chance(0.5) ? ["x", "y"] : [])),
  (g) => words("AUTH", ...g.pick([[], ["x"], ["default", "x"], ["nobody", "x"], ["a", "b", "c"]])),
  (g) => words("WAIT", "0", g.pick(["0", "-1", "x"])),
  (g) =>
    words(
      "COMMAND",
      "GETKEYS",
      ...g.pick([
        ["GET", "a"],
        ["MSET", "a", "1", "b", "2"],
        ["PING"],
        ["nosuch"],
        ["GET"],
        ["BITOP", "AND", "d", "s"],
      ]),
    ),
  () => words("ACL", "WHOAMI"),
  () => words("ACL", "USERS"),
  (g) => words("SLOWLOG", g.pick(["GET", "LEN", "nosuch"]), "x"),
  () => words("READONLY"),
  () => words("READWRITE"),
  (g) => words("SELECT", g.key(), g.key()),
];
const TRANSACTIONS: readonly ((g: CommandGenerator) => Buffer[])[] = [
  () => words("MULTI"),
  () => words("MULTI"),
  () => words("EXEC"),
  () => words("EXEC"),
  () => words("EXEC"),
  () => words("DISCARD"),
  () => words("UNWATCH"),
  // Not EXEC: with too many arguments it is refused in other words here.
  (g) => words(g.pick(["MULTI", "DISCARD", "UNWATCH"]), "x"),
  () => words("WATCH"),
];

const nameOf = (command: readonly Buffer[]): string => (command[0] as Buffer).latin1Slice().toLowerCase();

/** Written with what they hold already they leave a watched key as it is in Redis, and here only when it was raw before. */
const CHANGE_WITHOUT_CHANGE = ["setbit", "bitfield"];

function nextOnKeys(g: CommandGenerator): Buffer[] {
  for (;;) {
    const command = g.next();
    if (!CHANGE_WITHOUT_CHANGE.includes(nameOf(command))) return command;
  }
}

function next(g: CommandGenerator): Buffer[][] {
  const kind = g.random01();
  if (kind < 0.03) return [words("WATCH", ...Array.from({ length: 1 + Math.floor(g.random01() * 3) }, () => g.key()))];
  return [kind < 0.2 ? g.pick(TRANSACTIONS)(g) : kind < 0.3 ? g.pick(CONNECTION)(g) : nextOnKeys(g)];
}

/** The nearest known name stands behind Redis's text here. */
function plain(reply: Buffer): Buffer {
  if (reply[0] !== 45) return reply;
  return Buffer.from(reply.latin1Slice().replace(/\(did you mean '[^']*'\?\)\r\n$/, "\r\n"), "latin1");
}

/** EXEC's replies are those of what was queued, each with its own leave to differ. */
function same(pair: Pair, command: readonly Buffer[], ours: Buffer, theirs: Buffer): boolean {
  if (nameOf(command) !== "exec" || ours.equals(theirs)) return sameReply(command, ours, theirs);
  const [mine, others] = [elements(ours), elements(theirs)];
  if (mine === undefined || others === undefined || mine.length !== others.length) return false;
  return (
    mine.length === pair.queue.length &&
    mine.every((reply, i) => sameReply(pair.queue[i] as Buffer[], reply, others[i] as Buffer))
  );
}

function remember(pair: Pair, command: Buffer[], reply: Buffer): void {
  if (reply.latin1Slice() === "+QUEUED\r\n") pair.queue.push(command);
  else if (["exec", "discard", "multi"].includes(nameOf(command)) && reply[0] !== 45) pair.queue = [];
  else if (nameOf(command) === "exec") pair.queue = [];
}

/** What both servers hold, asked over a connection of its own: a difference shows with the commands that made it. */
async function compareState(onlooker: Pair, history: readonly string[]): Promise<void> {
  const commands: Buffer[][] = [];
  for (let db = 0; db < DATABASES; db++) {
    commands.push(words("SELECT", String(db)), words("KEYS", "*"));
    for (const key of KEYS) commands.push(words("GET", key), words("PEXPIRETIME", key));
  }
  const [ours, theirs] = await Promise.all([onlooker.ours.run(commands), onlooker.theirs.run(commands)]);
  for (const [i, command] of commands.entries()) {
    const [mine, other] = [ours[i] as Buffer, theirs[i] as Buffer];
    if (sameReply(command, mine, other)) continue;
    const shown = command.map((part) => JSON.stringify(part.latin1Slice())).join(" ");
    assert.unreachable(
      `seed ${SEED}:\n${history.slice(-30).join("\n")}\n${shown}\nours:   ${showReply(mine)}\ntheirs: ${showReply(other)}`,
    );
  }
}

const path = findRedisServer();
let judge: Judge;
let server: TestServer;

test.before(async () => {
  if (path === undefined) return;
  judge = await startJudge(path);
  server = await startTestServer({ maxValueBytes: VALUE_BYTES_MAX });
});
test.after(async () => {
  if (path === undefined) return;
  await server.close();
  await judge.stop();
});

for (const protocols of [
  [2, 2],
  [3, 3],
  [2, 3],
] as const) {
  test(`two clients, random commands and transactions, in RESP${protocols[0]} and RESP${protocols[1]}`, async () => {
    if (path === undefined) return;
    console.log(`seed ${SEED}`);
    const random = randomFrom(SEED + protocols[0] * 10 + protocols[1]);
    const generator = new CommandGenerator(random, [Buffer.from("0001610a00bffeef9b8f367db4", "hex")]);
    const pairs: Pair[] = [];
    const history: string[] = [];
    for (const proto of protocols) {
      const pair: Pair = {
        ours: await Client.connect(server.port),
        theirs: await Client.connect(judge.port),
        queue: [],
      };
      for (const client of [pair.ours, pair.theirs])
        await client.run([words("HELLO", String(proto)), words("FLUSHALL")]);
      pairs.push(pair);
    }
    const onlooker: Pair = {
      ours: await Client.connect(server.port),
      theirs: await Client.connect(judge.port),
      queue: [],
    };
    let executed = 0;
    let aborted = 0;
    for (let done = 0; done < COMMANDS; ) {
      const which = Math.floor(random() * 2);
      const pair = pairs[which] as Pair;
      const batch = Array.from({ length: 1 + Math.floor(random() * BATCH_MAX) }, () => next(generator)).flat();
      const [ours, theirs] = await Promise.all([pair.ours.run(batch), pair.theirs.run(batch)]);
      for (const [i, command] of batch.entries()) {
        const [mine, other] = [plain(ours[i] as Buffer), theirs[i] as Buffer];
        const shown = command.map((part) => JSON.stringify(part.toString("latin1", 0, 80))).join(" ");
        history.push(`${which}: ${shown}  ->  ${showReply(other)}`);
        if (!same(pair, command, mine, other)) {
          assert.unreachable(
            `seed ${SEED}:\n${history.slice(-30).join("\n")}\nours:   ${showReply(mine)}\ntheirs: ${showReply(other)}`,
          );
        }
        if (nameOf(command) === "exec" && other[0] === 42) {
          if (other[1] === 45) aborted++;
          else executed++;
        } else if (nameOf(command) === "exec" && other[0] === 95) aborted++;
        remember(pair, command, other);
      }
      history.splice(0, history.length - 60);
      await compareState(onlooker, history);
      done += batch.length;
    }
    assert.ok(executed > 20 && aborted > 5, `${executed} executed, ${aborted} aborted: too few to mean something`);
    for (const { ours, theirs } of [...pairs, onlooker]) for (const client of [ours, theirs]) client.close();
  });
}

test.run();
