/**
 * commands/rows/kv.ts: the rows of the command table about keys with their versions, which Redis does not have.
 * Notation: see commands/syntax.ts.
 */
import { kvDel, kvGet, kvSet } from "../kv.js";
import type { CommandRow } from "../spec.js";

export const KV_ROWS: readonly CommandRow[] = [
  {
    name: "kv.get",
    kind: "key",
    run: kvGet,
    arity: 2,
    flags: "readonly fast",
    keys: "1 RO access",
    args: "key",
    since: "0.1.0",
    group: "string",
    complexity: "O(1)",
    summary: "Read the string stored at a key with its version and its remaining time to live in milliseconds.",
  },
  {
    name: "kv.set",
    kind: "key",
    run: kvSet,
    arity: -3,
    flags: "write denyoom",
    keys: "1 OW update",
    args: "key value [condition=NX|IFMATCH version...*] [expiration=PX milliseconds:integer|KEEPTTL]",
    since: "0.1.0",
    group: "string",
    complexity: "O(1)",
    summary:
      "Store a string at a key, on request only while the key is missing or has a version that is named; returns the new version.",
  },
  {
    name: "kv.del",
    kind: "key",
    run: kvDel,
    arity: -2,
    flags: "write fast",
    keys: "1 RM delete",
    args: "key [IFMATCH version...*]",
    since: "0.1.0",
    group: "string",
    complexity: "O(1)",
    summary: "Delete a key, on request only while it has a version that is named.",
  },
];
