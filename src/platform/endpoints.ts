/**
 * platform/endpoints.ts: the names of a socket's two ends as CLIENT LIST prints them.
 */
import type { Socket } from "node:net";

export interface Endpoints {
  readonly remote: string;
  readonly local: string;
  /** The peer is on this machine. */
  readonly loopback: boolean;
}

export function endpoints(socket: Socket): Endpoints {
  const address = socket.remoteAddress;
  if (address === undefined) {
    // A unix socket has no addresses; or the peer is gone already, and nothing it could send will be read.
    return { remote: "/unixsocket:0", local: "/unixsocket:0", loopback: true };
  }
  return {
    remote: endpoint(address, socket.remotePort ?? 0),
    local: endpoint(socket.localAddress ?? "", socket.localPort ?? 0),
    loopback: address === "::1" || address.startsWith("127.") || address.startsWith("::ffff:127."),
  };
}

function endpoint(address: string, port: number): string {
  const plain = address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
  return plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** The descriptor behind a socket, or -1. Only shown, never used. */
export function descriptor(socket: Socket): number {
  const fd = (socket as unknown as { _handle?: { fd?: unknown } })._handle?.fd;
  return typeof fd === "number" ? fd : -1;
}
