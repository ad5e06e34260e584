/**
 * test/lib/program.ts: the command line of kvorum as tests start it: built, from where KVORUM_CLI says (the runner builds it once for
 * all files), else from source, which costs half a second of CPU more each time. And what others import, for scripts of their own.
 */
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const ROOT: string = resolve(import.meta.dirname, "../..");
const BUILT: string | undefined = process.env["KVORUM_CLI"];

export const PROGRAM: readonly [string, ...string[]] =
  BUILT === undefined
    ? [process.execPath, "--import", "tsx", join(ROOT, "src/cli/cli.ts")]
    : [process.execPath, resolve(ROOT, BUILT)];

/** Options of node for a script that imports what moduleOf says. */
export const LOADER: readonly string[] = BUILT === undefined ? ["--import", "tsx"] : [];

/** Where the library, or its server for tests, is imported from. */
export function moduleOf(name: "index" | "testing"): string {
  const path = BUILT === undefined ? join(ROOT, `src/${name}.ts`) : join(dirname(resolve(ROOT, BUILT)), `${name}.js`);
  return pathToFileURL(path).href;
}
