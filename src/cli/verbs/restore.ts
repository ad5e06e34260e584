/**
 * cli/verbs/restore.ts: `kvorum restore BACKUP [--dir DIR]`: makes a data directory of a backup. Nothing is written before every
 * checksum of the backup was found right; what comes out is a node with an identity of its own.
 * Exit codes: 0 done, 1 not a backup, or DIR is not empty, 64 DIR is no directory, 65 the backup is damaged, 74 disk error, 75 DIR is in use.
 */
import { randomBytes } from "node:crypto";
import { readdirSync, rmdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { CorruptionError, DiskError } from "../../lib/errors.js";
import { lockDirectory } from "../../platform/directory-lock.js";
import { makeDirectorySync } from "../../platform/make-directory.js";
import { NodeDisk } from "../../platform/node-disk.js";
import { type BackupFacts, restoreBackup, verifyBackup } from "../../storage/backup.js";
import { EXIT_ERROR, EXIT_OK, EXIT_SOFTWARE, exitCodeOf } from "../exit.js";
import { syncDirectory } from "../files.js";
import { complain, loadHere } from "../load.js";
import { grammar, run } from "../program.js";

interface Options {
  readonly dir?: string;
  readonly json?: true;
}

/** What the operator can put right: no fault of the program. */
class RefusedError extends Error {
  readonly exitCode: number = EXIT_ERROR;
}

const PID_NAME = "kvorum.pid";

/** @param argv what stands behind `restore`. @returns the exit code. */
export async function restore(argv: readonly string[]): Promise<number> {
  let code = EXIT_OK;
  const program = grammar("kvorum restore")
    .description("check a backup and make a data directory of it")
    .argument("<backup>", "directory that kvorum backup made")
    .option("--dir <directory>", "data directory to make; must not exist, or be empty; default: what dir says")
    .option("--json", "answer in JSON")
    .action(async (backup: string, options: Options) => {
      code = await reporting(backup, options);
    });
  return run(program, argv, () => code);
}

async function reporting(backup: string, options: Options): Promise<number> {
  const from = resolve(backup);
  try {
    const to = resolve(options.dir ?? loadHere([]).dir);
    const { keys, list } = await restoreTo(from, to);
    if (options.json === true) {
      process.stdout.write(`${JSON.stringify({ ok: true, directory: to, keys, lsn: list.lsn })}\n`);
    } else process.stdout.write(`${keys} keys, up to LSN ${list.lsn}, are in ${to}\n`);
    return EXIT_OK;
  } catch (error) {
    complain(error instanceof CorruptionError ? `${from}: ${error.message}` : error);
    const expected = typeof (error as NodeJS.ErrnoException).code === "string";
    return exitCodeOf(error, expected ? EXIT_ERROR : EXIT_SOFTWARE);
  }
}

async function restoreTo(from: string, to: string): Promise<BackupFacts> {
  const found = statSync(from, { throwIfNoEntry: false });
  if (found === undefined) throw new RefusedError(`there is no ${from}`);
  if (!found.isDirectory()) throw new RefusedError(`${from} is not a directory`);
  const made = await take(to);
  let done = false;
  try {
    const source = new NodeDisk(from);
    if (!source.exists("kvorum.backup")) throw new RefusedError(`${from} is not a backup: it has no kvorum.backup`);
    const facts = verifyBackup(source);
    // No fault of the disk.
    if (facts.meta.member === true)
      throw new RefusedError(
        `${from} is the backup of one member of a cluster: such a member does not come back by being restored. Copy the keys into a new cluster`,
      );
    try {
      restoreBackup(source, new NodeDisk(to), facts, randomBytes(20).toString("hex"), Date.now());
      syncDirectory(dirname(to));
    } catch (error) {
      throw error instanceof CorruptionError ? error : new DiskError(`cannot restore to ${to}`, error);
    }
    done = true;
    return facts;
  } finally {
    made.release();
    if (!done && made.fresh) rmdirSync(to);
  }
}

/** Make the directory if need be, and hold it. A foreign directory is left without a trace. */
async function take(to: string): Promise<{ release: () => void; fresh: boolean }> {
  const fresh = makeDirectorySync(to) !== undefined;
  const names = readdirSync(to);
  // A directory with other things in it cannot be a running server's: no need to put a pid file there to find out.
  if (names.length > 0 && !names.includes(PID_NAME)) throw new RefusedError(`${to} is not empty`);
  const lock = await lockDirectory(to);
  if (readdirSync(to).some((name) => name !== PID_NAME)) {
    lock.release();
    throw new RefusedError(`${to} is not empty`);
  }
  return { release: () => lock.release(), fresh };
}
