/**
 * test/unit/node-cluster.test.ts: a member and its disk: what it remembers of its peers is written when the disk can be waited for, and a disk that
 * takes nothing keeps no known peer away.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { configFromOptions } from "../../src/config/load.js";
import { Hlc } from "../../src/core/clock/hlc.js";
import { type Member, memberOf } from "../../src/node-cluster.js";
import { MemoryDisk } from "../../src/platform/memory-disk.js";
import type { FileHandle } from "../../src/ports/disk.js";
import type { Scheduler } from "../../src/ports/scheduler.js";
import type { Engine } from "../../src/storage/engine.js";
import { readMember } from "../../src/storage/member-file.js";
import { MapStorage } from "../lib/cluster-world.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";
import { freePorts } from "../lib/free-ports.js";

class CountingDisk extends MemoryDisk {
  syncs = 0;
  full = false;

  override write(handle: FileHandle, from: Buffer, at: number, length: number, position: number): void {
    if (this.full) throw Object.assign(new Error("ENOSPC: no room"), { code: "ENOSPC" });
    super.write(handle, from, at, length, position);
  }

  override sync(handle: FileHandle): void {
    this.syncs++;
    super.sync(handle);
  }

  override syncDirectory(): void {
    this.syncs++;
    super.syncDirectory();
  }
}

interface Made {
  readonly member: Member;
  readonly storage: MapStorage;
  readonly disk: CountingDisk;
}

async function start(id: string, ports: Readonly<Record<string, number>>, scheduler: Scheduler): Promise<Made> {
  const peers = Object.keys(ports).filter((other) => other !== id);
  const config = configFromOptions(
    { id, peers: peers.map((other) => `${other}=127.0.0.1:${ports[other]}`), peerPort: ports[id] as number },
    "/",
  );
  const disk = new CountingDisk(scheduler);
  const member = memberOf({ config, disk, scheduler, log: () => {} }) as Member;
  const storage = new MapStorage();
  const logFrom = (lsn: number) => storage.logFrom(lsn);
  const engine = { registers: storage, logFrom, store: { hlc: new Hlc() }, meta: { node: `directory of ${id}` } };
  const performer = { decode: () => undefined, answer: () => undefined };
  await member.start(engine as unknown as Engine, performer as never);
  return { member, storage, disk };
}

const saved = ({ disk }: Made): number | undefined => readMember(disk)?.shipped["b"];

test("what the peers have is not saved while the log waits for the disk, but as soon as it has answered", async () => {
  const [a, b] = (await freePorts(2)) as [number, number];
  const scheduler = new FakeScheduler();
  const made = await start("a", { a, b }, scheduler);
  const { member, storage, disk } = made;
  try {
    const positions = { b: 7 };
    (member["node"] as { positions: () => unknown }).positions = () => new Map(Object.entries(positions));
    scheduler.advance(10_000);
    assert.is(saved(made), 7, "nothing waits");
    const before = disk.syncs;
    storage.logCeiling(1);
    positions.b = 8;
    scheduler.advance(30_000);
    assert.is(disk.syncs, before, "the loop would wait for a disk that does not answer");
    storage.sync();
    member.durable();
    scheduler.advance(0);
    assert.is(saved(made), 8);
    assert.is(disk.syncs, before + 2);
    member.durable();
    scheduler.advance(0);
    assert.is(disk.syncs, before + 2, "once, and not with each flush");
  } finally {
    await member.stop();
  }
});

test.run();
