/**
 * test/explore/walks.ts: for violations that lie too deep for a search in order of length: ways taken at random from a seed, and
 * then made as short as leaving out steps can make them. Says nothing about worlds it did not visit.
 */
import { Random } from "../../src/lib/random.js";
import { Violation } from "./evidence.js";
import { type Bounds, cpuMs, type Found } from "./search.js";
import { fingerprintOf } from "./snapshot.js";
import { type Action, type Run, World } from "./world.js";

const SEED = 1;

export function randomWalks(run: Run, { statesMax, secondsMax }: Bounds): Found {
  const started = cpuMs();
  const random = new Random(SEED);
  const first = new World(run);
  let steps = 0;
  let depth = 0;
  const found = (end: Found["end"]): Found => ({ states: steps, steps, depth, ms: cpuMs() - started, end });
  while (steps < statesMax) {
    if (cpuMs() - started > secondsMax * 1000) return found("time");
    const trace: Action[] = [];
    let world: World | undefined = first;
    while (world !== undefined) {
      const actions: Action[] = world.actions();
      if (actions.length === 0) break;
      const action = actions[random.below(actions.length)];
      trace.push(action);
      steps++;
      try {
        world = world.after(action);
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
        const shortest = shortened(run, trace);
        return { ...found("violation"), violation: shortest.violation, trace: shortest.trace };
      }
    }
    if (trace.length > depth) depth = trace.length;
  }
  return found("states");
}

interface Broken {
  readonly trace: readonly Action[];
  readonly violation: string;
}

/** Leave out one step after another, as long as what is left still breaks. */
function shortened(run: Run, trace: readonly Action[]): Broken {
  let best = replay(run, trace);
  if (best === undefined) throw new Error("a way cannot be taken a second time: something is random");
  for (let at = 0; at < best.trace.length; ) {
    const shorter = replay(run, best.trace.toSpliced(at, 1));
    if (shorter === undefined) at++;
    else {
      best = shorter;
      at = 0;
    }
  }
  return best;
}

/** Take the steps of `trace` that can be taken. @returns what was taken, if it ends in a violation. */
function replay(run: Run, trace: readonly Action[]): Broken | undefined {
  let world = new World(run);
  const taken: Action[] = [];
  for (const wanted of trace) {
    const { one, two } = fingerprintOf(wanted);
    const action = world.actions().find((other) => {
      const print = fingerprintOf(other);
      return print.one === one && print.two === two;
    });
    if (action === undefined) continue;
    taken.push(action);
    try {
      const after = world.after(action);
      if (after === undefined) taken.pop();
      else world = after;
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      return { trace: taken, violation: error.message };
    }
  }
  return undefined;
}
