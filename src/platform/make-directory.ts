/**
 * platform/make-directory.ts: make a directory with its parents.
 * The synchronous one leaves them where they survive a power cut: a directory's name is in its parent, which is synced too.
 * Not by mkdir's own "recursive": where the system says ENOENT although the parent is there (/proc), Node 20 asks again without end.
 */
import fs from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { ConfigurationError, DiskError } from "../lib/errors.js";

/** Made, and durable. @returns the uppermost directory that had to be made; undefined when all were there. @throws DiskError, ConfigurationError */
export function makeDirectorySync(directory: string): string | undefined {
  const missing = missingOf(directory);
  for (const name of missing) {
    try {
      fs.mkdirSync(name);
    } catch (error) {
      if (isDirectory(name)) continue;
      // What lies there stays as it is: the disk has no part in it.
      if ((error as NodeJS.ErrnoException).code === "EEXIST")
        throw new ConfigurationError(`${name} is not a directory`);
      throw new DiskError(`cannot make the directory ${name}`, error);
    }
  }
  for (const name of missing.reverse()) syncName(name);
  return missing.at(-1);
}

/** Sync the directory that `name` is in. */
function syncName(name: string): void {
  if (process.platform === "win32") return; // directories cannot be synced there; NTFS journals names
  const parent = path.dirname(name);
  try {
    const handle = fs.openSync(parent, "r");
    try {
      fs.fsyncSync(handle);
    } finally {
      fs.closeSync(handle);
    }
  } catch (error) {
    throw new DiskError(`cannot sync the directory ${parent}`, error);
  }
}

/** Not synced, and the error as the system gave it. */
export async function makeDirectory(directory: string): Promise<string | undefined> {
  const missing = missingOf(directory);
  for (const name of missing) {
    try {
      await mkdir(name);
    } catch (error) {
      if (!isDirectory(name)) throw error;
    }
  }
  return missing[0];
}

/** The directory and its parents that are not there, uppermost first. What is there and no directory counts as missing. */
function missingOf(directory: string): string[] {
  const missing: string[] = [];
  for (let at = path.resolve(directory); !isDirectory(at) && at !== path.dirname(at); at = path.dirname(at))
    missing.unshift(at);
  return missing;
}

function isDirectory(name: string): boolean {
  try {
    return fs.statSync(name).isDirectory();
  } catch {
    return false;
  }
}
