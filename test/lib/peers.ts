/**
 * test/lib/peers.ts: identities, records and macs of nodes for the tests of the cluster room.
 */
import { createHmac } from "node:crypto";
import type { HandshakeOptions, Mac } from "../../src/cluster/handshake.js";
import type { OwnIdentity, PeerRecord } from "../../src/cluster/peer-identity.js";
import { clusterIdOf } from "../../src/core/ring/placement.js";
import { Random } from "../../src/lib/random.js";

export const hmac: Mac = (secret, bytes) => createHmac("sha256", secret).update(bytes).digest();

export const MEMBERS: readonly string[] = ["a", "b", "c"];

export function identity(id: string, changes: Partial<OwnIdentity> = {}): OwnIdentity {
  return {
    id,
    clusterId: clusterIdOf("test", MEMBERS),
    uuid: `uuid-of-${id}`,
    run: `run-of-${id}`,
    boot: 1,
    ceiling: 1000,
    configVersion: 1,
    fixed: [
      ["cluster-name", "test"],
      ["partitions", "1024"],
    ],
    versioned: [
      ["n", "3"],
      ["members", MEMBERS.join(",")],
    ],
    ...changes,
  };
}

export function recordOf({ uuid, run, boot, ceiling }: OwnIdentity): PeerRecord {
  return { uuid, run, boot, ceiling };
}

const random = new Random(1);

/** Never the same twice. */
export function nonce(): Buffer {
  return Buffer.from(Array.from({ length: 32 }, () => random.below(256)));
}

export function options(role: "dialer" | "acceptor", changes: Partial<HandshakeOptions> = {}): HandshakeOptions {
  return {
    role,
    self: identity(role === "dialer" ? "a" : "b"),
    wantedId: role === "dialer" ? "b" : "",
    secret: "a secret of the cluster",
    loopback: false,
    nonce: nonce(),
    mac: hmac,
    recordOf: () => undefined,
    isMember: (id) => MEMBERS.includes(id),
    deadlineMs: 5000,
    ...changes,
  };
}
