/**
 * bench/lib/machine.ts: what has to stand beside every figure: machine, versions, commit, time.
 * Invariant: nothing that names the host, its user or its addresses.
 */
import { execFileSync, type StdioOptions } from "node:child_process";
import { arch, cpus, loadavg, release, totalmem } from "node:os";
import { findRedisServer } from "./servers.js";

export interface MachineFacts {
  readonly at: string;
  readonly commit: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly redis: string;
  /** Load averages when the bench began: other work on the machine. */
  readonly load: readonly number[];
}

/** First line of a program's output, or "" when it cannot be run. */
function line(command: string, args: readonly string[], cwd?: string): string {
  try {
    const where = cwd === undefined ? {} : { cwd };
    const stdio: StdioOptions = ["ignore", "pipe", "ignore"];
    return execFileSync(command, args, { encoding: "utf8", stdio, ...where }).split("\n", 1)[0] ?? "";
  } catch {
    return "";
  }
}

/** @param root the package's directory. */
export function machineFacts(root: string): MachineFacts {
  const commit = line("git", ["rev-parse", "--short=12", "HEAD"], root) || "unknown";
  const changed = line("git", ["status", "--porcelain", "--untracked-files=no", "src"], root) !== "";
  const redis = findRedisServer();
  return {
    at: new Date().toISOString(),
    commit: changed ? `${commit} with changes in src/` : commit,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cpus: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${process.platform} ${release()} ${arch()}`,
    node: process.versions.node,
    redis: redis === undefined ? "none" : (/v=(\S+)/.exec(line(redis, ["--version"]))?.[1] ?? "unknown"),
    load: loadavg().map((value) => Math.round(value * 100) / 100),
  };
}
