/**
 * cluster/coordinator.ts: one node of a cluster at work: operations of its clients, and the messages of its peers. It carries out what
 * proposer and reader want done, and is a replica itself (cluster/replica.ts). A synchronous state machine: the ports bring time,
 * messages and the log's progress.
 *
 *   work that reads   --> reader --> R replicas                                           1 trip
 *   work that writes  --> its preferred proposer, which may be another node: FORWARD, once
 *                         --> proposer --> all replicas, W of them                        1 trip, or 2
 *
 * Exactly once: a work is forwarded once at most, over a link that either brings it or breaks; what was forwarded over a link that broke
 * may have been done. What could not be forwarded at all this node proposes itself: any node may.
 * Invariants: each work is answered once, at its deadline at the latest; what is in flight is bounded, and what is beyond the bound is
 * refused before anything is done. This node's own replica is asked like the others, and its answers wait for its own disk.
 */
import type { MessageReader } from "../codec/frame/message-reader.js";
import type { Effect, Send, Timer } from "../core/register/effects.js";
import type { ReadRequest, Reply } from "../core/register/messages.js";
import type { Outcome } from "../core/register/operation.js";
import { Proposer } from "../core/register/proposer.js";
import { Reader } from "../core/register/reader.js";
import { Numbered } from "../lib/numbered.js";
import type { Value } from "../storage/state-record.js";
import { CatchUp } from "./catch-up.js";
import { type CoordinatorOptions, queuesOf } from "./coordinator-options.js";
import { Exchange } from "./exchange.js";
import { Explain } from "./explain.js";
import { figuresOf } from "./figures.js";
import { Foreign } from "./foreign.js";
import { Forwarding } from "./forwarding.js";
import { Inbound } from "./inbound.js";
import { type Asked, Job } from "./job.js";
import { LogWatch } from "./log-watch.js";
import { memberViews } from "./member-view.js";
import { OwnReplica } from "./own-replica.js";
import { AGAIN_MS, type Due } from "./patience.js";
import type { PeerLink } from "./peer-link.js";
import { Pulls } from "./pulls.js";
import { Questions } from "./questions.js";
import { Reach } from "./reach.js";
import { Replica } from "./replica.js";
import { Routing } from "./routing.js";
import { NodeSurroundings } from "./surroundings.js";
import { Timers } from "./timers.js";
import { WallTime } from "./wall-time.js";
import type { Answer, Cluster, MemberView, Work } from "./work.js";

/** Works in flight, of this node's clients and of other nodes. */
const WORKS_MAX = 65_536;
/** With less time left nothing is tried again. */
const RETRY_LEFT_MS = 300;
const NO_QUORUM: Answer = { applied: "no", why: "no quorum" };

export class Coordinator implements Cluster {
  readonly selfIndex: number;
  readonly partitions: number;
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly clusterId: string;
  readonly replica: Replica;
  private readonly options: CoordinatorOptions;
  private readonly routing: Routing;
  private readonly exchange: Exchange;
  private readonly reach: Reach;
  private readonly forwarding: Forwarding;
  private readonly questions: Questions;
  private readonly explaining: Explain;
  private readonly inbound: Inbound;
  private readonly pulls: Pulls;
  readonly catchUp: CatchUp;
  private readonly proposer: Proposer<Value, Buffer>;
  private readonly reader: Reader<Value, Buffer>;
  private readonly timers: Timers<Due>;
  private readonly logWatch: LogWatch;
  private readonly jobs: Numbered<Job> = new Numbered();
  private readonly out: Effect<Value, Buffer>[] = [];
  private readonly own: OwnReplica;
  private working = false;
  private readonly wall: WallTime;
  private stopped = false;
  private readonly counts = { reads: 0, writes: 0, refused: 0, uncertain: 0 };

  constructor(options: CoordinatorOptions) {
    const { selfIndex, ring, r, w, storage, clock, boot, scheduler, members, proposerRules: rules } = options;
    const { bounds = {} } = options;
    this.options = options;
    this.selfIndex = selfIndex;
    this.partitions = ring.placement.partitions;
    this.n = ring.n;
    this.r = r;
    this.w = w;
    this.clusterId = options.clusterId;
    this.wall = new WallTime(options.clocks, clock);
    this.routing = new Routing(ring, selfIndex, r, w);
    this.exchange = new Exchange(scheduler, members.length, bounds.asked);
    this.reach = new Reach(this.routing, this.exchange.links, scheduler, selfIndex);
    clock.witness(storage.recoveredCeiling);
    this.replica = new Replica(storage, clock, options.acceptorRules, bounds);
    const ruled = rules === undefined ? {} : { rules };
    const surroundings = new NodeSurroundings(options, this.routing, this.replica, this.exchange);
    this.proposer = new Proposer({ node: selfIndex, clock, surroundings, ...ruled, ...queuesOf(bounds) });
    this.reader = new Reader({ boot, clock, surroundings, proposer: this.proposer, ...ruled });
    this.timers = new Timers(scheduler, (due) => this.due(due));
    this.forwarding = new Forwarding(this.exchange, this.replica, scheduler, options.performer, (...asked) =>
      this.take(...asked),
    );
    this.questions = new Questions(this.exchange, scheduler, options.performer, selfIndex);
    const send = (to: number, message: ReadRequest): void => this.send({ type: "send", to, message, underCeiling: 0 });
    const isDown = (node: number): boolean => this.reach.isDown(node);
    this.explaining = new Explain({ scheduler, boot, send, isDown, idOf: (node) => members[node].id });
    const read = (work: Work, done: (answer: Answer) => void): void => this.perform(work, done);
    const propose = (work: Work, done: (answer: Answer) => void): void => this.take(work, options.deadlineMs, done);
    this.pulls = new Pulls({ scheduler, held: (name) => this.replica.held(name), read, propose });
    const foreign = new Foreign(options);
    const { exchange, forwarding, questions, replica, routing, pulls } = this;
    this.own = new OwnReplica(replica, exchange, pulls, (life, id) => this.reader.awaits(life, id));
    const excusedMs = (): number => exchange.patience.storingMs;
    this.logWatch = new LogWatch({ scheduler, log: storage, excusedMs, onHang: () => this.handBack() });
    this.catchUp = new CatchUp({ ...options, exchange, routing, replica, pulls, foreign });
    const { catchUp } = this;
    exchange.onMissed = (peer) => catchUp.missed(peer);
    const desks = { exchange, forwarding, questions, catchUp, replica, pulls, routing, selfIndex, foreign };
    this.inbound = new Inbound({ ...desks, deliver: (from, reply) => this.deliver(from, reply) });
  }

  /** The links to the others, by index. */
  connect(links: readonly (PeerLink | undefined)[]): void {
    for (let i = 0; i < links.length; i++) this.exchange.links[i] = links[i];
  }

  expiryMs(): number {
    return this.options.clocks.expiryMs();
  }

  // HOT: once per command.
  perform(work: Work, done: (answer: Answer) => void): void {
    if (this.full(done)) return;
    this.wall.observe();
    const job = this.job(work, this.options.deadlineMs, done);
    if (work.writes) {
      this.counts.writes++;
      this.route(job);
    } else {
      this.counts.reads++;
      if (this.reach.lacks(work.name, false)) this.settle(job.id, NO_QUORUM);
      else job.readId = this.reader.read(work.name, job, this.out);
    }
    this.carryOut();
  }

  private full(done: (answer: Answer) => void): boolean {
    if (this.jobs.size < (this.options.bounds?.works ?? WORKS_MAX) && !this.stopped) return false;
    this.counts.refused++;
    done({ applied: "no", why: "too many" });
    return true;
  }

  private job(work: Work, deadlineMs: number, done: (answer: Answer) => void, asked?: Asked): Job {
    const job = new Job(this.jobs.next(), this.options.scheduler.monotonicMs() + deadlineMs, work, done, asked);
    this.jobs.set(job.id, job);
    this.timers.set(deadlineMs, job.id);
    return job;
  }

  private route(job: Job): void {
    const partition = this.routing.partitionOf(job.work.name);
    const target = this.preferred(partition);
    if (target !== this.selfIndex) {
      job.away = this.forwarding.forward(target, partition, job.work, job.untilMs, (outcome) =>
        this.returned(job, outcome),
      );
      if (job.away > 0) return;
    }
    this.propose(job);
  }

  private preferred(partition: number): number {
    return this.routing.preferred(partition, this.usableBound);
  }

  private readonly usableBound = (node: number): boolean =>
    node === this.selfIndex ? !this.logWatch.hangs && !this.exchange.isAhead : this.forwarding.usable(node);

  /** Refused before anything is sent, where that is sure to come to nothing. */
  private propose(job: Job): void {
    const { name } = job.work;
    if (this.reach.lacks(name, true)) this.settle(job.id, NO_QUORUM);
    else this.proposer.submit(name, job, this.wall.ms, this.out);
  }

  /** Another node was asked to do it. @param outcome undefined: the link broke before it answered. */
  private returned(job: Job, outcome: Answer | undefined): void {
    if (!this.jobs.has(job.id)) return;
    job.away = 0;
    const leftMs = job.untilMs - this.options.scheduler.monotonicMs();
    if (outcome === undefined || !job.canBe(outcome)) this.settle(job.id, { applied: "maybe" });
    else if (outcome.applied === "no" && leftMs > RETRY_LEFT_MS) this.propose(job);
    else this.settle(job.id, outcome);
    this.carryOut();
  }

  /** A work that another node forwarded: proposed here, whoever is preferred. */
  private take(work: Work, budgetMs: number, done: (answer: Answer) => void, asked?: Asked): void {
    if (this.full(done)) return;
    this.wall.observe();
    if (!this.options.storage.hasRoom || !this.usableBound(this.selfIndex)) return done(NO_QUORUM);
    this.propose(this.job(work, Math.min(budgetMs, this.options.deadlineMs), done, asked));
    this.carryOut();
  }

  /** The log hangs: what other nodes forwarded goes back to them, in time. */
  private handBack(): void {
    for (const [, { asker, work }] of this.jobs.entries())
      if (asker !== undefined) this.proposer.handBack(work.name, this.out);
    this.carryOut();
  }

  private settle(id: number, outcome: Outcome<Buffer>): void {
    const job = this.jobs.get(id);
    if (job === undefined) return;
    this.jobs.delete(id);
    if (outcome.applied === "maybe") this.counts.uncertain++;
    job.done(outcome);
  }

  ask(member: number, kind: number, bytes: Buffer, done: (answer: Buffer | undefined) => void): void {
    this.questions.ask(member, kind, bytes, done);
  }

  explain(name: string, done: (text: string) => void): void {
    const partition = this.routing.partitionOf(name);
    this.explaining.ask(name, partition, this.routing.group(partition), this.preferred(partition), done);
    this.carryOut();
  }

  partitionOf(name: string): number {
    return this.routing.partitionOf(name);
  }

  replicas(partition: number): readonly number[] {
    return this.routing.replicas(partition);
  }

  members(): readonly MemberView[] {
    return memberViews(this.options.members, this.exchange.links, this.selfIndex);
  }

  figures(): Readonly<Record<string, number>> {
    const { counts, exchange, forwarding, pulls, catchUp, inbound, replica, jobs } = this;
    const { tombstones } = this.options.storage;
    const held = { heldBack: this.own.waiting, tombstones, turnedAway: replica.turnedAway };
    const own = { inFlight: jobs.size, ...held, ...counts };
    return figuresOf({ exchange, forwarding, pulls, catchUp, inbound, own });
  }

  /** Do what proposer and reader want done, and what follows from that, until there is nothing left. */
  private carryOut(): void {
    if (this.working) return;
    this.working = true;
    const { out, own } = this;
    while (out.length > 0 || own.answers > 0) {
      for (let i = 0; i < out.length; i++) this.effect(out[i]);
      out.length = 0;
      for (const reply of own.take()) this.deliver(this.selfIndex, reply);
    }
    this.working = false;
  }

  private effect(effect: Effect<Value, Buffer>): void {
    if (effect.type === "send") this.send(effect);
    else if (effect.type === "settle") this.settle(effect.id, effect.outcome);
    else if (effect.type === "nearly") this.jobs.get(effect.id)?.nearly?.(effect.ballot, effect.result);
    else this.later(effect.timer, effect.delayMs);
  }

  private later(timer: Timer, delayMs: number): void {
    if (timer.what === "read") this.timers.set(delayMs, -timer.id);
    // Of these every one has a length of its own, so that two nodes do not meet again.
    else if (timer.what === "retry") this.options.scheduler.after(delayMs, () => this.due(timer));
    else this.timers.set(delayMs, timer);
  }

  private send({ to, message, underCeiling }: Send<Value>): void {
    if (to === this.selfIndex) return this.own.ask(message);
    if (underCeiling > 0 && !this.replica.canCover(underCeiling)) return;
    const lsn = underCeiling > 0 ? this.replica.cover(underCeiling) : 0;
    const after = lsn > this.options.storage.durableLsn ? lsn : 0;
    this.exchange.request(to, this.routing.partitionOf(message.key), message, after);
  }

  private deliver(from: number, reply: Reply<Value>): void {
    const { proposer, reader, out } = this;
    const wallMs = this.wall.ms;
    if (reply.type === "state") {
      if (!this.explaining.receive(from, reply)) reader.receive(from, reply, wallMs, out);
    } else if (reply.type === "promise") proposer.receive(from, reply, wallMs, out);
    else {
      proposer.receive(from, reply, wallMs, out);
      reader.receive(from, reply, wallMs, out);
    }
  }

  private due(due: Due): void {
    if (this.stopped) return;
    this.wall.observe();
    if (typeof due === "number" && due > 0) this.expire(due);
    else if (this.exchange.patience.holds(due, this.reader)) return this.timers.set(AGAIN_MS, due);
    else if (typeof due === "object") {
      if (due.what === "retry" && this.reach.lacks(due.key, true)) this.proposer.abandon(due.key, this.out);
      this.proposer.timer(due, this.wall.ms, this.out);
    } else this.reader.timer(-due, this.wall.ms, this.out);
    this.carryOut();
  }

  private expire(id: number): void {
    const job = this.jobs.get(id);
    if (job === undefined) return;
    const { name } = job.work;
    if (this.exchange.patience.extends(job, this.replica.held(name), this.options.storage.durableLsn))
      return this.timers.set(AGAIN_MS, id);
    const nowMs = this.options.scheduler.monotonicMs();
    job.deadline = nowMs;
    if (job.away > 0) {
      this.forwarding.forget(job.away);
      this.settle(id, { applied: "maybe" });
    } else {
      if (job.readId > 0) this.reader.expire(job.readId, this.out);
      this.proposer.expire(name, nowMs, this.out);
    }
  }

  /** The log has come further. */
  durable(): void {
    if (this.stopped) return;
    const { durableLsn } = this.options.storage;
    this.replica.durable();
    this.logWatch.durable();
    this.exchange.durable(durableLsn);
    this.catchUp.durable(durableLsn);
    this.forwarding.durable(durableLsn);
    this.own.durable(durableLsn);
    if (this.own.answers === 0) return;
    this.wall.observe();
    this.carryOut();
  }

  /** Does this node's disk not answer any more? */
  get logHangs(): boolean {
    return this.logWatch.hangs;
  }

  /** Answers and messages that the log holds back: as many as the next flush serves. */
  get waitingForLog(): number {
    return this.exchange.waiting + this.own.waiting;
  }

  /** Stop in good order: nothing new is taken, and what is in flight is answered by what is known of it. */
  stop(): void {
    this.stopped = true;
    for (const part of [this.timers, this.pulls, this.catchUp, this.logWatch]) part.stop();
    for (const [id] of this.jobs.entries()) this.settle(id, { applied: "maybe" });
    // A goodbye would tell them that what has no answer was not done.
    for (const node of this.forwarding.owed) this.exchange.links[node]?.sever("this node stops, and owes it answers");
  }

  // HOT: once per message of a peer.
  message(link: PeerLink, reader: MessageReader): void {
    const from = this.exchange.links.indexOf(link);
    if (from < 0 || this.stopped) return;
    this.wall.observe();
    this.inbound.message(from, reader);
    this.carryOut();
  }

  /** The link to a peer is open (again). */
  up(link: PeerLink): void {
    if (!this.stopped) this.catchUp.up(link);
  }

  /** @param left the peer said goodbye, and has answered all that it took. Else what was under way may be lost. */
  lost(link: PeerLink, left: boolean): void {
    const from = this.exchange.links.indexOf(link);
    if (from < 0 || this.stopped) return;
    this.wall.observe();
    if (left) this.forwarding.left(from);
    else this.forwarding.lost(from);
    this.questions.lost(from);
    this.explaining.lost(from);
    if (!left) this.missed(link);
    this.carryOut();
  }

  /** States for the peer were lost, or not sent. */
  missed(link: PeerLink): void {
    const from = this.exchange.links.indexOf(link);
    if (from < 0) return;
    this.exchange.patience.lost(from);
    this.catchUp.missed(from);
  }
}
