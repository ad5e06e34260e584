/**
 * bench/lib/open-loop.ts: requests at their intended times, whether earlier ones were answered or not; latency counts from the
 * intended time, so a stall shows in every request that it delayed and not in one alone.
 * Invariants: request i is due at i / rate; the generator's own lateness counts as latency, and is reported by itself too.
 * Price: the last part of each wait is spun, since the loop's timers are a millisecond coarse.
 */
import { connect, type Socket } from "node:net";
import { createHistogram } from "node:perf_hooks";
import RedisParser from "redis-parser";
import { Chance } from "./loader.js";
import { encode } from "./resp-client.js";

export interface OpenLoopPlan {
  readonly perSecond: number;
  readonly seconds: number;
  readonly connections: number;
  readonly keys: number;
}

export interface Latencies {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly mostMs: number;
  /** 99 % of requests were sent at most so long after their time. */
  readonly lateP99Ms: number;
}

const NS_PER_MS = 1e6;
const SPIN_MS = 1.6;
const ANSWER_MS_MAX = 30_000;

interface Line {
  readonly socket: Socket;
  /** Intended times of what is under way, in order. */
  readonly due: number[];
}

/** Random GETs of redis-benchmark's keys. @throws when a reply is an error or none comes. */
export async function openLoopGets(port: number, plan: OpenLoopPlan): Promise<Latencies> {
  const latency = createHistogram();
  const lateness = createHistogram();
  const total = Math.floor(plan.perSecond * plan.seconds);
  const chance = new Chance(7);
  let answered = 0;
  let failure: Error | undefined;
  const lines = await Promise.all(
    Array.from({ length: plan.connections }, () =>
      open(
        port,
        (line) => {
          latency.record(Math.max(1, Math.round((performance.now() - (line.due.shift() as number)) * NS_PER_MS)));
          answered++;
        },
        (error) => {
          failure ??= error;
        },
      ),
    ),
  );
  const began = performance.now() + 5;
  for (let sent = 0; sent < total && failure === undefined; sent++) {
    const due = began + (sent * 1000) / plan.perSecond;
    await until(due);
    lateness.record(Math.max(1, Math.round((performance.now() - due) * NS_PER_MS)));
    const line = lines[sent % lines.length] as Line;
    line.due.push(due);
    line.socket.write(encode(["GET", `key:${String(chance.below(plan.keys)).padStart(12, "0")}`]));
  }
  const limit = performance.now() + ANSWER_MS_MAX;
  while (answered < total && failure === undefined && performance.now() < limit) await nextTurn();
  for (const { socket } of lines) socket.destroy();
  if (failure !== undefined) throw failure;
  if (answered < total) throw new Error(`${total - answered} of ${total} requests were not answered`);
  return {
    samples: total,
    p50Ms: latency.percentile(50) / NS_PER_MS,
    p99Ms: latency.percentile(99) / NS_PER_MS,
    mostMs: latency.max / NS_PER_MS,
    lateP99Ms: lateness.percentile(99) / NS_PER_MS,
  };
}

function open(port: number, onReply: (line: Line) => void, onError: (error: Error) => void): Promise<Line> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.setNoDelay(true);
      resolve(line);
    });
    const line: Line = { socket, due: [] };
    const parser = new RedisParser({
      returnReply: () => onReply(line),
      returnError: onError,
      returnFatalError: onError,
    });
    socket.on("data", (chunk) => parser.execute(chunk));
    socket.on("error", (error) => {
      onError(error);
      reject(error);
    });
  });
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Sleep while there is time for it, then turn the loop until the moment has come. */
async function until(due: number): Promise<void> {
  const left = due - performance.now();
  if (left > SPIN_MS) await new Promise((resolve) => setTimeout(resolve, Math.floor(left - SPIN_MS) || 1));
  while (performance.now() < due) await nextTurn();
}
