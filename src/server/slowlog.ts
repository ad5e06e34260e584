/**
 * server/slowlog.ts: the commands that took longest, newest first, as SLOWLOG shows them.
 * Invariants: at most slowlog-max-len entries; an entry owns its texts, cut to Redis's sizes, and holds no secret.
 */
import type { Args } from "../codec/resp/args.js";
import type { Config } from "../config/config.js";
import type { Session } from "./session.js";
import { shownArg } from "./shown.js";

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
    this.entries.unshift({
      id: this.nextId++,
      seconds: Math.floor(nowMs / 1000),
      usec: Math.round(usec),
      args: shown(args),
      remote: session?.connection.remote ?? "",
      name: session?.name ?? "",
    });
    this.entries.length = Math.min(this.entries.length, this.config.slowlogMaxLen);
  }

  /** The newest `count`; -1 = all. */
  newest(count: number): readonly SlowEntry[] {
    return count < 0 ? this.entries : this.entries.slice(0, count);
  }

  reset(): void {
    this.entries = [];
  }
}

function shown(args: Args): string[] {
  const texts: string[] = [];
  const count = args.count > ARGS_MAX ? ARGS_MAX - 1 : args.count;
  for (let i = 0; i < count; i++) {
    const text = shownArg(args, i);
    texts.push(
      text.length > ARG_CHARS_MAX
        ? `${text.slice(0, ARG_CHARS_MAX)}... (${text.length - ARG_CHARS_MAX} more bytes)`
        : text,
    );
  }
  if (count < args.count) texts.push(`... (${args.count - count} more arguments)`);
  return texts;
}
