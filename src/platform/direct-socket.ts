/**
 * platform/direct-socket.ts: the shortest way between a TCP or unix socket and the server: the one place that reaches under
 * node:net. Everything here is looked for before it is used; where something is missing, openDirect says so and the plain
 * path of sockets.ts serves the connection.
 *
 * Reading: a Socket made with `onread` reads into a buffer of ours without an event, a Buffer or a copy per packet. Only
 * the maker of a Socket can ask for that, so the accepted Socket gives up its handle to one that we make. One buffer serves
 * the whole process, because the bytes are used up before the callback returns. (Fixed-reply server, 50 connections: 11.4 us of
 * CPU per command with 'data' events, 9.4 with onread and one buffer.)
 *
 * Writing: handle.writeBuffer tries the system call at once and, when the kernel takes everything, involves no stream, tick or
 * promise (8.8 us). Its request object has a class that is not exported; it is learned from the first write that goes the
 * public way. A request object is attached to native state only if a write did not end at once; then, and only then, getAsyncId()
 * is a number above 0. So one request serves all writes that end at once, and is handed over to the first that does not.
 *
 * Invariants: the rebuilt Socket carries the server it belongs to (`server`, `_server`), or server.close() would never call
 * back. Bytes of an unfinished write belong to libuv: the caller is told that its buffer was kept.
 */
import { type Server, Socket } from "node:net";
import { copyBytes } from "../lib/copy.js";
import { type Viewed, viewedOf } from "../lib/view.js";
import type { Accept, Connection, ConnectionHandler } from "../ports/network.js";
import { descriptor, type Endpoints, endpoints } from "./endpoints.js";

/** Bytes taken per read. Larger ones do not help: a reply to 64 KiB of commands is due before more is read. */
const READ_BYTES = 65536;
const SHORT_BYTES_MAX = 256;

interface WriteRequest {
  oncomplete: ((this: WriteRequest, status: number) => void) | undefined;
  connection: DirectConnection | undefined;
  /** Keeps the bytes alive while libuv has them. */
  bytes: Buffer | undefined;
  getAsyncId(): number;
}

interface Handle {
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  readonly writeQueueSize: number;
}

type Inside = { _handle: Handle | null; _server: Server | null; server: Server | null };

let readBuffer: Viewed | undefined;
/** undefined: not learned yet; null: this Node does not have what is needed. */
let Request: (new () => WriteRequest) | null | undefined;
/** A request that is attached to nothing, for the next write. */
let spare: WriteRequest | undefined;
/**
 * Short writes go out of here. A view is what a write needs, and making one costs more than copying so few bytes: so there is one
 * for each length, made once.
 */
let shortBytes: Viewed = viewedOf(SHORT_BYTES_MAX);
let shortViews: Buffer[] = [];

/** @param server whose it is; null for one that we connected. @returns false when this socket cannot be served so; it is then untouched. */
export function openDirect(accepted: Socket, server: Server | null, accept: Accept): boolean {
  const old = accepted as unknown as Inside;
  const handle = old._handle;
  if (handle === null || typeof handle !== "object") return false;
  if (typeof handle.writeBuffer !== "function" || typeof handle.writeQueueSize !== "number") return false;
  readBuffer ??= viewedOf(READ_BYTES);

  // Asked before the handle moves: the names are looked up through it.
  const names = endpoints(accepted);
  const fd = descriptor(accepted);
  old._handle = null;
  old._server = null;
  old.server = null;
  const connection: DirectConnection = new DirectConnection(handle, names, fd);
  const socket = new Socket({
    handle,
    allowHalfOpen: true,
    readable: true,
    writable: true,
    // Reading begins below, when there is someone to hand the bytes to.
    manualStart: true,
    onread: {
      buffer: readBuffer,
      callback: (length: number, buffer: Uint8Array): boolean => connection.take(length, buffer as Viewed),
    },
  } as ConstructorParameters<typeof Socket>[0]);
  const rebuilt = socket as unknown as Inside;
  rebuilt.server = server;
  rebuilt._server = server;
  connection.socket = socket;
  connection.start(socket, accept(connection));
  return true;
}

class DirectConnection implements Connection {
  readonly remote: string;
  readonly local: string;
  readonly loopback: boolean;
  readonly fd: number;
  private readonly handle: Handle;
  socket: Socket | undefined;
  private handler: ConnectionHandler | undefined;
  private writing = false;
  private closed = false;

  constructor(handle: Handle, names: Endpoints, fd: number) {
    this.handle = handle;
    this.remote = names.remote;
    this.local = names.local;
    this.loopback = names.loopback;
    this.fd = fd;
  }

  start(socket: Socket, handler: ConnectionHandler): void {
    this.handler = handler;
    socket.on("end", () => handler.onEnd());
    // The error itself says nothing that 'close', which always follows, does not.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
      handler.onClosed();
    });
    if (!socket.destroyed) socket.resume();
  }

  // HOT: once per read.
  take(length: number, buffer: Viewed): boolean {
    (this.handler as ConnectionHandler).onBytes(buffer, length);
    // True: go on reading. A pause() meanwhile has stopped the handle itself.
    return true;
  }

  get unsentBytes(): number {
    // While the write is under way at least 1: libuv may have sent all and not yet said so.
    return this.writing ? Math.max(1, this.closed ? 0 : this.handle.writeQueueSize) : 0;
  }

  // HOT: once per read or group of durable replies. Guard: bench/compare.ts, P1.
  write(bytes: Viewed, from: number, to: number): boolean {
    if (this.closed || (this.socket as Socket).destroyed) return false;
    if (Request == null) return this.writeLearning(bytes, from, to);
    const request = (spare ??= newRequest(Request));
    const length = to - from;
    const short = length <= SHORT_BYTES_MAX;
    if (short) copyBytes(bytes, from, shortBytes, 0, length);
    const view = short ? shortView(length) : bytes.subarray(from, to);
    const status = this.handle.writeBuffer(request, view);
    if (status !== 0) {
      this.destroy();
      return false;
    }
    if (request.getAsyncId() <= 0) return false;
    spare = undefined;
    request.connection = this;
    request.bytes = view;
    this.writing = true;
    if (!short) return true;
    shortBytes = viewedOf(SHORT_BYTES_MAX);
    shortViews = [];
    return false;
  }

  /** A write by the stream's own method, which shows us the class of its request. */
  private writeLearning(bytes: Buffer, from: number, to: number): boolean {
    const handle = this.handle;
    const learn = Request === undefined;
    if (learn) {
      handle.writeBuffer = (request, data) => {
        Reflect.deleteProperty(handle, "writeBuffer");
        Request = usable(request.constructor as new () => WriteRequest);
        return handle.writeBuffer(request, data);
      };
    }
    this.writing = true;
    (this.socket as Socket).write(Buffer.from(bytes.subarray(from, to)), (error) => {
      if (error == null) this.wrote(0);
    });
    if (learn) {
      Reflect.deleteProperty(handle, "writeBuffer");
      Request ??= null;
    }
    return false;
  }

  wrote(status: number): void {
    this.writing = false;
    if (this.closed || (this.socket as Socket).destroyed) return;
    if (status !== 0) this.destroy();
    else (this.handler as ConnectionHandler).onSent();
  }

  pause(): void {
    this.socket?.pause();
  }

  resume(): void {
    this.socket?.resume();
  }

  end(): void {
    // shutdown(2) is queued by libuv behind a write that is under way.
    this.socket?.destroySoon();
  }

  destroy(): void {
    this.socket?.destroy();
  }
}

function shortView(length: number): Buffer {
  return (shortViews[length] ??= shortBytes.subarray(0, length));
}

/** A class of requests whose attachment can be seen, or null. */
function usable(Class: new () => WriteRequest): (new () => WriteRequest) | null {
  try {
    const probe = new Class();
    return probe.getAsyncId() === -1 ? Class : null;
  } catch {
    return null;
  }
}

function newRequest(Class: new () => WriteRequest): WriteRequest {
  const request = new Class();
  // All properties at once, so that requests keep one shape.
  request.connection = undefined;
  request.bytes = undefined;
  request.oncomplete = requestDone;
  return request;
}

function requestDone(this: WriteRequest, status: number): void {
  const connection = this.connection;
  this.connection = undefined;
  this.bytes = undefined;
  connection?.wrote(status);
}
