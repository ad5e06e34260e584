/**
 * test/lib/command-generator.ts: random commands on keys, good and bad, from a seed. Few keys and few values, so that
 * commands meet each other's traces; every so often an argument is dropped, doubled or replaced.
 * Times are either over or more than a minute away, so that nothing expires while two servers are compared.
 */

import { BIT_ROWS } from "../../src/commands/rows/bits.js";
import { DATABASE_ROWS } from "../../src/commands/rows/databases.js";
import { EXPIRY_ROWS } from "../../src/commands/rows/expiry.js";
import { KEY_ROWS } from "../../src/commands/rows/keys.js";
import { STRING_ROWS } from "../../src/commands/rows/strings.js";

/** 0 <= x < 1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const KEYS: readonly string[] = ["k1", "k2", "k3", "key:4", "", "k\xff"];
export const DATABASES = 2;

const WORDS = ["", "a", "hello", "ohmytext", "mynewtext", "\x00\xff\x80", "\r\n", "x".repeat(44), "y".repeat(45)];
const REPETITIVE = ["ab".repeat(40), "z".repeat(300), `${"0123456789".repeat(30)}!`];
const NUMBERS = ["0", "1", "-1", "10", "127", "128", "-128", "32768", "2147483647", "-2147483649"];
const LARGE = ["999999999999999", "9223372036854775807", "-9223372036854775808", "9007199254740993"];
const BAD_NUMBERS = ["", "x", "01", "+1", "-0", " 1", "1 ", "1.5", "9223372036854775808", "-9223372036854775809"];
const FLOATS = ["10.5", "0.1", "0.2", "-0.3", "3.0e3", "5.0e3", "1e-5", "200", ".5", "5.", "1e17", "1e300", "0x1p-4"];
const BAD_FLOATS = ["inf", "-inf", "nan", "1e5000", "1e-5000", "1e", "--1", "1,5", "0x", "1.2.3"];
const INDEXES = ["0", "1", "-1", "2", "5", "-3", "7", "-8", "100", "-100", "40", "9223372036854775807"];
const OFFSETS = ["0", "1", "3", "10", "60", "-1", "536870912", "9223372036854775807"];
const BIT_OFFSETS = ["0", "1", "7", "8", "9", "100", "333", "-1", "4294967296", "99999999999"];
const SECONDS_BAD = ["0", "-1", "-100", "9223372036854775", "-9223372036854775808", "9223372036854775807"];
// Not 2^63 - 1: added to the time of day it becomes negative in Redis, and the key is lost.
const RESTORE_TIMES_BAD = ["-1", "x", "", "1.5", "9223372036854775808"];
const PATTERNS = ["*", "k*", "k?", "k[1-2]", "k[^1-2]", "\\k1", "**", "*1*", "[", "k[", "", "key:?", "*\xff", "k[2-1]"];

/** For commands with arguments at random. No number may stand for a time between now and a minute from now. */
const ODD_NUMBERS = [
  "0",
  "-1",
  "100000",
  "1e5",
  "99999999999",
  "9223372036854775807",
  "-9223372036854775808",
  "1".repeat(40),
];
const ODD_OFFSETS = [
  "0",
  "1",
  "7",
  "63",
  "-1",
  "4294967296",
  "9223372036854775807",
  "-9223372036854775808",
  "1".repeat(40),
];
const ODD_TEXTS = ["", "\0", "\xff\xfe\x00", "a\r\nb", " ", "*", "#1", "u8", "i64", "u63", "'", "x".repeat(2000)];
const OPTION_WORDS = [
  "NX",
  "xx",
  "GET",
  "EX",
  "PX",
  "EXAT",
  "PXAT",
  "KEEPTTL",
  "PERSIST",
  "GT",
  "LT",
  "REPLACE",
  "DB",
].concat(
  ["ABSTTL", "IDLETIME", "FREQ", "LEN", "IDX", "WITHMATCHLEN", "MINMATCHLEN", "BIT", "BYTE", "AND", "NOT", "SYNC"],
  ["OVERFLOW", "SAT", "FAIL", "SET", "INCRBY", "MATCH", "COUNT", "TYPE", "ENCODING", "USAGE", "SAMPLES"],
);
const WITH_OFFSETS = ["setrange", "setbit", "getbit", "bitfield", "bitfield_ro", "bitop", "lcs"];
const DATA_ROWS = [...STRING_ROWS, ...BIT_ROWS, ...KEY_ROWS, ...EXPIRY_ROWS, ...DATABASE_ROWS];
/** Refused here on purpose, or the server's, not the handlers'. */
const NOT_COMPARED = ["swapdb", "select"];
const ANYTHING = DATA_ROWS.filter(({ name }) => !NOT_COMPARED.includes(name));

type Random = () => number;
type Part = string | Buffer;

export class CommandGenerator {
  private readonly random: Random;
  /** What RESTORE may be given. */
  private readonly payloads: readonly Buffer[];

  constructor(random: Random, payloads: readonly Buffer[]) {
    this.random = random;
    this.payloads = payloads;
  }

  next(): Buffer[] {
    const command = this.chance(0.12) ? this.anything() : this.spoil(this.pick(COMMANDS)(this));
    return command.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part));
  }

  /** 0 <= x < 1. */
  random01(): number {
    return this.random();
  }

  pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.random() * choices.length)];
  }

  chance(of: number): boolean {
    return this.random() < of;
  }

  key(): string {
    return this.pick(KEYS);
  }

  value(): string {
    return this.pick(this.chance(0.5) ? NUMBERS : this.pick([WORDS, REPETITIVE, LARGE, BAD_NUMBERS, FLOATS]));
  }

  integer(): string {
    return this.pick(this.chance(0.8) ? NUMBERS : this.pick([LARGE, BAD_NUMBERS]));
  }

  from(pool: readonly string[], bad: readonly string[] = BAD_NUMBERS): string {
    return this.pick(this.chance(0.93) ? pool : bad);
  }

  /** A relative time of which no two are likely to be the same. */
  seconds(): string {
    return this.chance(0.85)
      ? String(100 + Math.floor(this.random() * 1e8))
      : this.pick([...SECONDS_BAD, ...BAD_NUMBERS]);
  }

  milliseconds(): string {
    return this.chance(0.85)
      ? String(100_000 + Math.floor(this.random() * 1e12))
      : this.pick([...SECONDS_BAD, ...BAD_NUMBERS]);
  }

  /** In the past, or beyond 2100. */
  moment(milliseconds: boolean): string {
    if (this.chance(0.1)) return this.from(SECONDS_BAD);
    const seconds = this.chance(0.15) ? 1000 : 4102444800 + Math.floor(this.random() * 1e8);
    return String(milliseconds ? seconds * 1000 + Math.floor(this.random() * 1000) : seconds);
  }

  /** Some of the options, each in any case. */
  options(of: number, ...choices: readonly (() => Part[])[]): Part[] {
    const taken: Part[] = [];
    while (this.chance(of)) {
      const [word, ...rest] = this.pick(choices)();
      taken.push(this.chance(0.2) && typeof word === "string" ? word.toLowerCase() : word, ...rest);
    }
    return taken;
  }

  payload(): Buffer {
    const payload = this.pick(this.payloads);
    if (this.chance(0.8)) return payload;
    const broken = Buffer.from(payload);
    broken[Math.floor(this.random() * broken.length)] ^= 1 << Math.floor(this.random() * 8);
    return broken.subarray(0, this.chance(0.5) ? broken.length : Math.floor(this.random() * broken.length));
  }

  some(least: number, most: number, part: () => Part[]): Part[] {
    const count = least + Math.floor(this.random() * (most - least + 1));
    return Array.from({ length: count }, part).flat();
  }

  /** A command with arguments that have nothing to do with it, mostly as many as it takes. */
  anything(): Part[] {
    const { name, arity } = this.pick(ANYTHING);
    const numbers = WITH_OFFSETS.includes(name) ? ODD_OFFSETS : ODD_NUMBERS;
    const least = Math.abs(arity) - 1;
    const count = Math.max(0, least + this.pick(arity > 0 ? [0, 0, 0, 0, -1, 1] : [0, 0, 1, 2, 3, 4, -1]));
    const part = (): Part[] => [
      this.chance(0.3)
        ? this.key()
        : this.pick(this.pick([numbers, numbers, OPTION_WORDS, ODD_TEXTS, BAD_NUMBERS, BAD_FLOATS])),
    ];
    return [name, ...this.some(count, count, part)];
  }

  private spoil(command: Part[]): Part[] {
    // SELECT is the server's, not the handlers'.
    if (command.length === 1 || command[0] === "SELECT" || !this.chance(0.06)) return command;
    const at = 1 + Math.floor(this.random() * (command.length - 1));
    const junk = this.pick(["foo", "", "EX", "77777777777", "get", "x\r\ny"]);
    const how = this.random();
    if (how < 0.4) return command.slice(0, -1);
    if (how < 0.7) return [...command, junk];
    return [...command.slice(0, at), junk, ...command.slice(at + 1)];
  }
}

const field = (g: CommandGenerator): string =>
  g.chance(0.92)
    ? `${g.pick(["i", "u"])}${g.pick(["1", "2", "5", "8", "16", "32", "63"])}`
    : g.pick(["i64", "u64", "i0", "x8", "u", "", "U8", "i65"]);
const fieldOffset = (g: CommandGenerator): string =>
  g.chance(0.3) ? `#${g.from(["0", "1", "2"], ["x", "-1", ""])}` : g.from(BIT_OFFSETS.slice(0, 7));

function bitFieldOperation(g: CommandGenerator): Part[] {
  const read = (): Part[] => ["GET", field(g), fieldOffset(g)];
  return g.pick([
    read,
    (): Part[] => ["SET", field(g), fieldOffset(g), g.integer()],
    (): Part[] => ["INCRBY", field(g), fieldOffset(g), g.integer()],
    (): Part[] => ["OVERFLOW", g.from(["WRAP", "sat", "FAIL"], ["x"])],
  ])();
}

/** An EXPIRE of some kind. A time that is out of the ordinary has no condition: beyond year 10889 deadlines count as equal. */
function expireCommand(g: CommandGenerator, name: string, time: string): Part[] {
  const conditions = g.options(
    0.25,
    () => ["NX"],
    () => ["XX"],
    () => ["GT"],
    () => ["LT"],
    () => ["QQ"],
  );
  return [name, g.key(), time, ...(SECONDS_BAD.includes(time) ? [] : conditions)];
}

const unit = (g: CommandGenerator): Part[] => (g.chance(0.4) ? [g.from(["BIT", "BYTE", "bit"], ["x"])] : []);
const range = (g: CommandGenerator): Part[] => [g.from(INDEXES), g.from(INDEXES)];

const times = (g: CommandGenerator): readonly (() => Part[])[] => [
  () => ["EX", g.seconds()],
  () => ["PX", g.milliseconds()],
  () => ["EXAT", g.moment(false)],
  () => ["PXAT", g.moment(true)],
];

const COMMANDS: readonly ((g: CommandGenerator) => Part[])[] = [
  (g) => ["GET", g.key()],
  (g) => ["get", g.key()],
  (g) => ["SET", g.key(), g.value()],
  (g) => ["SET", g.key(), g.value()],
  (g) => [
    ...["SET", g.key(), g.value()],
    ...g.options(
      0.5,
      () => ["NX"],
      () => ["XX"],
      () => ["GET"],
      () => ["KEEPTTL"],
      ...times(g),
    ),
  ],
  (g) => ["SETEX", g.key(), g.seconds(), g.value()],
  (g) => ["PSETEX", g.key(), g.milliseconds(), g.value()],
  (g) => ["SETNX", g.key(), g.value()],
  (g) => ["GETSET", g.key(), g.value()],
  (g) => ["GETDEL", g.key()],
  (g) => ["GETEX", g.key(), ...g.options(0.4, () => ["PERSIST"], ...times(g))],
  (g) => ["MGET", ...g.some(1, 4, () => [g.key()])],
  (g) => ["MSET", ...g.some(1, 3, () => [g.key(), g.value()])],
  (g) => ["MSETNX", ...g.some(1, 2, () => [g.key(), g.value()])],
  (g) => ["APPEND", g.key(), g.value()],
  (g) => ["STRLEN", g.key()],
  (g) => ["GETRANGE", g.key(), ...range(g)],
  (g) => ["SUBSTR", g.key(), ...range(g)],
  (g) => ["SETRANGE", g.key(), g.from(OFFSETS), g.value()],
  (g) => ["INCR", g.key()],
  (g) => ["DECR", g.key()],
  (g) => ["INCRBY", g.key(), g.integer()],
  (g) => ["DECRBY", g.key(), g.integer()],
  (g) => ["INCRBYFLOAT", g.key(), g.from(FLOATS, BAD_FLOATS)],
  (g) => ["INCRBYFLOAT", g.key(), g.from(FLOATS, BAD_FLOATS)],
  (g) => ["DEL", ...g.some(1, 3, () => [g.key()])],
  (g) => ["UNLINK", g.key()],
  (g) => ["EXISTS", ...g.some(1, 4, () => [g.key()])],
  (g) => ["TYPE", g.key()],
  (g) => ["TOUCH", ...g.some(1, 3, () => [g.key()])],
  (g) => expireCommand(g, "EXPIRE", g.seconds()),
  (g) => expireCommand(g, "PEXPIRE", g.milliseconds()),
  (g) => expireCommand(g, "EXPIREAT", g.moment(false)),
  (g) => expireCommand(g, "PEXPIREAT", g.moment(true)),
  (g) => ["TTL", g.key()],
  (g) => ["PTTL", g.key()],
  (g) => ["EXPIRETIME", g.key()],
  (g) => ["PEXPIRETIME", g.key()],
  (g) => ["PERSIST", g.key()],
  (g) => ["RENAME", g.key(), g.key()],
  (g) => ["RENAMENX", g.key(), g.key()],
  (g) => [
    ...["COPY", g.key(), g.key()],
    ...g.options(
      0.4,
      () => ["REPLACE"],
      () => ["DB", g.from(["0", "1"], ["16", "-1", "x", "99999999999"])],
    ),
  ],
  (g) => ["MOVE", g.key(), g.from(["0", "1"], ["16", "-1", "x", "99999999999"])],
  () => ["RANDOMKEY"],
  (g) => ["KEYS", g.pick(PATTERNS)],
  (g) => [
    ...["SCAN", g.from(["0"], ["", "x", "-1", "+0", "99999999999999999999", " 0"])],
    ...g.options(
      0.4,
      () => ["MATCH", g.pick(PATTERNS)],
      () => ["COUNT", g.from(["100", "1000"], ["0", "-1", "x"])],
      () => ["TYPE", g.pick(["string", "STRING", "list", "nosuch"])],
    ),
  ],
  () => ["DBSIZE"],
  (g) => ["SELECT", g.pick(["0", "0", "0", "1"])],
  (g) =>
    g.chance(0.1)
      ? [
          g.pick(["FLUSHDB", "FLUSHALL"]),
          ...g.options(
            0.4,
            () => ["ASYNC"],
            () => ["SYNC"],
          ),
        ]
      : ["DBSIZE"],
  (g) => ["OBJECT", g.pick(["ENCODING", "encoding", "REFCOUNT", "IDLETIME", "FREQ", "nosuch"]), g.key()],
  (g) => ["OBJECT", "ENCODING", g.key()],
  (g) => ["MEMORY", "USAGE", g.key(), ...g.options(0.2, () => ["SAMPLES", g.from(["0", "5"], ["-1", "x"])])],
  (g) => ["DUMP", g.key()],
  (g) => [
    ...["RESTORE", g.key(), g.from(["0", "0", "99999999", "888888888888"], RESTORE_TIMES_BAD), g.payload()],
    ...g.options(
      0.5,
      () => ["REPLACE"],
      () => ["IDLETIME", g.from(["0", "100"], ["-1", "x"])],
      () => ["FREQ", g.from(["0", "255"], ["-1", "256"])],
    ),
  ],
  (g) => ["RESTORE", g.key(), g.moment(true), g.payload(), "ABSTTL", "REPLACE"],
  (g) => ["SETBIT", g.key(), g.from(BIT_OFFSETS), g.from(["0", "1"], ["2", "-1", "x"])],
  (g) => ["GETBIT", g.key(), g.from(BIT_OFFSETS)],
  (g) => ["BITCOUNT", g.key(), ...(g.chance(0.6) ? [...range(g), ...unit(g)] : [])],
  (g) => [
    ...["BITPOS", g.key(), g.from(["0", "1"], ["2", "x"])],
    ...g.pick([(): Part[] => [], (): Part[] => [g.from(INDEXES)], (): Part[] => [...range(g), ...unit(g)]])(),
  ],
  (g) => ["BITOP", g.from(["AND", "or", "XOR", "NOT"], ["x"]), g.key(), ...g.some(1, 3, () => [g.key()])],
  (g) => ["BITFIELD", g.key(), ...g.some(0, 4, () => bitFieldOperation(g))],
  (g) => ["BITFIELD_RO", g.key(), ...g.some(0, 3, () => ["GET", field(g), fieldOffset(g)])],
  (g) => ["BITFIELD_RO", g.key(), ...bitFieldOperation(g)],
  (g) => [
    ...["LCS", g.key(), g.key()],
    ...g.options(
      0.5,
      () => ["LEN"],
      () => ["IDX"],
      () => ["WITHMATCHLEN"],
      () => ["MINMATCHLEN", g.from(["0", "1", "2", "4"], ["-1", "x"])],
    ),
  ],
  (g) => [g.pick(["NOSUCH", "GETT", ""]), g.key(), g.value()],
];
