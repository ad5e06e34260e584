/**
 * test/explore/search.ts: all worlds that can be reached from a beginning, each looked at once. Depth first needs memory for fingerprints
 * alone (8 bytes a state, half the table free at worst) and one path; breadth first keeps worlds and finds the shortest way to a broken one.
 * A search ends by exhaustion, at a violation, or at a bound on states or time, and says which.
 */
import { Violation } from "./evidence.js";
import type { Fingerprint } from "./snapshot.js";
import { type Action, type Run, World } from "./world.js";

export interface Bounds {
  readonly statesMax: number;
  readonly secondsMax: number;
}

export interface Found {
  readonly states: number;
  /** Steps taken, those to known states included. */
  readonly steps: number;
  readonly depth: number;
  /** Of the processor. */
  readonly ms: number;
  readonly end: "exhausted" | "states" | "time" | "violation";
  readonly violation?: string;
  readonly trace?: readonly Action[];
}

/** Fingerprints in open addressing. Grows by doubling. */
class States {
  size = 0;
  private ones: Int32Array;
  private twos: Int32Array;
  private mask: number;

  constructor() {
    this.ones = new Int32Array(1 << 16);
    this.twos = new Int32Array(1 << 16);
    this.mask = (1 << 16) - 1;
  }

  /** @returns whether it is new. */
  add({ one, two }: Fingerprint): boolean {
    if (this.size * 4 > this.mask * 3) this.grow();
    // (0, 0) marks a free place.
    return this.insert(one, one === 0 && two === 0 ? 1 : two);
  }

  private insert(one: number, two: number): boolean {
    let at = (one ^ Math.imul(two, 0x9e3779b1)) & this.mask;
    while (this.ones[at] !== 0 || this.twos[at] !== 0) {
      if (this.ones[at] === one && this.twos[at] === two) return false;
      at = (at + 1) & this.mask;
    }
    this.ones[at] = one;
    this.twos[at] = two;
    this.size++;
    return true;
  }

  private grow(): void {
    const { ones, twos } = this;
    this.mask = this.mask * 2 + 1;
    this.ones = new Int32Array(this.mask + 1);
    this.twos = new Int32Array(this.mask + 1);
    this.size = 0;
    for (let i = 0; i < ones.length; i++) if (ones[i] !== 0 || twos[i] !== 0) this.insert(ones[i], twos[i]);
  }
}

interface Frame {
  readonly world: World;
  readonly actions: readonly Action[];
  at: number;
}

const CLOCK_EVERY = 1024;

/** Time of the processor and not of the wall: a machine that does something else meanwhile changes no result. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

export function depthFirst(run: Run, { statesMax, secondsMax }: Bounds): Found {
  const started = cpuMs();
  const states = new States();
  const first = new World(run);
  states.add(first.fingerprint());
  const path: Frame[] = [{ world: first, actions: first.actions(), at: 0 }];
  let steps = 0;
  let depth = 0;
  const found = (end: Found["end"]): Found => ({
    states: states.size,
    steps,
    depth,
    ms: cpuMs() - started,
    end,
  });
  while (path.length > 0) {
    const frame = path[path.length - 1];
    if (frame.at === frame.actions.length) {
      path.pop();
      continue;
    }
    const action = frame.actions[frame.at++];
    steps++;
    let world: World | undefined;
    try {
      world = frame.world.after(action);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      const trace = path.map(({ actions, at }) => actions[at - 1]);
      return { ...found("violation"), violation: error.message, trace };
    }
    if (world === undefined || !states.add(world.fingerprint())) continue;
    path.push({ world, actions: world.actions(), at: 0 });
    if (path.length > depth) depth = path.length;
    if (states.size >= statesMax) return found("states");
    if (steps % CLOCK_EVERY === 0 && cpuMs() - started > secondsMax * 1000) return found("time");
  }
  return found("exhausted");
}

interface Way {
  readonly before: Way | undefined;
  readonly action: Action;
}

export function breadthFirst(run: Run, { statesMax, secondsMax }: Bounds): Found {
  const started = cpuMs();
  const states = new States();
  const first = new World(run);
  states.add(first.fingerprint());
  let level: { world: World; way: Way | undefined }[] = [{ world: first, way: undefined }];
  let steps = 0;
  let depth = 0;
  const found = (end: Found["end"]): Found => ({
    states: states.size,
    steps,
    depth,
    ms: cpuMs() - started,
    end,
  });
  while (level.length > 0) {
    const next: typeof level = [];
    depth++;
    for (const { world, way } of level) {
      for (const action of world.actions()) {
        steps++;
        let after: World | undefined;
        try {
          after = world.after(action);
        } catch (error) {
          if (!(error instanceof Violation)) throw error;
          const trace = [action];
          for (let step = way; step !== undefined; step = step.before) trace.unshift(step.action);
          return { ...found("violation"), violation: error.message, trace };
        }
        if (after === undefined || !states.add(after.fingerprint())) continue;
        next.push({ world: after, way: { before: way, action } });
        if (states.size >= statesMax) return found("states");
        if (steps % CLOCK_EVERY === 0 && cpuMs() - started > secondsMax * 1000) return found("time");
      }
    }
    level = next;
  }
  return found("exhausted");
}
