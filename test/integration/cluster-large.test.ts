/**
 * test/integration/cluster-large.test.ts: three real processes with options as they are by default: values of up to nearly the largest size are
 * written and read through every node, by RESP and by HTTP, several at once, with small ones beside them.
 */
// timeout: 180s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvorumCluster } from "../lib/kvorum-cluster.js";

const MIB = 1024 * 1024;
const IDS = ["n1", "n2", "n3"];

const cluster = await KvorumCluster.start(3);
const connections = await Promise.all(IDS.map((id) => cluster.connection(id)));
for (const connection of connections) connection.buffers = true;

const of = (mib: number, letter: string): Buffer => Buffer.alloc(mib * MIB, letter);

async function reads(key: string, value: Buffer): Promise<void> {
  for (const [i, connection] of connections.entries()) {
    const found = await connection.ask("GET", key);
    assert.ok(Buffer.isBuffer(found) && value.equals(found), `${key} at n${i + 1}`);
  }
}

test("16, 32 and 60 MiB through every node, the first time and again", async () => {
  for (const [i, mib] of [16, 32, 60].entries()) {
    const key = `large:${mib}`;
    const [first, second] = [of(mib, "a"), of(mib, "b")];
    assert.is(String(await connections[i].ask("SET", key, first)), "OK");
    await reads(key, first);
    assert.is(String(await connections[(i + 1) % 3].ask("SET", key, second)), "OK");
    assert.is(await connections[(i + 2) % 3].ask("APPEND", key, "x"), mib * MIB + 1);
    assert.is(await connections[i].ask("STRLEN", key), mib * MIB + 1);
    assert.is(await connections[i].ask("DEL", key), 1);
  }
});

test("several at once, through all nodes, beside small ones; copied", async () => {
  const value = of(12, "m");
  const large = Promise.all(connections.map((connection, i) => connection.ask("SET", `{at-once}:${i}`, value)));
  const small = await cluster.connection("n1");
  for (let i = 0; i < 10; i++) assert.is(await small.ask("SET", `small:${i}`, "s"), "OK");
  small.close();
  assert.equal((await large).map(String), ["OK", "OK", "OK"]);
  assert.is(await connections[0].ask("COPY", "{at-once}:1", "{at-once}:copy"), 1);
  await reads("{at-once}:copy", value);
  for (const id of IDS) assert.is((await cluster.info(id)).get("kvorum_works_uncertain"), "0", id);
});

test.after(async () => {
  for (const connection of connections) connection.close();
  await cluster.end();
});

test.run();
