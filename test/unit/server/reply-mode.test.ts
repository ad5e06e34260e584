/**
 * test/unit/server/reply-mode.test.ts: CLIENT REPLY OFF and SKIP with a log that is slow: every client gets the answers to its own commands, all of
 * them and nothing else, however the others' runs lie between.
 */
// timeout: 120s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomFrom } from "../../lib/command-generator.js";
import { both, command, type Harness, type RawClient, sleep, until } from "./harness.js";

const OFF = command("CLIENT", "REPLY", "OFF");
const ON = command("CLIENT", "REPLY", "ON");
const SKIP = command("CLIENT", "REPLY", "SKIP");

function appended(h: Harness, lsn: number): Promise<void> {
  return until(() => h.space.appendedLsn >= lsn, `write ${lsn}`);
}

both("a write that is not answered leaves nothing behind in the next run", { manual: true }, async (h) => {
  const [a, b] = [await h.client(), await h.client()];
  a.write(OFF + command("SET", "a", "1"));
  await appended(h, 1);
  // One turn: what B is answered lies in the shared writer when A runs again.
  for (let i = 0; i < 20; i++) {
    b.write(command("ECHO", `b${i}`));
    a.write(ON + command("ECHO", `a${i}`) + OFF + command("SET", "a", "2"));
  }
  await appended(h, 21);
  h.commit();
  for (let i = 0; i < 20; i++) await b.expect(`$${1 + String(i).length}\r\nb${i}\r\n`);
  for (let i = 0; i < 20; i++) await a.expect(`+OK\r\n$${1 + String(i).length}\r\na${i}\r\n`);
  assert.is(a.received.length + b.received.length, 0);
});

both("the answer after writes that were not answered waits for them", { manual: true }, async (h) => {
  const c = await h.client();
  c.write(OFF + command("SET", "a", "1"));
  await appended(h, 1);
  c.write(ON);
  await sleep(30);
  assert.is(c.received.length, 0);
  h.commit();
  await c.expect("+OK\r\n");
  c.write(SKIP + command("SET", "b", "1"));
  await appended(h, 2);
  c.write(command("WATCH", "nokey"));
  await sleep(30);
  assert.is(c.received.length, 0);
  h.commit();
  await c.expect("+OK\r\n");
});

both("a long silent pipeline over many slices", { manual: true }, async (h) => {
  const [a, b] = [await h.client(), await h.client()];
  const count = 20_000;
  a.write(OFF + command("SET", "a", "1").repeat(count) + ON + command("GET", "a"));
  for (let i = 0; i < 200; i++) assert.is(await b.ask("PING"), "+PONG");
  await appended(h, count);
  h.commit();
  await a.expect("+OK\r\n$1\r\n1\r\n");
  assert.is(b.received.length, 0);
});

both("a log that fails answers each command that is answered at all, once", { manual: true }, async (h) => {
  const c = await h.client();
  c.write(
    command("SET", "a", "1") + SKIP + command("SET", "b", "1") + SKIP + command("GET", "a") + command("SET", "c", "1"),
  );
  await appended(h, 3);
  const silent = await h.client();
  silent.write(OFF + command("SET", "d", "1"));
  await appended(h, 4);
  h.storage.failed = true;
  h.storage.refusal = "Input/output error";
  h.server.logWaiters.logFailed();
  for (let i = 0; i < 2; i++) assert.match(await c.line(), /^-UNCERTAIN /);
  assert.is(await c.ask("PING"), "+PONG");
  // One whose writes were not answered is told when it is answered again, and once.
  silent.write(ON + command("PING"));
  assert.match(await silent.line(), /^-UNCERTAIN /);
  assert.match(await silent.line(), /^(-UNCERTAIN |\+PONG)/);
  assert.is(await silent.ask("PING"), "+PONG");
});

both("answers that come later are withheld too", { config: { enableDebugCommand: "yes" } }, async (h) => {
  const c = await h.client();
  for (const words of [["SAVE"], ["DEBUG", "SLEEP", "0.001"], ["DEBUG", "RELOAD"], ["DEBUG", "LOADAOF"]]) {
    c.write(OFF + command(...words) + command("ECHO", "a") + ON);
    await c.expect("+OK\r\n");
    c.write(SKIP + command(...words) + command("ECHO", "b"));
    await c.expect("$1\r\nb\r\n");
    // Turned off while the answer is due does not take it away.
    c.write(command(...words) + OFF + command("ECHO", "c") + ON);
    await c.expect("+OK\r\n+OK\r\n");
  }
  h.storage.snapshotError = new Error("no");
  c.write(SKIP + command("SAVE") + command("INFO", "errorstats"));
  assert.match(await c.bulk(), /errorstat_ERR:count=1/);
  c.write(command("SET", "a", "1") + OFF + command("SET", "a", "2") + command("WAITAOF", "1", "0", "0") + ON);
  await c.expect("+OK\r\n+OK\r\n");
  assert.is(c.received.length, 0);
});

/** One client: what it sends, and what it has to be answered. */
class Talker {
  readonly pieces: string[] = [];
  expected = "";
  private mode = "on";
  private held = "";
  private sets = 0;

  constructor(name: string, commands: number, below: (bound: number) => number) {
    let bytes = "";
    for (let i = 0; i < commands; i++) {
      bytes += this.next(name, i, below(12));
      if (below(4) > 0) continue;
      // Anywhere, in the middle of a command too.
      const cut = below(bytes.length + 1);
      this.pieces.push(bytes.slice(0, cut));
      bytes = bytes.slice(cut);
    }
    this.pieces.push(bytes + ON + command("ECHO", "end"));
    this.expected += "+OK\r\n$3\r\nend\r\n";
  }

  private next(name: string, i: number, what: number): string {
    switch (what) {
      case 0:
        this.mode = "off";
        return OFF;
      case 1:
        this.mode = "on";
        this.expected += "+OK\r\n";
        return ON;
      case 2:
        if (this.mode !== "off") this.mode = "skip";
        return SKIP;
      case 3:
      case 4: {
        const text = `${name}:${i}`;
        this.answer(`$${text.length}\r\n${text}\r\n`);
        return command("ECHO", text);
      }
      case 5:
        this.answer(this.held === "" ? "$-1\r\n" : `$${this.held.length}\r\n${this.held}\r\n`);
        return command("GET", name);
      case 6:
        this.answer("-ERR wrong number of arguments for 'get' command\r\n");
        return command("GET");
      default:
        this.held = `${name}=${this.sets++}`;
        this.answer("+OK\r\n");
        return command("SET", name, this.held);
    }
  }

  private answer(reply: string): void {
    if (this.mode === "on") this.expected += reply;
    else if (this.mode === "skip") this.mode = "on";
  }
}

both(
  "random reply modes of several clients: each is sent its own answers and nothing else",
  { manual: true },
  async (h) => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = randomFrom(seed);
      const below = (bound: number): number => Math.floor(random() * bound);
      const talks: { client: RawClient; talker: Talker }[] = [];
      for (const name of ["a", "b", "c", "d"])
        talks.push({ client: await h.client(), talker: new Talker(`${name}${seed}`, 120, below) });
      const left = talks.map(({ talker }) => [...talker.pieces]);
      while (left.some((pieces) => pieces.length > 0)) {
        const who = below(talks.length);
        const piece = left[who]?.shift();
        if (piece !== undefined) talks[who]?.client.write(piece);
        if (below(6) === 0) await new Promise((resolve) => setImmediate(resolve));
        if (below(10) === 0) h.commit();
      }
      const commits = setInterval(h.commit, 1);
      try {
        for (const { client, talker } of talks) {
          await client.until(() => client.received.length >= talker.expected.length, `seed ${seed}: all answers`);
          assert.is(client.received.latin1Slice(), talker.expected, `seed ${seed}`);
          client.destroy();
        }
      } finally {
        clearInterval(commits);
      }
    }
  },
);

test.run();
