/**
 * test/lib/differences.ts: where a reply may differ from that of redis-server 7.0.15, why, and how far. Everything else is compared byte
 * for byte.
 */
import { CommandDriver } from "./command-driver.js";
import { KEYS } from "./command-generator.js";
import { ModelKeyspace } from "./model-keyspace.js";
import { bulkOf, elements, integerOf } from "./replies.js";

const MS_TOLERANCE = 2_500;
/** Deadlines from here on are beyond what a record holds, and count as equal. */
const BEYOND = 2n ** 47n;

type Same = (ours: Buffer, theirs: Buffer, command: readonly Buffer[]) => boolean;
interface Difference {
  readonly reason: string;
  readonly same: Same;
}

const bothOrNeither =
  (lead: string): Same =>
  (ours, theirs) =>
    isLead(ours, lead) && isLead(theirs, lead);

function isLead(reply: Buffer, leads: string): boolean {
  return leads.includes(String.fromCharCode(reply[0])) && reply[1] !== 45;
}

function isNull(reply: Buffer): boolean {
  return ["$-1\r\n", "_\r\n"].includes(reply.latin1Slice());
}

/** @param beyond from here on values count as equal. */
function near(ours: Buffer, theirs: Buffer, tolerance: number, beyond: bigint): boolean {
  const a = integerOf(ours);
  const b = integerOf(theirs);
  if (a === undefined || b === undefined || a < 0n || b < 0n) return false;
  if (a > beyond && b > beyond) return true;
  return a - b <= tolerance && b - a <= tolerance;
}

const CLOCKS = "each side reads its own clock";
const seconds: Difference = { reason: CLOCKS, same: (ours, theirs) => near(ours, theirs, 3, BEYOND / 1000n) };
const milliseconds: Difference = { reason: CLOCKS, same: (ours, theirs) => near(ours, theirs, MS_TOLERANCE, BEYOND) };

/** 7.2 checks what 7.0 answers with the count of a missing key. */
const stricter: Difference = {
  reason: "since 7.2 arguments are checked also when the key is missing",
  same: (ours, theirs) => isLead(ours, "-") && [":0\r\n", ":-1\r\n"].includes(theirs.latin1Slice()),
};

function sortedElements(reply: Buffer): string {
  return (elements(reply) ?? [reply])
    .map((part) => part.latin1Slice())
    .sort()
    .join("");
}

function unswept(ours: Buffer, theirs: Buffer): boolean {
  const surplus = (integerOf(theirs) ?? -1n) - (integerOf(ours) ?? 0n);
  return surplus >= 0n && surplus <= KEYS.length;
}

const DIFFERENCES: Readonly<Record<string, Difference>> = {
  ttl: seconds,
  expiretime: seconds,
  pttl: milliseconds,
  pexpiretime: milliseconds,
  bitcount: stricter,
  bitpos: stricter,
  dbsize: { reason: "a key stored with a deadline in the past is counted by Redis until it is swept", same: unswept },
  randomkey: { reason: "chosen at random", same: bothOrNeither("$") },
  keys: { reason: "the order is that of a hash table", same: (a, b) => sortedElements(a) === sortedElements(b) },
  scan: { reason: "cursors and the order are those of a hash table", same: bothOrNeither("*") },
  dump: { reason: "LZF leaves the search for repetitions to the writer", same: sameDump },
  memory: {
    reason: "memory is laid out differently, and Redis still sees keys stored with a deadline in the past",
    same: (ours, theirs) => isLead(theirs, ":") && (isLead(ours, ":") || isNull(ours)),
  },
  object: { reason: "idle times; INCRBYFLOAT's result is never an int to Redis", same: sameObject },
};

function sameDump(ours: Buffer, theirs: Buffer): boolean {
  const values = [ours, theirs].map((reply) => {
    const reader = new CommandDriver(new ModelKeyspace());
    reader.run(["RESTORE", "k", "0", bulkOf(reply) ?? ""], 1);
    return reader.text("GET k");
  });
  return values[0] === values[1];
}

function sameObject(ours: Buffer, theirs: Buffer, command: readonly Buffer[]): boolean {
  const what = command[1].latin1Slice().toLowerCase();
  if (what === "idletime") return bothOrNeither(":")(ours, theirs, command);
  if (what === "encoding") return bulkOf(ours)?.latin1Slice() === "int" && bulkOf(theirs)?.latin1Slice() === "embstr";
  // Redis counts its own use of a value too: an argument of MSET that stands in the queue of the EXEC under way is held twice.
  return what === "refcount" && [":1\r\n", ":2\r\n"].includes(theirs.latin1Slice()) && integerOf(ours) !== undefined;
}

/** Is our reply to the command the one that Redis gives, as far as there is only one? */
export function sameReply(command: readonly Buffer[], ours: Buffer, theirs: Buffer): boolean {
  if (ours.equals(theirs)) return true;
  return DIFFERENCES[command[0].latin1Slice().toLowerCase()]?.same(ours, theirs, command) === true;
}
