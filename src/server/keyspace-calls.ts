/**
 * server/keyspace-calls.ts: commands on the whole keyspace of a cluster: SCAN KEYS RANDOMKEY DBSIZE FLUSHDB FLUSHALL, CLUSTER COUNTKEYSINSLOT and
 * GETKEYSINSLOT; and WAIT, WAITAOF, which ask about all that a connection has written.
 * They begin when all that the client asked for before is over, and nothing of it runs until they are.
 * None of them shows one moment of the whole cluster: a listing goes page by page, an emptying key by key.
 */
import { nameOf, QUESTION_COUNT } from "../cluster/work.js";
import { Args } from "../codec/resp/args.js";
import { ReplyWriter } from "../codec/resp/reply-writer.js";
import type { Context } from "../commands/context.js";
import { flushArgsOk } from "../commands/keys.js";
import { Found, parseScan, writeScan } from "../commands/scan.js";
import { lookup } from "../commands/table.js";
import { assert } from "../lib/assert.js";
import { viewed } from "../lib/view.js";
import { Call, Tally } from "./call.js";
import type { Route, Surroundings } from "./cluster-dispatch.js";
import { writtenIn } from "./gathered.js";
import { inWindow, listKeys, listPage } from "./listing.js";
import { decodeCount, encodeCountQuestion, type PageQuestion, type SeenEntry } from "./questions.js";
import { countArgs, listArgs } from "./slot-args.js";
import { CLUSTER_DOWN, UNCERTAIN_PARTLY, UNCERTAIN_QUORUM } from "./texts.js";
import { CommandWork, encodeCommandWork } from "./works.js";

const TWO_32 = 4_294_967_296;
const SLOTS = 16384;
const STAR = 42;
/** Records of one page: merging one is a part of a turn. */
const PAGE_MAX = 500;
/** Records that RANDOMKEY chooses among. */
const RANDOM_PAGE = 32;
/** Keys being deleted at a time. */
const DELETES_MAX = 64;
const ALL: Buffer = Buffer.alloc(0);
const OK: Buffer = Buffer.from("+OK\r\n");

/** Who asks, and what. */
export interface Asked {
  /** Own their bytes. */
  readonly args: Args;
  readonly db: number;
  readonly proto: number;
}

/** Answers a command on the whole keyspace. @param done called once, perhaps before this returns. */
export type Asker = (around: Surroundings, asked: Asked, done: (reply: Buffer) => void) => void;

/** A reply, written by itself. */
function replyOf(proto: number, write: (reply: ReplyWriter) => void): Buffer {
  const reply = new ReplyWriter(64);
  reply.proto = proto;
  write(reply);
  return writtenIn(reply);
}

/** Read arguments as handlers do. @returns what was read, or the error reply. */
function parse<T>(
  { stage }: Surroundings,
  { args, db, proto }: Asked,
  read: (c: Context) => T | undefined,
): T | Buffer {
  const c = stage.context;
  c.args = args;
  c.db = db;
  c.reply.at = 0;
  c.reply.proto = proto;
  return read(c) ?? Buffer.from(c.reply.buf.subarray(0, c.reply.at));
}

/**
 * Go from page to page until so many records were looked at. @param end a cursor; 0: to the end. @param take given the keys of a page.
 * @param done hears the next cursor; -1: too few replicas answer.
 */
function listFrom(
  around: Surroundings,
  question: PageQuestion,
  end: number,
  take: (there: readonly SeenEntry[]) => void,
  done: (cursor: number) => void,
): void {
  listKeys(around, { ...question, count: Math.min(question.count, PAGE_MAX) }, (listed) => {
    if (listed === undefined) {
      done(-1);
      return;
    }
    take(listed.there);
    const left = question.count - listed.seen;
    const over = listed.next === 0 || (end > 0 && listed.next >= end);
    if (over || left <= 0) done(over ? 0 : listed.next);
    else listFrom(around, { ...question, cursor: listed.next, count: left }, end, take, done);
  });
}

function scan(around: Surroundings, asked: Asked, done: (reply: Buffer) => void): void {
  const request = parse(around, asked, parseScan);
  if (Buffer.isBuffer(request)) {
    done(request);
    return;
  }
  const { cursor, count, found } = request;
  const write = (next: number): void => done(replyOf(asked.proto, (reply) => writeScan(reply, next, found)));
  // As alone: no cursor that was given out is as large as that.
  if (cursor > Number.MAX_SAFE_INTEGER) {
    write(0);
    return;
  }
  const question = { db: asked.db, slot: undefined, pattern: ALL, cursor, count };
  listFrom(around, question, 0, addTo(found), (next) => (next < 0 ? done(CLUSTER_DOWN) : write(next)));
}

function addTo(found: Found): (there: readonly SeenEntry[]) => void {
  return (there) => {
    for (const { type, key } of there) found.add(type, viewed(key), 0, key.length);
  };
}

function keys(around: Surroundings, { args, db, proto }: Asked, done: (reply: Buffer) => void): void {
  const pattern = args.view(1);
  const found = new Found(pattern, undefined);
  // A star alone takes the empty key too, which a pattern with a star does not match.
  const asked = args.length[1] === 1 && pattern[0] === STAR ? ALL : pattern;
  const question = { db, slot: undefined, pattern: asked, cursor: 0, count: Number.MAX_SAFE_INTEGER };
  listFrom(around, question, 0, addTo(found), (next) =>
    done(next < 0 ? CLUSTER_DOWN : replyOf(proto, (reply) => found.write(reply))),
  );
}

/** From a place at random on, the first that is there; then from the start. */
function randomKey(around: Surroundings, { db, proto }: Asked, done: (reply: Buffer) => void): void {
  const { server, cluster } = around;
  const draw = (bound: number): number => Number.parseInt(server.parts.system.randomHex(8), 16) % bound;
  const from = draw(cluster.partitions) * TWO_32 + draw(TWO_32);
  const look = (cursor: number, again: boolean): void => {
    const question = { db, slot: undefined, pattern: ALL, cursor, count: RANDOM_PAGE };
    listKeys(around, question, (listed) => {
      if (listed === undefined) done(CLUSTER_DOWN);
      else if (listed.there.length > 0) {
        const { key } = listed.there[draw(listed.there.length)];
        done(replyOf(proto, (reply) => reply.bulk(viewed(key), 0, key.length)));
      } else if (listed.next !== 0 && (!again || listed.next < from)) look(listed.next, again);
      else if (again) done(replyOf(proto, (reply) => reply.nullBulk()));
      else look(0, true);
    });
  };
  look(from, false);
}

/** Each partition is counted where its first replica is that answers. */
function dbSize({ cluster }: Surroundings, { db, proto }: Asked, done: (reply: Buffer) => void): void {
  const members = cluster.members();
  const silent = new Set(members.filter(({ state }) => state === "down").map(({ index }) => index));
  let sum = 0;
  const count = (partitions: readonly number[]): void => {
    const shares = sharesOf(partitions, (partition) => cluster.replicas(partition).find((index) => !silent.has(index)));
    if (shares === undefined) {
      done(CLUSTER_DOWN);
      return;
    }
    const again: number[] = [];
    let left = shares.size;
    if (left === 0) done(replyOf(proto, (reply) => reply.int(sum)));
    for (const [index, share] of shares) {
      cluster.ask(index, QUESTION_COUNT, encodeCountQuestion(db, share), (answer) => {
        const keysThere = answer === undefined ? undefined : decodeCount(answer);
        if (keysThere !== undefined) sum += keysThere;
        else {
          silent.add(index);
          again.push(...share);
        }
        if (--left === 0) count(again);
      });
    }
  };
  count(Array.from({ length: cluster.partitions }, (_, partition) => partition));
}

/** By member. @returns undefined when a partition has none. */
function sharesOf(
  partitions: readonly number[],
  memberOf: (partition: number) => number | undefined,
): Map<number, number[]> | undefined {
  const shares = new Map<number, number[]>();
  for (const partition of partitions) {
    const index = memberOf(partition);
    if (index === undefined) return undefined;
    const share = shares.get(index);
    if (share === undefined) shares.set(index, [partition]);
    else share.push(partition);
  }
  return shares;
}

/** Every key that was there when it began is deleted like any other, by a work of its own. @param databases to empty. */
function empty(around: Surroundings, databases: readonly number[], done: (reply: Buffer) => void): void {
  const { cluster } = around;
  const tally = new Tally(true);
  const page = (at: number, cursor: number): void => {
    if (at === databases.length) {
      done(OK);
      return;
    }
    const db = databases[at];
    // What is past its deadline is deleted too, or it would be counted on. What is doubtful, as well.
    listPage(around, { db, slot: undefined, pattern: ALL, cursor, count: PAGE_MAX }, 0, (listed) => {
      if (listed === undefined) {
        tally.add({ applied: "no", why: "no quorum" });
        done(tally.reply as Buffer);
        return;
      }
      const entries = [...listed.there, ...listed.doubtful];
      const remove = (index: number, over: (failed: boolean) => void): void => {
        cluster.perform(deletion(around, db, entries[index].key), (answer) => {
          tally.add(answer);
          over(answer.applied !== "yes");
        });
      };
      inWindow(entries.length, DELETES_MAX, remove, (failed) => {
        if (failed) done(tally.reply as Buffer);
        else if (listed.next === 0) page(at + 1, 0);
        else page(at, listed.next);
      });
    });
  };
  page(0, 0);
}

function deletion({ stage }: Surroundings, db: number, key: Buffer): CommandWork {
  const args = Args.of(["del", key]);
  const spec = lookup(args);
  assert(spec !== undefined, "no DEL");
  return new CommandWork(stage, spec, nameOf(db, key, 0, key.length), encodeCommandWork(spec, args, db, 2));
}

function flushDb(around: Surroundings, asked: Asked, done: (reply: Buffer) => void): void {
  flush(around, asked, [asked.db], done);
}

function flushAll(around: Surroundings, asked: Asked, done: (reply: Buffer) => void): void {
  flush(
    around,
    asked,
    Array.from({ length: around.stage.context.databases }, (_, db) => db),
    done,
  );
}

/** ASYNC is the same as SYNC: a key that is written after the answer must not be deleted any more. */
function flush(around: Surroundings, asked: Asked, databases: readonly number[], done: (reply: Buffer) => void): void {
  const valid = parse(around, asked, (c) => flushArgsOk(c) || undefined);
  if (Buffer.isBuffer(valid)) done(valid);
  else empty(around, databases, done);
}

/** The keys of a slot, in database 0, as alone. @param max of them. */
function keysOfSlot(
  around: Surroundings,
  asked: Asked,
  slot: number,
  max: number,
  write: (reply: ReplyWriter, keys: readonly Buffer[]) => void,
  done: (reply: Buffer) => void,
): void {
  const { partitions } = around.cluster;
  const partition = Math.floor(slot / (SLOTS / partitions));
  const found: Buffer[] = [];
  const take = (there: readonly SeenEntry[]): void => {
    // The last page may reach into the next partition: its keys are of other slots.
    for (const { key } of there) if (found.length < max) found.push(key);
  };
  const question = { db: 0, slot, pattern: ALL, cursor: partition * TWO_32, count: Number.MAX_SAFE_INTEGER };
  listFrom(around, question, (partition + 1) * TWO_32, take, (next) =>
    done(next < 0 ? CLUSTER_DOWN : replyOf(asked.proto, (reply) => write(reply, found))),
  );
}

function countKeysInSlot(around: Surroundings, asked: Asked, done: (reply: Buffer) => void): void {
  const slot = countArgs(asked.args);
  if (typeof slot === "string") done(replyOf(asked.proto, (reply) => reply.error(slot)));
  else keysOfSlot(around, asked, slot, Number.MAX_SAFE_INTEGER, (reply, list) => reply.int(list.length), done);
}

function getKeysInSlot(around: Surroundings, asked: Asked, done: (reply: Buffer) => void): void {
  const given = listArgs(asked.args);
  const write = (reply: ReplyWriter, list: readonly Buffer[]): void => {
    reply.array(list.length);
    for (const key of list) reply.bulk(viewed(key), 0, key.length);
  };
  if (typeof given === "string") done(replyOf(asked.proto, (reply) => reply.error(given)));
  else keysOfSlot(around, asked, given.slot, given.most, write, done);
}

/** By full name. What EXEC may have among its commands. */
export const ASKERS: Readonly<Record<string, Asker | undefined>> = {
  scan,
  keys,
  randomkey: randomKey,
  dbsize: dbSize,
  "cluster|countkeysinslot": countKeysInSlot,
  "cluster|getkeysinslot": getKeysInSlot,
};

const EMPTIERS: Readonly<Record<string, Asker>> = { flushdb: flushDb, flushall: flushAll };

/** They write more than one key, so no EXEC may have them. */
export const EMPTYING: ReadonlySet<string> = new Set(Object.keys(EMPTIERS));

function routeOf(ask: Asker): Route {
  return (around, session, spec, c) => {
    const args = c.args.clone();
    const call = new Call(session, spec, () => args);
    session.hold();
    session.afterAll(() =>
      ask(around, { args, db: call.db, proto: call.proto }, (reply) => {
        // Its deletions are no works of the session's, which would have been told (WAIT).
        if (reply === UNCERTAIN_QUORUM || reply === UNCERTAIN_PARTLY) session.doubtful = true;
        call.answer(reply);
        session.letGo();
      }),
    );
  };
}

export const KEYSPACE_ROUTES: Readonly<Record<string, Route>> = Object.fromEntries(
  [...Object.entries(ASKERS), ...Object.entries(EMPTIERS)].map(([name, ask]) => [name, routeOf(ask as Asker)]),
);
