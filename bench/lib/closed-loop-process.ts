/**
 * bench/lib/closed-loop-process.ts: the process that runs one closed loop: the plan comes as its argument, in JSON, and the result goes to
 * its output in the same way. drive.ts starts it.
 */
import { closedLoop, type LoopPlan } from "./closed-loop.js";

try {
  const plan = JSON.parse(process.argv[2] ?? "") as LoopPlan;
  process.stdout.write(JSON.stringify(await closedLoop(plan)));
} catch (error) {
  process.stderr.write(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
