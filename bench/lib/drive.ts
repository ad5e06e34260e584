/**
 * bench/lib/drive.ts: run one closed loop in a process of its own, and hand back what it measured.
 * Invariant: the process ends with the loop, at the latest some seconds after the plan says.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LoopPlan, LoopResult } from "./closed-loop.js";

const PROGRAM: string = fileURLToPath(new URL("closed-loop-process.ts", import.meta.url));
const GRACE_MS = 30_000;

/** @throws with the loop's words when it failed. */
export function drive(plan: LoopPlan): Promise<LoopResult> {
  const args = ["--import", "tsx", PROGRAM, JSON.stringify(plan)];
  const timeout = plan.warmMs + plan.measureMs + GRACE_MS;
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout, killSignal: "SIGKILL", encoding: "utf8" }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as LoopResult);
      else reject(new Error(stderr.trim() || error.message));
    });
  });
}
