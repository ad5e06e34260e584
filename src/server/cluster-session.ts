/**
 * server/cluster-session.ts: one client of a node in a cluster. What its commands ask of keys is answered later, by works (works.ts) that are
 * under way while the next commands run; replies leave in the order of the commands all the same.
 * Invariants: what one client can have under way is bounded, in works, in bytes of their arguments, and in what their replies are likely to
 * take; beyond that it runs nothing until enough is over. Replies wait here only behind one that is not known yet, or while the client
 * has enough of them to read. Answers to a client that is gone are dropped; its works go on.
 * Nothing here depends on this node's own log: a work is acknowledged when enough replicas have it on disk.
 */
import type { Answer, Cluster, Work } from "../cluster/work.js";
import type { Args } from "../codec/resp/args.js";
import { viewed } from "../lib/view.js";
import { checkOutput, FLUSH_BYTES, UNSENT_HIGH_BYTES, UNSENT_LOW_BYTES } from "./client-limits.js";
import { REPLY_OFF } from "./client-state.js";
import { STALLED_FULL, STALLED_SLICE, STALLED_WORKS } from "./flow.js";
import { KeyLines } from "./key-lines.js";
import { type Place, Replies } from "./replies.js";
import { Session } from "./session.js";

const WORKS_MAX = 256;
const PLACES_MAX = 1024;
const BYTES_MAX = 1024 * 1024;
/** What the replies to all that is under way may take, judging by the last ones. */
const EXPECTED_BYTES_MAX = 16 * 1024 * 1024;
/** Before the first reply anything may come: little is read at a time. */
const GUESS_BYTES = 4 * 1024 * 1024;
const ALONE_BYTES_MIN: number = 256 * 1024;
/** How fast a large reply is forgotten. */
const FORGET = 7 / 8;

export class ClusterSession extends Session {
  private readonly replies: Replies = new Replies();
  private readonly lines: KeyLines = new KeyLines(this.server.parts.cluster as Cluster, () =>
    this.server.parts.scheduler.monotonicMs(),
  );
  private worksBytes = 0;
  /** Of the last replies, roughly. */
  private largestBytes = GUESS_BYTES;
  private guessing = true;
  private readsInFlight = 0;
  /** A command must be over before the next one runs. */
  private held = false;
  private whenQuiet: (() => void) | undefined = undefined;
  /** The place of the command that runs, when it is answered later. */
  private opened: Place | undefined = undefined;
  /** It is on the list of those that have answers. */
  listed = false;
  /** A write's outcome is not known (WAIT). */
  doubtful = false;

  /** A reply that is not known yet counts as a byte: it is due. */
  override get unsentBytes(): number {
    return this.sendingBytes + this.replies.bytes + this.replies.count;
  }

  /** Also of what is no work of its own: FLUSHALL, KEYS. */
  override get awaits(): boolean {
    return super.awaits || this.replies.first?.known === false;
  }

  protected override command(args: Args): void {
    const before = this.server.context.reply.at;
    this.replyFrom = before;
    this.opened = undefined;
    this.server.dispatcher.command(this, args);
    this.arrange(before);
  }

  /** The shared writer holds a reply from byte `before` on, if any: it leaves behind those that are waited for. */
  private arrange(before: number): void {
    const { replies } = this;
    if (replies.count === 0) return;
    const { reply } = this.server.context;
    if (reply.at > before) {
      replies.add(Buffer.from(reply.buf.subarray(before, reply.at)));
      reply.at = before;
    }
    this.leave();
    if (this.isFull(1)) this.flow.giveWay(STALLED_WORKS);
  }

  /** Write those that have become known, as many as the client takes. */
  private leave(): void {
    const { replies, server } = this;
    const { reply } = server.context;
    for (let place = replies.first; place?.known === true; place = replies.first) {
      if (this.sendingBytes > UNSENT_HIGH_BYTES) return this.flow.stall(STALLED_FULL);
      replies.shift();
      const before = reply.at;
      if (this.leavesAlone(place)) continue;
      if (place.write !== undefined) place.write();
      else reply.raw(place.bytes as Buffer);
      if (place.muted) reply.at = before;
      if (reply.at - server.departures.end < FLUSH_BYTES) continue;
      server.measure();
      this.flush();
      server.skipTime();
    }
  }

  /** It has taken some: those that waited for that are next. */
  protected override release(): void {
    super.release();
    if (!this.closed && this.replies.first?.known === true && this.sendingBytes < UNSENT_LOW_BYTES) this.list();
  }

  /** A large reply before which nothing waits is sent as it is: through the shared writer it would be copied. */
  private leavesAlone({ bytes, muted }: Place): boolean {
    const { server, connection } = this;
    if (bytes === undefined || bytes.length < ALONE_BYTES_MIN || muted || this.closing) return false;
    if (this.sendingBytes > 0 || server.context.reply.at > server.departures.end) return false;
    server.traffic.outBytes += bytes.length;
    // Whether it was kept or not: nobody writes to it.
    connection.write(viewed(bytes), 0, bytes.length);
    if (connection.unsentBytes > 0) checkOutput(this, 0);
    return true;
  }

  /** @param share of what it may have. */
  private isFull(share: number): boolean {
    const { replies, worksInFlight } = this;
    const large = this.guessing ? this.readsInFlight : worksInFlight;
    return (
      worksInFlight >= WORKS_MAX * share ||
      replies.count >= PLACES_MAX * share ||
      this.worksBytes > BYTES_MAX * share ||
      replies.bytes > BYTES_MAX * share ||
      large * this.largestBytes > EXPECTED_BYTES_MAX * share
    );
  }

  /** The command that runs is answered later. */
  expect(): Place {
    this.opened = this.replies.open();
    return this.opened;
  }

  /** The work of the command that runs keeps the bytes it came in. */
  keepInput(): void {
    this.inbox.keep();
  }

  /** CLIENT REPLY: the command that ran is not answered. */
  mute(): void {
    if (this.opened !== undefined) this.opened.muted = true;
  }

  /** @param bytes kept. */
  answer(place: Place, bytes: Buffer): void {
    if (this.closed) return;
    this.replies.fill(place, bytes);
    if (this.guessing || bytes.length > this.largestBytes) this.largestBytes = bytes.length;
    else this.largestBytes *= FORGET;
    this.guessing = false;
    this.list();
  }

  /** @param write writes the reply into the shared writer, when its turn has come. Not called when the client is gone. */
  answerBy(place: Place, write: () => void): void {
    if (this.closed) return;
    place.write = write;
    this.list();
  }

  private list(): void {
    // Its reply leaves when the turn ends: until then it would seem to have been idle.
    this.activeMs = this.server.nowMs;
    if (!this.listed) this.server.answers.add(this);
  }

  // HOT: once per command.
  /** @param bytes that the work holds. @param done called exactly once, perhaps before this returns. */
  perform(work: Work, bytes: number, done: (answer: Answer) => void): void {
    const reads = work.writes ? 0 : 1;
    this.worksInFlight++;
    this.readsInFlight += reads;
    this.worksBytes += bytes;
    this.lines.perform(work, (answer) => {
      this.worksInFlight--;
      this.readsInFlight -= reads;
      this.worksBytes -= bytes;
      if (answer.applied === "maybe" && work.writes) this.doubtful = true;
      done(answer);
      if (this.worksInFlight === 0) this.quiet();
      if (this.flow.has(STALLED_WORKS)) this.list();
    });
  }

  /** Call back once nothing is under way any more; at once when nothing is. For the one command that holds the session. */
  afterAll(run: () => void): void {
    this.whenQuiet = run;
    if (this.worksInFlight === 0) this.quiet();
  }

  private quiet(): void {
    const run = this.whenQuiet;
    this.whenQuiet = undefined;
    run?.();
  }

  /** Run no further command until letGo(). */
  hold(): void {
    this.held = true;
    this.flow.giveWay(STALLED_WORKS);
  }

  letGo(): void {
    this.held = false;
    if (!this.closed) this.list();
  }

  /** For the server's answers: give those that are known their way, and go on. */
  serve(): void {
    this.listed = false;
    if (this.closed) return;
    this.server.begin(this, 0);
    this.leave();
    this.finish();
    // What still waits, beside the largest of it: one reply of any size is let pass. So is what was let be under way: that is not the client's doing.
    if (this.replies.bytes > 0) checkOutput(this, this.unsentBytes - this.largestBytes - EXPECTED_BYTES_MAX);
    if (this.held || !this.flow.has(STALLED_WORKS) || this.isFull(0.5)) return;
    if (this.server.turnFull() && !this.flow.has(STALLED_SLICE)) {
      this.flow.giveWay(STALLED_SLICE);
      this.server.turns.defer(this);
    }
    this.unstall(STALLED_WORKS);
  }

  override unblock(token: number, answer: () => void): void {
    super.unblock(token, () => {
      const before = this.server.context.reply.at;
      answer();
      this.arrange(before);
    });
  }

  /** Behind replies that are waited for, as behind all others. */
  override push(bytes: Buffer): void {
    if (this.replies.count === 0 || this.closing || this.replyMode === REPLY_OFF || this.server.current === this) {
      super.push(bytes);
      return;
    }
    const waitingBefore = this.unsentBytes;
    this.replies.add(Buffer.from(bytes));
    checkOutput(this, waitingBefore);
  }

  protected override protocolError(text: string): void {
    const before = this.server.context.reply.at;
    super.protocolError(text);
    this.arrange(before);
  }

  override onClosed(): void {
    super.onClosed();
    this.replies.clear();
  }
}
