/**
 * http/server.ts: HTTP on one or more addresses: fastify routes, hooks and replies; the sockets are plain node:http servers, so that several
 * addresses share one router and every limit stands here.
 * Fastify is loaded with this file, and this file only where HTTP is wanted.
 * Invariants: every answer that is no value is JSON; an error is {"error", "message"} and of writes "applied"; a stop lets what is under way end
 * and is not held up by what is still being sent to us.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Client } from "../index.js";
import type { BodyReader } from "./body.js";
import { Budget } from "./budget.js";
import { ClientPool } from "./client-pool.js";
import { checkRequest, type Door } from "./guard.js";
import { HttpError } from "./http-error.js";
import { InTurn } from "./in-turn.js";
import { addKvRoutes, KV_METHODS } from "./kv-routes.js";
import { LIMITS, type Limits } from "./limits.js";
import { addStatusRoutes, STATUS_PATHS } from "./status-routes.js";
import { isKeyPath, type Target, targetOf } from "./target.js";

export interface HttpParts extends Door {
  /** A client of this node, logged in. */
  readonly open: () => Client;
  readonly valueBytesMax: () => number;
  /** Bytes of the value that this node holds of a key, be it the latest or not; 0: none. */
  readonly bytesHeld: (key: Buffer) => number;
  /** A fault of this program. */
  readonly fault: (text: string) => void;
  readonly limits?: Partial<Limits>;
}

const KEY_ROUTE = "/kv/";
/** Not reachable as a path: one begins with a slash. */
const BAD_TARGET: Target = { authority: undefined, path: "*", query: "" };
const STATUS_METHODS = "GET, HEAD, OPTIONS";
const HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};
const STOP_POLL_MS = 5;

export class HttpServer {
  private readonly parts: HttpParts;
  private readonly limits: Limits;
  private readonly app: FastifyInstance;
  private readonly pool: ClientPool;
  private readonly readers: Set<BodyReader> = new Set();
  private readonly targets: WeakMap<IncomingMessage, Target> = new WeakMap();
  private readonly turns: InTurn = new InTurn();
  private readonly servers: Server[] = [];
  private active = 0;
  private stopping: Promise<void> | undefined;

  constructor(parts: HttpParts) {
    this.parts = parts;
    this.limits = { ...LIMITS, ...parts.limits };
    this.pool = new ClientPool(parts.open, this.limits.operationsMax, this.limits.operationMs);
    this.app = fastify({ logger: false, bodyLimit: Number.MAX_SAFE_INTEGER, return503OnClosing: false });
    this.build();
  }

  private build(): void {
    const { app, limits, parts, pool, readers } = this;
    // Bodies are read by those who know what they may be.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, _body, done) => done(null));
    app.addHook("onRequest", async (request, reply) => this.begin(request, reply));
    app.setErrorHandler((error, _request, reply) => this.failed(error, reply));
    app.setNotFoundHandler((request, reply) => this.notFound(request, reply));
    const target = (request: FastifyRequest): Target => this.targets.get(request.raw) ?? BAD_TARGET;
    const { valueBytesMax, bytesHeld } = parts;
    const [bodies, values] = [new Budget(limits.bytesMax), new Budget(limits.bytesMax)];
    addKvRoutes(app, KEY_ROUTE, {
      pool,
      bodies,
      values,
      valueBytesMax,
      bytesHeld,
      stallMs: limits.stallMs,
      targetOf: target,
      readers,
    });
    addStatusRoutes(app, { pool, targetOf: target });
  }

  /** Listen on one more address. @param port 0: any. @returns the port. */
  async listen(host: string, port: number): Promise<number> {
    await this.app.ready();
    const { limits } = this;
    const server = createServer({
      maxHeaderSize: limits.headBytesMax,
      headersTimeout: limits.headMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.checkMs,
    });
    server.timeout = limits.stallMs;
    server.maxConnections = limits.connectionsMax;
    server.on("request", (request, response) => {
      this.turns.request(request, response, () => this.route(request, response));
    });
    server.on("clientError", (error: ClientError, socket) => {
      if (error.code === "ECONNRESET" || !socket.writable) socket.destroy();
      else this.turns.unreadable(socket, () => refuse(error, socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port, ipv6Only: host.includes(":") }, resolve);
    });
    server.removeAllListeners("error").on("error", (error) => this.parts.fault(`http: ${error.message}`));
    this.servers.push(server);
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  /** Fastify decodes paths, and would take a key that is no UTF-8 for a malformed one: it is given the route, and the path kept aside. */
  private route(request: IncomingMessage, response: ServerResponse): void {
    const target = targetOf(request.url ?? "");
    this.targets.set(request, target);
    request.url = isKeyPath(target.path) ? KEY_ROUTE : STATUS_PATHS.includes(target.path) ? target.path : "/";
    this.active++;
    response.once("close", () => {
      this.active--;
    });
    this.app.routing(request, response);
  }

  private begin(request: FastifyRequest, reply: FastifyReply): void {
    reply.headers(HEADERS);
    if (this.stopping !== undefined) {
      reply.header("connection", "close");
      throw new HttpError(503, "CLOSED", "the server is going down", { applied: "no" });
    }
    const target = this.targets.get(request.raw) ?? BAD_TARGET;
    const remote = request.raw.socket.remoteAddress ?? "";
    checkRequest(this.parts, request.headers, target.authority, remote, target.path === "/health");
  }

  private notFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { path } = this.targets.get(request.raw) ?? BAD_TARGET;
    const allow = isKeyPath(path) ? KV_METHODS : STATUS_PATHS.includes(path) ? STATUS_METHODS : undefined;
    if (allow === undefined) throw new HttpError(404, "NO_ROUTE", `nothing is here; ${KNOWN}`);
    reply.header("allow", allow);
    if (request.method === "OPTIONS") return reply.code(204).send();
    throw new HttpError(405, "METHOD_NOT_ALLOWED", `only ${allow}`);
  }

  private failed(error: unknown, reply: FastifyReply): FastifyReply {
    let known: HttpError;
    if (error instanceof HttpError) known = error;
    else {
      const { statusCode = 500, message, stack } = error as Error & { statusCode?: number };
      if (statusCode >= 500) this.parts.fault(`http: fault, please report it: ${stack ?? message}`);
      known =
        statusCode >= 500
          ? new HttpError(500, "INTERNAL", "a fault of the server")
          : new HttpError(statusCode, "BAD_REQUEST", message);
    }
    const { status, code, message, applied, headers } = known;
    return reply
      .code(status)
      .headers(headers)
      .send({ error: code, message, ...(applied === undefined ? {} : { applied }) });
  }

  /** Answer what is under way, for so long; then close all. */
  stop(ms: number): Promise<void> {
    this.stopping ??= this.stopOnce(ms);
    return this.stopping;
  }

  private async stopOnce(ms: number): Promise<void> {
    const closed = this.servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const server of this.servers) server.closeIdleConnections();
    for (const reader of this.readers) reader.stop();
    const until = performance.now() + ms;
    while (this.active > 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, STOP_POLL_MS));
    }
    for (const server of this.servers) server.closeAllConnections();
    await Promise.all(closed);
    this.pool.close();
    await this.app.close();
  }
}

const KNOWN = `there are ${KEY_ROUTE}<key>, ${STATUS_PATHS.join(", ")}`;

type ClientError = Error & { readonly code?: string };

/** What cannot even be read as a request. */
function refuse(error: ClientError, socket: Duplex): void {
  const [status, code, message] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? ["431 Request Header Fields Too Large", "TOO_LARGE", "the path and the headers are too long"]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? ["408 Request Timeout", "TIMEOUT", "the request took too long to arrive"]
        : error.code === "HPE_INVALID_URL"
          ? ["400 Bad Request", "BAD_REQUEST", "the path has bytes that must be escaped (%C3%A9)"]
          : ["400 Bad Request", "BAD_REQUEST", "this is no HTTP request"];
  const body = JSON.stringify({ error: code, message });
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\nx-content-type-options: nosniff`;
  socket.end(`${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`);
}
