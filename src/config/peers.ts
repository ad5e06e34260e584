/**
 * config/peers.ts: the words of the option peers: id=host:peerPort. What they mean for a cluster is cluster/members.ts's.
 * Invariant: whatever parsePeer accepts has an id that the handshake takes, a host that is not empty and a port that exists.
 */

export interface Peer {
  readonly id: string;
  /** A name or an address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

export const ID_PATTERN: RegExp = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const HOST_PORT = /^(\[[0-9A-Fa-f:.%]+\]|[^\s:=,[\]]+):([1-9][0-9]{0,4})$/;
const PORT_MAX = 65535;
/** Members are numbered in eleven bits, and one number means something else (storage/state-record.ts). */
const PEERS_MAX = 2046;

/** @returns undefined when the text is not host:port. */
export function parseHostPort(text: string): { host: string; port: number } | undefined {
  const match = HOST_PORT.exec(text);
  if (match === null) return undefined;
  const port = Number(match[2]);
  return port > PORT_MAX ? undefined : { host: (match[1] as string).replace(/^\[|\]$/g, ""), port };
}

/** @returns undefined when the text is not id=host:port. */
function parsePeer(text: string): Peer | undefined {
  const equals = text.indexOf("=");
  const id = text.slice(0, Math.max(0, equals));
  const address = parseHostPort(text.slice(equals + 1));
  return ID_PATTERN.test(id) && address !== undefined ? { id, ...address } : undefined;
}

/** What is wrong with a list of peers; undefined: nothing. */
export function checkPeers(list: readonly string[]): string | undefined {
  if (list.length > PEERS_MAX) return `argument must name at most ${PEERS_MAX} peers`;
  const ids = new Set<string>();
  const addresses = new Map<string, string>();
  for (const text of list) {
    const peer = parsePeer(text);
    if (peer === undefined) return "argument must be id=host:peerPort,...";
    if (ids.has(peer.id)) return `argument names ${peer.id} twice`;
    ids.add(peer.id);
    const address = `${peer.host} ${peer.port}`;
    const twin = addresses.get(address);
    if (twin !== undefined) return `argument gives ${twin} and ${peer.id} the same address`;
    addresses.set(address, peer.id);
  }
  return undefined;
}

/** The peers of a list that was checked. */
export function peersOf(list: readonly string[]): Peer[] {
  return list.flatMap((text) => parsePeer(text) ?? []);
}
