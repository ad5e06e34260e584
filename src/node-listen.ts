/**
 * node-listen.ts: where a node listens: for clients by TCP, TLS, a unix socket and HTTP, for peers by TCP.
 * Invariant: an address that cannot be taken is an error with the exit code for it, and names the option that helps; one with a dash in
 * front may be missing on this machine.
 */
import fs from "node:fs";
import { dirname } from "node:path";
import type { Config } from "./config/config.js";
import { httpAddresses } from "./config/http-bind.js";
import type { RunningHttp } from "./http/start.js";
import { EXIT_PORT_IN_USE } from "./lib/errors.js";
import type { RunningNode } from "./node.js";
import { createNetwork } from "./platform/sockets.js";
import { readTls } from "./platform/tls-files.js";
import type { Accept, Listener, ListenOptions, Network, TlsOptions } from "./ports/network.js";

/** How often a port that is free at the first address may be taken at another one. */
const PORT_TRIES = 8;

const UNIX_PATH_BYTES_MAX: number = process.platform === "linux" ? 107 : 103;

interface Common {
  readonly backlog: number;
  readonly keepAliveSeconds: () => number;
}

function commonOf(config: Config): Common {
  return { backlog: config.tcpBacklog, keepAliveSeconds: () => config.tcpKeepalive };
}

/** @param into takes each listener as soon as it is there, so that those made before one that fails can be closed. */
export async function listenForClients(config: Config, accept: Accept, into: Listener[]): Promise<void> {
  const network = createNetwork();
  const tcp: { port: number; tls?: TlsOptions }[] = [];
  if (config.port > 0 || config.anyPort) tcp.push({ port: config.port });
  if (config.tlsPort > 0) tcp.push({ port: config.tlsPort, tls: readTls(config) });
  for (const { port, tls } of tcp) {
    const options = { ...commonOf(config), port, ...(tls === undefined ? {} : { tls }) };
    await listenOnAll(network, config.bind, options, accept, into, "port");
  }
  if (config.unixsocket !== "") await listenUnix(network, config, accept, into);
}

/** The peer port, on the addresses that clients come to. */
export async function listenForPeers(config: Config, accept: Accept, into: Listener[]): Promise<void> {
  const options = { ...commonOf(config), port: config.peerPort };
  await listenOnAll(createNetwork(), config.bind, options, accept, into, "peer-port");
}

/** Beside the other listeners and before the data is loaded, so that a port that is taken is known at once. @param any on any free port. */
export async function listenForHttp(node: RunningNode, any: boolean): Promise<RunningHttp | undefined> {
  const { bind, httpBind, httpPort } = node.config;
  if (httpPort === 0 && !any) return undefined;
  const { startHttp } = await import("./http/start.js");
  try {
    return await startHttp(node, httpAddresses(bind, httpBind), httpPort);
  } catch (error) {
    throw listenError(error, (error as { where?: string }).where ?? "HTTP", "http-port");
  }
}

type Port = ListenOptions & { readonly port: number };

/** @param into has the listeners that were made also when it throws: they are the caller's to close. */
async function listenOnAll(
  network: Network,
  addresses: readonly string[],
  options: Port,
  accept: Accept,
  into: Listener[],
  option: string,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const listening: Listener[] = [];
    try {
      await listenOnEach(network, addresses, options, accept, listening, option);
      into.push(...listening);
      return;
    } catch (error) {
      if (options.port > 0 || listening.length === 0 || tries === PORT_TRIES) {
        into.push(...listening);
        throw error;
      }
      // It waits for whoever came in meanwhile, which the next try need not.
      for (const listener of listening) listener.close().catch(() => {});
    }
  }
}

/** Any free port (0) is one for all addresses: a name such as localhost may stand for each of them. */
async function listenOnEach(
  network: Network,
  addresses: readonly string[],
  options: Port,
  accept: Accept,
  into: Listener[],
  option: string,
): Promise<void> {
  let { port } = options;
  for (const address of addresses) {
    const host = hostOf(address);
    try {
      const listener = await network.listen({ ...options, host, port }, accept);
      port = listener.port;
      into.push(listener);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (address.startsWith("-") && (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT")) continue;
      throw listenError(error, `${host}:${port}`, option);
    }
  }
}

async function listenUnix(network: Network, config: Config, accept: Accept, into: Listener[]): Promise<void> {
  const { unixsocket: path, unixsocketperm } = config;
  const directory = dirname(path);
  // The system says that it is not permitted.
  if (!fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw notListening(
      `cannot listen on ${path}: there is no directory ${directory}. Make it, or choose another --unixsocket`,
    );
  }
  // And of a longer name it takes the beginning.
  if (Buffer.byteLength(path) > UNIX_PATH_BYTES_MAX) {
    throw notListening(
      `cannot listen on ${path}: the name is longer than ${UNIX_PATH_BYTES_MAX} bytes. Choose another --unixsocket`,
    );
  }
  // As Redis: a socket file left behind by a process that died is in nobody's use.
  if (fs.lstatSync(path, { throwIfNoEntry: false })?.isSocket()) fs.unlinkSync(path);
  try {
    into.push(await network.listen({ ...commonOf(config), path }, accept));
  } catch (error) {
    throw listenError(error, path, "unixsocket");
  }
  if (unixsocketperm !== 0) fs.chmodSync(path, unixsocketperm);
}

function hostOf(address: string): string {
  const host = address.replace(/^-/, "");
  if (host === "*") return "0.0.0.0";
  return host === "::*" ? "::" : host;
}

function listenError(error: unknown, where: string, option: string): Error {
  const { code } = error as NodeJS.ErrnoException;
  const what =
    code === "EADDRINUSE"
      ? `${where} is in use by another process. Stop that one, or choose another with --${option}`
      : `cannot listen on ${where}: ${(error as Error).message}`;
  return notListening(what, error);
}

function notListening(what: string, cause?: unknown): Error {
  return Object.assign(new Error(what, { cause }), { exitCode: EXIT_PORT_IN_USE });
}

/** @param tlsPort the port among them where TLS is spoken; 0: none. */
export function shownAddresses(listeners: readonly Listener[], tlsPort = 0): string[] {
  return listeners.map(({ host, port, path }) => {
    if (path !== "") return path;
    return `${host.includes(":") ? `[${host}]` : host}:${port}${port === tlsPort ? " (TLS)" : ""}`;
  });
}
