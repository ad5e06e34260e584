/** server/slot-args.ts: what CLUSTER COUNTKEYSINSLOT and GETKEYSINSLOT are given, alone and in a cluster; errors are Redis's, in its order. */
import type { Args } from "../codec/resp/args.js";
import { NOT_INTEGER } from "../commands/texts.js";
import { parseInteger } from "./numbers.js";
import { SLOTS } from "./slot-map.js";

/** @returns COUNTKEYSINSLOT's slot, or an error. */
export function countArgs(args: Args): number | string {
  const slot = parseInteger(args, 2);
  if (slot === undefined) return NOT_INTEGER;
  return isSlot(slot) ? slot : "ERR Invalid slot";
}

/** @returns what GETKEYSINSLOT is asked for, or an error. */
export function listArgs(args: Args): { readonly slot: number; readonly most: number } | string {
  const slot = parseInteger(args, 2);
  const most = parseInteger(args, 3);
  if (slot === undefined || most === undefined) return NOT_INTEGER;
  return isSlot(slot) && most >= 0 ? { slot, most } : "ERR Invalid slot or number of keys";
}

function isSlot(slot: number): boolean {
  return slot >= 0 && slot < SLOTS;
}
