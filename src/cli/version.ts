/**
 * cli/version.ts: the package's version, from the package.json that lies above this file, built or not.
 */
import { readFileSync } from "node:fs";
import { EXIT_OK } from "./exit.js";

/** dist/chunk.js is one directory below package.json, src/cli/version.ts two. */
export function version(): string {
  for (const above of ["../package.json", "../../package.json"]) {
    try {
      const found = JSON.parse(readFileSync(new URL(above, import.meta.url), "utf8")) as Record<string, unknown>;
      if (found["name"] === "kvorum" && typeof found["version"] === "string") return found["version"];
    } catch {
      // Not there: look further up.
    }
  }
  return "unknown";
}

export function printVersion(): number {
  process.stdout.write(`kvorum ${version()} (node ${process.versions.node})\n`);
  return EXIT_OK;
}
