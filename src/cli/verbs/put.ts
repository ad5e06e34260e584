/**
 * cli/verbs/put.ts: `kvorum put KEY [VALUE | -]`. Without a value, or with -, all of standard input is the value, byte for byte.
 */
import { VALUE_BYTES_MOST } from "../../lib/limits.js";
import { type ClientOptions, printJson, reporting } from "../client-verbs.js";
import { runCommand } from "../connection.js";
import { EXIT_ERROR, EXIT_OK, EXIT_USAGE } from "../exit.js";

export interface PutOptions extends ClientOptions {
  readonly ttl?: number;
  readonly nx?: true;
  readonly xx?: true;
}

export async function put(key: string, value: string | undefined, options: PutOptions): Promise<number> {
  const bytes = value === undefined || value === "-" ? await readAll() : Buffer.from(value);
  if (bytes === undefined) {
    process.stderr.write(`kvorum: standard input has more than ${VALUE_BYTES_MOST} bytes\n`);
    return EXIT_USAGE;
  }
  const words: (string | Buffer)[] = ["SET", key, bytes];
  if (options.ttl !== undefined) words.push("PX", String(options.ttl));
  if (options.nx === true) words.push("NX");
  if (options.xx === true) words.push("XX");
  return reporting(options, true, async () => {
    const reply = await runCommand(options.server, options, words, options.timeout);
    const stored = reply !== null;
    if (options.json === true) printJson({ ok: stored, key, bytes: bytes.length });
    else if (!stored)
      process.stderr.write(`kvorum: not stored: the key is ${options.nx === true ? "" : "not "}there\n`);
    return stored ? EXIT_OK : EXIT_ERROR;
  });
}

async function readAll(): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > VALUE_BYTES_MOST) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
