/**
 * test/lib/register-driver.ts: a proposer and a reader under test, with what they want sent, answered and timed laid out, and replicas that are
 * nothing but replies put in by hand.
 */
import type { Dot } from "../../src/core/clock/dot.js";
import { Hlc } from "../../src/core/clock/hlc.js";
import { VersionVector } from "../../src/core/clock/version-vector.js";
import type { Effect, Nearly, Send, Surroundings, Timer } from "../../src/core/register/effects.js";
import type { Reply, Request } from "../../src/core/register/messages.js";
import type { Operation, Outcome } from "../../src/core/register/operation.js";
import { Proposer } from "../../src/core/register/proposer.js";
import type { ReplicaGroup } from "../../src/core/register/quorum.js";
import { Reader } from "../../src/core/register/reader.js";
import type { Held, RegisterState } from "../../src/core/register/state.js";

export const KEY = "k";
export const BOOT = 3;
export type Answer = string | undefined;

export const dot = (hlc: number, node = 0): Dot => ({ epoch: 1, hlc, node });

export function stateOf(value: string | undefined, more: Partial<RegisterState<string>> = {}): RegisterState<string> {
  return { value, expireAt: 0, vv: VersionVector.EMPTY, cut: 0, ...more };
}

/** Appends a letter, answers the whole. */
export function append(id: number, letter: string, deadline = 2000): Operation<string, Answer> {
  return {
    id,
    deadline,
    apply({ value }) {
      const result = (value ?? "") + letter;
      return { result, next: { value: result, expireAt: 0 } };
    },
  };
}

/** Answers the value. */
export function get(id: number, deadline = 2000): Operation<string, Answer> {
  return { id, deadline, apply: ({ value }) => ({ result: value, next: undefined }) };
}

export class RegisterDriver implements Surroundings<string> {
  /** Nodes that are not likely to answer soon. */
  readonly slow: Set<number> = new Set();
  readonly clock: Hlc = new Hlc();
  readonly proposer: Proposer<string, Answer>;
  readonly reader: Reader<string, Answer>;
  replicas: ReplicaGroup = { epoch: 1, nodes: [0, 1, 2], r: 2, w: 2 };
  own: Held<string> | undefined;
  chance = 0;
  expiring = true;
  now = 0;
  sent: Send<string>[] = [];
  nearly: Nearly<Answer>[] = [];
  timers: { readonly timer: Timer; readonly delayMs: number }[] = [];
  readonly outcomes: Map<number, Outcome<Answer>> = new Map();

  constructor(limits: { readonly queueMax?: number; readonly readsMax?: number; readonly ownedMax?: number } = {}) {
    const { clock } = this;
    this.proposer = new Proposer<string, Answer>({ node: 0, clock, surroundings: this, ...limits });
    this.reader = new Reader<string, Answer>({
      boot: BOOT,
      clock,
      surroundings: this,
      proposer: this.proposer,
      ...limits,
    });
  }

  group(): ReplicaGroup {
    return this.replicas;
  }
  held(): Held<string> | undefined {
    return this.own;
  }
  random(): number {
    return this.chance;
  }
  answers(node: number): boolean {
    return !this.slow.has(node);
  }
  expires(): boolean {
    return this.expiring;
  }

  submit(operation: Operation<string, Answer>, key: string = KEY): void {
    this.run((out) => this.proposer.submit(key, operation, this.now, out));
  }
  read(operation: Operation<string, Answer>): number {
    let id = 0;
    this.run((out) => {
      id = this.reader.read(KEY, operation, out);
    });
    return id;
  }
  expireRead(id: number): void {
    this.run((out) => this.reader.expire(id, out));
  }
  receive(from: number, reply: Reply<string>): void {
    this.run((out) => {
      this.proposer.receive(from, reply, this.now, out);
      this.reader.receive(from, reply, this.now, out);
    });
  }
  fire(timer: Timer): void {
    this.run((out) => {
      if (timer.what === "read") this.reader.timer(timer.id, this.now, out);
      else this.proposer.timer(timer, this.now, out);
    });
  }
  expire(now: number, key: string = KEY): void {
    this.run((out) => this.proposer.expire(key, now, out));
  }

  private run(act: (out: Effect<string, Answer>[]) => void): void {
    const out: Effect<string, Answer>[] = [];
    act(out);
    for (const effect of out) {
      if (effect.type === "send") this.sent.push(effect);
      else if (effect.type === "timer") this.timers.push(effect);
      else if (effect.type === "nearly") this.nearly.push(effect);
      else {
        if (this.outcomes.has(effect.id)) throw new Error(`operation ${effect.id} is settled twice`);
        this.outcomes.set(effect.id, effect.outcome);
      }
    }
  }

  /** The messages of a type sent since last time, by receiver. */
  take<T extends Request<string>["type"]>(
    type: T,
  ): { to: number; message: Extract<Request<string>, { type: T }>; underCeiling: number }[] {
    const taken = this.sent.filter(({ message }) => message.type === type);
    this.sent = this.sent.filter(({ message }) => message.type !== type);
    return taken as never;
  }
  /** The ballot of the messages of a type sent since last time. */
  ballotOf(type: "prepare" | "accept" | "chosen"): Dot {
    const [first] = this.take(type);
    if (first === undefined) throw new Error(`no ${type} was sent`);
    return first.message.ballot;
  }

  promise(from: number, ballot: Dot, accepted?: Dot, state?: RegisterState<string>, floor = 0): void {
    this.receive(from, { type: "promise", key: KEY, ballot, accepted, state, floor });
  }
  ack(from: number, ballot: Dot): void {
    this.receive(from, { type: "ack", key: KEY, ballot });
  }
  nack(from: number, ballot: Dot, phase: "prepare" | "accept", bound: Dot): void {
    this.receive(from, { type: "nack", key: KEY, ballot, phase, bound });
  }
  state(
    from: number,
    ballot?: Dot,
    state?: RegisterState<string>,
    more: { chosen?: boolean; floor?: number; id?: number } = {},
  ): void {
    const { chosen = false, floor = 0, id = 1 } = more;
    this.receive(from, { type: "state", key: KEY, boot: BOOT, id, ballot, state, chosen, floor });
  }
}
