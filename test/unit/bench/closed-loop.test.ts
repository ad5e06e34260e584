/**
 * test/unit/bench/closed-loop.test.ts: the loop that drives both systems: what it sends, what it takes for an answer and what it refuses, and
 * that what it says it did is what the server saw.
 */
import { createServer, type Server, type Socket } from "node:net";
import RedisParser from "redis-parser";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { closedLoop, type LoopPlan } from "../../../bench/lib/closed-loop.js";
import { type Operation, requestsOf, writeDigits } from "../../../bench/lib/closed-loop-requests.js";
import { keySlot } from "../../../src/core/ring/slot.js";
import { viewed } from "../../../src/lib/view.js";
import { within } from "../../lib/within.js";

const VALUE = `$64\r\n${"x".repeat(64)}\r\n`;

/** A server that notes the commands it hears and answers each as it is told. */
class Answering {
  readonly heard: string[][] = [];
  port = 0;
  private readonly server: Server;
  private readonly sockets: Set<Socket> = new Set();

  constructor(answer: (command: string[], socket: Socket) => string) {
    this.server = createServer((socket) => {
      this.sockets.add(socket);
      socket.on("error", () => socket.destroy());
      const parser = new RedisParser({
        returnReply: (reply: unknown) => {
          const command = reply as string[];
          this.heard.push(command);
          const text = answer(command, socket);
          if (text !== "") socket.write(text);
        },
        returnError: () => socket.destroy(),
        returnFatalError: () => socket.destroy(),
      });
      socket.on("data", (chunk) => parser.execute(chunk));
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => {
      this.server.listen(0, "127.0.0.1", () => {
        const address = this.server.address();
        this.port = typeof address === "object" && address !== null ? address.port : 0;
        resolve();
      });
    });
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

async function against<T>(
  answer: (command: string[], socket: Socket) => string,
  use: (server: Answering) => Promise<T>,
): Promise<T> {
  const server = new Answering(answer);
  await server.listen();
  try {
    return await within(60_000, use(server), "the loop");
  } finally {
    server.close();
  }
}

function planOf(server: Answering, operation: Operation, more: Partial<LoopPlan> = {}): LoopPlan {
  const targets = [{ port: server.port, connections: 4 }];
  const pids = [process.pid];
  return { targets, operation, keys: 1000, valueBytes: 64, warmMs: 20, measureMs: 80, seed: 1, pids, ...more };
}

test("digits of a key are written over those of the one before", () => {
  const [get] = requestsOf("get", 0, 64);
  assert.ok(get);
  for (const key of [99_999, 7, 123_456_789, 0]) {
    writeDigits(get, key);
    assert.is(get.bytes.toString(), `*2\r\n$3\r\nGET\r\n$16\r\nkey:${String(key).padStart(12, "0")}\r\n`);
  }
});

test("what was acknowledged is what the server saw, each connection one at a time", async () => {
  let inFlight = 0;
  await against(
    (_, socket) => {
      inFlight++;
      assert.ok(inFlight <= 4);
      setImmediate(() => {
        inFlight--;
        socket.write("+OK\r\n");
      });
      return "";
    },
    async (server) => {
      const result = await closedLoop(planOf(server, "set"));
      assert.is(result.acknowledged, server.heard.length);
      assert.ok(result.operations > 0 && result.operations <= result.acknowledged);
      assert.ok(result.p50Ms <= result.p99Ms && result.p99Ms <= result.mostMs);
      for (const [name, key, value] of server.heard) {
        assert.is(name, "SET");
        assert.match(key as string, /^key:000000000\d{3}$/);
        assert.is(value, "x".repeat(64));
      }
    },
  );
});

test("a mix has both; INCRs have one key, or each connection its own", async () => {
  const answers = (command: string[]): string =>
    command[0] === "SET" ? "+OK\r\n" : command[0] === "GET" ? VALUE : ":1\r\n";
  await against(answers, async (server) => {
    await closedLoop(planOf(server, "mix"));
    assert.equal([...new Set(server.heard.map(([name]) => name))].sort(), ["GET", "SET"]);
    server.heard.length = 0;
    await closedLoop(planOf(server, "incr"));
    assert.equal([...new Set(server.heard.map(([, key]) => key))], ["hot"]);
    server.heard.length = 0;
    await closedLoop(planOf(server, "incr own"));
    assert.equal([...new Set(server.heard.map(([, key]) => key))].sort(), ["own:0", "own:1", "own:2", "own:3"]);
  });
});

test("an answer may come in pieces", async () => {
  const answer = (_: string[], socket: Socket): string => {
    socket.write(VALUE.slice(0, 3));
    setImmediate(() => socket.write(VALUE.slice(3, 40)));
    setTimeout(() => socket.write(VALUE.slice(40)), 1);
    return "";
  };
  await against(answer, async (server) => {
    const result = await closedLoop(planOf(server, "get"));
    assert.is(result.acknowledged, server.heard.length);
  });
});

test("SET and WAIT are one operation, and nobody having it is a failure", async () => {
  const answers =
    (replicas: number) =>
    (command: string[]): string =>
      command[0] === "SET" ? "+OK\r\n" : `:${replicas}\r\n`;
  await against(answers(2), async (server) => {
    const { acknowledged } = await closedLoop(planOf(server, "set wait"));
    assert.is(server.heard.length, 2 * acknowledged);
    assert.equal(
      server.heard.find(([name]) => name === "WAIT"),
      ["WAIT", "1", "1000"],
    );
  });
  await against(answers(0), async (server) => {
    await fails(closedLoop(planOf(server, "set wait")), /not what was asked for/);
  });
});

test("errors, absent values, other lengths and a server that hangs up end the loop", async () => {
  const wrong: readonly (readonly [Operation, string, RegExp])[] = [
    ["set", "-NOREPLICAS need 2, got 1\r\n", /is an error: -NOREPLICAS/],
    ["get", "$-1\r\n", /not what was asked for/],
    ["get", "$3\r\nabc\r\n", /not what was asked for/],
    ["set", "+OK\r\n+OK\r\n", /not what was asked for/],
    ["incr", "+OK\r\n", /not what was asked for/],
  ];
  for (const [operation, text, message] of wrong) {
    await against(
      () => text,
      async (server) => fails(closedLoop(planOf(server, operation)), message),
    );
  }
  await against(
    (_, socket) => {
      socket.end();
      return "";
    },
    async (server) => fails(closedLoop(planOf(server, "get")), /hung up|reset|closed/i),
  );
});

test("a target with slots gets keys of these slots only", async () => {
  await against(
    () => VALUE,
    async (server) => {
      const targets = [{ port: server.port, connections: 2, slots: [[0, 4095]] as const }];
      await closedLoop(planOf(server, "get", { targets }));
      assert.ok(server.heard.length > 10);
      for (const [, key] of server.heard) {
        const name = viewed(Buffer.from(key as string));
        assert.ok(keySlot(name, 0, name.length) <= 4095);
      }
    },
  );
});

async function fails(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: Error) => reason,
  );
  assert.ok(error, "it should have failed");
  assert.match(error.message, message);
}

test.run();
