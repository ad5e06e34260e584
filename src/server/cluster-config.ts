/**
 * server/cluster-config.ts: what a configuration may not say on a node among several.
 */
import type { Config } from "../config/config.js";

/**
 * Evicting is each node's own affair: replicas would forget different keys, and take them for deleted. With noeviction the node that a
 * write comes to refuses it (OOM) when its own memory is full.
 * @returns why the configuration will not do; undefined: it will. To be asked before the start (exit code 64).
 */
export function clusterRefusal(config: Config): string | undefined {
  if (config.maxmemoryPolicy === "noeviction") return undefined;
  return "maxmemory-policy: with several nodes only noeviction is possible, since replicas would evict different keys";
}

/** Have CONFIG SET refuse it too. */
export function keepClusterRules(config: Config): void {
  config.onChange("maxmemory-policy", () => clusterRefusal(config));
}
