/**
 * test/conformance/network.test.ts: what ports/network.ts promises, asked of the direct path, of the plain one, and of both over a unix
 * socket: order, back-pressure, half-closed peers, endings in the middle of things. test/unit/server/sockets.test.ts has what is special.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../src/lib/view.js";
import { createNetwork } from "../../src/platform/sockets.js";
import type { Connection, Listener } from "../../src/ports/network.js";
import { within } from "../lib/within.js";

const LARGE = 16 * 1024 * 1024;

/** What a connection's owner was told, and what it does about it. */
class Owner {
  readonly connection: Connection;
  readonly events: string[] = [];
  received = "";
  sent = 0;
  onBytes: () => void = () => {};
  onSent: () => void = () => {};
  onEnd: () => void = () => {};

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Write a copy of the bytes. */
  write(bytes: Buffer | string): boolean {
    const copy = viewed(Buffer.from(bytes as string, "latin1"));
    return this.connection.write(copy, 0, copy.length);
  }

  count(event: string): number {
    return this.events.filter((one) => one === event).length;
  }
}

interface Stage {
  readonly listener: Listener;
  readonly owners: Owner[];
  /** A client and its owner on the other side. The owner has been set up by `prepare` before its first byte. */
  readonly meet: (prepare?: (owner: Owner) => void) => Promise<{ socket: Socket; owner: Owner }>;
}

async function onStage(direct: boolean, unix: boolean, run: (stage: Stage) => Promise<void>): Promise<void> {
  const owners: Owner[] = [];
  const sockets: Socket[] = [];
  let prepare: (owner: Owner) => void = () => {};
  const directory = mkdtempSync(join(tmpdir(), "kvorum-net-"));
  const where = unix ? { path: join(directory, "s") } : { host: "127.0.0.1", port: 0 };
  const listener = await createNetwork(direct).listen(
    { backlog: 511, keepAliveSeconds: () => 60, ...where },
    (connection) => {
      const owner = new Owner(connection);
      owners.push(owner);
      prepare(owner);
      const note = (event: string): void => {
        assert.is(owner.count("closed"), 0, `${event} after it was closed`);
        owner.events.push(event);
      };
      return {
        onBytes: (bytes, length) => {
          note("bytes");
          owner.received += bytes.latin1Slice(0, length);
          owner.onBytes();
        },
        onSent: () => {
          note("sent");
          assert.is(connection.unsentBytes, 0, "unsent after onSent");
          owner.sent++;
          owner.onSent();
        },
        onEnd: () => {
          note("end");
          owner.onEnd();
        },
        onClosed: () => note("closed"),
      };
    },
  );
  const meet: Stage["meet"] = async (setUp = () => {}) => {
    prepare = setUp;
    const count = owners.length;
    const socket = unix
      ? connect({ path: listener.path, allowHalfOpen: true })
      : connect({ port: listener.port, host: "127.0.0.1", allowHalfOpen: true });
    sockets.push(socket.on("error", () => {}));
    await until(() => owners.length > count, "a connection");
    return { socket, owner: owners[count] as Owner };
  };
  try {
    await run({ listener, owners, meet });
  } finally {
    for (const socket of sockets) socket.destroy();
    for (const { connection } of owners) connection.destroy();
    await within(30_000, listener.close(), "the listener to close");
    await until(() => owners.every((owner) => owner.count("closed") === 1), "every connection closed, once");
    rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

async function until(done: () => boolean, what: string): Promise<void> {
  const started = performance.now();
  while (!done()) {
    if (performance.now() - started > 60_000) throw new Error(`not seen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** All that a socket has received. */
function collect(socket: Socket): { bytes: () => Buffer; size: number; ended: boolean } {
  const chunks: Buffer[] = [];
  const got = { bytes: () => Buffer.concat(chunks), size: 0, ended: false };
  socket.on("data", (chunk) => {
    chunks.push(chunk);
    got.size += chunk.length;
  });
  socket.on("end", () => (got.ended = true));
  return got;
}

/** Every write through a function that knows when the last one has ended. */
async function writeAll(owner: Owner, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    await until(() => owner.connection.unsentBytes === 0, "the end of a write");
    owner.write(piece);
  }
}

for (const [name, direct, unix] of [
  ["the direct path", true, false],
  ["the plain path", false, false],
  ["the direct path on a unix socket", true, true],
  ["the plain path on a unix socket", false, true],
] as const) {
  const on = (what: string, run: (stage: Stage) => Promise<void>): void => {
    test(`${name}: ${what}`, () => onStage(direct, unix, run));
  };

  on("bytes arrive in order, in both directions, whatever their sizes", async ({ meet }) => {
    const { socket, owner } = await meet();
    const got = collect(socket);
    const pieces = Array.from({ length: 200 }, (_, i) => Buffer.alloc(1 + ((i * i * 37) % 9000), 33 + (i % 90)));
    const whole = Buffer.concat(pieces);
    for (const piece of pieces) socket.write(piece);
    await writeAll(owner, pieces);
    await until(() => got.size === whole.length, "all at the client");
    await until(() => owner.received.length === whole.length, "all at the owner");
    assert.ok(got.bytes().equals(whole));
    assert.ok(owner.received === whole.latin1Slice());
  });

  on("a part of a buffer is sent, and the buffer is free when it is said to be", async ({ meet }) => {
    const { socket, owner } = await meet();
    const got = collect(socket);
    const bytes = viewed(Buffer.from("..middle.."));
    for (let i = 0; i < 20; i++) {
      await until(() => owner.connection.unsentBytes === 0, "the end of a write");
      bytes.write("..middle..");
      if (!owner.connection.write(bytes, 2, 8)) bytes.fill("x");
    }
    await until(() => got.size === 120, "all of it");
    assert.is(got.bytes().latin1Slice(), "middle".repeat(20));
  });

  on("a peer that does not read holds the writer back, and gets everything in the end", async ({ meet }) => {
    const { socket, owner } = await meet();
    const large = viewed(Buffer.alloc(LARGE));
    for (let i = 0; i < large.length; i += 4) large.writeUInt32LE(i, i);
    const kept = owner.connection.write(large, 0, LARGE);
    assert.ok(owner.connection.unsentBytes > 0, "the kernel cannot have taken that");
    const expected = Buffer.from(large);
    if (!kept) large.fill(0);
    await sleep(30);
    assert.is(owner.sent, 0);
    const got = collect(socket);
    owner.onSent = () => {
      if (owner.sent === 1) owner.write("behind it");
    };
    await until(() => got.size === LARGE + 9, "all of it");
    assert.ok(got.bytes().subarray(0, LARGE).equals(expected));
    assert.is(got.bytes().latin1Slice(LARGE), "behind it");
    await until(() => owner.connection.unsentBytes === 0, "nothing unsent");
  });

  on("end() lets the write under way be finished, destroy() does not wait", async ({ meet }) => {
    const one = await meet();
    one.owner.write(Buffer.alloc(LARGE, 1));
    one.owner.connection.end();
    assert.is(one.owner.count("closed"), 0, "not inside of the call");
    await sleep(20);
    const got = collect(one.socket);
    await until(() => got.ended, "the end");
    assert.is(got.size, LARGE);
    one.socket.end();
    await until(() => one.owner.count("closed") === 1, "closed");

    const two = await meet();
    two.owner.write(Buffer.alloc(LARGE, 2));
    two.owner.connection.destroy();
    await until(() => two.owner.count("closed") === 1, "closed");
    assert.is(two.owner.write("late"), false);
    assert.is(two.owner.sent, 0);
  });

  on("end() closes a peer that goes on sending and never closes", async ({ meet }) => {
    const { socket, owner } = await meet();
    const got = collect(socket);
    socket.write("x");
    await until(() => owner.received === "x", "a byte");
    owner.write("bye");
    owner.connection.end();
    await until(() => owner.count("closed") === 1, "closed");
    await until(() => got.ended || socket.destroyed, "the client sees it");
    assert.is(got.bytes().latin1Slice(), "bye");
  });

  on("a peer that will send no more is told of once, and can still be written to", async ({ meet }) => {
    const { socket, owner } = await meet();
    const got = collect(socket);
    socket.end("last words");
    await until(() => owner.count("end") === 1, "the end");
    assert.is(owner.received, "last words");
    for (let i = 0; i < 3; i++) {
      await until(() => owner.connection.unsentBytes === 0, "the end of a write");
      owner.write(`answer ${i};`);
      await sleep(5);
    }
    await until(() => got.bytes().latin1Slice() === "answer 0;answer 1;answer 2;", "the answers");
    assert.equal([owner.count("end"), owner.count("closed")], [1, 0]);
    owner.connection.end();
    await until(() => owner.count("closed") === 1, "closed");
  });

  on("pause within onBytes holds the next bytes back, and the end too; resume lets them come", async ({ meet }) => {
    const { socket, owner } = await meet((made) => {
      made.onBytes = () => made.connection.pause();
    });
    socket.write("a");
    await until(() => owner.received.length > 0, "the first byte");
    const parts = Buffer.alloc(300_000, "b");
    socket.end(parts);
    await sleep(40);
    assert.is(owner.received, "a");
    assert.is(owner.count("end"), 0);
    owner.connection.pause();
    owner.connection.resume();
    await until(() => owner.received.length > 1, "more");
    owner.onBytes = () => {};
    owner.connection.resume();
    owner.connection.resume();
    await until(() => owner.count("end") === 1, "the end");
    assert.is(owner.received.length, 1 + parts.length);
    owner.connection.end();
  });

  on("a connection paused from the start reads nothing until it is resumed", async ({ meet }) => {
    const { socket, owner } = await meet();
    owner.connection.pause();
    await sleep(10);
    socket.write("x");
    await sleep(30);
    assert.is(owner.received, "");
    owner.write("sent while paused");
    const got = collect(socket);
    await until(() => got.size > 0, "what was written");
    owner.connection.resume();
    await until(() => owner.received === "x", "the byte");
  });

  on("closed within onBytes, onSent and onEnd: nothing is called after that", async ({ meet }) => {
    const inBytes = await meet((owner) => {
      owner.onBytes = () => owner.connection.destroy();
    });
    inBytes.socket.write(Buffer.alloc(500_000));
    await until(() => inBytes.owner.count("closed") === 1, "closed in onBytes");
    assert.is(inBytes.owner.count("bytes"), 1);

    const inSent = await meet((owner) => {
      owner.onSent = () => owner.connection.destroy();
    });
    inSent.socket.resume();
    inSent.owner.write(Buffer.alloc(LARGE));
    await until(() => inSent.owner.count("closed") === 1, "closed in onSent");

    const inEnd = await meet((owner) => {
      owner.onEnd = () => owner.connection.destroy();
    });
    inEnd.socket.end("x");
    await until(() => inEnd.owner.count("closed") === 1, "closed in onEnd");
    for (const { owner } of [inBytes, inSent, inEnd]) {
      owner.connection.pause();
      owner.connection.resume();
      owner.connection.end();
      owner.connection.destroy();
      assert.is(owner.connection.unsentBytes === 0 || owner.sent === 0, true);
      assert.is(owner.write("late"), false);
    }
    await sleep(10);
  });

  on("a reset while bytes are on their way in both directions", async ({ meet }) => {
    for (let i = 0; i < 5; i++) {
      const { socket, owner } = await meet();
      owner.write(Buffer.alloc(LARGE));
      socket.write(Buffer.alloc(100_000));
      await sleep(i);
      if (unix) socket.destroy();
      else socket.resetAndDestroy();
      await until(() => owner.count("closed") === 1, "closed");
      assert.is(owner.write("late"), false);
    }
  });

  on("many connections at once keep their bytes apart", async ({ meet, owners }) => {
    const met: Socket[] = [];
    for (let i = 0; i < 30; i++) met.push((await meet()).socket);
    const got = met.map(collect);
    const firsts = owners.slice();
    for (let round = 0; round < 5; round++) for (const [i, socket] of met.entries()) socket.write(`${i};`);
    await until(() => firsts.every((owner) => (owner.received.match(/;/g) ?? []).length === 5), "all bytes");
    for (const [i, owner] of firsts.entries()) {
      assert.is(owner.received, `${i};`.repeat(5));
      owner.write(owner.received);
    }
    await until(() => got.every((one, i) => one.bytes().latin1Slice() === `${i};`.repeat(5)), "all answers");
  });
}

test.run();
