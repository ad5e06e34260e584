/**
 * test/unit/node-cluster.test.ts: a member and its disk: what it remembers of its peers is written when the disk can be waited for, and a disk that
 * takes nothing keeps no known peer away.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ClusterNode } from "../../src/cluster/cluster-node.js";
import type { PeerLink } from "../../src/cluster/peer-link.js";
import { configFromOptions } from "../../src/config/load.js";
import { Hlc } from "../../src/core/clock/hlc.js";
import { DiskError } from "../../src/lib/errors.js";
import { type Member, memberOf } from "../../src/node-cluster.js";
import { MemoryDisk } from "../../src/platform/memory-disk.js";
import { NodeScheduler } from "../../src/platform/node-scheduler.js";
import type { FileHandle } from "../../src/ports/disk.js";
import type { Scheduler } from "../../src/ports/scheduler.js";
import type { Engine } from "../../src/storage/engine.js";
import { MemberBook } from "../../src/storage/member-book.js";
import { openMember, readMember } from "../../src/storage/member-file.js";
import { MapStorage, said, work } from "../lib/cluster-world.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";
import { freePorts } from "../lib/free-ports.js";

const WAIT_MS = 10_000;

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
  /** What it logged. */
  readonly lines: string[];
}

async function start(
  id: string,
  ports: Readonly<Record<string, number>>,
  scheduler: Scheduler,
  disk: CountingDisk = new CountingDisk(scheduler),
): Promise<Made> {
  const peers = Object.keys(ports).filter((other) => other !== id);
  const config = configFromOptions(
    { id, peers: peers.map((other) => `${other}=127.0.0.1:${ports[other]}`), peerPort: ports[id] as number },
    "/",
  );
  const lines: string[] = [];
  const log = (level: string, text: string): void => void lines.push(`${level}: ${text}`);
  const member = memberOf({ config, disk, scheduler, log }) as Member;
  const storage = new MapStorage();
  const logFrom = (lsn: number) => storage.logFrom(lsn);
  const engine = { registers: storage, logFrom, store: { hlc: new Hlc() }, meta: { node: `directory of ${id}` } };
  const performer = { decode: (name: string, bytes: Buffer) => work(name.slice(1), bytes.toString()) };
  await member.start(engine as unknown as Engine, performer as never);
  return { member, storage, disk, lines };
}

function linkOf(member: Member): PeerLink {
  return [...(member["node"] as ClusterNode).peers.links.values()][0] as PeerLink;
}

function ask({ cluster }: Member, text: string): Promise<string> {
  return new Promise((resolve) => cluster.perform(work("k", text), (answer) => resolve(said({ answer }))));
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
    const { records } = (member["node"] as ClusterNode)["parts"];
    assert.throws(
      () => records.record("b", { uuid: "u", run: "r", boot: 1, ceiling: 5 }),
      /while the disk does not answer/,
    );
    assert.is(disk.syncs, before, "the loop would wait for a disk that does not answer");
    storage.sync();
    member.durable();
    scheduler.advance(0);
    assert.is(saved(made), 8);
    assert.is(disk.syncs, before + 2);
    member.durable();
    scheduler.advance(0);
    assert.is(disk.syncs, before + 2, "once, and not with each flush");
    // Flushes that overlap: there is always something under way.
    positions.b = 9;
    storage.logCeiling(2);
    scheduler.advance(10_000);
    storage.sync();
    member.durable();
    storage.logCeiling(3);
    scheduler.advance(0);
    assert.is(saved(made), 9);
  } finally {
    await member.stop();
  }
});

/** @returns whether it came to that. */
async function until(holds: () => boolean): Promise<boolean> {
  const giveUpMs = performance.now() + WAIT_MS;
  while (!holds() && performance.now() < giveUpMs) await new Promise((resolve) => setTimeout(resolve, 5));
  return holds();
}

test("a member's log may be synced on the loop until its replica is asked to read, and a moment later again", async () => {
  const [a, b] = (await freePorts(2)) as [number, number];
  const scheduler = new NodeScheduler();
  const nodes = await Promise.all([start("a", { a, b }, scheduler), start("b", { a, b }, scheduler)]);
  const syncs = setInterval(() => {
    for (const { member, storage } of nodes) {
      storage.sync();
      member.durable();
    }
  }, 1);
  try {
    const members = nodes.map(({ member }) => member);
    const [first] = members;
    const writes = async (): Promise<boolean> => (await ask(first, "set 1")) === "OK";
    let written = false;
    for (let i = 0; i < 1000 && !written; i++) written = await writes();
    assert.ok(written);
    assert.ok(await until(() => members.every(({ onlyWriters }) => onlyWriters)));
    assert.is(await ask(first, "get"), "1");
    assert.equal(
      members.map(({ onlyWriters }) => onlyWriters),
      [false, false],
    );
    assert.ok(await until(() => members.every(({ onlyWriters }) => onlyWriters)));
    assert.ok(await writes());
    assert.ok(members.every(({ onlyWriters }) => onlyWriters));
  } finally {
    clearInterval(syncs);
    await Promise.all(nodes.map(({ member }) => member.stop()));
  }
});

test("a full disk: a link that was reset comes back, and keys are read before there is room again; the peer's ceiling is saved then", async () => {
  const [a, b] = (await freePorts(2)) as [number, number];
  const scheduler = new NodeScheduler();
  const nodes = await Promise.all([start("a", { a, b }, scheduler), start("b", { a, b }, scheduler)]);
  const syncs = setInterval(() => {
    for (const { member, storage } of nodes) if (storage.sync()) member.durable();
  }, 1);
  try {
    const [atA, atB] = nodes as [Made, Made];
    const stateOf = ({ member }: Made): string => linkOf(member).state;
    const recorded = (): number | undefined => atA.member["book"].recordOf("b")?.ceiling;
    assert.ok(await until(() => stateOf(atA) === "up" && stateOf(atB) === "up"));
    const first = recorded() as number;
    assert.is(await ask(atB.member, "set 1"), "OK");
    for (const { disk } of nodes) disk.full = true;
    const before = atA.disk.syncs;
    linkOf(atA.member).sever("the test cuts it");
    assert.ok(await until(() => stateOf(atA) !== "up"));
    assert.ok(await until(() => stateOf(atA) === "up" && stateOf(atB) === "up"), "it comes back");
    assert.is(await ask(atA.member, "get"), "1");
    assert.is(atA.disk.syncs, before);
    assert.ok((recorded() as number) > first, "what is compared at the next handshake");
    assert.is(readMember(atA.disk)?.peers["b"]?.ceiling, first);
    for (const { disk } of nodes) disk.full = false;
    atA.member["savePositions"]();
    assert.is(readMember(atA.disk)?.peers["b"]?.ceiling, recorded());
  } finally {
    clearInterval(syncs);
    await Promise.all(nodes.map(({ member }) => member.stop()));
  }
});

test("a node that stops says nothing of its peers any more: its links end since it stops", async () => {
  const ports = await freePorts(3);
  const names = Object.fromEntries(["a", "b", "c"].map((id, i) => [id, ports[i] as number]));
  const scheduler = new NodeScheduler();
  const nodes = await Promise.all(["a", "b", "c"].map((id) => start(id, names, scheduler)));
  const [a, b, c] = nodes as [Made, Made, Made];
  try {
    const up = ({ lines }: Made): boolean => lines.filter((line) => / is up$/.test(line)).length === 2;
    assert.ok(await until(() => nodes.every(up)));
    // It answers what was asked first; meanwhile a peer may stop as well.
    a.member.part();
    await c.member.stop();
    assert.ok(await until(() => b.lines.includes("warning: c is down")), "who does not stop says it");
    assert.ok(await until(() => [...(a.member["node"] as ClusterNode).peers.links.values()].some(isDown)));
    await b.member.stop();
    await a.member.stop();
    assert.not.match(a.lines.join("\n"), /is (down|suspect)/);
    assert.not.match(c.lines.join("\n"), /is (down|suspect)/);
    assert.not.match(b.lines.join("\n"), /a is (down|suspect)/);
  } finally {
    await Promise.all(nodes.map(({ member }) => member.stop()));
  }
});

function isDown({ state }: PeerLink): boolean {
  return state === "down";
}

test("what peers had beyond the log that was recovered is forgotten on the disk too", async () => {
  const [a, b] = (await freePorts(2)) as [number, number];
  const scheduler = new FakeScheduler();
  const disk = new CountingDisk(scheduler);
  new MemberBook(disk, openMember(disk, "a", ["a", "b"], { n: 2, r: 2, w: 2 }, "run")).save({ b: 100 });
  const made = await start("a", { a, b }, scheduler, disk);
  assert.is(made.storage.durableLsn, 0);
  assert.is(saved(made), 0);
  await made.member.stop();
});

test("a peer that has started anew is not heard before that is on the disk", () => {
  const disk = new CountingDisk(new FakeScheduler());
  const book = new MemberBook(disk, openMember(disk, "a", ["a", "b"], { n: 2, r: 2, w: 2 }, "run"));
  const note = { uuid: "u", run: "r", boot: 1, ceiling: 5 };
  book.record("b", note);
  assert.equal(readMember(disk)?.peers["b"], note);
  disk.full = true;
  for (const other of [{ uuid: "v" }, { run: "s" }, { boot: 2 }]) {
    assert.throws(
      () => book.record("b", { ...note, ...other }),
      (error: unknown) => error instanceof DiskError,
    );
    assert.equal(book.recordOf("b"), note);
  }
  book.record("b", { ...note, ceiling: 6 });
  assert.is(book.recordOf("b")?.ceiling, 6);
  assert.throws(() => book.save({}));
  disk.full = false;
  book.save({});
  assert.is(readMember(disk)?.peers["b"]?.ceiling, 6);
});

test.run();
