/**
 * test/unit/server/sockets.test.ts: platform/sockets.ts by itself: both paths, unix sockets, TLS, writes that the kernel
 * does not take at once, and a listener that closes.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../../src/lib/view.js";
import { openDirect } from "../../../src/platform/direct-socket.js";
import { createNetwork } from "../../../src/platform/sockets.js";
import type { Connection, Listener, ListenOptions } from "../../../src/ports/network.js";
import { within } from "../../lib/within.js";
import { sleep } from "./harness.js";

interface Peer {
  readonly connection: Connection;
  received: string;
  sent: number;
  ended: boolean;
  closed: boolean;
  /** write() said that it kept the buffer. */
  kept: boolean[];
}

/** Echoes what comes, when nothing is under way. */
async function echo(direct: boolean, options: Partial<ListenOptions>): Promise<{ listener: Listener; peers: Peer[] }> {
  const peers: Peer[] = [];
  const listener = await createNetwork(direct).listen(
    {
      backlog: 511,
      keepAliveSeconds: () => 60,
      ...(options.path === undefined ? { host: "127.0.0.1", port: 0 } : {}),
      ...options,
    },
    (connection) => {
      const peer: Peer = { connection, received: "", sent: 0, ended: false, closed: false, kept: [] };
      peers.push(peer);
      return {
        onBytes: (bytes, length) => {
          peer.received += bytes.latin1Slice(0, length);
          if (connection.unsentBytes === 0)
            peer.kept.push(connection.write(viewed(Buffer.from(bytes.subarray(0, length))), 0, length));
        },
        onSent: () => peer.sent++,
        onEnd: () => {
          peer.ended = true;
          connection.end();
        },
        onClosed: () => {
          peer.closed = true;
        },
      };
    },
  );
  return { listener, peers };
}

async function until(done: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 1500 && !done(); i++) await sleep(20);
  assert.ok(done(), what);
}

function reader(socket: Socket): { text: string; bytes: number; closed: boolean } {
  const got = { text: "", bytes: 0, closed: false };
  socket.on("data", (chunk) => {
    got.bytes += chunk.length;
    if (got.text.length < 1000) got.text += chunk.latin1Slice();
  });
  socket.on("error", () => {}).on("close", () => (got.closed = true));
  return got;
}

for (const direct of [true, false]) {
  const path = direct ? "direct" : "plain";

  test(`echo, half close, and the listener's end (${path})`, async () => {
    const { listener, peers } = await echo(direct, {});
    const socket = connect({ port: listener.port, host: "127.0.0.1" });
    const got = reader(socket);
    for (let i = 1; i <= 5; i++) {
      socket.write("ping");
      await until(() => got.bytes === i * 4, "an echo");
      await until(() => peers[0]?.connection.unsentBytes === 0, "the write's end");
    }
    const peer = peers[0] as Peer;
    assert.match(peer.connection.remote, /^127\.0\.0\.1:\d+$/);
    assert.is(peer.connection.local, `127.0.0.1:${listener.port}`);
    assert.is(peer.connection.loopback, true);
    assert.ok(peer.connection.fd > 0);
    assert.not.ok(peer.kept.includes(true));
    const closing = listener.close();
    socket.end("last");
    await until(() => got.closed, "the client sees the end");
    assert.is(got.text, "pingpingpingpingpinglast");
    assert.ok(peer.ended);
    await until(() => peer.closed, "onClosed");
    await within(30_000, closing, "close() calls back when the last connection is gone");
  });

  test(`a write larger than the kernel takes (${path})`, async () => {
    const { listener, peers } = await echo(direct, {});
    const socket = connect({ port: listener.port, host: "127.0.0.1" });
    const got = reader(socket);
    socket.write("x");
    await until(() => got.bytes === 1, "the first echo");
    await until(() => peers[0]?.connection.unsentBytes === 0, "the first write's end");
    socket.pause();
    const size = 30 * 1024 * 1024;
    const big = viewed(Buffer.alloc(size, "abcdefghij"));
    const { connection } = peers[0] as Peer;
    const sentBefore = (peers[0] as Peer).sent;
    const kept = connection.write(big, 0, size);
    assert.ok(kept, "so much is not copied");
    assert.ok(connection.unsentBytes > 1024 * 1024 && connection.unsentBytes <= size, String(connection.unsentBytes));
    socket.resume();
    await until(() => got.bytes === size + 1, "all of it");
    assert.ok(got.text.startsWith("xabcdefghijabc"));
    await until(() => connection.unsentBytes === 0, "the end of the write");
    assert.is((peers[0] as Peer).sent, sentBefore + 1);
    socket.destroy();
    await listener.close();
  });

  test(`a peer that is gone while a write is under way (${path})`, async () => {
    const { listener, peers } = await echo(direct, {});
    const socket = connect({ port: listener.port, host: "127.0.0.1" });
    reader(socket);
    socket.write("x");
    await until(() => peers.length === 1 && (peers[0] as Peer).received === "x", "the byte");
    await until(() => peers[0]?.connection.unsentBytes === 0, "the echo");
    socket.pause();
    const peer = peers[0] as Peer;
    peer.connection.write(viewed(Buffer.alloc(30 * 1024 * 1024)), 0, 30 * 1024 * 1024);
    socket.resetAndDestroy();
    await until(() => peer.closed, "onClosed");
    assert.is(peer.connection.write(viewed(Buffer.from("late")), 0, 4), false);
    peer.connection.end();
    peer.connection.destroy();
    await listener.close();
  });

  test(`pause stops the bytes, resume lets them come (${path})`, async () => {
    const { listener, peers } = await echo(direct, {});
    const socket = connect({ port: listener.port, host: "127.0.0.1" });
    reader(socket);
    socket.write("a");
    await until(() => peers[0]?.received === "a", "the first byte");
    const peer = peers[0] as Peer;
    peer.connection.pause();
    socket.write("b");
    await sleep(50);
    assert.is(peer.received, "a");
    peer.connection.resume();
    await until(() => peer.received === "ab", "the second byte");
    socket.destroy();
    await listener.close();
  });

  test(`a unix socket (${path})`, async () => {
    const directory = mkdtempSync(join(tmpdir(), "kvorum-sock-"));
    const { listener, peers } = await echo(direct, { path: join(directory, "s") });
    const socket = connect(join(directory, "s"));
    const got = reader(socket);
    socket.write("ping");
    await until(() => got.text === "ping", "the echo");
    assert.is((peers[0] as Peer).connection.loopback, true);
    assert.is(listener.port, 0);
    socket.destroy();
    await within(30_000, listener.close(), "close");
    rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  });
}

test("TLS", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kvorum-tls-"));
  const file = (name: string): string => join(directory, name);
  try {
    const subject = ["-subj", "/CN=localhost", "-days", "2", "-nodes", "-newkey", "rsa:2048"];
    execFileSync("/usr/bin/openssl", ["req", "-x509", ...subject, "-keyout", file("key"), "-out", file("cert")], {
      stdio: "ignore",
    });
  } catch {
    console.log("SKIPPED: openssl is not installed");
    return;
  }
  const tls = { cert: readFileSync(file("cert")), key: readFileSync(file("key")), clientCert: "no" as const };
  const { listener, peers } = await echo(true, { tls });
  const socket = connectTls({ port: listener.port, host: "127.0.0.1", ca: tls.cert, servername: "localhost" });
  const got = reader(socket);
  socket.write("over tls");
  await until(() => got.text === "over tls", "the echo");
  // Someone who does not speak TLS is sent away without harm.
  const stranger = connect({ port: listener.port, host: "127.0.0.1" });
  const strange = reader(stranger);
  stranger.write("PING\r\n");
  await until(() => strange.closed, "the stranger is closed");
  assert.is(peers.length, 1);
  socket.end();
  await until(() => (peers[0] as Peer).closed, "onClosed");
  await within(30_000, listener.close(), "close");
  rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

test("an address in use is an error", async () => {
  const { listener } = await echo(true, {});
  let code: unknown;
  await echo(true, { port: listener.port }).catch((error: { code?: unknown }) => {
    code = error.code;
  });
  assert.is(code, "EADDRINUSE");
  await listener.close();
});

test("a socket whose inside is unknown is left to the plain path", () => {
  const accept = (): never => {
    throw new Error("must not be accepted");
  };
  const server: Server = createServer();
  assert.is(openDirect({ _handle: null } as unknown as Socket, server, accept), false);
  assert.is(openDirect({ _handle: { writeBuffer: 1 } } as unknown as Socket, server, accept), false);
  assert.is(openDirect({} as unknown as Socket, server, accept), false);
});

test("no warning is printed on the direct path, even where pending deprecations are", () => {
  const script = `
    import { connect } from "node:net";
    import { createNetwork } from "./src/platform/sockets.ts";
    process.on("warning", (warning) => console.log(warning.name, warning.message));
    const run = async () => {
      const listener = await createNetwork().listen({ host: "127.0.0.1", port: 0, backlog: 5, keepAliveSeconds: () => 0 }, (c) => ({
        onBytes: (b, n) => void c.write(b, 0, n), onSent() {}, onEnd() { c.end(); }, onClosed() {},
      }));
      const s = connect(listener.port, "127.0.0.1");
      let n = 0;
      s.on("data", () => (++n < 3 ? s.write("x") : s.end()));
      s.on("close", () => listener.close().then(() => console.log("done", n)));
      s.write("x");
    };
    run();`;
  const output = execFileSync(
    process.execPath,
    ["--pending-deprecation", "--import", "tsx", "--input-type=module", "-e", `${script}`],
    { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 },
  );
  assert.is(output, "done 3\n");
});

test.run();
