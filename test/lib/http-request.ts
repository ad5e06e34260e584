/**
 * test/lib/http-request.ts: one HTTP request as it is given: the path goes out byte for byte, which fetch would not do.
 */
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import { within } from "./within.js";

const WAIT_MS = 60_000;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface HttpOptions {
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

/** @param base "http://127.0.0.1:7379". @param path from the slash on, each char a byte. */
export function http(base: string, method: string, path: string, options: HttpOptions = {}): Promise<HttpAnswer> {
  const { hostname, port } = new URL(base);
  const answer = new Promise<HttpAnswer>((resolve, reject) => {
    const { headers = {}, body } = options;
    const host = hostname.replace(/^\[|\]$/g, "");
    const sent = request({ host, port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
  return within(WAIT_MS, answer, `${method} ${path.slice(0, 80)}`);
}

/** The error word of an answer that says no. */
export function errorIn({ body }: HttpAnswer): string {
  return (JSON.parse(body.toString()) as { error: string }).error;
}
