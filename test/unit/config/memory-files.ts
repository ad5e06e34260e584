/**
 * test/unit/config/memory-files.ts: a Files that holds texts by absolute path.
 */
import type { Files } from "../../../src/config/config.js";

export function memoryFiles(texts: Record<string, string | Uint8Array>): Files {
  return {
    read(path) {
      const text = texts[path];
      if (text === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
      return Buffer.from(text as string);
    },
    list(directory) {
      const prefix = `${directory}/`;
      const below = Object.keys(texts).filter((path) => path.startsWith(prefix));
      return below.map((path) => path.slice(prefix.length)).filter((name) => !name.includes("/"));
    },
    replace(path, bytes) {
      texts[path] = Buffer.from(bytes);
    },
  };
}
