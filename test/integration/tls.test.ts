/**
 * test/integration/tls.test.ts: TLS as clients meet it: redis-cli --tls and ioredis against a real process, wrong authorities, client
 * certificates required, optional and not wanted, versions, and configurations that cannot work.
 */
// timeout: 180s
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { Redis } from "ioredis";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freePort } from "../lib/free-ports.js";
import { KvorumProcess, kvorum } from "../lib/kvorum-process.js";
import { within } from "../lib/within.js";

const WAIT_MS = 60_000;
const OPENSSL = ["/usr/bin/openssl", "/usr/local/bin/openssl", "/opt/homebrew/bin/openssl"].find(existsSync);
const REDIS_CLI = "/usr/bin/redis-cli";

const root = mkdtempSync(join(tmpdir(), "kvorum-tls-"));
const file = (name: string): string => join(root, name);
const pem = (name: string): Buffer => readFileSync(file(name));

function openssl(...argv: readonly string[]): void {
  execFileSync(OPENSSL as string, argv, { cwd: root, stdio: "pipe" });
}

/** NAME.key and NAME.crt: an authority. */
function makeAuthority(name: string): void {
  const subject = ["-subj", `/CN=${name}`, "-days", "2", "-nodes", "-newkey", "rsa:2048"];
  openssl("req", "-x509", ...subject, "-keyout", `${name}.key`, "-out", `${name}.crt`);
}

/** NAME.key and NAME.crt, signed by an authority; good for 127.0.0.1 and localhost. */
function makeCertificate(name: string, authority: string): void {
  openssl(
    "req",
    "-subj",
    `/CN=${name}`,
    "-nodes",
    "-newkey",
    "rsa:2048",
    "-keyout",
    `${name}.key`,
    "-out",
    `${name}.csr`,
  );
  writeFileSync(file(`${name}.ext`), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  const signer = ["-CA", `${authority}.crt`, "-CAkey", `${authority}.key`, "-CAcreateserial", "-days", "2"];
  openssl("x509", "-req", "-in", `${name}.csr`, ...signer, "-extfile", `${name}.ext`, "-out", `${name}.crt`);
}

interface Served {
  readonly port: number;
  readonly plainPort: number;
  readonly server: KvorumProcess;
}

let directories = 0;
async function serve(...options: readonly string[]): Promise<Served> {
  const [port, plainPort] = [await freePort(), await freePort()];
  const where = ["--dir", file(`data-${++directories}`), "--port", String(plainPort), "--tls-port", String(port)];
  const certificate = ["--tls-cert-file", file("server.crt"), "--tls-key-file", file("server.key")];
  return { port, plainPort, server: await KvorumProcess.start(...where, ...certificate, ...options) };
}

async function served(options: readonly string[], body: (served: Served) => Promise<void>): Promise<void> {
  const up = await serve(...options);
  try {
    await body(up);
  } finally {
    await up.server.end("SIGKILL");
  }
}

/** @returns PONG, or why not. */
async function ping(port: number, tls: object): Promise<string> {
  const client = new Redis({
    port,
    host: "127.0.0.1",
    tls: { ca: pem("ca.crt"), ...tls },
    retryStrategy: null,
    maxRetriesPerRequest: 0,
    lazyConnect: true,
  });
  let reason = "";
  client.on("error", (error: Error) => {
    reason ||= error.message;
  });
  try {
    return await within(WAIT_MS, client.ping(), "an answer");
  } catch (error) {
    return reason || (error as Error).message;
  } finally {
    client.disconnect();
  }
}

function redisCli(port: number, ...argv: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const all = ["-p", String(port), "--tls", ...argv];
    execFile(REDIS_CLI, all, { timeout: WAIT_MS }, (_error, stdout, stderr) => resolve(`${stdout}${stderr}`));
  });
}

const client = (name: string): { cert: Buffer; key: Buffer } => ({ cert: pem(`${name}.crt`), key: pem(`${name}.key`) });

const test = suite("tls");

test.before(() => {
  makeAuthority("ca");
  makeAuthority("other");
  makeCertificate("server", "ca");
  makeCertificate("client", "ca");
  makeCertificate("stranger", "other");
  openssl("rsa", "-aes256", "-passout", "pass:hunter2", "-in", "server.key", "-out", "locked.key");
});

test("ioredis: pipelines and large values; a wrong authority and a plain client are refused", async () => {
  await served(["--tls-auth-clients", "no"], async ({ port, plainPort, server }) => {
    assert.match(server.said, new RegExp(`listening .*:${plainPort} .*:${port} \\(TLS\\)`));
    assert.is(await ping(port, {}), "PONG");
    assert.match(await ping(port, { ca: pem("other.crt") }), /certificate|signature|issuer/);
    const redis = new Redis({ port, host: "127.0.0.1", tls: { ca: pem("ca.crt") }, retryStrategy: null });
    try {
      const large = Buffer.alloc(8 << 20, "0123456789abcdef");
      assert.is(await within(WAIT_MS, redis.set("large", large), "a large value"), "OK");
      assert.ok((await within(WAIT_MS, redis.getBuffer("large"), "it comes back"))?.equals(large));
      const pipeline = redis.pipeline();
      for (let i = 0; i < 2000; i++) pipeline.set(`k${i}`, `v${i}`).get(`k${i}`);
      const replies = await within(WAIT_MS, pipeline.exec(), "a pipeline");
      assert.equal(replies?.slice(-2), [
        [null, "OK"],
        [null, "v1999"],
      ]);
    } finally {
      redis.disconnect();
    }
    // Who speaks no TLS gets no answer, and disturbs nobody.
    const plain = connectTcp(port, "127.0.0.1");
    const received: Buffer[] = [];
    plain.on("error", () => {}).on("data", (bytes: Buffer) => received.push(bytes));
    const closed = new Promise((resolve) => plain.once("close", resolve));
    plain.write("*1\r\n$4\r\nPING\r\n");
    await within(WAIT_MS, closed, "the plain client is cut off");
    assert.not.match(Buffer.concat(received).toString("latin1"), "PONG");
    assert.is(await ping(port, {}), "PONG");
    const both = new Redis({ port: plainPort, host: "127.0.0.1", retryStrategy: null });
    assert.is(await within(WAIT_MS, both.get("k7"), "the plain port serves too"), "v7");
    both.disconnect();
  });
});

test("redis-cli --tls", async () => {
  if (!existsSync(REDIS_CLI)) {
    console.log("SKIPPED: redis-cli is not installed");
    return;
  }
  await served(["--tls-ca-cert-file", file("ca.crt")], async ({ port }) => {
    const shown = ["--cert", file("client.crt"), "--key", file("client.key")];
    assert.is(await redisCli(port, "--cacert", file("ca.crt"), ...shown, "SET", "k", "v"), "OK\n");
    assert.is(await redisCli(port, "--cacert", file("ca.crt"), ...shown, "GET", "k"), "v\n");
    assert.match(await redisCli(port, "--cacert", file("other.crt"), ...shown, "PING"), /certificate verify failed/);
    assert.not.match(await redisCli(port, "--cacert", file("ca.crt"), "PING"), "PONG");
  });
});

test("verbs of the command line: rediss://, and what is said when it cannot be", async () => {
  await served(["--tls-ca-cert-file", file("ca.crt"), "--requirepass", "hunter2"], async ({ port, plainPort }) => {
    const verb = async (address: string, ...argv: readonly string[]): Promise<[number | null, string]> => {
      const { code, out, err } = await kvorum("put", "k", "v", "-s", address, ...argv);
      return [code, out + err];
    };
    const [here, ca] = [`127.0.0.1:${port}`, ["--cacert", file("ca.crt")]];
    const shown = [...ca, "--cert", file("client.crt"), "--key", file("client.key")];
    assert.equal(await verb(`rediss://:hunter2@${here}/2`, ...shown), [0, ""]);
    const got = await kvorum("get", "k", "--db", "2", "-s", `redis://default:hunter2@127.0.0.1:${plainPort}`);
    assert.equal([got.code, got.out], [0, "v"]);
    // None of these writes was read by the server: exit code 1, not 4.
    assert.equal(await verb(`rediss://${here}`, ...ca), [
      1,
      `kvorum: ${here}: it wants a certificate: give --cert and --key\n`,
    ]);
    assert.match(
      (await verb(`rediss://${here}`, "--cert", file("client.crt"), "--key", file("client.key"))).join(),
      /^1,.*--cacert names/,
    );
    assert.equal(await verb(`rediss://127.0.0.1:${plainPort}`, ...shown), [
      1,
      `kvorum: 127.0.0.1:${plainPort}: it does not speak TLS\n`,
    ]);
    assert.match(
      (await verb(`rediss://${here}`, ...ca, "--cert", file("client.crt"), "--key", file("server.key"))).join(),
      /^1,kvorum: --cacert, --cert and --key cannot be used/,
    );
  });
});

test("tls-auth-clients yes: only clients with a certificate of the authority", async () => {
  await served(["--tls-auth-clients", "yes", "--tls-ca-cert-file", file("ca.crt")], async ({ port }) => {
    assert.is(await ping(port, client("client")), "PONG");
    assert.is.not(await ping(port, {}), "PONG");
    assert.is.not(await ping(port, client("stranger")), "PONG");
  });
});

test("tls-auth-clients optional: none is as good as a good one, a bad one is not", async () => {
  await served(["--tls-auth-clients", "optional", "--tls-ca-cert-file", file("ca.crt")], async ({ port }) => {
    assert.is(await ping(port, client("client")), "PONG");
    assert.is(await ping(port, {}), "PONG");
    assert.is.not(await ping(port, client("stranger")), "PONG");
  });
});

/** The version agreed on, or the error. */
function version(port: number, minVersion: "TLSv1.2" | "TLSv1.3", maxVersion: "TLSv1.2" | "TLSv1.3"): Promise<string> {
  const socket = connectTls({ port, host: "127.0.0.1", ca: pem("ca.crt"), minVersion, maxVersion });
  const result = new Promise<string>((resolve) => {
    socket.once("secureConnect", () => resolve(socket.getProtocol() ?? "none"));
    socket.once("error", (error) => resolve(error.message));
  });
  return within(WAIT_MS, result, "a handshake").finally(() => socket.destroy());
}

test("tls-protocols, and a key with a password", async () => {
  const anybody = ["--tls-auth-clients", "no"];
  await served([...anybody, "--tls-protocols", "TLSv1.2"], async ({ port }) => {
    assert.is(await version(port, "TLSv1.2", "TLSv1.3"), "TLSv1.2");
    assert.match(await version(port, "TLSv1.3", "TLSv1.3"), /version/);
  });
  const locked = ["--tls-key-file", file("locked.key"), "--tls-key-file-pass", "hunter2"];
  await served([...anybody, ...locked, "--tls-protocols", "TLSv1.3"], async ({ port }) => {
    assert.is(await version(port, "TLSv1.2", "TLSv1.3"), "TLSv1.3");
    assert.match(await version(port, "TLSv1.2", "TLSv1.2"), /version/);
  });
});

test("a stop does not wait for handshakes that never end, and answers what was asked", async () => {
  const { port, server } = await serve("--tls-auth-clients", "no");
  try {
    const silent = connectTcp(port, "127.0.0.1");
    silent.on("error", () => {});
    const gone = new Promise((resolve) => silent.once("close", resolve));
    await within(WAIT_MS, new Promise((resolve) => silent.once("connect", resolve)), "a connection");
    assert.is(await ping(port, {}), "PONG");
    const started = performance.now();
    assert.is(await server.end("SIGTERM"), 0);
    assert.ok(performance.now() - started < 8000);
    await within(WAIT_MS, gone, "the silent client is gone");
  } finally {
    await server.end("SIGKILL");
  }
});

test("what cannot work is refused at start with exit code 64, by option", async () => {
  const port = String(await freePort());
  const refused = async (pattern: RegExp, ...options: readonly string[]): Promise<void> => {
    const common = [
      "serve",
      "--port",
      "0",
      "--http-port",
      "0",
      "--tls-port",
      port,
      "--dir",
      file(`refused-${++directories}`),
    ];
    const { code, err } = await kvorum(...common, ...options);
    assert.is(code, 64, `${options.join(" ")}: ${err}`);
    assert.match(err, pattern);
  };
  const cert = ["--tls-cert-file", file("server.crt")];
  const key = ["--tls-key-file", file("server.key")];
  const locked = ["--tls-key-file", file("locked.key")];
  const anybody = ["--tls-auth-clients", "no"];
  await Promise.all([
    refused(/tls-port.*needs tls-cert-file and tls-key-file/, ...cert),
    refused(/tls-auth-clients yes needs tls-ca-cert-file/, ...cert, ...key),
    refused(/tls-cert-file: there is no file .*nosuch$/m, "--tls-cert-file", file("nosuch"), ...key, ...anybody),
  ]);
  await Promise.all([
    refused(
      /^kvorum: tls-key-file: \S+client.key is not the key of the certificate in \S+server.crt\n$/,
      ...cert,
      "--tls-key-file",
      file("client.key"),
      ...anybody,
    ),
    refused(/locked.key has a password: give it by tls-key-file-pass/, ...cert, ...locked, ...anybody),
    refused(/tls-key-file-pass is not the password of/, ...cert, ...locked, "--tls-key-file-pass", "x", ...anybody),
  ]);
  await Promise.all([
    refused(
      /tls-cert-file: \S+server.key holds no certificate/,
      "--tls-cert-file",
      file("server.key"),
      ...key,
      ...anybody,
    ),
    refused(
      /tls-key-file: \S+server.crt holds no private key/,
      ...cert,
      "--tls-key-file",
      file("server.crt"),
      ...anybody,
    ),
    refused(/tls-ca-cert-file: \S+ca.key holds no certificate/, ...cert, ...key, "--tls-ca-cert-file", file("ca.key")),
  ]);
});

test.after(() => rmSync(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));

if (OPENSSL === undefined) {
  console.log("SKIPPED: openssl is not installed");
  rmSync(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
} else {
  test.run();
}
