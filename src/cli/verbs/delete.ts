/**
 * cli/verbs/delete.ts: `kvorum delete KEY...`: exit 3 when none of the keys was there.
 */
import { type ClientOptions, printJson, reporting } from "../client-verbs.js";
import { runCommand } from "../connection.js";
import { EXIT_NOT_FOUND, EXIT_OK } from "../exit.js";

export async function remove(keys: readonly string[], options: ClientOptions): Promise<number> {
  return reporting(options, true, async () => {
    const removed = (await runCommand(options.server, options, ["DEL", ...keys], options.timeout)) as number;
    if (options.json === true) printJson({ ok: true, removed });
    else if (removed === 0) process.stderr.write("kvorum: not found\n");
    return removed > 0 ? EXIT_OK : EXIT_NOT_FOUND;
  });
}
