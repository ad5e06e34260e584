/**
 * cli/verbs/backup.ts: `kvorum backup DIR`: asks a running server for a copy of all it has (KV.BACKUP; storage/backup.ts says what is
 * in it and why the server makes it). DIR is a directory of the server's machine; a relative one counts from here.
 * Exit 4: the question was sent and nobody said how it ended; DIR is there, whole, when the backup was made.
 * That of a member of a cluster of several can be looked at, not restored (storage/backup.ts says why): said here, not when it is needed.
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
    if (await ofSeveral(options)) {
      process.stderr.write("kvorum: this is a copy of one member of a cluster: it can be inspected, not restored\n");
    }
    return EXIT_OK;
  });
}

/** Is the server a member of a cluster with others? The backup is made: a server that has gone since does not make it a failure. */
async function ofSeveral(options: ClientOptions): Promise<boolean> {
  const info = await runCommand(options.server, options, ["INFO", "cluster"], options.timeout).catch(() => "");
  return /^member_1:/m.test(String(info));
}
