/**
 * platform/dial.ts: connecting to a peer: the Dialer port on node:net. A connection made here is served as one that came
 * in: by direct-socket.ts where this Node has what that needs, else by the plain path of sockets.ts.
 * Invariants: one of accept and failed is called, later, and none after cancel; a socket that lost its race is destroyed.
 */
import { connect } from "node:net";
import type { Accept, Dialer, DialOptions } from "../ports/network.js";
import { openDirect } from "./direct-socket.js";
import { openPlain } from "./sockets.js";

/** @param direct false: never use direct-socket.ts (for tests of the plain path). */
export function createDialer(direct = true): Dialer {
  return { dial: (options, accept, failed) => dial(options, accept, failed, direct) };
}

function dial(options: DialOptions, accept: Accept, failed: (error: Error) => void, direct: boolean): () => void {
  const { host, port, timeoutMs } = options;
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
  let over = false;
  const timer = setTimeout(() => {
    fail(new Error(`no connection to ${host}:${port} within ${timeoutMs} ms`));
  }, timeoutMs);
  timer.unref();
  const finish = (): boolean => {
    if (over) return false;
    over = true;
    clearTimeout(timer);
    return true;
  };
  const fail = (error: Error): void => {
    socket.destroy();
    if (finish()) failed(error);
  };
  socket.on("error", fail);
  socket.once("connect", () => {
    if (!finish()) return;
    socket.off("error", fail);
    // Paused, or Node begins to read from it behind our back once this returns.
    socket.pause();
    if (!direct || !openDirect(socket, null, accept)) openPlain(socket, accept);
  });
  return () => {
    if (finish()) socket.destroy();
  };
}
