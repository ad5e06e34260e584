/**
 * server/session.ts: one client: bytes in, commands in order, replies out in order.
 * A read is parsed and run to its end, its replies gathered in the one ReplyWriter all sessions share, and written once, when the
 * turn ends (departures.ts).
 * Replies that depend on what is not durable, and all behind them, go to the outbox until the log has come so far; other
 * clients are not held up by that.
 *
 * It must never: hold borrowed bytes after onBytes returned (they are copied to the inbox), or run a command while stalled.
 * Invariants: at most one session runs at a time, and none while replies depart. What one client can make us
 * hold is bounded: unparsed bytes by client-query-buffer-limit, replies by the high-water mark plus one command's reply
 * (reading stops there), and pushed messages by the output limits (it is cut off). After a slice of time a long pipeline
 * lets the others have their turn.
 */
import type { Args } from "../codec/resp/args.js";
import { DONE, ERROR, RequestParser } from "../codec/resp/request-parser.js";
import type { Viewed } from "../lib/view.js";
import type { Connection, ConnectionHandler } from "../ports/network.js";
import { checkOutput, FLUSH_BYTES, queryTooLong, UNSENT_HIGH_BYTES, UNSENT_LOW_BYTES } from "./client-limits.js";
import { ClientState, REPLY_OFF } from "./client-state.js";
import { Flow, STALLED_BLOCKED, STALLED_FULL, STALLED_LOG, STALLED_PAUSED, STALLED_SLICE } from "./flow.js";
import { Gate } from "./gate.js";
import { Inbox } from "./inbox.js";
import { Outbox } from "./outbox.js";
import { protocolError } from "./protocol-error.js";
import type { Server } from "./server.js";
import { endTransaction } from "./transaction.js";

/** Commands between two looks at the clock; how long one client may run while others wait. */
const COMMANDS_PER_LOOK = 64;
const SLICE_MS = 0.5;

export class Session extends ClientState implements ConnectionHandler {
  readonly id: number;
  readonly connection: Connection;
  readonly server: Server;
  readonly parser: RequestParser;
  readonly outbox: Outbox = new Outbox();

  readonly flow: Flow;
  protected readonly inbox: Inbox = new Inbox();
  /** A command that CLIENT PAUSE holds back. */
  private postponed: Args | undefined = undefined;
  /** Counts block(). */
  private blockToken = 0;
  readonly gate: Gate = new Gate();
  /** Bytes of replies that leave when the turn ends; what is in the outbox comes behind them. */
  private departing = 0;

  constructor(id: number, connection: Connection, server: Server) {
    super(server.nowMs);
    this.id = id;
    this.connection = connection;
    this.flow = new Flow(connection);
    this.server = server;
    this.parser = new RequestParser(server.sharedArgs, server.requestLimits);
  }

  /** Bytes of unfinished commands. */
  get queryBytes(): number {
    return this.inbox.length;
  }

  /** Of replies on their way. */
  protected get sendingBytes(): number {
    return this.departing + this.outbox.bytes + this.connection.unsentBytes;
  }

  get unsentBytes(): number {
    return this.sendingBytes;
  }

  get blocked(): boolean {
    return this.flow.has(STALLED_BLOCKED);
  }

  // HOT: once per read.
  onBytes(bytes: Viewed, length: number): void {
    this.server.traffic.inBytes += length;
    if (this.closing || this.flow.ended) return;
    const wait = this.flow.stalled !== 0 || this.server.turnFull();
    if (wait || this.inbox.bytes !== undefined) {
      this.keep(bytes, 0, length);
      if (!wait) this.runKept();
      else if (this.flow.stalled === 0) this.giveWay();
      return;
    }
    const used = this.run(bytes, 0, length);
    if (used < length && !this.closing) this.keep(bytes, used, length);
  }

  onSent(): void {
    this.activeMs = this.server.nowMs;
    this.release();
  }

  /** No more will come, or be taken. What came before is run, and answered, all the same, but for what CLIENT PAUSE holds. */
  onEnd(): void {
    this.flow.ended = true;
    if (this.flow.over || this.flow.has(STALLED_PAUSED)) this.endSoon();
  }

  /** Run nothing more, and close when all replies have left. */
  endSoon(): void {
    this.closing = true;
    this.endWhenSent();
  }

  onClosed(): void {
    this.closed = true;
    this.closing = true;
    this.inbox.clear();
    this.postponed = undefined;
    this.outbox.clear();
    if (this.blocked) this.endBlock();
    endTransaction(this);
    this.server.forget(this);
  }

  // HOT: its loop once per command. Guard: bench/compare.ts
  /** Run the commands in bytes[from .. end). @returns how far they were used up. */
  private run(bytes: Viewed, from: number, end: number): number {
    const { parser, server } = this;
    const { reply } = server.context;
    server.begin(this, end - from);
    let at = from;
    let untilLook = COMMANDS_PER_LOOK;
    let untilPeek = 0;
    for (;;) {
      if (--untilPeek < 0) untilPeek = server.lookAhead(this.db, bytes, at, end);
      const state = parser.next(bytes, at, end);
      at = parser.position;
      if (state !== DONE) {
        if (state === ERROR) this.protocolError(parser.errorText);
        break;
      }
      this.command(parser.args);
      if (this.closing || this.flow.stalled !== 0) break;
      if (reply.at - server.departures.end >= FLUSH_BYTES) {
        server.measure();
        this.flush();
        server.skipTime();
        if (this.sendingBytes > UNSENT_HIGH_BYTES) {
          this.flow.stall(STALLED_FULL);
          break;
        }
      }
      if (--untilLook === 0) {
        untilLook = COMMANDS_PER_LOOK;
        if (server.elapsedMs() >= SLICE_MS && at < end) {
          this.giveWay();
          break;
        }
      }
    }
    this.finish();
    return at;
  }

  // HOT: once per command.
  protected command(args: Args): void {
    const { server } = this;
    const { space } = server;
    const before = server.context.reply.at;
    this.replyFrom = before;
    space.gate = this.gate.owed;
    server.dispatcher.command(this, args);
    if (server.context.reply.at > before) this.gate.after(before, space.gate, space.durableLsn);
  }

  /** End a run: hand on its replies, and stop reading if the client does not take them. */
  protected finish(): void {
    this.server.measure();
    this.flush();
    if (!this.flow.has(STALLED_FULL) && this.sendingBytes > UNSENT_HIGH_BYTES) this.flow.stall(STALLED_FULL);
    if (this.server.storage.congested === true) this.holdWrites();
    this.server.finish();
    if (this.closing) this.endWhenSent();
  }

  // HOT: once per read.
  /** What may leave of this client's replies in the shared writer departs; the rest, and all if something waits already, goes to the outbox. */
  protected flush(): void {
    const { gate, outbox, server } = this;
    const { departures } = server;
    const { reply } = server.context;
    const from = departures.end;
    const total = reply.at;
    if (total === from) return gate.clear();
    server.traffic.outBytes += total - from;
    const gated = gate.waitsFrom(total, server.space.durableLsn);
    const waitingBefore = this.sendingBytes;
    const free = waitingBefore === 0 ? gated : from;
    if (free < total) {
      if (free < gated) outbox.push(reply.buf, free, gated, 0, gate.repliesBefore(gated));
      if (gated < total) outbox.push(reply.buf, gated, total, gate.lsn, gate.replies);
      reply.at = free;
    }
    gate.clear();
    if (free - from >= FLUSH_BYTES) departures.writeNow(this, from, free);
    else if (free > from) {
      this.departing = free - from;
      departures.add(this, free);
    } else departures.keepSmall();
    if (gated < total) this.wait();
    if (free < total) checkOutput(this, waitingBefore);
  }

  // HOT: once per read.
  /** For the server's departures. Runs nothing: the writer is in use. */
  depart(bytes: Viewed, from: number, to: number): boolean {
    this.departing = 0;
    if (this.closed) return false;
    const kept = this.connection.write(bytes, from, to);
    if (this.connection.unsentBytes > 0) checkOutput(this, 0);
    // One who waits for the log is called when it has come further.
    if (this.closing || !(this.outbox.empty || this.waitsForLog)) this.server.endOfTurn(() => this.release());
    return kept;
  }

  /** Be told when the log has come further. */
  private wait(): void {
    if (this.server.storage.failed) this.logFailed();
    else this.listen();
  }

  /** The log has more to write than it should: a client that writes is read on when it has come further. */
  private holdWrites(): void {
    const writes = this.waitsForLog || this.lastCommand?.write === true || this.lastCommand?.name === "exec";
    if (!writes || this.closing) return;
    this.flow.stall(STALLED_LOG);
    this.listen();
  }

  private listen(): void {
    if (this.waitsForLog) return;
    this.waitsForLog = true;
    this.server.logWaiters.add(this);
  }

  /** The log has come further. */
  durable(): void {
    this.waitsForLog = false;
    if (this.closed) return;
    this.release();
    if (this.flow.has(STALLED_LOG)) this.unstall(STALLED_LOG);
  }

  /** The log failed: what waits for it will never be known to be on disk, and the clients are told so. */
  logFailed(): void {
    this.waitsForLog = false;
    if (this.closed) return;
    this.gate.owed = 0;
    this.outbox.fail(this.server.space.durableLsn);
    this.release();
  }

  // HOT: once per group commit and waiting session.
  /** Send what has become free to leave. */
  protected release(): void {
    const { connection, outbox, server } = this;
    if (this.departing > 0 || this.closed) return;
    if (!outbox.empty && connection.unsentBytes === 0) {
      const end = outbox.releasable(server.space.durableLsn);
      if (end > outbox.head) {
        this.activeMs = server.nowMs;
        outbox.sent(end, connection.write(outbox.buf as Viewed, outbox.head, end));
      }
    }
    if (!outbox.empty && outbox.lastLsn > server.space.durableLsn) this.wait();
    if (this.closing) this.endWhenSent();
    else if (this.flow.has(STALLED_FULL) && this.sendingBytes < UNSENT_LOW_BYTES) this.unstall(STALLED_FULL);
  }

  /** A message that is not the answer to a command of this client (MONITOR). Keeps its place among the replies. */
  push(bytes: Buffer): void {
    if (this.closing || this.replyMode === REPLY_OFF) return;
    // While it runs its replies are in the shared writer, and this is for behind them.
    if (this.server.current === this) return this.server.endOfTurn(() => this.push(bytes));
    this.server.traffic.outBytes += bytes.length;
    const waitingBefore = this.sendingBytes;
    this.outbox.push(bytes, 0, bytes.length, 0, 0);
    if (waitingBefore === 0) this.release();
    else checkOutput(this, waitingBefore);
  }

  protected protocolError(text: string): void {
    protocolError(this, text);
  }

  /** Keep bytes that cannot be used yet, behind those that are kept already. */
  private keep(bytes: Viewed, from: number, to: number): void {
    if (queryTooLong(this, to - from)) return;
    this.inbox.append(bytes, from, to, this.parser.needed);
    this.flow.ahead(this.inbox.length);
  }

  /** Run what was kept. */
  private runKept(): void {
    const { inbox } = this;
    if (inbox.bytes === undefined) return;
    const used = this.run(inbox.bytes, inbox.from, inbox.end);
    if (this.closing) inbox.clear();
    else inbox.usedTo(used);
  }

  /** Go on in a later turn. */
  private giveWay(): void {
    this.flow.giveWay(STALLED_SLICE);
    this.server.turns.defer(this);
  }

  /** For the server's turns: now there is time. */
  turnCame(): void {
    this.unstall(STALLED_SLICE);
  }

  protected unstall(why: number): void {
    if (!this.flow.has(why)) return;
    this.flow.clear(why);
    this.goOn();
  }

  private goOn(): void {
    if (this.flow.stalled !== 0 || this.closing) return;
    this.runPostponed();
    if (this.flow.stalled === 0 && !this.closing) this.runKept();
    if (this.flow.over) this.endSoon();
    else if (!this.closing) this.flow.readOn();
  }

  /**
   * The current command's answer comes later: nothing further runs until `unblock`.
   * @returns what unblock() has to be given.
   */
  block(): number {
    this.flow.stall(STALLED_BLOCKED);
    this.server.blockedClients++;
    return ++this.blockToken;
  }

  /**
   * Give the answer that block() put off. It never runs inside another session's run. A second answer, and one to a
   * connection that is gone, are passed over.
   */
  unblock(token: number, answer: () => void): void {
    const { server } = this;
    if (server.running) {
      server.endOfTurn(() => this.unblock(token, answer));
      return;
    }
    if (!this.blocked || token !== this.blockToken) return;
    this.endBlock();
    server.begin(this, 0);
    const before = server.context.reply.at;
    answer();
    this.gate.free(before, server.context.reply.at);
    this.finish();
    this.goOn();
  }

  private endBlock(): void {
    this.flow.clear(STALLED_BLOCKED);
    this.server.blockedClients--;
  }

  /** Hold a command back until CLIENT PAUSE is over. As in Redis it never runs if the client goes meanwhile. */
  postpone(args: Args): void {
    this.postponed = args.clone();
    this.flow.giveWay(STALLED_PAUSED);
    this.server.pausedSessions.add(this);
    if (this.flow.ended) this.endSoon();
  }

  resumeAfterPause(): void {
    this.unstall(STALLED_PAUSED);
  }

  private runPostponed(): void {
    const args = this.postponed;
    if (args === undefined) return;
    this.postponed = undefined;
    this.server.begin(this, args.bytes.length);
    this.command(args);
    this.finish();
  }

  /** Close when all replies have left. */
  private endWhenSent(): void {
    if (this.closed || this.blocked || this.server.running) return;
    if (this.unsentBytes === 0) this.connection.end();
  }

  /** Close at once. It has gone for the other clients, whenever its connection is told to be closed. */
  destroy(): void {
    this.closing = true;
    this.server.sessions.delete(this.id);
    this.outbox.clear();
    this.connection.destroy();
  }
}
