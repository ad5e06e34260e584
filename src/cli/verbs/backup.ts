/**
 * cli/verbs/backup.ts: `kvorum backup DIR`: asks a running server for a copy of all it has (KV.BACKUP; storage/backup.ts says what is
 * in it and why the server makes it). DIR is a directory of the server's machine; a relative one counts from here.
 * Exit 4: the question was sent and nobody said how it ended; DIR is there, whole, when the backup was made.
 */
import { resolve } from "node:path";
import { type ClientOptions, printJson, reporting } from "../client-verbs.js";
import { runCommand } from "../connection.js";
import { EXIT_OK } from "../exit.js";

export async function backup(directory: string, options: ClientOptions): Promise<number> {
  const path = resolve(directory);
  return reporting(options, true, async () => {
    const lsn = (await runCommand(options.server, options, ["KV.BACKUP", path], options.timeout)) as number;
    if (options.json === true) printJson({ ok: true, directory: path, lsn });
    else process.stdout.write(`everything up to LSN ${lsn} is in ${path}\n`);
    return EXIT_OK;
  });
}
