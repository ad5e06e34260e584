/**
 * test/unit/storage/backup.test.ts: backups made while writes go on, what deletes nothing meanwhile, every way of failing, and
 * that no damaged backup is taken for a whole one.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { VersionVector } from "../../../src/core/clock/version-vector.js";
import { CorruptionError } from "../../../src/lib/errors.js";
import { viewed } from "../../../src/lib/view.js";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import type { BackupTarget, FileDone } from "../../../src/ports/backup-target.js";
import type { FileHandle } from "../../../src/ports/disk.js";
import type { KeyState } from "../../../src/ports/keyspace.js";
import { BACKUP_NAME, readBackupList, restoreBackup, verifyBackup } from "../../../src/storage/backup.js";
import type { Engine } from "../../../src/storage/engine.js";
import { openMember } from "../../../src/storage/member-file.js";
import { encodeState } from "../../../src/storage/state-record.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";

const STEP_MS = 3;

function open(disk: MemoryDisk, scheduler: FakeScheduler): Engine {
  return openEngine(disk, scheduler);
}

function put(engine: Engine, key: string, value: string): void {
  const [name, bytes] = [Buffer.from(key), Buffer.from(value)];
  engine.store.put(0, viewed(name), 0, name.length, viewed(bytes), 0, bytes.length, 0, false);
}

function contents(engine: Engine): Map<string, string> {
  const found = new Map<string, string>();
  engine.store.scan(0, 0, 1e9, (s: KeyState) => {
    const key = s.bytes.latin1Slice(s.keyAt, s.keyAt + s.keyBytes);
    found.set(key, s.bytes.latin1Slice(s.keyAt + s.keyBytes, s.keyAt + s.keyBytes + s.valueBytes));
  });
  return found;
}

/** A target in memory that takes STEP_MS for each call and fails at call number `failAt`. */
class MemoryTarget implements BackupTarget {
  readonly disk: MemoryDisk;
  readonly calls: string[] = [];
  committed = false;
  abandoned = false;
  failAt: number = Number.POSITIVE_INFINITY;
  removalMs = STEP_MS;
  removalError: Error | null = null;
  private readonly source: MemoryDisk;
  private readonly scheduler: FakeScheduler;

  constructor(source: MemoryDisk, scheduler: FakeScheduler) {
    this.source = source;
    this.scheduler = scheduler;
    this.disk = new MemoryDisk(scheduler);
  }

  private later(call: string, work: () => number, done: FileDone): void {
    this.calls.push(call);
    const fails = this.calls.length === this.failAt;
    this.scheduler.after(STEP_MS, () => {
      if (this.abandoned || fails) done(new Error(fails ? "no room" : "abandoned"), 0);
      else done(null, work());
    });
  }

  private take(name: string, bytes?: number, fileBytes?: number): number {
    const from = this.source.open(name, { readonly: true });
    const copied = bytes ?? this.source.size(from);
    const contents = Buffer.alloc(fileBytes ?? copied);
    if (this.source.read(from, contents, 0, copied, 0) < copied) throw new Error("shorter");
    this.source.close(from);
    return this.add(name, contents);
  }

  private add(name: string, contents: Buffer): number {
    const to = this.disk.open(name, { create: true });
    this.disk.write(to, contents, 0, contents.length, 0);
    this.disk.close(to);
    return contents.length;
  }

  begin(done: (error: Error | null) => void): void {
    this.later("begin", () => 0, done);
  }
  link(name: string, done: FileDone): void {
    this.later(`link ${name}`, () => this.take(name, undefined), done);
  }
  copy(name: string, bytes: number, fileBytes: number, done: FileDone): void {
    this.later(`copy ${name}`, () => this.take(name, bytes, fileBytes), done);
  }
  write(name: string, contents: Buffer, done: FileDone): void {
    this.later(`write ${name}`, () => this.add(name, contents), done);
  }
  commit(done: (error: Error | null) => void): void {
    const commit = (): number => {
      this.committed = true;
      return 0;
    };
    this.later("commit", commit, done);
  }
  abandon(done: (error: Error | null) => void): void {
    this.abandoned = true;
    this.scheduler.after(this.removalMs, () => done(this.removalError));
  }
}

interface Made {
  readonly target: MemoryTarget;
  readonly lsn: number;
  readonly error: Error | undefined;
  readonly atEnd: number;
}

/** A backup while a write comes every millisecond and a snapshot as often as one can be. */
function backUpUnderLoad(engine: Engine, disk: MemoryDisk, scheduler: FakeScheduler, failAt?: number): Made {
  const target = new MemoryTarget(disk, scheduler);
  if (failAt !== undefined) target.failAt = failAt;
  let made: Made | undefined;
  const started = engine.backup(target, (error, lsn) => {
    made = { target, lsn, error, atEnd: engine.extent().lsn };
  });
  assert.ok(started);
  assert.not(
    engine.backup(target, () => {}),
    "one at a time",
  );
  for (let i = 0; made === undefined && i < 2000; i++) {
    put(engine, `key:${i % 40}`, `${"x".repeat(900)}during ${i}`);
    if (i % 10 === 0) engine.snapshot(() => {});
    scheduler.advance(1);
  }
  if (made === undefined) throw new Error("the backup does not end");
  assert.not(engine.held);
  return made;
}

function build(): { disk: MemoryDisk; scheduler: FakeScheduler; engine: Engine } {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const engine = open(disk, scheduler);
  for (let i = 0; i < 200; i++) {
    put(engine, `key:${i}`, `before ${i} ${"y".repeat(500)}`);
    if (i % 5 === 0) scheduler.advance(1);
  }
  scheduler.advance(10);
  return { disk, scheduler, engine };
}

test("what was acknowledged before is in it, whatever happens meanwhile", () => {
  const { disk, scheduler, engine } = build();
  const before = engine.extent().lsn;
  const { target, lsn, error, atEnd } = backUpUnderLoad(engine, disk, scheduler);
  assert.is(error, undefined);
  assert.ok(target.committed && !target.abandoned);
  assert.ok(lsn >= before && lsn < atEnd, "writes went on while it was copied");
  assert.equal([target.calls[0], target.calls.at(-1)], ["begin", "commit"]);
  const facts = verifyBackup(target.disk);
  assert.equal([facts.list.lsn, facts.keys, facts.meta.node], [lsn, 200, "0".repeat(40)]);
  // It opens as it is.
  const opened = new FakeScheduler();
  const found = contents(open(target.disk.clone(opened), opened));
  assert.is(found.size, 200);
  for (let i = 40; i < 200; i++) assert.is(found.get(`key:${i}`), `before ${i} ${"y".repeat(500)}`);
  // Disk use is bounded again when it is over.
  assert.ok(disk.list().filter((name) => name.startsWith("snap-")).length <= 2);
});

test("restored: a node of its own with the same keys, that lives and starts again", () => {
  const { disk, scheduler, engine } = build();
  const { target, lsn } = backUpUnderLoad(engine, disk, scheduler);
  const facts = verifyBackup(target.disk);
  const to = new MemoryDisk(scheduler);
  restoreBackup(target.disk, to, facts, "7".repeat(40), 1000);
  assert.is(readBackupList(to), undefined);
  const one = new FakeScheduler();
  const first = to.clone(one);
  const node = open(first, one);
  assert.equal([node.meta.node, node.meta.hashSecret, node.meta.createdMs], ["7".repeat(40), [3, 4], 1000]);
  assert.ok(node.extent().lsn > lsn);
  const backup = new FakeScheduler();
  assert.equal(contents(node), contents(open(target.disk.clone(backup), backup)));
  for (let i = 0; i < 300; i++) put(node, `new:${i}`, "z".repeat(400));
  one.advance(20);
  const two = new FakeScheduler();
  assert.is(contents(open(first.clone(two), two)).size, 500);
});

test("whatever fails, nothing half stays and the next one works", () => {
  const { disk, scheduler, engine } = build();
  const calls = backUpUnderLoad(engine, disk, scheduler).target.calls.length;
  assert.ok(calls >= 6);
  for (let failAt = 1; failAt <= calls; failAt++) {
    const { target, error } = backUpUnderLoad(engine, disk, scheduler, failAt);
    assert.is(error?.message, "no room");
    assert.ok(target.abandoned && !target.committed);
  }
  assert.is(backUpUnderLoad(engine, disk, scheduler).error, undefined);
});

test("what is left of a failed backup and cannot be removed is told, and the next backup works", () => {
  const { disk, scheduler, engine } = build();
  const target = new MemoryTarget(disk, scheduler);
  target.failAt = 2;
  target.removalError = new Error("read-only");
  const said: (string | undefined)[] = [];
  engine.backup(target, (error) => said.push(error?.message));
  scheduler.advance(200);
  assert.equal(said, ["no room; what was written is still there: read-only"]);
  assert.is(backUpUnderLoad(engine, disk, scheduler).error, undefined);
});

test("a stop seals the log, waits a while for what a backup left to be removed, and not for ever", () => {
  for (const removalMs of [50, Number.POSITIVE_INFINITY]) {
    const { disk, scheduler, engine } = build();
    const target = new MemoryTarget(disk, scheduler);
    target.removalMs = removalMs;
    engine.backup(target, () => {});
    scheduler.advance(STEP_MS + 1);
    let ended = false;
    engine.stop((error) => {
      assert.is(error, undefined);
      ended = true;
    });
    scheduler.advance(40);
    assert.not.ok(ended);
    assert.not.ok(engine.wal?.busy());
    scheduler.advance(removalMs === 50 ? 40 : 10_000);
    assert.ok(ended);
    const again = new FakeScheduler();
    assert.is(contents(open(disk.clone(again), again)).size, 200);
  }
});

test("a node that stops gives up its backup", () => {
  const { disk, scheduler, engine } = build();
  const target = new MemoryTarget(disk, scheduler);
  let failure: Error | undefined;
  engine.backup(target, (error) => {
    failure = error;
  });
  scheduler.advance(STEP_MS + 1);
  let stopped = false;
  engine.stop(() => {
    stopped = true;
  });
  scheduler.advance(100);
  assert.ok(stopped && target.abandoned && !target.committed);
  assert.match(failure?.message ?? "", "stopping");
  assert.not(engine.backup(target, () => {}));
});

/** A backup as small as one can be, with a segment in the middle. */
function small(): MemoryDisk {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const engine = open(disk, scheduler);
  for (let i = 0; i < 20; i++) put(engine, `k${i}`, "v".repeat(40));
  scheduler.advance(10);
  const target = new MemoryTarget(disk, scheduler);
  engine.backup(target, () => {});
  scheduler.advance(100);
  assert.ok(target.committed);
  return target.disk;
}

test("every byte of a backup flipped, every file cut off or missing: found, with file and offset", () => {
  const disk = small();
  verifyBackup(disk);
  const refused = (what: string): void => {
    try {
      verifyBackup(disk);
    } catch (error) {
      assert.ok(error instanceof CorruptionError, `${what}: ${error}`);
      assert.ok(disk.list().includes(error.file) || error.message.includes("missing"), what);
      assert.ok(error.offsetBytes >= 0);
      return;
    }
    throw new Error(`${what}: not seen`);
  };
  const names = disk.list();
  assert.ok(names.length >= 4);
  for (const name of names) {
    const file = disk.open(name, {});
    const size = disk.size(file);
    const original = Buffer.alloc(size);
    disk.read(file, original, 0, size, 0);
    const flipped = Buffer.alloc(1);
    const used = original.findLastIndex((byte) => byte !== 0);
    for (let at = 0; at < size; at++) {
      // Of the zeros behind the log's end a few.
      if (at > used + 1024 && at % 499 !== 0) continue;
      flipped[0] = original[at] ^ (1 << (at % 8));
      disk.write(file, flipped, 0, 1, at);
      refused(`${name} byte ${at}`);
      disk.write(file, original, at, 1, at);
    }
    for (const cut of [size - 1, size - 512, 0]) {
      if (cut < 0) continue;
      disk.truncate(file, cut);
      refused(`${name} cut to ${cut}`);
      disk.write(file, original, 0, size, 0);
    }
    disk.close(file);
    if (name === BACKUP_NAME) continue;
    disk.rename(name, "away");
    refused(`${name} missing`);
    disk.rename("away", name);
  }
  verifyBackup(disk);
  disk.remove(BACKUP_NAME);
  assert.throws(() => verifyBackup(disk), /not a backup/);
});

test("a log cut off at a whole batch, with a list that says so, is not the log that was", () => {
  const disk = small();
  const list = readBackupList(disk);
  if (list === undefined) throw new Error("no list");
  // A server that was started in it goes on writing: no longer what the list says.
  const scheduler = new FakeScheduler();
  const used = disk.clone(scheduler);
  open(used, scheduler).stop(() => {});
  scheduler.advance(20);
  assert.throws(
    () => verifyBackup(used),
    (error: Error) => error instanceof CorruptionError,
  );
});

test("a restore that fails half-way leaves nothing that starts", () => {
  const disk = small();
  const facts = verifyBackup(disk);
  const to = new MemoryDisk(new FakeScheduler());
  const write = to.write.bind(to);
  let writes = 0;
  to.write = (...args) => {
    if (++writes === 2) throw new Error("no room");
    write(...args);
  };
  assert.throws(() => restoreBackup(disk, to, facts, "7".repeat(40), 0), /no room/);
  assert.equal(to.list(), []);
});

test("a member's backup is verified, and not restored: what came out would have forgotten promises", () => {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  const engine = openEngine(disk, scheduler, { register: true });
  const { registers } = engine;
  for (const [i, text] of ["one", undefined, "three"].entries()) {
    const ballot = { epoch: 1, hlc: 5 + i, node: 1 };
    const value = text === undefined ? undefined : { type: 0, raw: false, bytes: Buffer.from(text) };
    const state = { value, expireAt: 0, vv: VersionVector.of([ballot]), cut: 0 };
    registers.accept(encodeState(`\0k${i}`, ballot, state), false);
    registers.logCeiling(1000 + i);
  }
  const target = new MemoryTarget(disk, scheduler);
  let failure: Error | undefined | null = null;
  engine.backup(target, (error) => {
    failure = error;
  });
  scheduler.advance(500);
  assert.is(failure, undefined);
  const facts = verifyBackup(target.disk);
  assert.is(facts.keys, 2);
  const to = new MemoryDisk(scheduler);
  assert.throws(() => restoreBackup(target.disk, to, facts, "7".repeat(40), 0), /one member of a cluster/);
  assert.equal(to.list(), []);
  // Nor does it start as it is, as a member or alone.
  assert.throws(
    () => openMember(target.disk, "b", ["a", "b", "c"], { n: 3, r: 2, w: 2 }, "run"),
    /kvorum.member .* it is missing/,
  );
  assert.throws(() => open(target.disk, scheduler), /member of a cluster/);
});

/** Full for the log, and not for what is smaller. */
class FullDisk extends MemoryDisk {
  full = false;
  override open(...args: Parameters<MemoryDisk["open"]>): FileHandle {
    if (this.full && args[0] === "wal-next.tmp") throw Object.assign(new Error("no room"), { code: "ENOSPC" });
    return super.open(...args);
  }
}

test("a log that could not be begun for want of room: what is served is backed up, and read by a peer", () => {
  const scheduler = new FakeScheduler();
  const disk = new FullDisk(scheduler);
  const before = open(disk, scheduler);
  for (let i = 0; i < 50; i++) put(before, `key ${i}`, "value");
  scheduler.advance(10);
  before.stop(() => {});
  disk.full = true;
  const engine = open(disk, scheduler);
  assert.ok(engine.store.readOnly);
  const cursor = engine.logFrom(1);
  let records = 0;
  const state = cursor.read(
    1e9,
    () => false,
    () => records++,
  );
  assert.is(state, "end");
  assert.is(records, 50);
  cursor.close();
  const target = new MemoryTarget(disk, scheduler);
  let end = "under way";
  engine.backup(target, (error) => {
    end = error === undefined ? "well" : error.message;
  });
  scheduler.advance(900);
  assert.is(end, "well");
  assert.is(verifyBackup(target.disk).keys, 50);
  assert.ok(engine.store.readOnly);
  disk.full = false;
  scheduler.advance(2000);
  put(engine, "later", "value");
  scheduler.advance(10);
  engine.stop(() => {});
  assert.is(open(disk, scheduler).store.size(0), 51);
});

test("a new directory without room for a log: no snapshot, no backup, and it opens once there is room", () => {
  const scheduler = new FakeScheduler();
  const disk = new FullDisk(scheduler);
  disk.full = true;
  const engine = open(disk, scheduler);
  const said: string[] = [];
  const target = new MemoryTarget(disk, scheduler);
  assert.ok(engine.snapshot((error) => said.push(error?.message ?? "well")));
  assert.equal(said, [], "later, not within the call");
  assert.ok(engine.backup(target, (error) => said.push(error?.message ?? "well")));
  scheduler.advance(500);
  assert.is(said.length, 2);
  for (const text of said) assert.match(text, "there is no log yet");
  assert.ok(target.abandoned);
  assert.not.ok(engine.lastSaveOk);
  engine.stop(() => {});
  disk.full = false;
  assert.is(open(disk, scheduler).store.size(0), 0);
});

test.run();
