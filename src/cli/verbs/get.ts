/**
 * cli/verbs/get.ts: `kvorum get KEY`: the value's bytes and nothing else, so that a pipe gets exactly what was put; on a
 * terminal a line feed follows.
 */
import { type ClientOptions, printJson, reporting } from "../client-verbs.js";
import { runCommand } from "../connection.js";
import { EXIT_NOT_FOUND, EXIT_OK } from "../exit.js";

export async function get(key: string, options: ClientOptions): Promise<number> {
  return reporting(options, false, async () => {
    const reply = await runCommand(options.server, options, ["GET", key], options.timeout);
    if (reply === null) {
      if (options.json === true) printJson({ ok: true, key, found: false });
      else process.stderr.write("kvorum: not found\n");
      return EXIT_NOT_FOUND;
    }
    const bytes = reply as Buffer;
    if (options.json === true) printJson({ ok: true, key, found: true, ...asJson(bytes) });
    else {
      await write(bytes);
      if (process.stdout.isTTY) await write(Buffer.from("\n"));
    }
    return EXIT_OK;
  });
}

/** JSON holds text only: bytes that are not UTF-8 go as base64 and say so. */
function asJson(bytes: Buffer): { value: string; encoding: "utf8" | "base64" } {
  const text = bytes.toString("utf8");
  if (Buffer.from(text, "utf8").equals(bytes)) return { value: text, encoding: "utf8" };
  return { value: bytes.toString("base64"), encoding: "base64" };
}

/** A reader that has had enough (`| head`) is no error. */
function write(bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.once("error", () => resolve());
    process.stdout.write(bytes, () => resolve());
  });
}
