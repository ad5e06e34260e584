/**
 * commands/rows/transactions.ts: the rows of the command table about transactions. Their handlers are the server room's.
 * Notation: see commands/syntax.ts.
 */
import type { CommandRow } from "../spec.js";

export const TRANSACTION_ROWS: readonly CommandRow[] = [
  {
    name: "multi",
    arity: 1,
    flags: "noscript loading stale fast allow_busy",
    since: "1.2.0",
    group: "transactions",
    complexity: "O(1)",
    summary: "Begin a transaction: commands wait for EXEC.",
  },
  {
    name: "exec",
    arity: 1,
    flags: "noscript loading stale skip_slowlog",
    since: "1.2.0",
    group: "transactions",
    complexity: "That of the commands",
    summary: "Run the commands of a transaction.",
  },
  {
    name: "discard",
    arity: 1,
    flags: "noscript loading stale fast allow_busy",
    since: "2.0.0",
    group: "transactions",
    complexity: "O(N), N being the number of commands",
    summary: "Forget the commands of a transaction.",
  },
  {
    name: "watch",
    arity: -2,
    flags: "noscript loading stale fast allow_busy",
    keys: "1..-1 RO",
    args: "key...",
    since: "2.2.0",
    group: "transactions",
    complexity: "O(N), N being the number of keys",
    summary: "Let the next EXEC do nothing if one of these keys changes before.",
  },
  {
    name: "unwatch",
    arity: 1,
    flags: "noscript loading stale fast allow_busy",
    since: "2.2.0",
    group: "transactions",
    complexity: "O(1)",
    summary: "Forget all watched keys.",
  },
];
