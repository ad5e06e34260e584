/**
 * http/limits.ts: what one client and all of them together may take. Tests reach them with smaller ones.
 */

export interface Limits {
  /** Open connections of each address. */
  readonly connectionsMax: number;
  /** Requests whose operation is under way. */
  readonly operationsMax: number;
  /** Of all bodies that are held, and of all values that are on their way out, each; a single larger one goes through alone. */
  readonly bytesMax: number;
  /** The request's first line and its headers. */
  readonly headBytesMax: number;
  /** Until the head is there, and until the whole request is. */
  readonly headMs: number;
  readonly requestMs: number;
  /** A connection on which nothing moves, within a request and between two. */
  readonly stallMs: number;
  readonly keepAliveMs: number;
  /** An operation that has no answer by then is uncertain. In a cluster they all have one before. */
  readonly operationMs: number;
  /** How often connections are looked at. */
  readonly checkMs: number;
}

export const LIMITS: Limits = {
  connectionsMax: 1024,
  operationsMax: 512,
  bytesMax: 256 * 1024 * 1024,
  headBytesMax: 32 * 1024,
  headMs: 10_000,
  requestMs: 300_000,
  stallMs: 30_000,
  keepAliveMs: 15_000,
  operationMs: 10_000,
  checkMs: 1000,
};
