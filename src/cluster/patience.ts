/**
 * cluster/patience.ts: how much longer what concerns a large value may take. A small value travels in less than a millisecond, so that one
 * who does not answer for a while is not there; a large one takes seconds, on links and on disks, and who has not answered yet is at it.
 *
 * At stake is a key of which a large state is on its way: to replicas, to a disk, or from a peer that said it would send it. Its
 * rounds, and reads that have asked all replicas, are late only once its peers' links are down, and its works end later, by at most WORK_TIMES what the bytes take
 * at the least rate. A frame that is still on its way to a peer is not sent to it a second time.
 *
 * What is small shares the logs with it: while a large value is being stored, small works may end later too, by at most what its bytes take.
 *
 * Invariants: rounds and reads of what is not large are not touched; whatever is waited for has an end, since each stake has; a stake ends with
 * its peer's link, when its peer says that it does nothing about it, or when its state is known to be chosen.
 */
import { type Dot, sameDot } from "../core/clock/dot.js";
import type { Timer } from "../core/register/effects.js";
import type { Request } from "../core/register/messages.js";
import type { Reader } from "../core/register/reader.js";
import type { Held } from "../core/register/state.js";
import type { Scheduler } from "../ports/scheduler.js";
import type { Value } from "../storage/state-record.js";
import type { Job } from "./job.js";
import type { PeerLink } from "./peer-link.js";
import { PART_THRESHOLD_BYTES } from "./send-queue.js";

/** Messages above it travel in parts. */
export const LARGE_BYTES: number = PART_THRESHOLD_BYTES;
/** The least rate at which a value is to come through: 8 MiB in a second. */
const BYTES_PER_MS = 8388.608;
/** It may travel more than once: to the proposer, to the replicas, and again after a refusal; others travel beside it. */
const WORK_TIMES = 8;
const BASE_MS = 400;
/** Of a state that was announced the size is not known. */
const COMING_MS_MAX = 65_536;
const STAKES_SOUGHT = 64;
/** How soon it is asked again whether something goes on: few lengths, for cluster/timers.ts. */
export const AGAIN_MS = 50;

/** How much longer so many bytes may take than few: 0 up to LARGE_BYTES, then a power of two, so that there are few of them. */
export function largeMs(bytes: number): number {
  return bytes <= LARGE_BYTES ? 0 : 2 ** Math.ceil(Math.log2(bytes / BYTES_PER_MS));
}

/** Above 0: the deadline of the job of this id. Below 0: a read's timer. Numbers cost nothing to keep. */
export type Due = Exclude<Timer, { readonly what: "read" }> | number;

interface Stake {
  bytes: number;
  /** Until then without any sign, and with signs. */
  untilMs: number;
  endMs: number;
  readonly peers: number[];
}

interface Frame {
  readonly to: number;
  readonly name: string;
  readonly ballot: Dot;
  readonly untilMs: number;
}

export class Patience {
  private readonly scheduler: Scheduler;
  private readonly links: readonly (PeerLink | undefined)[];
  private readonly stakes: Map<string, Stake> = new Map();
  private frames: Frame[] = [];
  /** While a large value is being stored, here or at peers, and how long the largest of them may take. */
  private busyUntilMs = 0;
  private busyMs = 0;

  constructor(scheduler: Scheduler, links: readonly (PeerLink | undefined)[]) {
    this.scheduler = scheduler;
    this.links = links;
  }

  /** A large state of the key is on its way: @param peer to or from it; -1: to this node's own disk. */
  began(name: string, bytes: number, peer: number): void {
    const nowMs = this.scheduler.monotonicMs();
    const ms = largeMs(bytes);
    this.stake(name, peer, bytes, nowMs + BASE_MS + ms, nowMs + WORK_TIMES * ms);
  }

  /** A peer said that it sends one. */
  announced(name: string, peer: number): void {
    const nowMs = this.scheduler.monotonicMs();
    this.stake(name, peer, 0, nowMs + BASE_MS, nowMs + COMING_MS_MAX);
  }

  private stake(name: string, peer: number, bytes: number, untilMs: number, endMs: number): void {
    const known = this.stakes.get(name);
    this.busy(largeMs(bytes));
    if (known === undefined) {
      if (this.stakes.size >= STAKES_SOUGHT) this.sweep();
      this.stakes.set(name, { bytes, untilMs, endMs, peers: peer < 0 ? [] : [peer] });
      return;
    }
    known.bytes = Math.max(known.bytes, bytes);
    known.untilMs = Math.max(known.untilMs, untilMs);
    known.endMs = Math.max(known.endMs, endMs);
    if (peer >= 0 && !known.peers.includes(peer)) known.peers.push(peer);
  }

  private busy(ms: number): void {
    const nowMs = this.scheduler.monotonicMs();
    this.busyMs = nowMs < this.busyUntilMs ? Math.max(this.busyMs, ms) : ms;
    this.busyUntilMs = Math.max(this.busyUntilMs, nowMs + ms);
  }

  /** Is a large value being stored, or on its way? */
  get busyNow(): boolean {
    return this.scheduler.monotonicMs() < this.busyUntilMs;
  }

  /** While it is so: how long the largest of them may take, ms. Else 0. */
  get storingMs(): number {
    return this.busyNow ? this.busyMs : 0;
  }

  private sweep(): void {
    const nowMs = this.scheduler.monotonicMs();
    for (const [name, { untilMs, endMs }] of this.stakes)
      if (untilMs < nowMs && endMs < nowMs) this.stakes.delete(name);
  }

  // HOT: once per message to this node's own replica.
  told(message: Request<Value>): void {
    if (message.type === "chosen") this.over(message.key);
    else if (message.type === "accept") {
      const bytes = message.state.value?.bytes.length ?? 0;
      if (bytes > LARGE_BYTES) this.began(message.key, bytes, -1);
    }
  }

  /** Is it too early for the timer of a round or of a read? Who has not answered yet may be busy with a large value. */
  holds(due: Due, reader: Reader<Value, Buffer>): boolean {
    if (this.stakes.size === 0) return false;
    if (typeof due === "object") return due.what === "round" && this.goesOn(due.key);
    const key = reader.keyOf(-due);
    // Others may have the state too, and their logs may not stand still: to ask them harms nobody.
    return key !== undefined && this.goesOn(key) && reader.putOff(-due) <= BASE_MS / AGAIN_MS;
  }

  // HOT: once per key that was chosen.
  /** The key's latest state is chosen. */
  over(name: string): void {
    if (this.stakes.size > 0) this.stakes.delete(name);
  }

  /** Is a large state of the key on its way still? */
  goesOn(name: string): boolean {
    const stake = this.stakes.size === 0 ? undefined : this.stakes.get(name);
    if (stake === undefined) return false;
    const nowMs = this.scheduler.monotonicMs();
    if (nowMs < stake.untilMs) return true;
    // Over a link that holds a request arrives, and is answered, or the link breaks: it need not be sent again.
    if (nowMs < stake.endMs && stake.peers.some((peer) => this.holdsLink(peer))) return true;
    this.stakes.delete(name);
    return false;
  }

  /** A peer that is suspect may be as busy as this node. */
  private holdsLink(peer: number): boolean {
    const link = this.links[peer];
    return link !== undefined && link.state !== "down";
  }

  /** May a work whose time is over wait longer? @param held of its key, @param durableLsn here. */
  extends(job: Job, held: Held<Value> | undefined, durableLsn: number): boolean {
    const { work, away, untilMs } = job;
    const heldBytes = held?.state.value?.bytes.length ?? 0;
    const going = this.goesOn(work.name);
    // Who was asked to do it answers, or the link breaks. It may take as long itself, and then as long again for the way.
    const waits = going || (heldBytes > LARGE_BYTES && (away > 0 || (held as Held<Value>).lsn > durableLsn));
    // What is small waits behind what is large, in the logs of its replicas: that is no fault of theirs.
    if (!waits) return this.scheduler.monotonicMs() < Math.min(this.busyUntilMs, untilMs + this.busyMs);
    const stake = this.stakes.get(work.name);
    const announced = stake !== undefined && stake.bytes === 0 ? COMING_MS_MAX : 0;
    const ms = Math.max(announced, WORK_TIMES * largeMs(Math.max(heldBytes, stake?.bytes ?? 0)));
    return this.scheduler.monotonicMs() - untilMs < (away > 0 ? 2 * ms : ms);
  }

  // HOT: once per request of a peer.
  /** How long an answer about the key is worth sending. @param budgetMs as the asker said; 0: for ever. */
  stretch(name: string, budgetMs: number): number {
    const stake = budgetMs === 0 || this.stakes.size === 0 ? undefined : this.stakes.get(name);
    return stake === undefined ? budgetMs : budgetMs + WORK_TIMES * largeMs(stake.bytes);
  }

  /** Until when a large message is worth sending. */
  deadlineMs(bytes: number, untilMs: number): number {
    return untilMs + WORK_TIMES * largeMs(bytes);
  }

  /** Is this very state on its way to the peer? If not, it is from now on. */
  isUnderWay(to: number, name: string, ballot: Dot, bytes: number): boolean {
    const nowMs = this.scheduler.monotonicMs();
    this.frames = this.frames.filter(({ untilMs }) => untilMs > nowMs);
    if (this.frames.some((frame) => frame.to === to && frame.name === name && sameDot(frame.ballot, ballot)))
      return true;
    this.frames.push({ to, name, ballot, untilMs: nowMs + BASE_MS + WORK_TIMES * largeMs(bytes) });
    return false;
  }

  // HOT: once per acknowledgement.
  /** It has arrived there, or was refused, or could not be sent. */
  arrived(to: number, name: string, ballot: Dot | undefined): void {
    if (this.frames.length === 0 || ballot === undefined) return;
    this.frames = this.frames.filter(
      (frame) => frame.to !== to || frame.name !== name || !sameDot(frame.ballot, ballot),
    );
  }

  /** The peer does not take a state of the key, or does not send the one that it announced. */
  turnedAway(name: string, peer: number): void {
    const stake = this.stakes.get(name);
    const at = stake === undefined ? -1 : stake.peers.indexOf(peer);
    if (stake === undefined || at < 0) return;
    stake.peers.splice(at, 1);
    // Announced, and by nobody else.
    if (stake.peers.length === 0 && stake.bytes === 0) this.stakes.delete(name);
  }

  /** What is on its way to or from the peer may not arrive. */
  lost(peer: number): void {
    // From a fault on small works have no more time than ever.
    this.busyUntilMs = 0;
    this.frames = this.frames.filter(({ to }) => to !== peer);
    for (const [name, { peers }] of this.stakes) if (peers.includes(peer)) this.stakes.delete(name);
  }
}
