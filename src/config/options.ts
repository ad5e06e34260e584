/**
 * config/options.ts: THE option table, put together from the rows by subject. Flags, environment names, file directives,
 * CONFIG GET and SET, --help and docs/OPTIONS.md all come from it; nothing else in kvorum knows an option's name.
 * Invariants: names and aliases are unique; an option with a key is read by code, one without a key is only accepted.
 */
import { assert } from "../lib/assert.js";
import type { Option, Row } from "./row.js";
import { type ClusterValues, clusterRows, type TlsValues, tlsRows } from "./rows/cluster.js";
import { type LimitValues, limitRows, type NetworkValues, networkRows } from "./rows/network.js";
import { redisNameRows } from "./rows/redis-names.js";
import {
  type DurabilityValues,
  durabilityRows,
  type LogValues,
  logRows,
  type MemoryValues,
  memoryRows,
} from "./rows/storage.js";

/** Every value that code may read, by camelCase key. */
export interface ConfigValues
  extends NetworkValues,
    LimitValues,
    MemoryValues,
    DurabilityValues,
    LogValues,
    TlsValues,
    ClusterValues {}

export const REDIS_NAMES = "Names from redis.conf";

function withKeys(group: string, rows: object): Option[] {
  return Object.entries(rows as Record<string, Row>).map(([key, row]) => ({ ...row, name: kebab(key), key, group }));
}

/** maxmemoryPolicy is maxmemory-policy. */
function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export const OPTIONS: readonly Option[] = [
  ...withKeys("Network and access", networkRows),
  ...withKeys("Memory", memoryRows),
  ...withKeys("Durability", durabilityRows),
  ...withKeys("Limits", limitRows),
  ...withKeys("Log", logRows),
  ...withKeys("Cluster", clusterRows),
  ...withKeys("TLS", tlsRows),
  ...redisNameRows().map(([name, row]) => ({ ...row, name, key: undefined, group: REDIS_NAMES })),
];

const byName = new Map<string, Option>();
for (const option of OPTIONS) {
  for (const name of [option.name, ...(option.aliases ?? [])]) {
    assert(!byName.has(name), "option name used twice", name);
    byName.set(name, option);
  }
}

/** The option of that name or alias, in any case; undefined when there is none. */
export function findOption(name: string): Option | undefined {
  return byName.get(name) ?? byName.get(name.toLowerCase());
}

/** All names, aliases included, in the table's order. */
export function optionNames(): IterableIterator<string> {
  return byName.keys();
}
