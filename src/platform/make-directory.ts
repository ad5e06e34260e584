/**
 * platform/make-directory.ts: make a directory with its parents.
 * Not by mkdir's own "recursive": where the system says ENOENT although the parent is there (/proc), Node 20 asks again without end.
 */
import { mkdirSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { DiskError } from "../lib/errors.js";

/** @returns the uppermost directory that had to be made; undefined when all were there. @throws DiskError */
export function makeDirectorySync(directory: string): string | undefined {
  const missing = missingOf(directory);
  for (const name of missing) {
    try {
      mkdirSync(name);
    } catch (error) {
      if (!isDirectory(name)) throw new DiskError(`cannot make the directory ${name}`, error);
    }
  }
  return missing[0];
}

/** The same, and the error as the system gave it. */
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
    return statSync(name).isDirectory();
  } catch {
    return false;
  }
}
