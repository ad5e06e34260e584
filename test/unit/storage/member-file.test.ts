/**
 * test/unit/storage/member-file.test.ts: the member file: read back as written, whole or refused, replaced at once or not at all whenever the
 * power goes; whose directory it is, and that every start has a number of its own.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ConfigurationError, CorruptionError, DiskError, FormatError } from "../../../src/lib/errors.js";
import { viewed } from "../../../src/lib/view.js";
import { MemoryDisk } from "../../../src/platform/memory-disk.js";
import { MemberBook } from "../../../src/storage/member-book.js";
import { MEMBER_NAME, type MemberData, openMember, readMember, writeMember } from "../../../src/storage/member-file.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { PowerLoss, SimDisk } from "../../lib/sim-disk.js";
import { putFile, readFile } from "../../lib/written-log.js";

const MEMBERS = ["c", "a", "b"];
const QUORUMS = { n: 3, r: 2, w: 2 };
const DATA: MemberData = {
  id: "b",
  members: ["a", "b", "c"],
  boot: 7,
  peers: { a: { uuid: "0".repeat(40), run: "abc", boot: 3, ceiling: 2 ** 52 + 1 } },
  shipped: { a: 12, c: 2 ** 40 },
};

const memory = (): MemoryDisk => new MemoryDisk(new FakeScheduler());

test("it is read back as it was written, again and again", () => {
  const disk = memory();
  assert.is(readMember(disk), undefined);
  for (const boot of [7, 8, 9]) {
    writeMember(disk, { ...DATA, boot });
    assert.equal(readMember(disk), { ...DATA, boot });
  }
  assert.equal(disk.list(), [MEMBER_NAME]);
});

test("every damaged byte is found; a newer format is said to be one", () => {
  const disk = memory();
  writeMember(disk, DATA);
  const whole = readFile(disk, MEMBER_NAME);
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged[at] ^= 1;
    const other = memory();
    putFile(other, MEMBER_NAME, damaged);
    assert.throws(
      () => readMember(other),
      (error: Error) => error instanceof CorruptionError && error.exitCode === 65,
      String(at),
    );
  }
  for (const length of [0, 1, whole.length - 1]) {
    const other = memory();
    putFile(other, MEMBER_NAME, whole.subarray(0, length));
    assert.throws(
      () => readMember(other),
      (error: Error) => error instanceof CorruptionError,
    );
  }
  const newer = memory();
  // The crc of this very line.
  putFile(newer, MEMBER_NAME, Buffer.from('{"format":2}\n843390fa\n'));
  assert.throws(
    () => readMember(newer),
    (error: Error) => error instanceof FormatError && error.exitCode === 65,
  );
});

test("whenever the power goes, the file is the old one or the new one, and the new one once the write returned", () => {
  for (let crashAt = 1, ended = false; !ended; crashAt++) {
    for (let fate = 1; fate <= 12; fate++) {
      const scheduler = new FakeScheduler();
      const disk = new SimDisk(scheduler);
      writeMember(disk, { ...DATA, boot: 1 });
      disk.crashAt = disk.syncs + crashAt;
      let written = false;
      try {
        writeMember(disk, { ...DATA, boot: 2, shipped: {} });
        written = true;
      } catch (error) {
        assert.ok(error instanceof DiskError && error.cause instanceof PowerLoss);
      }
      ended = written;
      const after = disk.afterPowerLoss(new FakeScheduler(), fate);
      const { boot, shipped } = readMember(after) as MemberData;
      if (written) assert.is(boot, 2);
      assert.equal(shipped, boot === 1 ? DATA.shipped : {});
      // And it can be written again.
      writeMember(after, DATA);
      assert.equal(readMember(after), DATA);
    }
    assert.ok(crashAt < 10, "it never ended");
  }
});

test("a new directory becomes a member's; each start has a number of its own and keeps what was remembered", () => {
  const disk = memory();
  assert.equal(openMember(disk, "b", MEMBERS, QUORUMS, "run"), {
    id: "b",
    members: ["a", "b", "c"],
    quorums: QUORUMS,
    boot: 1,
    starts: [{ run: "run", lsn: undefined }],
    peers: {},
    shipped: {},
  });
  // Of a version that did not name its starts.
  writeMember(disk, { ...DATA, boot: 1 });
  const second = { ...DATA, quorums: QUORUMS, boot: 2, starts: [{ run: "second", lsn: undefined }] };
  assert.equal(openMember(disk, "b", ["a", "b", "c"], QUORUMS, "second"), second);
  const book = new MemberBook(disk, second);
  book.foundLog(17);
  assert.equal(readMember(disk)?.starts, [{ run: "second" }]);
  book.save(DATA.shipped);
  const third = openMember(disk, "b", MEMBERS, QUORUMS, "third");
  assert.is(third.boot, 3);
  assert.equal(third.starts, [
    { run: "third", lsn: undefined },
    { run: "second", lsn: 17 },
  ]);
  const kept = { ...third, starts: [{ run: "third" }, { run: "second", lsn: 17 }] };
  assert.equal(readMember(disk), kept);
});

test("it tells of as many starts as a node does", () => {
  const disk = memory();
  const starts = Array.from({ length: 1000 }, (_, lsn) => ({ run: String(lsn), lsn }));
  writeMember(disk, { ...DATA, starts });
  const added = [{ run: "new", lsn: undefined }, ...starts.slice(0, 999)];
  assert.equal(openMember(disk, "b", MEMBERS, QUORUMS, "new").starts, added);
});

function refuses(
  disk: MemoryDisk,
  id: string,
  members: readonly string[],
  pattern: RegExp,
  quorums: typeof QUORUMS = QUORUMS,
): void {
  const before = disk.exists(MEMBER_NAME) ? readFile(disk, MEMBER_NAME) : undefined;
  assert.throws(
    () => openMember(disk, id, members, quorums, "run"),
    (error: Error) => error instanceof ConfigurationError && error.exitCode === 64 && pattern.test(error.message),
  );
  assert.is(disk.exists(MEMBER_NAME), before !== undefined);
  if (before !== undefined) assert.ok(readFile(disk, MEMBER_NAME).equals(before), "a refused start was counted");
}

test("the directory of another node, of other members or quorums, or of a node alone is refused with 64, and nothing changes", () => {
  const disk = memory();
  openMember(disk, "b", MEMBERS, QUORUMS, "run");
  refuses(disk, "a", MEMBERS, /that of node b; this node is a/);
  refuses(disk, "b", ["a", "b"], /a cluster of a, b, c; .* say a, b/);
  refuses(disk, "b", ["a", "b", "c", "d"], /say a, b, c, d/);
  // Reads that ask one would not meet writes that lie on two.
  for (const other of [
    { n: 3, r: 1, w: 3 },
    { n: 3, r: 3, w: 2 },
    { n: 2, r: 2, w: 2 },
  ])
    refuses(disk, "b", MEMBERS, /with n 3, r 2, w 2; this node is set to n [23], r [123], w [23]\./, other);
  const scheduler = new FakeScheduler();
  const alone = new MemoryDisk(scheduler);
  const engine = openEngine(alone, scheduler);
  engine.store.put(0, viewed(Buffer.from("k")), 0, 1, viewed(Buffer.from("v")), 0, 1, 0, false);
  scheduler.advance(5);
  refuses(alone, "b", MEMBERS, /was alone/);
});

test("a directory in which a node alone never wrote becomes a member's; one whose member file is gone does not", () => {
  const scheduler = new FakeScheduler();
  const disk = new MemoryDisk(scheduler);
  openEngine(disk, scheduler).stop(() => {});
  assert.is(openMember(disk, "b", MEMBERS, QUORUMS, "run").boot, 1);
  // A start that ended before the engine was made.
  assert.is(openMember(disk, "b", MEMBERS, QUORUMS, "run").boot, 2);
  openEngine(disk, scheduler, { register: true }).stop(() => {});
  assert.is(openMember(disk, "b", MEMBERS, QUORUMS, "run").boot, 3);
  disk.remove(MEMBER_NAME);
  assert.throws(
    () => openMember(disk, "b", MEMBERS, QUORUMS, "run"),
    (error: Error) => error instanceof CorruptionError && error.file === MEMBER_NAME,
  );
});

test("a disk that refuses is a disk error", () => {
  const disk = new SimDisk(new FakeScheduler());
  for (const kind of ["failWrites", "failSyncs"] as const) {
    disk[kind] = true;
    assert.throws(
      () => writeMember(disk, DATA),
      (error: Error) => error instanceof DiskError && error.exitCode === 74,
    );
    disk[kind] = false;
  }
  writeMember(disk, DATA);
  assert.equal(readMember(disk), DATA);
});

test.run();
