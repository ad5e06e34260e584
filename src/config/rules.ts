/**
 * config/rules.ts: what ties several options together: derived ports, rules between values, and what unsafe values give up.
 * Run at start and after each CONFIG SET. Invariant: brokenRule looks only at values, so the order they came in is nothing to it.
 */

import { isLoopback } from "../lib/loopback.js";
import type { Config } from "./config.js";
import type { ConfigValues } from "./options.js";
import { peersOf } from "./peers.js";

export interface BrokenRule {
  /** The options the rule is about, the one to change first in front. */
  readonly names: readonly string[];
  readonly text: string;
}

const PORT_MAX = 65535;

/** How far above the main port those lie that follow it. */
const ABOVE = { "http-port": 1000, "peer-port": 10_000 } as const;

/**
 * A port that follows the main one, when none was given. HTTP has no TLS: whoever turned the plain port off is not given a plain one by itself.
 * @returns 0 when there is nothing to follow; may be over 65535, which brokenPorts turns into an error. And where it is from, for people.
 */
export function derivedPort(
  name: keyof typeof ABOVE,
  plainPort: number,
  tlsPort: number,
): { readonly port: number; readonly where: string } {
  const above = ABOVE[name];
  if (plainPort !== 0) return { port: plainPort + above, where: `port + ${above}` };
  if (name === "http-port") return { port: 0, where: "port is 0" };
  return tlsPort === 0 ? { port: 0, where: "no port" } : { port: tlsPort + above, where: `tls-port + ${above}` };
}

/** Ports over the top or used twice. */
function brokenPorts(values: Readonly<ConfigValues>): BrokenRule | undefined {
  const ports = (["port", "tls-port", "http-port", "peer-port"] as const).map(
    (name, i) => [name, [values.port, values.tlsPort, values.httpPort, values.peerPort][i] as number] as const,
  );
  for (const [i, [name, port]] of ports.entries()) {
    if (port > PORT_MAX) {
      return { names: [name], text: `follows port and would be ${port}, over ${PORT_MAX}: choose one with --${name}` };
    }
    const twin = ports.slice(0, i).find(([, other]) => other === port && port !== 0);
    if (twin !== undefined) return { names: [name, twin[0]], text: `is ${port}, the same as ${twin[0]}` };
  }
  if (values.peerPort === 0 && values.peers.length > 0) {
    return { names: ["peer-port"], text: "has no port to follow: choose one with --peer-port" };
  }
  return undefined;
}

/** The first rule the values break, or undefined. */
export function brokenRule(values: Readonly<ConfigValues>): BrokenRule | undefined {
  const { n, r, w } = values;
  if (r > n) return { names: ["r", "n"], text: `is ${r}, more than the ${n} replicas of n` };
  if (w > n) return { names: ["w", "n"], text: `is ${w}, more than the ${n} replicas of n` };
  if (r + w <= n) {
    return {
      names: ["r", "w", "n"],
      text: `r + w must be more than n, or a read may miss a write: ${r} + ${w} <= ${n}`,
    };
  }
  if (values.clientQueryBufferLimit < values.maxValueBytes) {
    return {
      names: ["client-query-buffer-limit", "max-value-bytes"],
      text: `is less than max-value-bytes (${values.maxValueBytes}), so the largest value could never arrive`,
    };
  }
  if (values.tlsPort !== 0 && (values.tlsCertFile === "" || values.tlsKeyFile === "")) {
    return { names: ["tls-port"], text: "needs tls-cert-file and tls-key-file" };
  }
  return brokenPorts(values) ?? (values.peers.length === 0 ? undefined : brokenMember(values));
}

/** What a node with peers needs. */
function brokenMember(values: Readonly<ConfigValues>): BrokenRule | undefined {
  const { id, peers, peerPort, bind, clusterSecret, maxmemoryPolicy } = values;
  if (id === "") return { names: ["id", "peers"], text: "is needed with peers: a name for this node, say --id n1" };
  const known = peersOf(peers);
  if (known.some((peer) => peer.id === id)) {
    return { names: ["peers", "id"], text: `must name the other nodes only: ${id} is the id of this one` };
  }
  const own = known.find(
    ({ host, port }) => port === peerPort && bind.includes(host === "localhost" ? "127.0.0.1" : host),
  );
  if (own !== undefined) {
    return {
      names: ["peers", "peer-port"],
      text: `must name the other nodes only: ${own.id} is at this one's own peer port`,
    };
  }
  const away = known.find(({ host }) => !isLoopback(host));
  if (away !== undefined && clusterSecret === "") {
    return {
      names: ["cluster-secret", "peers"],
      text: `is needed: ${away.id} is at ${away.host}, and nodes on other machines are talked to only with a secret`,
    };
  }
  if (maxmemoryPolicy !== "noeviction") {
    return {
      names: ["maxmemory-policy", "peers"],
      text: `is ${maxmemoryPolicy}; with peers only noeviction is there: a replica cannot forget a key on its own`,
    };
  }
  return undefined;
}

/** What will hardly work as it is, one sentence each. */
export function doubtfulLines(peers: readonly string[], bind: readonly string[], zone: string): string[] {
  const lines: string[] = [];
  if (peers.length === 0) return lines;
  const away = peersOf(peers).find(({ host }) => !isLoopback(host));
  if (away !== undefined && bind.every(isLoopbackBind)) {
    lines.push(
      `bind has addresses of this machine only, and ${away.id} is on another one: it cannot connect to this node`,
    );
  }
  if (zone !== "") lines.push("zone has no effect so far: peers does not say in which zone a peer is");
  return lines;
}

/** Rules about what a server needs; a library that opens its own port, or none, does not. */
export function brokenServerRule(values: Readonly<ConfigValues>): BrokenRule | undefined {
  if (values.unixsocket === "" && (values.bind.length === 0 || (values.port === 0 && values.tlsPort === 0))) {
    return { names: ["port", "bind"], text: "nothing to listen on: give a port, or a unixsocket" };
  }
  return undefined;
}

/** What the values give up, one line each, in capitals where it matters. */
export function unsafeLines(config: Config): string[] {
  const lines: string[] = [];
  for (const { option, value } of config.all()) {
    if (option.unsafe === undefined || value === option.default) continue;
    if (option.name === "protected-mode" && (config.requirepass !== "" || config.bind.every(isLoopbackBind))) continue;
    const shown = `${option.name} ${config.get(option.name)}`;
    lines.push(
      option.name === "appendfsync" ? `${shown}: ${fsyncLine(config.appendfsync)}` : `${shown}: ${option.unsafe}`,
    );
  }
  return lines;
}

function fsyncLine(appendfsync: Config["appendfsync"]): string {
  return appendfsync === "everysec"
    ? "A POWER CUT LOSES UP TO A SECOND OF ACKNOWLEDGED WRITES. A crash of the process loses none."
    : "A POWER CUT LOSES WHATEVER THE SYSTEM HAD NOT WRITTEN, OFTEN 30 SECONDS. A crash of the process loses none.";
}

/** A dash in front: the address may be missing. */
function isLoopbackBind(address: string): boolean {
  return isLoopback(address.replace(/^-/, ""));
}
