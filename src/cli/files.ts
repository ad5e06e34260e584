/**
 * cli/files.ts: the real file system as config/ wants it. Synchronous, because it is used before anything runs, and then
 * only by CONFIG REWRITE.
 */
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Files } from "../config/config.js";

export const realFiles: Files = {
  read: (path) => readFileSync(path),
  list: (directory) => readdirSync(directory),
  replace,
};

/** A new file beside the old one, on disk, then renamed over it: whoever reads sees one or the other, also after a power cut. */
function replace(path: string, bytes: Uint8Array): void {
  const mode = statSync(path).mode & 0o777;
  const fresh = `${path}.${process.pid}.tmp`;
  try {
    // Until the mode is the old one's, only we may read it: it can hold a password.
    const file = openSync(fresh, "wx", 0o600);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fchmodSync(file, mode);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
  syncDirectory(dirname(path));
}

export function syncDirectory(path: string): void {
  if (process.platform === "win32") return; // a directory cannot be opened there
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
