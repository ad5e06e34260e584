/**
 * http/body.ts: from a request's body to the bytes of a value.
 *   any type        the body is the value, byte for byte, also when it is empty
 *   JSON            {"value": "text"}: its UTF-8, or {"value": "...", "encoding": "base64"}
 * Invariants: a body that ends before it is whole is no value; what is too long is refused as soon as that is known, and the rest is read and
 * dropped, so that the client hears why; what is held is within the budget.
 */
import type { IncomingMessage } from "node:http";
import { grownTo } from "../lib/growth.js";
import type { Budget } from "./budget.js";
import { badRequest, busy, HttpError } from "./http-error.js";

/** JSON is parsed in one go, during which nothing else runs. Longer values go as they are. */
const JSON_BYTES_MAX: number = 16 * 1024 * 1024;

/** Less is put together at once. */
const PART_BYTES_LEAST: number = 1024 * 1024;

export function isJson(type: string | undefined): boolean {
  return /^\s*application\/json\s*(?:;|$)/i.test(type ?? "");
}

function tooLarge(max: number): HttpError {
  return new HttpError(413, "TOO_LARGE", `a value has at most ${max} bytes (max-value-bytes)`, { applied: "no" });
}

/** What has come of a body. A large one whose length is known is put together as it comes: all at once would hold up everyone else. */
class Gathered {
  length = 0;
  private readonly declared: number;
  private chunks: Buffer[] = [];
  private whole: Buffer | undefined = undefined;

  constructor(declared: number) {
    this.declared = declared;
  }

  add(chunk: Buffer): void {
    const { declared, length, whole } = this;
    const have = length + chunk.length;
    this.length = have;
    if (whole !== undefined) {
      chunk.copy(whole, length);
      return;
    }
    this.chunks.push(chunk);
    if (have > declared || have < PART_BYTES_LEAST || grownTo(have, declared) < declared) return;
    this.whole = Buffer.allocUnsafeSlow(declared);
    let at = 0;
    for (const part of this.chunks) at += part.copy(this.whole, at);
    this.chunks = [];
  }

  take(): Buffer {
    const { chunks, whole, length } = this;
    if (whole !== undefined) return whole.subarray(0, length);
    return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  }
}

/** Reads one body. */
export class BodyReader {
  private readonly request: IncomingMessage;
  private readonly budget: Budget;
  private taken = 0;
  private abandon: (error: HttpError) => void = () => {};

  constructor(request: IncomingMessage, budget: Budget) {
    this.request = request;
    this.budget = budget;
  }

  /** @throws HttpError 413, 503 when the budget is used up, 400 when it breaks off. */
  async read(bytesMax: number): Promise<Buffer> {
    const { request } = this;
    const declared = Number(request.headers["content-length"] ?? 0);
    if (declared > bytesMax) throw tooLarge(bytesMax);
    if (!this.take(declared)) throw busy("too many bodies at once");
    const gathered = new Gathered(declared);
    try {
      await new Promise<void>((resolve, reject) => {
        this.abandon = reject;
        request.on("data", (chunk: Buffer) => {
          const length = gathered.length + chunk.length;
          if (length > bytesMax) reject(tooLarge(bytesMax));
          else if (length > this.taken && !this.take(length - this.taken)) reject(busy("too many bodies at once"));
          else gathered.add(chunk);
        });
        request.on("end", resolve);
        request.on("error", reject);
        request.on("close", () => reject(badRequest("the body broke off")));
      });
      return gathered.take();
    } catch (error) {
      request.removeAllListeners("data");
      request.on("error", () => {});
      request.resume();
      throw error instanceof HttpError ? error : badRequest("the body broke off");
    }
  }

  /** Do not wait for the rest. */
  stop(): void {
    this.abandon(new HttpError(503, "CLOSED", "the server is going down", { applied: "no" }));
  }

  /** The value is not needed any more. */
  done(): void {
    this.budget.give(this.taken);
    this.taken = 0;
  }

  private take(bytes: number): boolean {
    if (!this.budget.take(bytes, this.taken)) return false;
    this.taken += bytes;
    return true;
  }
}

/** What a JSON body may have for a value of so many bytes, with room for escapes. */
export function jsonBytesMax(valueBytesMax: number): number {
  return Math.min(2 * valueBytesMax + 1024, JSON_BYTES_MAX);
}

/** @returns the value in a JSON body. @throws HttpError 400. */
export function valueOfJson(body: Buffer): Buffer {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body));
  } catch {
    throw badRequest("the body is no JSON");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw badRequest(SHAPE);
  const { value, encoding = "utf8", ...others } = parsed as Record<string, unknown>;
  if (typeof value !== "string" || Object.keys(others).length > 0) throw badRequest(SHAPE);
  if (encoding === "base64") return base64(value);
  if (encoding !== "utf8") throw badRequest('encoding is "utf8" or "base64"');
  const bytes = Buffer.from(value);
  // Half of a surrogate pair has no UTF-8: it would be stored as something else.
  if (bytes.toString() !== value) throw badRequest("the value is no well-formed Unicode");
  return bytes;
}

const SHAPE =
  'a JSON body is {"value": "text"}, or {"value": "...", "encoding": "base64"}; any other body is stored as it is when its type is not application/json';

function base64(text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  // Padding may be left out. Compared by hand: a pattern that is tied to the end takes the square of a run of signs.
  const written = bytes.toString("base64");
  const unpadded = written.length - (written.endsWith("==") ? 2 : written.endsWith("=") ? 1 : 0);
  if (text !== written && text !== written.slice(0, unpadded)) throw badRequest("the value is no base64");
  return bytes;
}
