/**
 * server/slowlog.ts: the commands that took longest, newest first, as SLOWLOG shows them.
 * Invariants: at most slowlog-max-len entries; an entry owns its texts, cut to Redis's sizes, and holds no secret.
 */
import type { Args } from "../codec/resp/args.js";
import type { Config } from "../config/config.js";
import type { Session } from "./session.js";
import { shownPart } from "./shown.js";

const ARGS_MAX = 32;
const ARG_CHARS_MAX = 128;

export interface SlowEntry {
  readonly id: number;
  readonly seconds: number;
  readonly usec: number;
  readonly args: readonly string[];
  readonly remote: string;
  readonly name: string;
}

export class SlowLog {
  /** Oldest first. */
  private entries: SlowEntry[] = [];
  private nextId = 0;
  private readonly config: Config;

  constructor(config: Config) {
    this.config = config;
  }

  get length(): number {
    return this.entries.length;
  }

  add(session: Session | undefined, args: Args, usec: number, nowMs: number): void {
    // In a cluster without breath all commands are slow: this must cost little.
    const { entries } = this;
    entries.push({
      id: this.nextId++,
      seconds: Math.floor(nowMs / 1000),
      usec: Math.round(usec),
      args: shown(args),
      remote: session?.connection.remote ?? "",
      name: session?.name ?? "",
    });
    const beyond = entries.length - this.config.slowlogMaxLen;
    if (beyond === 1) entries.shift();
    else if (beyond > 1) entries.splice(0, beyond);
  }

  /** The newest `count`; -1 = all. */
  newest(count: number): readonly SlowEntry[] {
    const from = count < 0 ? 0 : Math.max(0, this.entries.length - count);
    return this.entries.slice(from).reverse();
  }

  reset(): void {
    this.entries = [];
  }
}

function shown(args: Args): string[] {
  const texts: string[] = [];
  const count = args.count > ARGS_MAX ? ARGS_MAX - 1 : args.count;
  for (let i = 0; i < count; i++) texts.push(shownPart(args, i, ARG_CHARS_MAX));
  if (count < args.count) texts.push(`... (${args.count - count} more arguments)`);
  return texts;
}
