/**
 * test/integration/cluster-large.test.ts: three real processes with options as they are by default: a large value is
 * written through one node, over another, and read through all; a large name is listed, and deleted with all others.
 */
// timeout: 180s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvorumCluster } from "../lib/kvorum-cluster.js";

const MIB = 1024 * 1024;
const SIZES_MIB = (process.env["SIZES_MIB"] ?? "32").split(",").map(Number);

const cluster = await KvorumCluster.start(3);
const connections = await Promise.all(["n1", "n2", "n3"].map((id) => cluster.connection(id)));
for (const connection of connections) connection.buffers = true;

for (const [i, mib] of SIZES_MIB.entries())
  test(`${mib} MiB: written through n${(i % 3) + 1} and the next one, read through all`, async () => {
    const key = `large:${mib}`;
    for (const letter of ["a", "b"]) {
      const value = Buffer.alloc(mib * MIB, letter);
      const through = connections[(i + (letter === "a" ? 0 : 1)) % 3];
      assert.is(String(await through.ask("SET", key, value)), "OK");
      // The first one through the node that wrote nothing of it.
      const readers = letter === "a" ? [connections[(i + 2) % 3]] : connections;
      for (const connection of readers) {
        const found = await connection.ask("GET", key);
        assert.ok(Buffer.isBuffer(found) && value.equals(found));
      }
    }
    assert.is(await connections[i % 3].ask("DEL", key), 1);
  });

test("a name of more than a page of listings is listed with the others, and emptied with them", async () => {
  const [first, second, third] = connections;
  const long = Buffer.alloc(1.1 * MIB, "n");
  const names = Array.from({ length: 20 }, (_, i) => Buffer.from(`key:${i}`));
  for (const name of [...names, long]) assert.is(String(await first.ask("SET", name, "v")), "OK");
  const listed = (await second.ask("KEYS", "*")) as Buffer[];
  const text = (keys: readonly Buffer[]): string[] => keys.map((name) => name.latin1Slice()).sort();
  assert.equal(text(listed), text([...names, long]));
  assert.is(await third.ask("DBSIZE"), 21);
  assert.is(String(await third.ask("FLUSHALL")), "OK");
  for (const connection of connections) assert.is(await connection.ask("DBSIZE"), 0);
});

test.after(async () => {
  for (const connection of connections) connection.close();
  await cluster.end();
});

test.run();
