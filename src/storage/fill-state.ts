/**
 * storage/fill-state.ts: from a record's bytes to the key's state as a command sees it (ports/keyspace.ts).
 */
import {
  bodyBytesAt,
  expireAtOf,
  FLAG_RAW,
  flagsOf,
  HEADER_BYTES,
  headOf,
  hlcOfViewed,
  isPlain,
  keyLength,
  keyOffset,
  plainKeyBytes,
  typeOf,
} from "../codec/record/record.js";
import type { Viewed } from "../lib/view.js";
import type { KeyState } from "../ports/keyspace.js";

// HOT: once per key found. No allocation. Guard: bench/micro/store.ts
/** @param state refers to bytes from then on. @param at where a body begins that is whole. */
export function fillState(state: KeyState, bytes: Viewed, at: number): void {
  const head = headOf(bytes, at);
  state.present = true;
  state.bytes = bytes;
  state.type = typeOf(head);
  state.raw = (flagsOf(head) & FLAG_RAW) !== 0;
  // The usual record is told by one word.
  if (isPlain(head)) {
    state.keyAt = at + HEADER_BYTES;
    state.keyBytes = plainKeyBytes(head);
    state.expireAt = 0;
  } else {
    state.keyAt = at + keyOffset(bytes, at);
    state.keyBytes = keyLength(bytes, at);
    state.expireAt = expireAtOf(bytes, at);
  }
  state.valueAt = state.keyAt + state.keyBytes;
  state.valueBytes = bodyBytesAt(bytes, at) - (state.valueAt - at);
  state.version = hlcOfViewed(bytes, at);
}
