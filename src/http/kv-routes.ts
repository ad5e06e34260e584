/**
 * http/kv-routes.ts: GET, PUT and DELETE of /kv/:key. Each is one command of the in-process client (KV.GET, KV.SET, KV.DEL) and so one operation on
 * the key: a condition is judged where the key is decided, not here.
 * Invariants: what a write is answered with is on disk as every reply of the server; an ETag is the version of the very state it comes with, and is
 * left out where that is not known.
 */
import { isUtf8 } from "node:buffer";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Reply } from "../index.js";
import { BodyReader, isJson, jsonBytesMax, valueOfJson } from "./body.js";
import type { Budget } from "./budget.js";
import type { ClientPool } from "./client-pool.js";
import { conditionWords, namedIn, names, parametersOf, ttlWords } from "./conditions.js";
import { busy, HttpError } from "./http-error.js";
import { keyOf, type Target } from "./target.js";

export const KV_METHODS = "DELETE, GET, HEAD, OPTIONS, PUT";

/** A longer value is not written as JSON, which would be done in one go. */
const JSON_VALUE_BYTES_MAX: number = 8 * 1024 * 1024;

export interface KvParts {
  readonly pool: ClientPool;
  readonly bodies: Budget;
  readonly values: Budget;
  readonly valueBytesMax: () => number;
  readonly bytesHeld: (key: Buffer) => number;
  /** Of a connection on which nothing moves, ms. */
  readonly stallMs: number;
  readonly targetOf: (request: FastifyRequest) => Target;
  /** Those that are being read, to be stopped with the server. */
  readonly readers: Set<BodyReader>;
}

/** @param route where requests about keys are found. */
export function addKvRoutes(app: FastifyInstance, route: string, parts: KvParts): void {
  app.get(route, (request, reply) => get(parts, request, reply));
  app.put(route, (request, reply) => put(parts, request, reply));
  app.delete(route, (request, reply) => remove(parts, request, reply));
}

async function get(parts: KvParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { path, query } = parts.targetOf(request);
  const key = keyOf(path);
  parametersOf(query, []);
  const { headers } = request;
  const match = namedIn("If-Match", headers["if-match"]);
  const none = namedIn("If-None-Match", headers["if-none-match"]);
  const found = await unhurried(parts, request, () =>
    parts.pool.run(false, (client) => client.callBuffer("KV.GET", key), parts.bytesHeld(key)),
  );
  // Nobody waits any more, and the close that would give the value's bytes back is over.
  if (reply.raw.destroyed) return reply.hijack();
  if (found === null) throw missing();
  const [value, version, ms] = found as [Buffer, Buffer, number];
  const tag = version.toString();
  reply.header("etag", `"${tag}"`).header("vary", "accept").header("cache-control", "no-cache");
  if (ms >= 0) reply.header("kvorum-ttl", secondsOf(ms));
  if (match !== undefined && !names(match, tag)) throw changed();
  if (none !== undefined && names(none, tag)) return reply.code(304).send();
  if (!parts.values.take(value.length)) throw busy("too many values on their way");
  reply.raw.once("close", () => parts.values.give(value.length));
  if (!wantsJson(headers.accept)) return reply.type("application/octet-stream").send(value);
  if (value.length > JSON_VALUE_BYTES_MAX) {
    throw new HttpError(
      406,
      "NOT_ACCEPTABLE",
      `a value of more than ${JSON_VALUE_BYTES_MAX} bytes is not sent as JSON`,
    );
  }
  const text = isUtf8(value) ? { value: value.toString() } : { value: value.toString("base64"), encoding: "base64" };
  return reply.send({ ...text, version: tag, ttl: ms < 0 ? null : ms / 1000 });
}

async function put(parts: KvParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { path, query } = parts.targetOf(request);
  const key = keyOf(path);
  const { headers } = request;
  const words = [...conditionWords(headers, true), ...ttlWords(parametersOf(query, ["ttl"]).get("ttl"))];
  checkEncoding(headers["content-encoding"]);
  const max = parts.valueBytesMax();
  const json = isJson(headers["content-type"]);
  const reader = new BodyReader(request.raw, parts.bodies);
  parts.readers.add(reader);
  let done: Reply;
  try {
    const body = await reader.read(json ? jsonBytesMax(max) : max);
    const value = json ? valueOfJson(body) : body;
    if (value.length > max)
      throw new HttpError(413, "TOO_LARGE", `a value has at most ${max} bytes`, { applied: "no" });
    parts.readers.delete(reader);
    done = await unhurried(parts, request, () =>
      parts.pool.run(true, (client) => client.callBuffer("KV.SET", key, value, ...words), value.length),
    );
  } finally {
    parts.readers.delete(reader);
    reader.done();
  }
  if (done === null) throw changed();
  const [version, created] = done as [Buffer | null, number];
  if (version !== null) reply.header("etag", `"${version}"`);
  return reply.code(created === 1 ? 201 : 204).send();
}

async function remove(parts: KvParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { path, query } = parts.targetOf(request);
  const key = keyOf(path);
  parametersOf(query, []);
  const words = conditionWords(request.headers, false);
  const removed = await parts.pool.run(true, (client) => client.call("KV.DEL", key, ...words), parts.bytesHeld(key));
  if (removed === null) throw changed();
  if (removed === 0) throw missing();
  return reply.code(204).send();
}

/** While an operation is under way nothing moves on its connection: it has a limit of its own, which may be longer. */
async function unhurried<T>(parts: KvParts, { raw }: FastifyRequest, run: () => Promise<T>): Promise<T> {
  raw.socket.setTimeout(0);
  try {
    return await run();
  } finally {
    raw.socket.setTimeout(parts.stallMs);
  }
}

function missing(): HttpError {
  return new HttpError(404, "NOT_FOUND", "there is no such key");
}

function changed(): HttpError {
  return new HttpError(412, "PRECONDITION_FAILED", "the key is not as the condition says; nothing was done", {
    applied: "no",
  });
}

function checkEncoding(encoding: string | undefined): void {
  if (encoding === undefined || /^identity$/i.test(encoding)) return;
  throw new HttpError(415, "UNSUPPORTED_ENCODING", "a body is stored as it is: Content-Encoding is not known here");
}

function wantsJson(accept: string | undefined): boolean {
  for (const range of (accept ?? "").toLowerCase().split(",")) {
    const [type, ...parameters] = range.split(";").map((part) => part.trim());
    if (type !== "application/json") continue;
    const quality = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    return Number(quality ?? 1) > 0;
  }
  return false;
}

function secondsOf(ms: number): string {
  return (ms / 1000).toFixed(3);
}
