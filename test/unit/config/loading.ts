/**
 * test/unit/config/loading.ts: a configuration from flags, variables and files in memory, and what is wrong with one.
 */
import * as assert from "uvu/assert";
import { ConfigError } from "../../../src/config/error.js";
import { loadConfig } from "../../../src/config/load.js";
import { memoryFiles } from "./memory-files.js";

export const CWD = "/work-dir";

export function load(
  argv: string[],
  env: Record<string, string> = {},
  files: Record<string, string> = {},
): ReturnType<typeof loadConfig> {
  return loadConfig({ argv, env, cwd: CWD, files: memoryFiles(files) });
}

export function problems(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    assert.instance(error, ConfigError);
    assert.is((error as ConfigError).exitCode, 64);
    return (error as ConfigError).problems;
  }
  assert.unreachable("no ConfigError");
  return [];
}
