/**
 * cluster/foreign.ts: what this node takes over from its peers: records that it can keep, and hlcs that an honest clock can have given.
 *
 * What a message carries moves this node's clock sooner or later, for good: it is witnessed, and a ceiling above it is logged. An hlc near the end of
 * the numbers would leave none to go on with, here and at all that hear of it. So nothing further ahead than AHEAD_MS is let in, be it a ballot, an
 * entry of a vector, a cut, a floor, or the bound of a refusal; and a record only if this version could read it again after a restart.
 * Ahead of this node's time, or of what it recovered: never of what it heard, or the limit would rise with what it lets pass.
 * Invariants: the limit only rises. What a peer is refused for is told once.
 */
import {
  FLAG_HAS_STATE,
  MESSAGE_ACCEPT,
  MESSAGE_LEARN,
  MESSAGE_NACK,
  MESSAGE_PREPARE,
  MESSAGE_PROMISE,
  MESSAGE_READ_REPLY,
} from "../codec/frame/layout.js";
import type { MessageReader } from "../codec/frame/message-reader.js";
import { COUNTS_PER_MS, hlcAt } from "../core/clock/hlc.js";
import { highestHlc } from "../storage/register-replay.js";
import type { RecordState } from "../storage/state-record.js";
import type { CoordinatorOptions } from "./coordinator-options.js";
import { readRecord } from "./register-wire.js";

const AHEAD_MS: number = 24 * 3600 * 1000;
const AHEAD = "what it sends is dropped as long as it is from a clock more than a day ahead of this node's";
const MADE_BY_NOBODY = "it sends records or ballots that no node can have made: they are dropped";

type Parts = Pick<CoordinatorOptions, "storage" | "clocks" | "onStrange">;

export class Foreign {
  /** Messages and records that no member should have sent. */
  strange = 0;
  private readonly parts: Parts;
  private limit: number;
  private readonly told: Set<string> = new Set();

  constructor(parts: Parts) {
    this.parts = parts;
    this.limit = parts.storage.recoveredCeiling + AHEAD_MS * COUNTS_PER_MS;
  }

  /** Before clocks are compared it may be this node's that is wrong: whoever is told that its own is ahead leaves it to others to propose. */
  get knowsTime(): boolean {
    return this.parts.clocks.compared;
  }

  // HOT: once per message of a peer.
  /** Does the message carry an hlc that must not be taken over? Items of SHIP and CHOSEN are to be looked at one by one. */
  isAhead(reader: MessageReader): boolean {
    return this.isBeyond(highestOf(reader));
  }

  /** Is that hlc further ahead than any that may be taken over? */
  isBeyond(hlc: number): boolean {
    if (hlc <= this.limit) return false;
    this.limit = Math.max(this.limit, hlcAt(this.parts.clocks.nowMs() + AHEAD_MS));
    return hlc > this.limit;
  }

  /** The current item of SHIP, in memory of its own. @returns undefined: this node must not keep it, which is counted and told. */
  record(from: number, reader: MessageReader): RecordState | undefined {
    const ahead = this.isBeyond(highestHlc(reader.bytes, reader.at));
    const state = ahead ? undefined : readRecord(reader);
    if (state === undefined) this.refuse(from, ahead);
    return state;
  }

  /** Something of a peer is dropped. @param ahead for its hlc, else since no node can have made it. */
  refuse(from: number, ahead: boolean): void {
    this.strange++;
    const key = `${from} ${ahead}`;
    if (this.told.has(key)) return;
    this.told.add(key);
    this.parts.onStrange(from, ahead ? AHEAD : MADE_BY_NOBODY);
  }
}

function highestOf(reader: MessageReader): number {
  switch (reader.type) {
    case MESSAGE_PREPARE:
      return reader.dotHlc;
    case MESSAGE_NACK:
      return reader.secondHlc;
    case MESSAGE_ACCEPT:
    case MESSAGE_LEARN:
      return highestHlc(reader.bytes, reader.at);
    case MESSAGE_READ_REPLY:
    case MESSAGE_PROMISE: {
      const highest = Math.max(reader.secondHlc, reader.floor);
      const hasState = (reader.flags & FLAG_HAS_STATE) !== 0;
      return hasState ? Math.max(highest, highestHlc(reader.bytes, reader.at)) : highest;
    }
    default:
      return 0;
  }
}
