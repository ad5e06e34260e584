/**
 * server/key-lines.ts: the works of one client on one key, in the order of its commands, though several are under way at a time.
 * What goes through the key's proposer (writes, and reads that say `ordered`) is kept in order there. A read that asks the replicas is
 * not: a later write could overtake it, and of two reads the later could tell of an earlier time. So while one is under way, what
 * comes on its key waits; the reads that have waited are then asked together, as one.
 * Invariant: of a key either one read of replicas is under way, or works that the proposer keeps in order.
 * Price: pipelined reads of one key take two trips, however many they are; a write behind a read waits for it.
 */
import type { Answer, Cluster, Work } from "../cluster/work.js";
import { partsOf, ReadsWork } from "./reads-work.js";

/** A work of this room's making: who performs it says whether it is to be kept in order. */
export interface OwnWork extends Work {
  ordered: boolean;
}

interface Waiting {
  readonly work: OwnWork;
  readonly done: (answer: Answer) => void;
}

class Line {
  /** Under way through the proposer. */
  inOrder = 0;
  /** A read that asks the replicas is under way. */
  reads = false;
  readonly waiting: Waiting[] = [];
}

export class KeyLines {
  private readonly lines: Map<string, Line> = new Map();
  /** Most clients have one work at a time: its line is always this one, and needs no Map. */
  private readonly one: Line = new Line();
  /** Whose line `one` is now; "": nobody's. Names are never empty. */
  private oneName = "";
  private readonly cluster: Cluster;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  // HOT: once per command.
  perform(work: OwnWork, done: (answer: Answer) => void): void {
    const { name } = work;
    const line = this.lineOf(name) ?? this.newLine(name);
    if (line.reads || line.waiting.length > 0) line.waiting.push({ work, done });
    else this.begin(line, work, done);
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

  private begin(line: Line, work: OwnWork, done: (answer: Answer) => void): void {
    work.ordered = line.inOrder > 0;
    const reads = !work.writes && !work.ordered;
    if (reads) line.reads = true;
    else line.inOrder++;
    this.cluster.perform(work, (answer) => {
      if (reads) line.reads = false;
      else line.inOrder--;
      done(answer);
      this.goOn(work.name, line);
    });
  }

  private goOn(name: string, line: Line): void {
    // What was done with the answer may have ended this line, and begun another.
    if (this.lineOf(name) !== line) return;
    const { waiting } = line;
    while (waiting.length > 0 && !line.reads) {
      let reads = 0;
      if (line.inOrder === 0) while (reads < waiting.length && !waiting[reads].work.writes) reads++;
      const next = waiting.splice(0, Math.max(1, reads));
      if (next.length === 1) this.begin(line, next[0].work, next[0].done);
      else this.together(name, line, next);
    }
    if (line.reads || line.inOrder > 0 || waiting.length > 0) return;
    if (line === this.one) this.oneName = "";
    else this.lines.delete(name);
  }

  /** Several reads as one. */
  private together(name: string, line: Line, list: readonly Waiting[]): void {
    const works = list.map(({ work }) => work);
    this.begin(line, new ReadsWork(name, works), (answer) => {
      if (answer.applied !== "yes") for (const { done } of list) done(answer);
      else {
        const results = partsOf(answer.result);
        for (let i = 0; i < list.length; i++) list[i].done({ ...answer, result: results[i] });
      }
    });
  }
}
