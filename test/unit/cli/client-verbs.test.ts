/**
 * test/unit/cli/client-verbs.test.ts: put, get and delete against a server that answers what the test says: what is sent,
 * what is shown, and every exit code.
 */
import { createServer, type Socket } from "node:net";
import { resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runClientVerb } from "../../../src/cli/client-verbs.js";
import { parseTarget } from "../../../src/cli/target.js";
import { type Captured, captured } from "../../lib/captured.js";

interface Outcome extends Captured {
  /** All bytes the verb sent. */
  readonly sent: string;
}

/** What the server does with the bytes so far; the return value is written, undefined nothing. */
type Answer = (received: string, socket: Socket) => string | Buffer | undefined;

const AGAIN = /^\*/;

async function kvorum(argv: readonly string[], answer: Answer): Promise<Outcome> {
  let sent = "";
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket
      .on("error", () => undefined)
      .on("data", (bytes) => {
        sent += bytes.toString("latin1");
        const reply = answer(sent, socket);
        if (reply !== undefined) socket.write(reply);
      });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  try {
    const shown = await captured(() => runClientVerb([...argv, "-s", `127.0.0.1:${port}`]));
    return { ...shown, sent };
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

const always =
  (reply: string | Buffer): Answer =>
  (received) =>
    AGAIN.test(received) ? reply : undefined;

test("put", async () => {
  const plain = await kvorum(["put", "k", "v"], always("+OK\r\n"));
  assert.equal([plain.code, plain.sent, String(plain.out)], [0, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", ""]);
  const all = await kvorum(["put", "k", "é", "--ttl", "2m", "--nx", "--json"], always("+OK\r\n"));
  assert.is(all.sent, "*6\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\xc3\xa9\r\n$2\r\nPX\r\n$6\r\n120000\r\n$2\r\nNX\r\n");
  assert.equal(JSON.parse(String(all.out)), { ok: true, key: "k", bytes: 2 });
  const refused = await kvorum(["put", "k", "v", "--xx"], always("$-1\r\n"));
  assert.equal([refused.code, refused.err], [1, "kvorum: not stored: the key is not there\n"]);
});

test("get: bytes as they are, nothing added in a pipe; JSON says how it is written", async () => {
  const bytes = Buffer.from([0, 255, 13, 10, 65]);
  const reply = Buffer.concat([Buffer.from("$5\r\n"), bytes, Buffer.from("\r\n")]);
  const got = await kvorum(["get", "k"], always(reply));
  assert.is(got.code, 0);
  assert.equal(got.out, bytes);
  const json = await kvorum(["get", "k", "--json"], always(reply));
  assert.equal(JSON.parse(String(json.out)), {
    ok: true,
    key: "k",
    found: true,
    value: bytes.toString("base64"),
    encoding: "base64",
  });
  const none = await kvorum(["get", "k"], always("$-1\r\n"));
  assert.equal([none.code, String(none.out), none.err], [3, "", "kvorum: not found\n"]);
});

test("delete", async () => {
  assert.is((await kvorum(["delete", "a", "b"], always(":1\r\n"))).code, 0);
  assert.is((await kvorum(["delete", "a"], always(":0\r\n"))).code, 3);
});

test("backup: a relative directory counts from here; no answer leaves it open", async () => {
  const made = await kvorum(["backup", "some/where"], always(":42\r\n"));
  const path = resolve("some/where");
  assert.equal([made.code, String(made.out)], [0, `everything up to LSN 42 is in ${path}\n`]);
  assert.match(made.sent, `*2\r\n$9\r\nKV.BACKUP\r\n$${path.length}\r\n${path}\r\n`);
  const refused = await kvorum(["backup", "/b"], always("-ERR backup failed: /b is not empty\r\n"));
  assert.equal([refused.code, refused.err], [1, "kvorum: ERR backup failed: /b is not empty\n"]);
  assert.is((await kvorum(["backup", "/b"], (_, socket) => void socket.destroy())).code, 4);
  const json = await kvorum(["backup", "/b", "--json"], always(":7\r\n"));
  assert.equal(JSON.parse(String(json.out)), { ok: true, directory: "/b", lsn: 7 });
});

test("password and database come first; a refusal of them is a plain error", async () => {
  const answer: Answer = (received) =>
    received.includes("SELECT") || received.includes("AUTH") ? "+OK\r\n" : undefined;
  const login = await kvorum(["put", "k", "v", "-a", "pw", "--db", "3"], (received, socket) =>
    received.includes("SET\r\n") ? "+OK\r\n" : answer(received, socket),
  );
  assert.is(login.code, 0);
  assert.match(login.sent, /^\*2\r\n\$4\r\nAUTH\r\n\$2\r\npw\r\n\*2\r\n\$6\r\nSELECT\r\n\$1\r\n3\r\n\*3\r\n\$3\r\nSET/);
  const none = await kvorum(["put", "k", "v", "-a", ""], always("+OK\r\n"));
  assert.match(none.sent, /^\*3\r\n\$3\r\nSET/, "REDISCLI_AUTH= is no password");
  const wrong = await kvorum(["put", "k", "v", "-a", "pw"], always("-WRONGPASS invalid username-password pair\r\n"));
  assert.equal([wrong.code, wrong.err], [1, "kvorum: WRONGPASS invalid username-password pair\n"]);
});

test("what was not understood is said as all else is; a password that is wanted, with how to give it", async () => {
  const slip = await captured(() => runClientVerb(["get"]));
  assert.is(slip.err, "kvorum: missing required argument 'key'\n");
  const nested = await captured(() => runClientVerb(["cluster", "status", "--nosuch"]));
  assert.is(nested.err, "kvorum: unknown option '--nosuch'\n");
  const locked = await kvorum(["get", "k"], always("-NOAUTH Authentication required.\r\n"));
  const hint = "Give the password by REDISCLI_AUTH in the environment, or --password";
  assert.equal([locked.code, locked.err], [1, `kvorum: NOAUTH Authentication required. ${hint}\n`]);
});

test("a write that was sent and not answered may have been applied: exit 4", async () => {
  const cut: Answer = (_, socket) => void socket.destroy();
  const lost = await kvorum(["put", "k", "v"], cut);
  assert.is(lost.code, 4);
  assert.match(lost.err, "(it may have been applied)");
  const late = await kvorum(["delete", "k", "--timeout", "100ms", "--json"], () => undefined);
  assert.is(late.code, 4);
  assert.is(JSON.parse(String(late.out)).applied, "maybe");
  const uncertain = await kvorum(["put", "k", "v"], always("-UNCERTAIN it may have been applied\r\n"));
  assert.is(uncertain.code, 4);
  // A read leaves nothing in doubt, and neither does a write that never left.
  assert.is((await kvorum(["get", "k"], cut)).code, 1);
  assert.is((await kvorum(["put", "k", "v", "-a", "pw"], cut)).code, 1);
  assert.is((await captured(() => runClientVerb(["put", "k", "v", "-s", "127.0.0.1:1"]))).code, 1);
});

test("what is not RESP is an error, not a wait", async () => {
  const web = await kvorum(["get", "k"], always("HTTP/1.1 400 Bad Request\r\n\r\n"));
  assert.is(web.code, 1);
  assert.match(web.err, "not RESP");
  assert.is((await kvorum(["get", "k"], always("-ERR no\r\n"))).code, 1);
});

test("usage: exit 2", async () => {
  for (const argv of [
    ["get"],
    ["put"],
    ["delete"],
    ["get", "a", "b"],
    ["get", "a", "--nosuch"],
    ["put", "a", "b", "--nx", "--xx"],
    ["put", "a", "b", "--ttl", "0"],
    ["get", "a", "--db", "x"],
    ["get", "a", "-s", "a:b"],
    ["get", "a", "-s", "http://127.0.0.1:7379"],
    ["get", "a", "-s", "rediss://127.0.0.1", "--cacert", "/no/such/file"],
  ]) {
    assert.is((await captured(() => runClientVerb(argv))).code, 2, argv.join(" "));
  }
  assert.is((await captured(() => runClientVerb(["get", "--help"]))).code, 0);
});

test("server names", () => {
  const targets: Record<string, unknown> = {
    "h:1": { host: "h", port: 1 },
    h: { host: "h", port: 6379 },
    ":7000": { host: "127.0.0.1", port: 7000 },
    "[::1]:7": { host: "::1", port: 7 },
    "::1": { host: "::1", port: 6379 },
    "/tmp/s": { host: "", port: 0, path: "/tmp/s" },
    "redis://h": { host: "h", port: 6379 },
    "rediss://h:7/": { host: "h", port: 7, tls: true },
    "redis://u:p%40@[::1]:7/3": { host: "::1", port: 7, user: "u", password: "p@", db: 3 },
    "redis://:p@h": { host: "h", port: 6379, password: "p" },
  };
  for (const [text, target] of Object.entries(targets)) assert.equal(parseTarget(text), target, text);
  const wrong = [
    "",
    "h:0",
    "h:65536",
    "h:x",
    "a b",
    "redis://h:0",
    "redis://h:70000",
    "redis://h/x",
    "rediss://h?a=b",
    "ftp://h",
    "redis://%zz@h",
  ];
  for (const text of wrong) assert.match(parseTarget(text) as string, /^It must be host:port/, text);
  assert.match(parseTarget("http://localhost:7379") as string, /^It must be the Redis port, not that of HTTP/);
});

test.run();
