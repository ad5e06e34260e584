/**
 * platform/sockets.ts: the network port on node:net and node:tls: listening, and connections over plain Socket methods.
 * TCP and unix sockets take the direct path of direct-socket.ts where this Node has it; TLS and everything else use
 * 'data' events and socket.write, which every Node has.
 * Invariants: those of ports/network.ts. A write is always a copy here, because a stream may keep the bytes.
 */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { viewed } from "../lib/view.js";
import type {
  Accept,
  Connection,
  ConnectionHandler,
  Listener,
  ListenOptions,
  Network,
  TlsOptions,
} from "../ports/network.js";
import { openDirect } from "./direct-socket.js";
import { descriptor, type Endpoints, endpoints } from "./endpoints.js";

/** A client that has not finished the TLS handshake by then is not one. */
const HANDSHAKE_MS_MAX = 10_000;
/** Longer writes are not copied: the buffer is the socket's from then on. */
const COPIED_BYTES_MAX: number = 256 * 1024;

/** @param direct false: never use direct-socket.ts (for tests of the plain path). */
export function createNetwork(direct = true): Network {
  return { listen: (options, accept) => listen(options, accept, direct) };
}

function listen(options: ListenOptions, accept: Accept, direct: boolean): Promise<Listener> {
  const shared = { noDelay: true, allowHalfOpen: true };
  let server: Server;
  const shaking = new Map<string, Socket>();
  if (options.tls !== undefined) {
    server = listenTls(options.tls, shared, accept, shaking);
  } else {
    server = createServer({ ...shared, pauseOnConnect: direct }, (socket) => {
      if (!direct || !openDirect(socket, server, accept)) openPlain(socket, accept);
    });
  }
  // Before what is done with the connection, and below TLS: the option is the socket's own.
  server.prependListener("connection", (socket: Socket) => {
    const seconds = options.keepAliveSeconds();
    if (seconds > 0 && options.path === undefined) socket.setKeepAlive(true, seconds * 1000);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const where = options.path === undefined ? { host: options.host, port: options.port ?? 0 } : { path: options.path };
    server.listen({ ...where, backlog: options.backlog }, () => {
      server.off("error", reject);
      // After this an error is about one connection that could not be accepted (out of descriptors): it stays with the client.
      server.on("error", () => {});
      resolve(describe(server, options.path ?? "", shaking));
    });
  });
}

/**
 * @param shaking connections whose handshake is not over, by the peer's address and port: nobody else knows of them, and they must not keep
 * a server open.
 */
function listenTls(tls: TlsOptions, shared: object, accept: Accept, shaking: Map<string, Socket>): Server {
  const server = createTlsServer({ ...shared, ...tlsOptions(tls) }, (socket) => {
    shaking.delete(peerOf(socket));
    // Asked for and not required, Node lets a bad certificate pass.
    if (tls.clientCert === "optional" && !socket.authorized && hasCertificate(socket)) socket.destroy();
    else openPlain(socket, accept);
  });
  server.on("connection", (socket: Socket) => {
    const peer = peerOf(socket);
    shaking.set(peer, socket);
    socket.once("close", () => {
      if (shaking.get(peer) === socket) shaking.delete(peer);
    });
  });
  return server;
}

/** The TLS socket and the one below it have it in common. */
function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

function hasCertificate(socket: TLSSocket): boolean {
  return Object.keys(socket.getPeerCertificate() ?? {}).length > 0;
}

function tlsOptions(tls: TlsOptions): object {
  return {
    cert: tls.cert,
    key: tls.key,
    ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.minVersion === undefined ? {} : { minVersion: tls.minVersion }),
    ...(tls.maxVersion === undefined ? {} : { maxVersion: tls.maxVersion }),
    handshakeTimeout: HANDSHAKE_MS_MAX,
    requestCert: tls.clientCert !== "no",
    rejectUnauthorized: tls.clientCert === "required",
  };
}

function describe(server: Server, path: string, shaking: ReadonlyMap<string, Socket>): Listener {
  const address = server.address();
  const tcp = typeof address === "object" && address !== null;
  return {
    host: tcp ? address.address : "",
    port: tcp ? address.port : 0,
    path,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of shaking.values()) socket.destroy();
      }),
  };
}

/** Serve a socket by the methods that every Node has. */
export function openPlain(socket: Socket, accept: Accept): void {
  const connection = new PlainConnection(socket);
  connection.start(accept(connection));
}

/** A connection over the public methods of a stream. */
class PlainConnection implements Connection {
  readonly remote: string;
  readonly local: string;
  readonly loopback: boolean;
  readonly fd: number;
  private writing = false;
  private readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
    const names: Endpoints = endpoints(socket);
    this.remote = names.remote;
    this.local = names.local;
    this.loopback = names.loopback;
    this.fd = descriptor(socket);
  }

  start(handler: ConnectionHandler): void {
    const socket = this.socket;
    socket.on("data", (chunk: Buffer) => handler.onBytes(viewed(chunk), chunk.length));
    socket.on("end", () => handler.onEnd());
    // The error itself says nothing that 'close', which always follows, does not.
    socket.on("error", () => {});
    socket.on("close", () => handler.onClosed());
    this.onSent = () => handler.onSent();
    if (socket.isPaused()) socket.resume();
  }

  get unsentBytes(): number {
    if (!this.writing) return 0;
    // The stream itself counts a write as a whole until it is over; its handle, where there is one, sees it go.
    const handle = (this.socket as { readonly _handle?: { readonly writeQueueSize?: number } | null })._handle;
    return Math.max(1, handle?.writeQueueSize ?? this.socket.writableLength);
  }

  private onSent: () => void = () => {};

  write(bytes: Buffer, from: number, to: number): boolean {
    const socket = this.socket;
    if (socket.destroyed) return false;
    this.writing = true;
    const view = bytes.subarray(from, to);
    const kept = view.length > COPIED_BYTES_MAX;
    // The callback comes in a later tick even when all was sent, so a reply that the kernel took still counts as unsent
    // until then. That costs one more write for what is answered meanwhile, never a wrong order.
    socket.write(kept ? view : Buffer.from(view), (error) => {
      // 'close' follows. Of a write that destroy() cut off Node says that it went well.
      if (error != null || socket.destroyed) return;
      this.writing = false;
      this.onSent();
    });
    return kept;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    // destroySoon also closes a peer that stays half open, after what was written has left.
    this.socket.destroySoon();
  }

  destroy(): void {
    this.socket.destroy();
  }
}
