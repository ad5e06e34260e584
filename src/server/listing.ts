/**
 * server/listing.ts: the keys of the cluster from a cursor on, put together from what several replicas hold. A single replica may lack an
 * acknowledged write, so it cannot say what is there.
 * All members that are up are asked for a page from the cursor. What counts is the range that all answers cover: below the least of their
 * next cursors. It is known once of every partition in it R replicas have answered, since a write that was acknowledged lies on W of them
 * and R + W > N. Of a key that several answers tell of, the highest ballot counts.
 * Invariant: a key that is there throughout is never left out. A ballot that says "gone" may not be chosen, and then may never be: unless W
 * answers or a chosen mark settle it, a linearizable read of the key does.
 * Cursors are places in the order of hashes, the same on every node (storage/walk.ts).
 */
import { compareDots, nameOf, QUESTION_PAGE } from "../cluster/work.js";
import type { Surroundings } from "./cluster-dispatch.js";
import { decodePage, encodePageQuestion, type PageQuestion, type SeenEntry, type SeenPage } from "./questions.js";
import { decodeState } from "./work-bytes.js";
import { FetchWork } from "./works.js";

const TWO_32 = 4_294_967_296;
/** Reads of doubtful keys under way at a time. */
const READS_MAX = 64;

/** One page of the cluster's keys. */
export interface Listed {
  readonly there: readonly SeenEntry[];
  /** Nothing settles yet whether they are there. */
  readonly doubtful: readonly SeenEntry[];
  /** Records that were looked at, whatever they are. */
  readonly seen: number;
  /** 0 = the end. */
  readonly next: number;
}

/**
 * @param expiresMs keys whose deadline is not after it count as gone; 0: none do.
 * @param done hears undefined when of some partition too few replicas answered.
 */
export function listPage(
  { cluster }: Surroundings,
  question: PageQuestion,
  expiresMs: number,
  done: (listed: Listed | undefined) => void,
): void {
  const members = cluster.members();
  const asked = members.filter(({ state }) => state !== "down");
  const bytes = encodePageQuestion(question);
  const pages = new Map<number, SeenPage>();
  let left = asked.length;
  let over = false;
  const end = (listed: Listed | undefined): void => {
    over = true;
    done(listed);
  };
  if (left === 0) end(undefined);
  for (const { index } of asked) {
    cluster.ask(index, QUESTION_PAGE, bytes, (answer) => {
      left--;
      // Enough have answered before.
      if (over) return;
      const page = answer === undefined ? undefined : decodePage(answer);
      if (page !== undefined) pages.set(index, page);
      const next = leastNext(pages);
      if (isCovered(cluster, question.cursor, next, pages)) end(merge(pages, next, cluster.w, expiresMs));
      else if (left === 0) end(undefined);
    });
  }
}

function leastNext(pages: ReadonlyMap<number, SeenPage>): number {
  let least = 0;
  for (const { next } of pages.values()) if (next !== 0 && (least === 0 || next < least)) least = next;
  return least;
}

type Placement = Pick<Surroundings["cluster"], "members" | "n" | "r" | "partitions" | "replicas">;

/** Have R replicas of every partition between the cursors answered? */
function isCovered(cluster: Placement, cursor: number, next: number, answers: ReadonlyMap<number, unknown>): boolean {
  const missing = cluster.members().length - answers.size;
  if (missing <= cluster.n - cluster.r) return true;
  const last = next === 0 ? cluster.partitions - 1 : Math.floor((next - 1) / TWO_32);
  for (let partition = Math.floor(cursor / TWO_32); partition <= last; partition++) {
    let count = 0;
    for (const index of cluster.replicas(partition)) if (answers.has(index)) count++;
    if (count < cluster.r) return false;
  }
  return true;
}

/** What all answers tell of one key. */
interface Told {
  entry: SeenEntry;
  /** Answers with its ballot, on disk. */
  votes: number;
  chosen: boolean;
}

function merge(pages: ReadonlyMap<number, SeenPage>, next: number, w: number, expiresMs: number): Listed {
  const told = new Map<string, Told>();
  for (const { entries } of pages.values())
    for (const entry of entries) if (next === 0 || entry.position < next) tell(told, entry);
  const there: SeenEntry[] = [];
  const doubtful: SeenEntry[] = [];
  for (const { entry, votes, chosen } of told.values()) {
    const { live, expireAt } = entry;
    if (live && (expireAt === 0 || expireAt > expiresMs)) there.push(entry);
    else if (!chosen && votes < w) doubtful.push(entry);
  }
  return { there, doubtful, seen: told.size, next };
}

function tell(told: Map<string, Told>, entry: SeenEntry): void {
  const name = entry.key.latin1Slice();
  const known = told.get(name);
  const order = known === undefined ? 1 : compareDots(entry.ballot, known.entry.ballot);
  const vote = entry.durable ? 1 : 0;
  if (known === undefined || order > 0) told.set(name, { entry, votes: vote, chosen: entry.chosen });
  else if (order === 0) {
    known.votes += vote;
    known.chosen ||= entry.chosen;
  }
}

/**
 * As listPage, with the doubtful ones settled. @param done hears the keys that are there.
 */
export function listKeys(
  around: Surroundings,
  question: PageQuestion,
  done: (
    listed: { readonly there: readonly SeenEntry[]; readonly seen: number; readonly next: number } | undefined,
  ) => void,
): void {
  listPage(around, question, around.cluster.expiryMs(), (listed) => {
    if (listed === undefined || listed.doubtful.length === 0) {
      done(listed);
      return;
    }
    const there = [...listed.there];
    const { doubtful, seen, next } = listed;
    const read = (index: number, over: (failed: boolean) => void): void => {
      const entry = doubtful[index];
      const name = nameOf(question.db, entry.key, 0, entry.key.length);
      around.cluster.perform(new FetchWork(name, true), (answer) => {
        const state = answer.applied === "yes" ? decodeState(answer.result) : undefined;
        if (state?.present === true) there.push({ ...entry, live: true, type: state.type, expireAt: state.expireAt });
        over(state === undefined);
      });
    };
    inWindow(doubtful.length, READS_MAX, read, (failed) => done(failed ? undefined : { there, seen, next }));
  });
}

/**
 * Do something for each of 0 .. count - 1, at most `max` at a time. After a failure no further one is begun.
 * @param done hears whether one failed, when all that were begun are over.
 */
export function inWindow(
  count: number,
  max: number,
  begin: (index: number, over: (failed: boolean) => void) => void,
  done: (failed: boolean) => void,
): void {
  let next = 0;
  let underWay = 0;
  let failed = false;
  let starting = false;
  const go = (): void => {
    // One that is over at once must not begin the next inside of this loop: they would lie one in the other.
    if (starting) return;
    starting = true;
    while (next < count && underWay < max && !failed) {
      underWay++;
      begin(next++, over);
    }
    starting = false;
    if (underWay === 0 && (failed || next === count)) done(failed);
  };
  const over = (bad: boolean): void => {
    underWay--;
    failed ||= bad;
    go();
  };
  go();
}
