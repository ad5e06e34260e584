/**
 * test/unit/server/log-waiters.test.ts: who is about besides those who wait for the log; and a whole node, whose batches are synced on the
 * loop only while nobody is.
 */
import { createConnection, type Socket } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ReplyWriter } from "../../../src/codec/resp/reply-writer.js";
import { configFromOptions } from "../../../src/config/load.js";
import type { Viewed } from "../../../src/lib/view.js";
import { RunningNode } from "../../../src/node.js";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import { NodeScheduler } from "../../../src/platform/node-scheduler.js";
import { Departures } from "../../../src/server/departures.js";
import { LogWaiters } from "../../../src/server/log-waiters.js";
import type { Wal } from "../../../src/storage/wal.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";

test("who was answered without waiting is about for a tenth of a second", () => {
  const scheduler = new FakeScheduler();
  const departures = new Departures(new ReplyWriter());
  const waiters = new LogWaiters(departures, scheduler);
  const one = { depart: (_bytes: Viewed): boolean => false };
  assert.ok(waiters.onlyWriters);
  departures.add(one, 5); // it has not even left yet
  assert.not(waiters.onlyWriters);
  departures.send();
  scheduler.advance(99);
  assert.not(waiters.onlyWriters);
  scheduler.advance(2);
  assert.ok(waiters.onlyWriters);
  departures.writeNow(one, 0, 5);
  assert.not(waiters.onlyWriters);
  scheduler.advance(101);
  assert.ok(waiters.onlyWriters);
});

const SET = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
const PING = "*1\r\n$4\r\nPING\r\n";

/** One request after the other until `ended()`; each answer is +OK or +PONG. */
async function loop(port: number, request: string, ended: () => boolean): Promise<void> {
  const socket: Socket = createConnection({ host: "127.0.0.1", port, noDelay: true });
  let answered = (): void => {};
  socket.on("data", () => answered());
  while (!ended()) {
    socket.write(request);
    await new Promise<void>((resolve) => {
      answered = resolve;
    });
  }
  socket.destroy();
}

test("a node under appendfsync always syncs on the loop for writers alone, and off it while somebody reads", async () => {
  const disk = new MemoryDisk(new NodeScheduler());
  const node = new RunningNode(configFromOptions({ port: 0 }, "/"), disk, () => {}, { memory: true, log: () => {} });
  await node.load();
  await node.listen(false);
  const { port } = node.listeners[0];
  const { segments } = node.engine.wal as Wal;
  const flushes = { here: 0, elsewhere: 0 };
  const write = disk.write.bind(disk);
  const writeAsync = disk.writeAsync.bind(disk);
  disk.write = (handle, ...rest) => {
    if (handle === segments.durable) flushes.here++;
    write(handle, ...rest);
  };
  disk.writeAsync = (handle, ...rest) => {
    // It calls write() in the end.
    if (handle === segments.durable) {
      flushes.elsewhere++;
      flushes.here--;
    }
    writeAsync(handle, ...rest);
  };
  const during = async (ms: number, requests: readonly string[]): Promise<{ here: number; elsewhere: number }> => {
    const until = performance.now() + ms;
    const ended = (): boolean => performance.now() > until;
    Object.assign(flushes, { here: 0, elsewhere: 0 });
    await Promise.all(requests.map((request) => loop(port, request, ended)));
    return { ...flushes };
  };
  const four = [SET, SET, SET, SET];
  try {
    await during(100, four); // compiled code
    const alone = await during(200, four);
    assert.ok(alone.here > 5 * alone.elsewhere, JSON.stringify(alone));
    await during(50, [...four, PING]);
    const beside = await during(200, [...four, PING]);
    assert.ok(beside.elsewhere > 5 * beside.here, JSON.stringify(beside));
  } finally {
    await node.stop(false, true);
  }
});

test.run();
