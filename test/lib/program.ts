/**
 * test/lib/program.ts: the command line of kvorum as tests start it: built, from where KVORUM_CLI says (the runner builds it once for
 * all files), else from source, which costs half a second of CPU more each time.
 */
import { join, resolve } from "node:path";

const ROOT: string = resolve(import.meta.dirname, "../..");
const BUILT: string | undefined = process.env["KVORUM_CLI"];

export const PROGRAM: readonly [string, ...string[]] =
  BUILT === undefined
    ? [process.execPath, "--import", "tsx", join(ROOT, "src/cli/cli.ts")]
    : [process.execPath, resolve(ROOT, BUILT)];
