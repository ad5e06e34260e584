/**
 * server/key-lines.ts: the works of one client on one key, in the order of its commands. One is under way at a time: where a work is done may
 * change while it is under way (a node fails, or is back), it may be tried again elsewhere, and a read asks the replicas past all
 * writers, so nothing else would keep the order. What comes meanwhile waits, and is then done together, as one work.
 * Works on different keys are under way at the same time.
 * One that tells the key's version goes alone, and is done again when it was shown a state that was never chosen, as it is in one round with
 * other clients' writes: nobody would ever find that version again.
 * Invariants: of a key one work is under way; each is answered once, in the order they came in. What waited behind one that took long and
 * failed is refused: it was surely not done, and its client has waited long enough.
 * Price: pipelined works of one key take two rounds, however many they are, as they do in the proposer's queue.
 */
import type { Answer, Cluster, Work } from "../cluster/work.js";
import { partsOf, SeriesWork } from "./series-work.js";

/** One that fails in less time has told nothing of those behind it. */
const LONG_MS = 100;
/** Of works that are done together. One that is larger goes alone. */
const TOGETHER_BYTES_MAX: number = 256 * 1024;
/** Of a key that is written all the time the version is not the same by the time that it is told, whatever it is. */
const AGAIN_MAX = 8;
const REFUSED: Answer = { applied: "no", why: "no quorum" };

interface Waiting {
  readonly work: Work;
  readonly done: (answer: Answer) => void;
}

class Line {
  sinceMs = 0;
  waiting: Waiting[] = [];
}

export class KeyLines {
  private readonly lines: Map<string, Line> = new Map();
  /** Most clients have one work at a time: its line is always this one, and needs no Map. */
  private readonly one: Line = new Line();
  /** Whose line `one` is now; "": nobody's. Names are never empty. */
  private oneName = "";
  private readonly cluster: Cluster;
  private readonly nowMs: () => number;

  /** @param nowMs steady clock. */
  constructor(cluster: Cluster, nowMs: () => number) {
    this.cluster = cluster;
    this.nowMs = nowMs;
  }

  // HOT: once per command.
  perform(work: Work, done: (answer: Answer) => void): void {
    const line = this.lineOf(work.name);
    if (line !== undefined) line.waiting.push({ work, done });
    else this.begin(this.newLine(work.name), work, done);
  }

  private lineOf(name: string): Line | undefined {
    return name === this.oneName ? this.one : this.lines.size > 0 ? this.lines.get(name) : undefined;
  }

  private newLine(name: string): Line {
    if (this.oneName === "") {
      this.oneName = name;
      return this.one;
    }
    const line = new Line();
    this.lines.set(name, line);
    return line;
  }

  private begin(line: Line, work: Work, done: (answer: Answer) => void): void {
    line.sinceMs = this.nowMs();
    this.do(line, work, done, AGAIN_MAX);
  }

  private do(line: Line, work: Work, done: (answer: Answer) => void, again: number): void {
    this.cluster.perform(work, (answer) => {
      if (work.isPassing !== undefined && again > 0 && answer.applied === "yes" && work.isPassing(answer.result)) {
        this.do(line, work, done, again - 1);
        return;
      }
      const refused = line.waiting.length > 0 && this.failedLate(line, answer) ? line.waiting.splice(0) : [];
      done(answer);
      for (const waiting of refused) waiting.done(REFUSED);
      // The line is not over before: what was asked with the answers has joined it.
      if (line.waiting.length > 0) this.next(work.name, line);
      else if (line === this.one) this.oneName = "";
      else this.lines.delete(work.name);
    });
  }

  private failedLate(line: Line, answer: Answer): boolean {
    return answer.applied !== "yes" && this.nowMs() - line.sinceMs >= LONG_MS;
  }

  private next(name: string, line: Line): void {
    const list = line.waiting.splice(0, howMany(line.waiting));
    if (list.length === 1) this.begin(line, list[0].work, list[0].done);
    else {
      const works = list.map(({ work }) => work);
      this.begin(line, new SeriesWork(name, works), (answer) => this.answered(line, list, answer));
    }
  }

  private answered(line: Line, list: readonly Waiting[], answer: Answer): void {
    const results = answer.applied === "yes" ? partsOf(answer.result) : [];
    // Those that were not done for want of room in the answer go on before all others.
    if (results.length > 0) line.waiting = list.slice(results.length).concat(line.waiting);
    for (let i = 0; i < results.length; i++) list[i].done({ ...answer, result: results[i] } as Answer);
    if (results.length > 0) return;
    const failed: Answer = answer.applied === "yes" ? { applied: "maybe" } : answer;
    for (const { work, done } of list) done(failed.applied === "maybe" && !work.writes ? REFUSED : failed);
  }
}

function bytesOf(work: Work): number {
  const { parts } = work;
  return parts === undefined ? work.encode().length : parts.head.length + parts.tail.length;
}

/** How many of them are done together. */
function howMany(waiting: readonly Waiting[]): number {
  let count = 1;
  if (waiting[0].work.isPassing !== undefined) return count;
  let bytes = bytesOf(waiting[0].work);
  for (; count < waiting.length && waiting[count].work.isPassing === undefined; count++) {
    bytes += bytesOf(waiting[count].work);
    if (bytes > TOGETHER_BYTES_MAX) break;
  }
  return count;
}
