/**
 * test/unit/server/works.test.ts: works by themselves: what they make of a state, their bytes, and what is refused of other nodes' bytes.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeRequest } from "../../../src/client/commands.js";
import { type KeyRegister, nameOf, WITHIN_ROUND, type Work } from "../../../src/cluster/work.js";
import { Args } from "../../../src/codec/resp/args.js";
import type { CommandSpec } from "../../../src/commands/spec.js";
import { lookup, lookupSubcommand } from "../../../src/commands/table.js";
import { VersionVector } from "../../../src/core/clock/version-vector.js";
import { ROOM_BYTES } from "../../../src/lib/room.js";
import { viewed } from "../../../src/lib/view.js";
import { LargeCommandWork, largeArgumentOf, takeOver } from "../../../src/server/large-work.js";
import { partsOf, RESULT_BYTES_MAX, SeriesWork } from "../../../src/server/series-work.js";
import { repliesOf, StepsWork } from "../../../src/server/steps-work.js";
import { decodeState, type KnownState } from "../../../src/server/work-bytes.js";
import { decodeWork } from "../../../src/server/work-decoder.js";
import { CommandWork, encodeCommandWork, FetchWork, keyIndexOf, Stage, versionOf } from "../../../src/server/works.js";
import { encodeState, decodeState as stateOfRecord } from "../../../src/storage/state-record.js";
import { HOST } from "../../lib/command-driver.js";
import { CommandGenerator, randomFrom } from "../../lib/command-generator.js";
import { ModelKeyspace } from "../../lib/model-keyspace.js";

const agreed = (): number => Number.POSITIVE_INFINITY;
const stage = new Stage(new ModelKeyspace(), HOST, agreed);
const NOW = 1_000_000;
const ABSENT: KeyRegister = { value: undefined, expireAt: 0, vv: VersionVector.EMPTY, cut: 0 };

function holding(text: string, expireAt = 0): KeyRegister {
  const vv = VersionVector.of([
    { epoch: 0, hlc: 17, node: 1 },
    { epoch: 0, hlc: 5, node: 2 },
  ]);
  return { value: { type: 0, raw: false, bytes: Buffer.from(text, "latin1") }, expireAt, vv, cut: 0 };
}

function specOf(args: Args): CommandSpec {
  const spec = lookup(args) as CommandSpec;
  return spec.subcommands === undefined ? spec : (lookupSubcommand(spec, args) as CommandSpec);
}

function commandWork(text: string, db = 0, proto = 2): CommandWork {
  const args = Args.of(text.split(" "));
  const spec = specOf(args);
  const key = keyIndexOf(spec);
  const name = nameOf(db, args.bytes, args.start[key], args.length[key]);
  return new CommandWork(stage, spec, name, encodeCommandWork(spec, args, db, proto));
}

function run(text: string, state: KeyRegister, proto = 2): [string, string | undefined, number] {
  const { result, next } = commandWork(text, 0, proto).apply(state, NOW);
  const value = next === undefined ? "unchanged" : next.value?.bytes.latin1Slice();
  return [result.latin1Slice(), value, next?.expireAt ?? 0];
}

test("what a command makes of a state", () => {
  assert.equal(run("SET k v", ABSENT), ["+OK\r\n", "v", 0]);
  assert.equal(run("SET k v PX 5", ABSENT), ["+OK\r\n", "v", NOW + 5]);
  assert.equal(run("SET k v NX", holding("x")), ["$-1\r\n", "unchanged", 0]);
  assert.equal(run("SET k v NX", holding("x"), 3), ["_\r\n", "unchanged", 0]);
  assert.equal(run("SET k v KEEPTTL GET", holding("x", NOW + 9)), ["$1\r\nx\r\n", "v", NOW + 9]);
  assert.equal(run("GET k", holding("x")), ["$1\r\nx\r\n", "unchanged", 0]);
  assert.equal(run("APPEND k yz", holding("x", NOW + 9)), [":3\r\n", "xyz", NOW + 9]);
  assert.equal(run("EXPIRE k 1", holding("x")), [":1\r\n", "x", NOW + 1000]);
  assert.equal(run("EXPIRE k -1", holding("x")), [":1\r\n", undefined, 0]);
  assert.equal(run("EXPIRE k -1", ABSENT), [":0\r\n", "unchanged", 0]);
  assert.equal(run("DEL k", holding("x")), [":1\r\n", undefined, 0]);
  assert.equal(run("MGET k", holding("x")), ["$1\r\nx\r\n", "unchanged", 0]);
  assert.equal(run("MSET k v", holding("x", NOW + 9)), ["+OK\r\n", "v", 0]);
  assert.equal(run("OBJECT ENCODING k", holding("12")), ["$3\r\nint\r\n", "unchanged", 0]);
  assert.equal(run("OBJECT IDLETIME k", holding("12")), [":0\r\n", "unchanged", 0]);
  assert.equal(run("MEMORY USAGE k", holding("12")), [":35\r\n", "unchanged", 0]);
  assert.equal(run("MEMORY USAGE k", ABSENT), ["$-1\r\n", "unchanged", 0]);
  assert.equal(run("INCR k", holding("x")), ["-ERR value is not an integer or out of range\r\n", "unchanged", 0]);
});

test("a state is never changed, and a new one shares no memory that is used again", () => {
  const before = holding("hello");
  const first = commandWork("SETRANGE k 1 u").apply(before, NOW).next?.value;
  const second = commandWork("SETRANGE k 0 XXXXX").apply(before, NOW).next?.value;
  assert.is(first?.bytes.latin1Slice(), "hullo");
  assert.is(second?.bytes.latin1Slice(), "XXXXX");
  assert.is(before.value?.bytes.latin1Slice(), "hello");
  assert.is(
    commandWork("PERSIST k")
      .apply(holding("a", NOW + 5), NOW)
      .next?.value?.bytes.latin1Slice(),
    "a",
  );
});

test("a fetch tells what the key is, deleted ones too", () => {
  const whole = decodeState(new FetchWork("\0k", false).apply(holding("x", 7)).result);
  assert.equal(whole, {
    present: true,
    raw: false,
    type: 0,
    expireAt: 7,
    version: 17,
    versionNode: 1,
    value: Buffer.from("x"),
  });
  const brief = decodeState(new FetchWork("\0k", true).apply(holding("x", 7)).result);
  assert.equal(brief?.value, Buffer.alloc(0));
  const tombstone = { ...holding("x"), value: undefined };
  assert.equal(versionOf(tombstone), { epoch: 0, hlc: 17, node: 1 });
  assert.is(versionOf(ABSENT).hlc, 0);
  assert.is(decodeState(new FetchWork("\0k", false).apply(tombstone).result)?.present, false);
  assert.is(decodeState(Buffer.from("short")), undefined);
});

test("two nodes that wrote at the same tick of their clocks: other versions", () => {
  const twice = (node: number): KeyRegister => ({
    ...holding("x"),
    vv: VersionVector.of([0, node].map((of) => ({ epoch: 0, hlc: 17, node: of }))),
  });
  const versionIn = (state: KeyRegister): string => run("KV.GET k", state)[0].split("\r\n")[4] as string;
  assert.is(versionIn(twice(1)), "h-1");
  assert.equal(run(`KV.SET k v IFMATCH ${versionIn(twice(1))}`, twice(2)), ["$-1\r\n", "unchanged", 0]);
  assert.equal(run(`KV.SET k v IFMATCH ${versionIn(twice(2))}`, twice(2)), ["*2\r\n$-1\r\n:0\r\n", "v", 0]);
  assert.equal(run("KV.DEL k IFMATCH h-1", twice(2)), ["$-1\r\n", "unchanged", 0]);
  // WATCH of the one, EXEC on the other.
  const args = Args.of(["SET", "k", "v"]);
  const commands = [{ spec: specOf(args), args, db: 0 }];
  for (const [node, done] of [
    [1, 0],
    [2, 1],
  ] as const) {
    const seen = { present: true, version: 17, versionNode: node };
    const work = new StepsWork(stage, "\0k", { commands, known: new Map(), seen, proto: 2 });
    for (const each of [work, decodeWork(stage, "\0k", work.encode())])
      assert.is(each?.apply(twice(2), NOW).result[0], done, `watched node ${node}`);
  }
});

test("within a series: what a work made is shown to the next, under a version that no state has", () => {
  const state = holding("x");
  const version = versionOf(state);
  const args = Args.of(["SET", "k", "mine"]);
  const seen = { present: true, version: version.hlc, versionNode: version.node };
  const exec = new StepsWork(stage, "\0k", {
    commands: [{ spec: specOf(args), args, db: 0 }],
    known: new Map(),
    seen,
    proto: 2,
  });
  const at = (...works: Work[]): Buffer[] => partsOf(new SeriesWork("\0k", works).apply(state, NOW).result);
  assert.is(at(commandWork("GET k"), exec)[1]?.[0], 1, "nothing has changed");
  assert.is(at(commandWork("SET k y"), exec)[1]?.[0], 0, "the key has changed");
  const [, fetched] = at(commandWork("APPEND k y"), new FetchWork("\0k", false));
  const within = decodeState(fetched as Buffer);
  assert.is(within?.value.latin1Slice(), "xy");
  assert.ok((within?.versionNode ?? 0) > 2047, "no node has this number");
  const gone = new SeriesWork("\0k", [commandWork("DEL k"), commandWork("EXISTS k")]).apply(state, NOW);
  assert.equal(gone.next, { value: undefined, expireAt: 0 });
  assert.equal(partsOf(gone.result).map(String), [":1\r\n", ":0\r\n"]);
});

test("what tells a version knows one that was never chosen, as a round that does several works shows it", () => {
  const at = (node: number): KeyRegister => ({
    ...holding("x\r\n:1-35r\r\n:", NOW + 5),
    vv: VersionVector.of([{ epoch: 0, hlc: 17, node }]),
  });
  const telling = [commandWork("KV.GET k"), commandWork("KV.GET k", 0, 3), new FetchWork("\0k", false)];
  for (const work of [...telling, new FetchWork("\0k", true)]) {
    const passing = (state: KeyRegister): boolean | undefined => work.isPassing?.(work.apply(state, NOW).result);
    assert.equal([0, 7, 2047].map(at).map(passing), [false, false, false]);
    assert.is(passing(at(WITHIN_ROUND)), true);
    assert.is(passing(ABSENT), false);
  }
  assert.is(commandWork("GET k").isPassing, undefined);
});

function steps(
  name: string,
  commands: readonly string[],
  known: ReadonlyMap<string, KnownState> = new Map(),
): StepsWork {
  const parts = commands.map((text) => {
    const args = Args.of(text.split(" "));
    return { spec: specOf(args), args, db: 0 };
  });
  return new StepsWork(stage, name, { commands: parts, known, seen: undefined, proto: 2 });
}

test("steps: KV.GET tells no version of a state that nobody can hold, and none matches it", () => {
  const at = (node: number): KeyRegister => ({
    ...holding("x", 0),
    vv: VersionVector.of([{ epoch: 0, hlc: 17, node }]),
  });
  const replies = (state: KeyRegister, ...commands: string[]): string[] =>
    (repliesOf(steps("\0k", commands).apply(state, NOW).result) ?? []).map(String);
  const none = "*3\r\n$1\r\ny\r\n$-1\r\n:-1\r\n";
  assert.equal(replies(at(7), "SET k y", "KV.GET k"), ["+OK\r\n", none]);
  assert.equal(replies(ABSENT, "KV.SET k y", "KV.GET k"), ["*2\r\n$-1\r\n:1\r\n", none]);
  assert.equal(replies(at(7), "SET k y", "KV.SET k z IFMATCH 0"), ["+OK\r\n", "$-1\r\n"]);
  assert.equal(replies(at(7), "SET k y", "KV.DEL k IFMATCH *"), ["+OK\r\n", ":1\r\n"], "it is there");
  // Before the write: of a state that was chosen, and of one that another work of the round has made.
  assert.is(replies(at(7), "KV.GET k", "SET k y")[0], "*3\r\n$1\r\nx\r\n$3\r\nh-7\r\n:-1\r\n");
  assert.is(replies(at(WITHIN_ROUND), "KV.GET k", "SET k y")[0], "*3\r\n$1\r\nx\r\n$-1\r\n:-1\r\n");
});

test("a deadline ends a key at once only if it has passed by every clock that may be right", () => {
  const cases = ["SET k v PXAT 999000", "PEXPIREAT k 999000", "GETEX k PXAT 999000"].map((text) => text.split(" "));
  for (const [behind, stays] of [
    [500_000, true],
    [998_999, true],
    [999_000, false],
    [NOW, false],
  ] as const) {
    const own = new Stage(new ModelKeyspace(), HOST, () => behind);
    for (const words of cases) {
      const args = Args.of(words);
      const { next } = own.run(lookup(args) as CommandSpec, args, 0, 2, holding("v"), NOW);
      assert.is(next?.value !== undefined, stays, `${words.join(" ")}, ends by ${behind}`);
      if (stays) assert.is(next?.expireAt, 999_000);
    }
    for (const words of [
      ["EXPIRE", "k", "0"],
      ["PEXPIRE", "k", "-1"],
    ]) {
      const given = Args.of(words);
      assert.is(
        own.run(lookup(given) as CommandSpec, given, 0, 2, holding("v"), NOW).next?.value,
        undefined,
        "none is left",
      );
    }
    // What has not passed by the later clock has by none.
    const args = Args.of(["SET", "k", "v", "PX", "1"]);
    assert.is(own.run(lookup(args) as CommandSpec, args, 0, 2, holding("v"), NOW).next?.expireAt, NOW + 1);
  }
});

test("a key and a value that are too long together are refused, alone and among others, and what was there stays", () => {
  const small = new Stage(new ModelKeyspace(), HOST, agreed, 10);
  const state = holding("12345");
  const on = (text: string): [string, string | undefined] => {
    const args = Args.of(text.split(" "));
    const spec = specOf(args);
    const name = nameOf(0, args.bytes, args.start[1], args.length[1]);
    const { result, next } = new CommandWork(small, spec, name, encodeCommandWork(spec, args, 0, 2)).apply(state, NOW);
    return [result.latin1Slice().slice(0, 24), next?.value?.bytes.latin1Slice()];
  };
  const refused = "-ERR key and value toget";
  assert.equal(on("SET key 1234567"), ["+OK\r\n", "1234567"]);
  assert.equal(on("SET key 12345678"), [refused, undefined]);
  assert.equal(on("SET longer-key v"), [refused, undefined]);
  assert.equal(on("APPEND key 67"), [":7\r\n", "1234567"]);
  assert.equal(on("APPEND key 678"), [refused, undefined]);
  assert.equal(on("SETRANGE key 7 8"), [refused, undefined]);
  assert.equal(on("DEL key"), [":1\r\n", undefined]);
  const commands = ["SET key 1", "APPEND key 2345678", "APPEND key 2"].map((text) => {
    const args = Args.of(text.split(" "));
    return { spec: specOf(args), args, db: 0 };
  });
  const { result, next } = new StepsWork(small, "\0key", {
    commands,
    known: new Map(),
    seen: undefined,
    proto: 2,
  }).apply(state, NOW);
  assert.match(result.latin1Slice(), /\+OK.*-ERR key and value together.*:2\r\n/s);
  assert.is(next?.value?.bytes.latin1Slice(), "12");
});

test("bytes of a work are read back; those that do not fit are refused", () => {
  const ok: [string, Buffer][] = [
    ["\0k", commandWork("SET k v").encode()],
    ["\0k", commandWork("object encoding k").encode()],
    ["\0k", steps("\0k", ["SET k v", "INCR k"]).encode()],
    ["\0k", new SeriesWork("\0k", [commandWork("GET k"), new FetchWork("\0k", true)]).encode()],
    ["\0k", new SeriesWork("\0k", [commandWork("GET k"), commandWork("INCR k"), steps("\0k", ["GET k"])]).encode()],
    ["\0anything", new FetchWork("\0k", true).encode()],
  ];
  for (const [name, bytes] of ok) {
    const work = decodeWork(stage, name, bytes);
    assert.ok(work !== undefined, name);
    assert.equal(work?.encode(), bytes);
  }
  const other = "\0other";
  const refused: [string, Buffer][] = [
    [other, commandWork("SET k v").encode()],
    ["\x01k", commandWork("SET k v").encode()],
    ["\x10k", commandWork("SET k v", 16).encode()],
    ["\0a", commandWork("MSET a 1 b 2").encode()],
    ["", commandWork("SET k v").encode()],
    [other, steps(other, ["SET k v"]).encode()],
    ["\0a", steps("\0a", ["COPY b a"]).encode()],
    ["\0a", steps("\0a", ["GET b"]).encode()],
    ["\0a", steps("\0a", ["SCAN 0"]).encode()],
    ["\0a", steps("\0a", ["FLUSHALL"]).encode()],
    ["\0k", new SeriesWork("\0k", []).encode()],
    ["\0a", new SeriesWork("\0k", [commandWork("GET k")]).encode()],
    ["\0k", new SeriesWork("\0k", [new SeriesWork("\0k", [commandWork("GET k")])]).encode()],
  ];
  for (const [name, bytes] of refused) assert.is(decodeWork(stage, name, bytes), undefined, bytes.latin1Slice());
  const later = Buffer.from(commandWork("SET k v").encode());
  later[0] = 2;
  assert.is(decodeWork(stage, "\0k", later), undefined, "a later version");
  assert.ok(
    decodeWork(stage, "\0a", steps("\0a", ["GET b", "COPY b a"], new Map([["\0b", KNOWN]])).encode()) !== undefined,
  );
});

const KNOWN: KnownState = {
  present: true,
  raw: true,
  type: 0,
  expireAt: 5,
  version: 9,
  versionNode: 1,
  value: Buffer.from("x"),
};

test("what a work came to on another node is known by its form: what no node can have said is nothing", () => {
  const command = commandWork("INCR k");
  const other = commandWork("GET k");
  const commands = ["INCR k", "GET k"].map((text) => ({
    spec: specOf(Args.of(text.split(" "))),
    args: Args.of(text.split(" ")),
    db: 0,
  }));
  const steps = (seen: Pick<KnownState, "present" | "version" | "versionNode"> | undefined): StepsWork =>
    new StepsWork(stage, command.name, { commands, known: new Map(), seen, proto: 2 });
  const watched = { present: true, version: 3, versionNode: 1 };
  const series = new SeriesWork(command.name, [command, other]);
  const results = (state: KeyRegister): Buffer[] =>
    [command, steps(undefined), series].map((each) => each.apply(state, NOW).result);
  for (const state of [ABSENT, holding("5"), holding("x")]) {
    const [one, two, both] = results(state) as [Buffer, Buffer, Buffer];
    assert.ok(command.isResult(one) && steps(undefined).isResult(two) && steps(watched).isResult(two));
    assert.ok(series.isResult(both));
    assert.not.ok(series.isResult(both.subarray(0, 4 + one.length)), "there was room for more");
    const made: [Work, Buffer][] = [
      [steps(undefined), two],
      [series, both],
    ];
    for (const [each, result] of made) {
      for (let end = 0; end < result.length; end++) assert.not.ok(each.isResult?.(result.subarray(0, end)), `${end}`);
      assert.not.ok(each.isResult?.(Buffer.concat([result, result])));
      assert.not.ok(each.isResult?.(Buffer.concat([result, Buffer.alloc(4)])));
    }
  }
  const full = Buffer.concat([Buffer.alloc(4), Buffer.alloc(RESULT_BYTES_MAX)]);
  full.writeUInt32LE(RESULT_BYTES_MAX, 0);
  assert.ok(series.isResult(full), "only the first of them, since no more went into an answer");
  assert.not.ok(command.isResult(Buffer.alloc(0)));
  const changed = steps(watched).apply(holding("5"), NOW).result;
  assert.ok(steps(watched).isResult(changed));
  assert.not.ok(steps(undefined).isResult(changed), "it has nothing to compare");
});

test("empty arguments: which key is which", () => {
  // Both keys are empty, in two databases.
  const work = steps("\x01", ["COPY   DB 1"], new Map([["\0", KNOWN]]));
  const again = decodeWork(stage, "\x01", work.encode());
  assert.ok(again !== undefined);
  assert.is(again?.apply(ABSENT, NOW).next?.value?.bytes.latin1Slice(), "x");
});

test("damaged bytes never throw, and what is read back runs", () => {
  const random = randomFrom(99);
  const g = new CommandGenerator(random, [Buffer.from("payload")]);
  const good: [string, Buffer][] = [];
  while (good.length < 60) {
    const args = Args.of(g.next());
    const spec = lookup(args);
    if (spec === undefined || spec.run === undefined || spec.kind === "space" || args.count < 2) continue;
    const key = spec.firstKey === 0 ? 1 : spec.firstKey;
    if (args.count <= key) continue;
    const name = nameOf(0, args.bytes, args.start[key], args.length[key]);
    const known = new Map([
      ["\0k1", KNOWN],
      ["\0k2", KNOWN],
      ["\x01k2", KNOWN],
    ]);
    const each = {
      commands: [{ spec, args, db: 0 }],
      known,
      seen: { present: true, version: 17, versionNode: 1 },
      proto: 3,
    };
    good.push([name, new StepsWork(stage, name, each).encode()]);
    if (spec.kind === "key") good.push([name, encodeCommandWork(spec, args, 0, 2)]);
    if (spec.kind === "key" && !spec.write) {
      const read = new CommandWork(stage, spec, name, encodeCommandWork(spec, args, 0, 2));
      good.push([name, new SeriesWork(name, [read, read]).encode()]);
    }
  }
  let read = 0;
  const flip = fc.record({ at: fc.nat(), to: fc.nat(255) });
  fc.assert(
    fc.property(
      fc.constantFrom(...good),
      fc.array(flip, { maxLength: 3 }),
      fc.nat(400),
      ([name, bytes], flips, cut) => {
        let damaged = Buffer.from(bytes);
        for (const { at, to } of flips) damaged[at % damaged.length] = to;
        if (cut < damaged.length / 4) damaged = damaged.subarray(0, cut);
        const work = decodeWork(stage, name, damaged);
        if (work === undefined) return;
        read++;
        for (const state of [ABSENT, holding("x"), holding("12", NOW + 9)]) work.apply(state, NOW);
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(read > 300, `${read} were read`);
});

/** A command as it lies in the inbox of a session: behind room, or not. */
function lying(words: readonly (string | Buffer)[], roomBytes: number, before = ""): Args {
  const request = encodeRequest(words[0] as string, words.slice(1));
  const memory = viewed(
    Buffer.concat([Buffer.alloc(roomBytes, 0xee), Buffer.from(before), request, Buffer.from("next")]),
  );
  const args = new Args();
  args.bytes = memory;
  let at = roomBytes + before.length;
  for (const word of ["", ...words]) {
    const next = memory.indexOf("\r\n", at) + 2;
    if (word !== "") args.push(next, word.length);
    at = word === "" ? next : next + word.length + 2;
  }
  return args;
}

test("a large argument stays where it came in: the record is made around it, once; forwarded it is the same work", () => {
  const value = Buffer.alloc(1_500_000, "v");
  const ballot = { epoch: 3, hlc: 99, node: 1 };
  for (const [roomBytes, before, inPlace] of [
    [ROOM_BYTES, "", true],
    [0, "", false],
    [ROOM_BYTES, "x".repeat(40), false],
  ] as const) {
    const args = lying(["SET", "the key", value, "PX", "5"], roomBytes, before);
    const spec = specOf(args);
    const large = largeArgumentOf(args);
    assert.is(large, 2);
    const { bytes: memory } = args;
    const name = nameOf(0, memory, args.start[1], args.length[1]);
    const own = takeOver(args, large);
    assert.equal([own.text(0), own.text(1), own.text(3), own.text(4)], ["SET", "the key", "PX", "5"]);
    assert.equal(
      [args.text(0), args.text(1), args.text(4)],
      ["SET", "the key", "5"],
      "for whoever looks at the command after it ran",
    );
    const work = new LargeCommandWork(stage, spec, name, own, large, 0, 2);
    const there = decodeWork(stage, name, work.encode()) as Work;
    const states = [work, there].map((one, i) => {
      const { result, next } = one.apply(holding("before"), NOW);
      assert.is(result.toString(), "+OK\r\n");
      if (next?.value === undefined) throw new Error("nothing was set");
      assert.ok(next.value.bytes.equals(value));
      assert.is(next.expireAt, NOW + 5);
      const vv = holding("").vv.with(ballot);
      const state = { value: next.value, expireAt: next.expireAt, vv, cut: 7 };
      const first = encodeState(name, ballot, state);
      const second = encodeState(name, { ...ballot, hlc: 100 }, state);
      const around = first.buffer === next.value.bytes.buffer;
      assert.is(around, i === 1 || inPlace, `${i} ${roomBytes}`);
      assert.not.ok(second.buffer === next.value.bytes.buffer, "there is room for one");
      assert.equal(stateOfRecord(first)?.vv.dots, vv.dots);
      assert.ok(stateOfRecord(first)?.value?.bytes.equals(value));
      assert.ok(first.subarray(24).equals(second.subarray(24)));
      return first;
    });
    assert.ok(states[0]?.equals(states[1] as Buffer));
    // It may be run, and forwarded, again.
    assert.ok(work.encode().subarray(-value.length).equals(value));
    assert.equal(there.encode(), work.encode());
    assert.ok(work.apply(ABSENT, NOW).next?.value?.bytes.equals(value));
  }
});

test("bytes of a large work that no node made are refused", () => {
  const args = lying(["SET", "k", Buffer.alloc(1_100_000, "v")], ROOM_BYTES);
  const name = nameOf(0, args.bytes, args.start[1], args.length[1]);
  const bytes = new LargeCommandWork(stage, specOf(args), name, takeOver(args, 2), 2, 0, 2).encode();
  assert.ok(decodeWork(stage, name, bytes));
  for (let at = 0; at < 60; at++) {
    for (const byte of [0, 1, 255]) {
      const wrong = Buffer.from(bytes.subarray(0, at < 30 ? 600 : bytes.length));
      wrong[at] = byte;
      const work = decodeWork(stage, name, wrong);
      if (work !== undefined) assert.is(work.name, name);
    }
  }
  for (const cut of [3, 8, 20, 40, 1000]) assert.is(decodeWork(stage, name, bytes.subarray(0, cut)), undefined);
  assert.is(decodeWork(stage, "\0other", bytes), undefined);
});

test.run();
