/**
 * bench/lib/closed-loop.ts: connections that have one operation in flight each, and send the next when its answer has come. The same
 * loop drives every system that is compared: plain connections, spread as the plan says, requests made beforehand, and as
 * little parsing as shows that the answer is the right one.
 *
 * Runs in a process of its own (closed-loop-process.ts), so that its CPU is known and none of it is the bench's.
 * Invariants: every answer is checked, and the first that is not what was asked for ends the loop; rate, latency and CPU are those of
 * the measured window; at the end nothing is in flight, so `acknowledged` is exact.
 */
import { connect, type Socket } from "node:net";
import { keySlot } from "../../src/core/ring/slot.js";
import { viewed } from "../../src/lib/view.js";
import { type Operation, type Request, requestsOf, writeDigits } from "./closed-loop-requests.js";
import { Chance } from "./loader.js";
import { cpuTime, sleep } from "./process-facts.js";

export interface LoopTarget {
  readonly port: number;
  readonly connections: number;
  /** Only keys of these slots, both ends included. Without it: any. */
  readonly slots?: readonly (readonly [from: number, to: number])[];
}

export interface LoopPlan {
  readonly targets: readonly LoopTarget[];
  readonly operation: Operation;
  /** key:000000000000 and so on, chosen at random. */
  readonly keys: number;
  readonly valueBytes: number;
  readonly warmMs: number;
  readonly measureMs: number;
  readonly seed: number;
  /** Server processes whose CPU time counts. */
  readonly pids: readonly number[];
}

export interface LoopResult {
  /** Operations within the window. */
  readonly operations: number;
  readonly perSecond: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly mostMs: number;
  /** CPU per operation: of all servers together, and of this loop. */
  readonly serverMicros: number;
  readonly driverMicros: number;
  /** All answered operations, those before and after the window among them. */
  readonly acknowledged: number;
}

const LATENCY_US_MAX = 4_000_000;
const READ_BYTES = 1024;
const DRAIN_MS_MAX = 10_000;
const CONNECT_MS_MAX = 5000;
const LF = 10;
const ZERO = 48;
const DASH = 45;

/** What the lines of one loop share. */
class Tally {
  readonly latencies: Uint32Array = new Uint32Array(LATENCY_US_MAX + 1);
  measuring = false;
  ending = false;
  operations = 0;
  acknowledged = 0;
  inFlight = 0;
  failure: Error | undefined;

  answered(tookMs: number): void {
    this.inFlight--;
    this.acknowledged++;
    if (!this.measuring) return;
    this.operations++;
    this.latencies[Math.min(LATENCY_US_MAX, Math.round(tookMs * 1000))]++;
  }

  fail(error: Error): void {
    this.failure ??= error;
    this.ending = true;
  }
}

/** One connection. */
class Line {
  private readonly tally: Tally;
  private readonly requests: readonly Request[];
  private readonly keys: number | Uint32Array;
  private readonly chance: Chance;
  private socket: Socket | undefined;
  private current: Request;
  /** Bytes of the answer so far. */
  private got = 0;
  private sentMs = 0;

  /** @param keys numbers to choose from, or how many there are. */
  constructor(tally: Tally, requests: readonly Request[], keys: number | Uint32Array, seed: number) {
    this.tally = tally;
    this.requests = requests;
    this.keys = keys;
    this.chance = new Chance(seed);
    this.current = requests[0];
  }

  open(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
      const callback = (bytes: number): boolean => {
        this.read(buffer, bytes);
        return true;
      };
      const socket = connect({ port, host: "127.0.0.1", noDelay: true, onread: { buffer, callback } }, () => resolve());
      this.socket = socket;
      const lost = (error: Error): void => {
        this.tally.fail(error);
        reject(error);
      };
      socket.setTimeout(CONNECT_MS_MAX + DRAIN_MS_MAX, () => lost(new Error("no answer for seconds")));
      socket.on("error", lost);
      socket.on("end", () => lost(new Error("the server hung up")));
    });
  }

  close(): void {
    this.socket?.destroy();
  }

  // HOT: once per operation.
  send(nowMs: number): void {
    const { requests, chance, keys } = this;
    const request = requests.length === 1 ? requests[0] : requests[chance.below(requests.length)];
    if (request.digitsAt > 0) {
      writeDigits(request, typeof keys === "number" ? chance.below(keys) : keys[chance.below(keys.length)]);
    }
    this.current = request;
    this.got = 0;
    this.sentMs = nowMs;
    this.tally.inFlight++;
    // Its bytes have left before the answer comes, so that they can be overwritten then.
    this.socket?.write(request.bytes);
  }

  // HOT: once per answer.
  private read(chunk: Buffer, bytes: number): void {
    const { tally, got } = this;
    const { begins, length, countAt } = this.current.answer;
    for (let i = 0; i < bytes && got + i < begins.length; i++) {
      if (chunk[i] !== begins[got + i]) return this.wrong(chunk, bytes);
    }
    this.got = got + bytes;
    if (countAt > 0 && got <= countAt && countAt < this.got && chunk[countAt - got] === ZERO) {
      return this.wrong(chunk, bytes);
    }
    if (length > 0 ? this.got < length : chunk[bytes - 1] !== LF) return;
    if (length > 0 && this.got > length) return this.wrong(chunk, bytes);
    const nowMs = performance.now();
    tally.answered(nowMs - this.sentMs);
    if (!tally.ending) this.send(nowMs);
  }

  private wrong(chunk: Buffer, bytes: number): void {
    const text = chunk.toString("latin1", 0, Math.min(bytes, 200));
    const what = chunk[0] === DASH ? "an error" : "not what was asked for";
    this.tally.fail(new Error(`the answer to ${this.current.bytes.toString("latin1", 0, 60)} is ${what}: ${text}`));
  }
}

/** Numbers of the keys that lie in the slots. */
function keysIn(slots: NonNullable<LoopTarget["slots"]>, keys: number): Uint32Array {
  const wanted = new Uint8Array(16384);
  for (const [from, to] of slots) wanted.fill(1, from, to + 1);
  const found: number[] = [];
  for (let i = 0; i < keys; i++) {
    const name = viewed(Buffer.from(`key:${String(i).padStart(12, "0")}`));
    if (wanted[keySlot(name, 0, name.length)] === 1) found.push(i);
  }
  if (found.length === 0) throw new Error("no key lies in a node's slots");
  return Uint32Array.from(found);
}

function percentile(latencies: Uint32Array, total: number, share: number): number {
  let seen = 0;
  for (let us = 0; us < latencies.length; us++) {
    seen += latencies[us];
    if (seen >= total * share) return us / 1000;
  }
  return latencies.length / 1000;
}

function mean(latencies: Uint32Array, total: number): number {
  let sum = 0;
  for (let us = 0; us < latencies.length; us++) sum += us * latencies[us];
  return sum / total / 1000;
}

async function until(moment: number, tally: Tally): Promise<void> {
  while (performance.now() < moment && !tally.ending)
    await sleep(Math.min(50, Math.max(1, moment - performance.now())));
}

async function linesOf(plan: LoopPlan, tally: Tally): Promise<Line[]> {
  const lines: Line[] = [];
  for (const { port, connections, slots } of plan.targets) {
    const keys = slots === undefined ? plan.keys : keysIn(slots, plan.keys);
    for (let i = 0; i < connections; i++) {
      const requests = requestsOf(plan.operation, lines.length, plan.valueBytes);
      const line = new Line(tally, requests, keys, (plan.seed + lines.length) * 7919 + 1);
      lines.push(line);
      await line.open(port);
    }
  }
  return lines;
}

/** @throws when an answer is not what was asked for, or none comes. */
export async function closedLoop(plan: LoopPlan): Promise<LoopResult> {
  const tally = new Tally();
  const lines = await linesOf(plan, tally);
  const serversMs = (): number => plan.pids.reduce((sum, pid) => sum + cpuTime(pid).ownMs, 0);
  for (const line of lines) line.send(performance.now());
  await until(performance.now() + plan.warmMs, tally);
  const servers = serversMs();
  const own = process.cpuUsage();
  const began = performance.now();
  tally.measuring = true;
  await until(began + plan.measureMs, tally);
  tally.measuring = false;
  const elapsedMs = performance.now() - began;
  const { user, system } = process.cpuUsage(own);
  const serverMs = serversMs() - servers;
  tally.ending = true;
  const limit = performance.now() + DRAIN_MS_MAX;
  while (tally.inFlight > 0 && tally.failure === undefined && performance.now() < limit) await sleep(1);
  for (const line of lines) line.close();
  const { operations, latencies, acknowledged, inFlight, failure } = tally;
  if (failure !== undefined) throw failure;
  if (inFlight > 0) throw new Error(`${inFlight} operations were not answered`);
  if (operations === 0) throw new Error("no operation was answered within the window");
  return {
    operations,
    perSecond: (operations * 1000) / elapsedMs,
    meanMs: mean(latencies, operations),
    p50Ms: percentile(latencies, operations, 0.5),
    p99Ms: percentile(latencies, operations, 0.99),
    mostMs: percentile(latencies, operations, 1),
    serverMicros: (serverMs * 1000) / operations,
    driverMicros: (user + system) / operations,
    acknowledged,
  };
}
