/**
 * ports/network.ts: byte streams from clients and between peers. Served by platform/sockets.ts (listening) and platform/dial.ts
 * (connecting), and by a model of a network in the tests.
 * Invariants: bytes arrive in order; after onClosed nothing more is called. Bytes given to onBytes are borrowed until it
 * returns. At most one write is under way per connection: the session collects what comes meanwhile, so that it alone
 * decides about order, limits and cutting off.
 */
import type { Viewed } from "../lib/view.js";

/** One accepted connection. */
export interface Connection {
  /** "127.0.0.1:50000", "[::1]:50000", or the socket's path with ":0". As CLIENT LIST shows it. */
  readonly remote: string;
  readonly local: string;
  /** The peer is on this machine (loopback or unix socket): protected mode lets it in. */
  readonly loopback: boolean;
  /** The system's descriptor, -1 when unknown. For CLIENT LIST. */
  readonly fd: number;
  /** The client lives in this process: it costs no socket, and cannot be gone unnoticed, however long it is silent. Absent: it does not. */
  readonly inProcess?: boolean;
  /** Bytes of the write under way that the kernel has not taken; 0 = write() may be called. */
  readonly unsentBytes: number;

  /**
   * Send bytes[from .. to). Call it only while unsentBytes is 0.
   * @returns true when the buffer was kept because the kernel did not take all at once: the caller must leave it alone for
   * ever and go on with another one. False: the bytes may be reused at once. Either way, while unsentBytes is not 0 the write is
   * under way, and onSent is called when it is done.
   */
  write(bytes: Viewed, from: number, to: number): boolean;
  /** Stop reading (TCP back-pressure). */
  pause(): void;
  resume(): void;
  /** Close after the write under way. Half-closed peers too. */
  end(): void;
  /** Close at once; what is unsent is lost. */
  destroy(): void;
}

/** What the owner of a connection is told. */
export interface ConnectionHandler {
  /** bytes[0 .. length) have come. Borrowed until this returns. */
  onBytes(bytes: Viewed, length: number): void;
  /** A write that did not end at once has ended: unsentBytes is 0 again. */
  onSent(): void;
  /** The peer will send no more; it may still read. */
  onEnd(): void;
  /** The connection is gone. Called exactly once. */
  onClosed(): void;
}

export type Accept = (connection: Connection) => ConnectionHandler;

/** Certificates as PEM text or bytes. */
export interface TlsOptions {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly passphrase?: string;
  readonly ca?: string | Buffer;
  /** tls-auth-clients: must a client show a certificate of `ca`? Optional: it need not, but one it shows must be good. */
  readonly clientCert: "no" | "optional" | "required";
  /** Absent = Node's own. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3";
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3";
}

export interface ListenOptions {
  /** TCP: address and port (0 = any free one). Unix socket: `path` alone. */
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly backlog: number;
  /** Seconds of silence before the system probes the peer; 0 = never. Asked for each connection. */
  readonly keepAliveSeconds: () => number;
  readonly tls?: TlsOptions;
}

export interface Listener {
  /** The address that was taken; "" for a unix socket. */
  readonly host: string;
  /** The port that was taken; 0 for a unix socket. */
  readonly port: number;
  readonly path: string;
  /** Stop accepting; connections stay. Resolves when the last of them is gone. */
  close(): Promise<void>;
}

export interface Network {
  /** @throws the system's error (EADDRINUSE, EACCES) when the address cannot be taken. */
  listen(options: ListenOptions, accept: Accept): Promise<Listener>;
}

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  /** An attempt that is not through by then has failed. */
  readonly timeoutMs: number;
}

export interface Dialer {
  /**
   * Connect. Either `accept` is called, and the connection is as one that came in, or `failed`; never inside of the call, and
   * neither once the attempt was cancelled. @returns cancel: no effect when it is over.
   */
  dial(options: DialOptions, accept: Accept, failed: (error: Error) => void): () => void;
}
