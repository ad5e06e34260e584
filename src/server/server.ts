/**
 * server/server.ts: all clients of one node: accepts connections, keeps what sessions share (the writer, the context, the
 * counters), and tells those that wait when the log has come further.
 * Invariants: `running` is true exactly while a session runs; between runs the shared writer holds departures only; nothing here reads a
 * clock but through the scheduler, which it does at most twice per read.
 */
import type { Args } from "../codec/resp/args.js";
import { PeekedKeys, peekKeys } from "../codec/resp/peek.js";
import { LIMITS_DEFAULT, type RequestLimits } from "../codec/resp/request-parser.js";
import { Context } from "../commands/context.js";
import type { CommandSpec } from "../commands/spec.js";
import { ALL_SPECS } from "../commands/table.js";
import type { Config } from "../config/config.js";
import { type Viewed, viewed } from "../lib/view.js";
import type { Connection, ConnectionHandler } from "../ports/network.js";
import type { Cancel, Scheduler } from "../ports/scheduler.js";
import { lock, lockAnew } from "./access.js";
import { NOBODY, newSession, refusalOf, roomFor } from "./admission.js";
import { Answers } from "./answers.js";
import { ARG_BYTES_MAX, checkTimes, LARGE_BYTES, replyTooLong } from "./client-limits.js";
import { ClusterDispatcher } from "./cluster-dispatch.js";
import { ClusterFace } from "./cluster-face.js";
import { Departures } from "./departures.js";
import { Dispatcher, GUARD_LOADING, GUARD_MAXMEMORY, GUARD_PAUSED, GUARD_READ_ONLY } from "./dispatch.js";
import { LatencyMonitor } from "./latency.js";
import { LogWaiters } from "./log-waiters.js";
import { Monitors } from "./monitor.js";
import type { ServerParts, Space, Storage } from "./ports.js";
import type { Session } from "./session.js";
import { SlowLog } from "./slowlog.js";
import { Statistics, Traffic } from "./statistics.js";
import { Turns } from "./turns.js";

/** Keys that are fetched ahead at a time: more would push the first ones out of the nearest cache again. */
const KEYS_AHEAD = 16;
/** Fewer bytes are no pipeline of commands with keys. */
const PIPELINE_BYTES_MIN = 100;
/** Sessions looked at per tick for time limits: all of them within a second or so. */
const SESSIONS_PER_TICK_MIN = 1000;
/** From here on all commands are timed one by one, so that the slow log misses none. */
const TIME_ALL_BELOW_US = 1000;

export class Server {
  readonly parts: ServerParts;
  readonly space: Space;
  readonly storage: Storage;
  readonly config: Config;
  readonly context: Context;
  /** Arguments of commands that came whole; the context's, to begin with. */
  readonly sharedArgs: Args;
  readonly requestLimits: RequestLimits;
  readonly dispatcher: Dispatcher;
  private readonly peeked: PeekedKeys = new PeekedKeys(KEYS_AHEAD);
  readonly statistics: Statistics = new Statistics(ALL_SPECS);
  readonly traffic: Traffic = new Traffic();
  readonly slowlog: SlowLog;
  readonly latency: LatencyMonitor;
  readonly monitors: Monitors;
  readonly sessions: Map<number, Session> = new Map();
  readonly turns: Turns;
  readonly departures: Departures;
  /** In a cluster: clients that the cluster has answered. */
  readonly answers: Answers;
  readonly logWaiters: LogWaiters;
  readonly pausedSessions: Set<Session> = new Set();
  readonly pause: { endMs: number; all: boolean } = { endMs: 0, all: false };
  readonly runId: string;
  readonly startedMs: number;
  readonly face: ClusterFace;

  guards = 0;
  /** Wall clock of the current run, or of the last tick; never steps back. */
  nowMs: number;
  running = false;
  /** The session that runs. */
  current: Session | undefined = undefined;
  blockedClients = 0;
  timeAll = false;
  peakUsedBytes = 0;
  private readonly scheduler: Scheduler;
  private nextId = 1;
  private markMs = 0;
  private runStartMs = 0;
  private cancelTick: Cancel;
  private tickQueue: Session[] = [];
  private cancelPauseTimer: Cancel = () => {};
  private stopped = false;
  accepting = true;

  constructor(parts: ServerParts) {
    this.parts = parts;
    this.space = parts.space;
    this.storage = parts.storage;
    this.config = parts.config;
    this.scheduler = parts.scheduler;
    this.nowMs = parts.scheduler.nowMs();
    this.startedMs = this.nowMs;
    this.runId = parts.system.randomHex(40);
    this.face = new ClusterFace(parts);
    this.context = new Context(parts.space, parts.config);
    this.context.roomFor = (bytes) => roomFor(this, bytes);
    this.context.reply.onTooLong = () => replyTooLong(this);
    this.departures = new Departures(this.context.reply);
    this.logWaiters = new LogWaiters(this.departures, parts.scheduler);
    this.turns = new Turns(parts.scheduler, () => {
      if (parts.cluster !== undefined) this.answers.serve();
      this.departures.send();
    });
    this.answers = new Answers(this.turns, () => parts.scheduler.monotonicMs());
    this.sharedArgs = this.context.args;
    this.requestLimits = { ...LIMITS_DEFAULT };
    this.slowlog = new SlowLog(parts.config);
    this.latency = new LatencyMonitor(parts.config);
    this.monitors = new Monitors(this);
    this.dispatcher = parts.cluster === undefined ? new Dispatcher(this) : new ClusterDispatcher(this, parts.cluster);
    this.readConfig();
    this.config.onChange("requirepass", () => void lockAnew(this));
    this.config.onChange("*", () => {
      this.readConfig();
      return undefined;
    });
    this.cancelTick = this.awaitTick();
  }

  private awaitTick(): Cancel {
    return this.scheduler.after(1000 / this.config.hz, () => this.tick());
  }

  private readConfig(): void {
    const { config } = this;
    this.requestLimits.argsMax = config.commandArgsMax;
    this.requestLimits.bulkBytesMax = Math.min(config.maxValueBytes, ARG_BYTES_MAX);
    this.requestLimits.lineBytesMax = config.inlineBytesMax;
    this.requestLimits.unauthenticatedArgsMax = config.unauthenticatedArgsMax;
    this.requestLimits.unauthenticatedBytesMax = Math.min(config.unauthenticatedBytesMax, config.maxValueBytes);
    this.checkMemory();
    const threshold = config.slowlogLogSlowerThan;
    this.timeAll = (threshold >= 0 && threshold < TIME_ALL_BELOW_US) || config.latencyMonitorThreshold > 0;
  }

  /** Is there a bound to memory that a command which needs some has to be asked about? */
  get memoryBounded(): boolean {
    return this.config.maxmemory > 0 || this.storage.full;
  }

  private checkMemory(): void {
    this.setGuard(GUARD_MAXMEMORY, this.memoryBounded);
  }

  setGuard(guard: number, on: boolean): void {
    if (on) this.guards |= guard;
    else this.guards &= ~guard;
  }

  /** Serve a new connection. For Network.listen. */
  accept(connection: Connection): ConnectionHandler {
    this.traffic.connections++;
    const refusal = refusalOf(this, connection);
    if (refusal !== undefined) {
      this.traffic.rejected++;
      const text = viewed(Buffer.from(`-${refusal}\r\n`));
      connection.write(text, 0, text.length);
      connection.end();
      return NOBODY;
    }
    const session = newSession(this, this.nextId++, connection);
    this.sessions.set(session.id, session);
    lock(session);
    return session;
  }

  forget(session: Session): void {
    this.sessions.delete(session.id);
    this.pausedSessions.delete(session);
    this.monitors.remove(session);
  }

  // HOT: once per read.
  /** A session begins to run: the clock moves, the writer is its own. @param bytes of the commands that are there to run. */
  begin(session: Session, bytes: number): void {
    const { context, scheduler, storage } = this;
    this.running = true;
    this.current = session;
    this.runStartMs = scheduler.monotonicMs();
    this.markMs = this.runStartMs;
    this.turns.begin(this.runStartMs);
    const nowMs = scheduler.nowMs();
    if (nowMs > this.nowMs) this.nowMs = nowMs;
    session.activeMs = this.nowMs;
    this.space.setTime(this.nowMs);
    context.now = this.nowMs;
    context.db = session.db;
    context.reply.proto = session.proto;
    if (this.space.touching === session.noTouch) this.space.touching = !session.noTouch;
    const refused = storage.refusal !== undefined || (bytes > LARGE_BYTES && !storage.roomFor(bytes));
    if (refused !== ((this.guards & GUARD_READ_ONLY) !== 0)) this.setGuard(GUARD_READ_ONLY, refused);
    if (storage.full || (this.guards & GUARD_MAXMEMORY) !== 0) this.checkMemory();
    if ((storage.loading !== undefined) !== ((this.guards & GUARD_LOADING) !== 0))
      this.setGuard(GUARD_LOADING, storage.loading !== undefined);
  }

  // HOT: once per 16 commands of a pipeline.
  /**
   * Let the keyspace fetch what the next commands in bytes[from .. end) will need. @returns after how many commands to look ahead again.
   */
  lookAhead(db: number, bytes: Viewed, from: number, end: number): number {
    const { peeked, space } = this;
    if (space.fetchAhead === undefined || end - from < PIPELINE_BYTES_MIN) return Number.POSITIVE_INFINITY;
    peekKeys(bytes, from, end, peeked);
    if (peeked.count > 1) space.fetchAhead(db, bytes, peeked);
    return peeked.at.length - 1;
  }

  // HOT: once per read, before its replies are written.
  /** Share the time since the last look at the clock among the commands counted meanwhile. */
  measure(): void {
    const { statistics } = this;
    if (statistics.pending === 0) return;
    const only = statistics.pending === 1 ? statistics.onlyPending() : undefined;
    if (only === undefined) {
      const now = this.scheduler.monotonicMs();
      statistics.attribute((now - this.markMs) * 1000);
      this.markMs = now;
    } else this.measureOne(only, this.context.args);
  }

  /** As measure(), after a command that is timed by itself: it may go to the slow log. `args` are still there. */
  measureOne(spec: CommandSpec, args: Args): void {
    const now = this.scheduler.monotonicMs();
    const usec = (now - this.markMs) * 1000;
    this.markMs = now;
    this.statistics.attribute(usec);
    this.noteSlow(this.current, spec, args, usec);
  }

  /** Time that no command is to be charged with has passed. */
  skipTime(): void {
    this.markMs = this.scheduler.monotonicMs();
  }

  // HOT: once per read.
  finish(): void {
    this.space.forgetAhead?.();
    this.running = false;
    this.current = undefined;
    this.context.reply.tooLong = false;
    this.storage.nudge();
  }

  monotonicMs(): number {
    return this.scheduler.monotonicMs();
  }

  /** Milliseconds since the present run began. */
  elapsedMs(): number {
    return this.scheduler.monotonicMs() - this.runStartMs;
  }

  noteSlow(session: Session | undefined, spec: CommandSpec, args: Args, usec: number): void {
    const threshold = this.config.slowlogLogSlowerThan;
    if (threshold >= 0 && usec >= threshold && this.dispatcher.slowlogged(spec))
      this.slowlog.add(session, args, usec, this.nowMs);
    const limitMs = this.config.latencyMonitorThreshold;
    if (limitMs > 0 && usec >= limitMs * 1000)
      this.latency.add(spec.flags.includes("fast") ? "fast-command" : "command", usec / 1000, this.nowMs);
  }

  /** Has the present turn had its share of time? Then a client that has something to run is to wait (turns.defer). */
  turnFull(): boolean {
    return this.turns.full(this.markMs);
  }

  endOfTurn(run: () => void): void {
    this.scheduler.endOfTurn(run);
  }

  after(ms: number, run: () => void): Cancel {
    return this.scheduler.after(ms, run);
  }

  /** CLIENT PAUSE until `endMs`. A pause under way is only made longer or stricter. */
  startPause(endMs: number, all: boolean): void {
    const { pause } = this;
    const active = pause.endMs > this.nowMs;
    pause.all = active ? pause.all || all : all;
    pause.endMs = active ? Math.max(pause.endMs, endMs) : endMs;
    this.setPaused(true);
    this.awaitPauseEnd();
  }

  /** A timer may be a little early by the wall clock, and the pause may have grown meanwhile: look again then. */
  private awaitPauseEnd(): void {
    const left = this.pause.endMs - this.scheduler.nowMs();
    if (left <= 0) this.endPause();
    else {
      this.cancelPauseTimer();
      this.cancelPauseTimer = this.after(left, () => this.awaitPauseEnd());
    }
  }

  endPause(): void {
    if ((this.guards & GUARD_PAUSED) === 0) return;
    this.pause.endMs = 0;
    this.setPaused(false);
    const held = [...this.pausedSessions];
    this.pausedSessions.clear();
    for (const session of held) this.endOfTurn(() => session.resumeAfterPause());
  }

  private setPaused(on: boolean): void {
    this.setGuard(GUARD_PAUSED, on);
    this.storage.setPaused(on);
  }

  private tick(): void {
    if (this.stopped) return;
    this.cancelTick = this.awaitTick();
    const nowMs = this.scheduler.nowMs();
    if (nowMs > this.nowMs) this.nowMs = nowMs;
    this.traffic.tick(this.scheduler.monotonicMs(), this.statistics.totalCalls);
    if (this.tickQueue.length === 0) this.tickQueue = [...this.sessions.values()];
    const count = Math.max(SESSIONS_PER_TICK_MIN, this.sessions.size / this.config.hz);
    for (const session of this.tickQueue.splice(-count)) if (!session.closed) checkTimes(session, this.nowMs);
  }

  /** Take no new clients; those that are here may go on. */
  stopAccepting(): void {
    this.accepting = false;
  }

  /** Take no more commands either. Those that have come whole run and are answered (see draining); then their connections end. */
  lastCall(): void {
    this.accepting = false;
    for (const session of [...this.sessions.values()]) session.onEnd();
  }

  /** True while replies wait to be sent, or for the log, or commands that have come for their turn. */
  get draining(): boolean {
    const { failed } = this.storage;
    // A blocked session does not count: the one that sent SHUTDOWN is blocked by it. Nor does one that CLIENT PAUSE holds.
    for (const { unsentBytes, flow } of this.sessions.values())
      if (unsentBytes > 0 || (flow.willRun && !failed)) return true;
    return false;
  }

  /** Close every connection once its replies have left; at once with `now`. */
  close(now: boolean): void {
    this.accepting = false;
    for (const session of [...this.sessions.values()]) {
      if (now) session.destroy();
      else session.endSoon();
    }
  }

  /** Stop the clockwork; for good. */
  stop(): void {
    this.stopped = true;
    this.face.stop();
    this.cancelTick();
    this.cancelPauseTimer();
  }
}
