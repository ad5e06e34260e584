/**
 * test/lib/network-cut.ts: a network of its own for each node, on one bridge, whose cable can be pulled: packets vanish, and nobody is told,
 * as with a broken switch or a machine that lost its power. Network namespaces of Linux: root and `ip` are needed.
 */
import { execFileSync } from "node:child_process";
import type { Place } from "./kvorum-cluster.js";

/** Addresses for benchmarks of networks (RFC 2544): nobody's. */
const PREFIX = "198.18";
const TIMEOUT_MS = 60_000;

function ip(...words: readonly string[]): void {
  execFileSync("ip", words, { stdio: ["ignore", "ignore", "pipe"], timeout: TIMEOUT_MS });
}

export class CutNetwork {
  readonly places: readonly Place[];
  private readonly name: string;

  private constructor(name: string, places: readonly Place[]) {
    this.name = name;
    this.places = places;
  }

  /** A place for each of `count` nodes; this process reaches them all. @returns why it cannot be had here, as a text. */
  static make(count: number): CutNetwork | string {
    // Names of interfaces have 15 characters at most.
    const name = `kv${process.pid.toString(36)}`;
    const net = `${PREFIX}.${process.pid % 256}`;
    const places = Array.from({ length: count }, (_, i) => ({
      host: `${net}.${i + 2}`,
      by: ["ip", "netns", "exec", `${name}-${i}`],
    }));
    const network = new CutNetwork(name, places);
    try {
      ip("link", "add", name, "type", "bridge");
      ip("addr", "add", `${net}.1/24`, "dev", name);
      ip("link", "set", name, "up");
      for (const [i, { host }] of places.entries()) network.wire(i, host);
      return network;
    } catch (error) {
      network.remove();
      return `no network namespaces here (they need root and iproute2): ${String((error as Error).message).trim()}`;
    }
  }

  private wire(index: number, host: string): void {
    const space = `${this.name}-${index}`;
    ip("netns", "add", space);
    ip("link", "add", this.cable(index), "type", "veth", "peer", "name", "eth0", "netns", space);
    ip("link", "set", this.cable(index), "master", this.name, "up");
    ip("-n", space, "addr", "add", `${host}/24`, "dev", "eth0");
    ip("-n", space, "link", "set", "eth0", "up");
    ip("-n", space, "link", "set", "lo", "up");
  }

  private cable(index: number): string {
    return `${this.name}v${index}`;
  }

  /** Node `index` reaches nobody, and nobody it. */
  cut(index: number): void {
    ip("link", "set", this.cable(index), "nomaster");
  }

  mend(index: number): void {
    ip("link", "set", this.cable(index), "master", this.name);
  }

  remove(): void {
    for (const i of this.places.keys()) quietly("netns", "del", `${this.name}-${i}`);
    quietly("link", "del", this.name);
  }
}

/** What is not there cannot be removed. */
function quietly(...words: readonly string[]): void {
  try {
    ip(...words);
  } catch {
    // Made only in part.
  }
}
