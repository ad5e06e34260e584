/**
 * bench/lib/loader.ts: a raw pipelining writer for what redis-benchmark cannot do: every key exactly once, sizes that change,
 * keys under one hash tag, deadlines. Requests are made in place in one buffer.
 * Invariants: every reply is parsed and must be +OK; at most `windowBytes` are on their way; the same seed writes the same
 * bytes.
 */
import { connect } from "node:net";
import RedisParser from "redis-parser";

export interface LoadPlan {
  /** Number of SETs. */
  readonly count: number;
  /** Distinct keys; SET i writes key number i * STRIDE mod keys, so `keys` consecutive SETs write each once. */
  readonly keys: number;
  /** Before the 12 digits of a key. "key:" makes 16-byte keys as redis-benchmark's. */
  readonly prefix?: string;
  /** Value sizes, drawn evenly from least to most. */
  readonly valueBytesLeast: number;
  readonly valueBytesMost: number;
  /** Milliseconds until the keys expire, told as an absolute deadline: PXAT. */
  readonly expireAtMs?: number;
  /** Bytes generated per write. */
  readonly windowBytes?: number;
  readonly seed?: number;
}

const DIGITS = 12;
const WINDOW_BYTES = 256 * 1024;
const VALUE_BYTES_MAX = 64 * 1024;
/** Prime and larger than any key count here: a step that visits every key before it returns. */
const STRIDE = 2_147_483_647;
const REQUEST_BYTES_MAX = 256;

/** A small generator of repeatable chance (xorshift32). */
export class Chance {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0 || 1;
  }

  /** 0 .. bound - 1. */
  below(bound: number): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return (x >>> 0) % bound;
  }
}

/** Makes requests of a plan, one after the other, into a buffer. */
export class RequestMaker {
  private readonly plan: LoadPlan;
  private readonly chance: Chance;
  private readonly lead: Buffer;
  private readonly tail: Buffer;
  private readonly filler: Buffer = Buffer.alloc(VALUE_BYTES_MAX, "kvorum ");
  private key = 0;
  private readonly step: number;
  made = 0;

  constructor(plan: LoadPlan) {
    if (plan.valueBytesMost > VALUE_BYTES_MAX) throw new Error(`values up to ${VALUE_BYTES_MAX} bytes`);
    this.plan = plan;
    this.chance = new Chance(plan.seed ?? 1);
    const prefix = plan.prefix ?? "key:";
    const expires = plan.expireAtMs !== undefined;
    this.lead = Buffer.from(`*${expires ? 5 : 3}\r\n$3\r\nSET\r\n$${prefix.length + DIGITS}\r\n${prefix}`);
    const at = String(plan.expireAtMs ?? "");
    this.tail = Buffer.from(expires ? `\r\n$4\r\nPXAT\r\n$${at.length}\r\n${at}\r\n` : "\r\n");
    this.step = STRIDE % plan.keys;
    if (plan.keys > 1 && this.step === 0) throw new Error("the stride must not divide the number of keys");
  }

  /** Append requests to `out` from `at` on until it is full or the plan is done. @returns one past the last byte. */
  fill(out: Buffer, at: number): number {
    const { plan, lead, tail } = this;
    const room = out.length - REQUEST_BYTES_MAX - plan.valueBytesMost;
    const span = plan.valueBytesMost - plan.valueBytesLeast + 1;
    while (this.made < plan.count && at < room) {
      lead.copy(out, at);
      at += lead.length;
      let digits = this.key;
      for (let i = at + DIGITS - 1; i >= at; i--) {
        out[i] = 48 + (digits % 10);
        digits = Math.floor(digits / 10);
      }
      at += DIGITS;
      const length = span === 1 ? plan.valueBytesLeast : plan.valueBytesLeast + this.chance.below(span);
      at += out.latin1Write(`\r\n$${length}\r\n`, at);
      this.filler.copy(out, at, 0, length);
      at += length;
      tail.copy(out, at);
      at += tail.length;
      this.key += this.step;
      if (this.key >= plan.keys) this.key -= plan.keys;
      this.made++;
    }
    return at;
  }
}

/**
 * Write a plan over one connection, two windows on their way at most.
 * @returns SETs per second. @throws at the first reply that is not +OK.
 */
export function load(port: number, plan: LoadPlan): Promise<number> {
  const maker = new RequestMaker(plan);
  const windowBytes = plan.windowBytes ?? WINDOW_BYTES;
  // A buffer is used again only when all its replies have come, so its bytes have surely left.
  const buffers = [Buffer.allocUnsafeSlow(windowBytes), Buffer.allocUnsafeSlow(windowBytes)];
  const ends = [0, 0];
  let turn = 0;
  let answered = 0;
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      send(0);
      send(1);
    });
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    const send = (which: number): void => {
      const out = buffers[which] as Buffer;
      const bytes = maker.fill(out, 0);
      ends[which] = maker.made;
      if (bytes > 0) socket.write(out.subarray(0, bytes));
    };
    const parser = new RedisParser({
      returnReply: (reply: unknown) => {
        if (reply !== "OK") return fail(new Error(`SET answered ${String(reply)}`));
        answered++;
        if (answered === plan.count) {
          socket.destroy();
          resolve((plan.count * 1000) / (performance.now() - began));
        } else if (answered === ends[turn]) {
          const free = turn;
          turn = 1 - turn;
          send(free);
        }
      },
      returnError: fail,
      returnFatalError: fail,
    });
    socket.setNoDelay(true);
    socket.on("data", (chunk) => parser.execute(chunk));
    socket.once("error", fail);
    socket.once("close", () => reject(new Error(`closed after ${answered} of ${plan.count} replies`)));
  });
}
