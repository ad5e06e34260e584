/**
 * test/sim/node-bugs.ts: bugs around the register, put into a node from outside: its storage, its coordinator, its disk. Production has no
 * switch for any of them: methods of one object are replaced.
 */
import type { ClusterNode } from "../../src/cluster/cluster-node.js";
import { FLAG_TOMBSTONE } from "../../src/codec/record/record.js";
import { Hlc } from "../../src/core/clock/hlc.js";
import { isExpired, tombstoneState } from "../../src/core/register/state.js";
import type { Engine, EngineOptions } from "../../src/storage/engine.js";
import type { SimDisk } from "../lib/sim-disk.js";
import type { Host } from "./host.js";

/** Where one may be put in. */
export interface NodeBug {
  readonly engine?: Partial<EngineOptions>;
  readonly boot?: (boot: number) => number;
  readonly run?: string;
  readonly disk?: (disk: SimDisk) => void;
  /** Before recovery. */
  readonly loading?: (engine: Engine) => void;
  /** After it. */
  readonly loaded?: (engine: Engine) => void;
  readonly clock?: () => Hlc;
  readonly serving?: (node: ClusterNode, engine: Engine, host: Host) => void;
}

function property(of: object, name: string, get: () => unknown): void {
  Object.defineProperty(of, name, { get, configurable: true });
}

/** What is appended to the log counts as durable. */
export const ACKS_BEFORE_SYNC: NodeBug = {
  loaded: ({ registers }) => property(registers, "durableLsn", () => registers.appendedLsn),
};

export const LOSES_CEILING: NodeBug = {
  loaded: ({ registers }) => {
    registers.recoveredCeiling = 0;
  },
};

/** Its dots begin anew, below those that it issued before. */
class ForgetfulClock extends Hlc {
  private forgets = true;
  override witness(value: number): void {
    if (!this.forgets) super.witness(value);
    this.forgets = false;
  }
}
export const CLOCK_ANEW: NodeBug = { clock: () => new ForgetfulClock() };

/** What the storage sees does not move the clock that ballots are made with. */
export const CLOCK_APART: NodeBug = { clock: () => new Hlc() };

export const BOOT_NOT_RAISED: NodeBug = { boot: () => 1, run: "always the same" };

export const NO_SYNC: NodeBug = { engine: { mode: "no" } };

/** A sync that failed is taken for one that did not. */
export const SYNC_ERRORS_IGNORED: NodeBug = {
  disk: (disk) => {
    const write = disk.writeAsync.bind(disk);
    disk.writeAsync = (file, from, at, length, position, done) =>
      write(file, from, at, length, position, (error) => done(error?.message.includes("fsync") ? null : error));
  },
};

/** The names of new files are not synced: a segment of the log is gone with all that is in it. */
export const DIRECTORY_NOT_SYNCED: NodeBug = {
  disk: (disk) => {
    disk.syncDirectory = () => {};
  },
};

/** Batches that are under way together are acknowledged as they land, not in their order. */
export const BATCHES_OUT_OF_ORDER: NodeBug = {
  loaded: ({ wal }) => {
    const flights = wal?.["flights"];
    if (flights === undefined) return;
    flights.waitMs = () => (flights.count < 4 ? 0 : Number.POSITIVE_INFINITY);
    flights.takeLanded = () => {
      const queue = flights["queue"];
      const at = queue.findIndex(({ landed }) => landed);
      return at < 0 ? undefined : queue.splice(at, 1)[0];
    };
  },
};

/** The log before a snapshot goes, and the ceilings in it are forgotten. */
export const SNAPSHOT_FORGETS_CEILING: NodeBug = {
  loading: ({ registers }) => property(registers, "highestHlc", () => 0),
};

/** Tombstones are not kept over a restart. */
export const LOSES_TOMBSTONES: NodeBug = {
  loading: ({ registers }) => {
    const replay = registers.replay.bind(registers);
    registers.replay = (body, at, length, lsn) => {
      if ((body[at + 5] & FLAG_TOMBSTONE) === 0) replay(body, at, length, lsn);
    };
  },
};

/** After a restart everything that is held counts as chosen. */
export const ALL_IS_CHOSEN: NodeBug = {
  loaded: ({ registers }) => {
    const held = registers.held.bind(registers);
    const chosen = (name: string): ReturnType<typeof held> => {
      const found = held(name);
      return found === undefined
        ? undefined
        : { ballot: found.ballot, state: found.state, lsn: found.lsn, chosen: true };
    };
    registers.held = chosen;
    registers.glance = chosen;
  },
};

/** A mark is set on whatever is held: the storage would look at the ballot again. */
export const MARKS_ANYTHING: NodeBug = {
  loaded: ({ registers }) => {
    const mark = registers.mark.bind(registers);
    registers.mark = (name, ballot) => mark(name, registers.held(name)?.ballot ?? ballot);
  },
};

/** What is accepted is in memory, and not in the log. */
export const SOME_NOT_LOGGED: NodeBug = {
  loaded: ({ registers, store }) => {
    const accept = registers.accept.bind(registers);
    let count = 0;
    registers.accept = (record, chosen) => {
      if (++count % 16 > 0) return accept(record, chosen);
      const { log } = store;
      store.log = { appendedLsn: log.appendedLsn, durableLsn: log.durableLsn, append: () => log.durableLsn };
      try {
        return accept(record, chosen);
      } finally {
        store.log = log;
      }
    };
  },
};

/** A work whose link broke is proposed here, as if it had never left. */
/** A quorum that lacks this node's own copy is taken for one. */
export const CLOSES_UNHELD: NodeBug = {
  serving: ({ coordinator: { replica } }) => {
    replica.holds = () => 0;
  },
};

/** It holds it, but not on its disk. */
export const CLOSES_UNSYNCED: NodeBug = {
  serving: ({ coordinator: { replica } }) => {
    const holds = replica.holds.bind(replica);
    replica.holds = (name, ballot) => Math.min(holds(name, ballot), 0);
  },
};

export const FORWARDS_TWICE: NodeBug = {
  serving: ({ coordinator }) => {
    const returned = coordinator["returned"].bind(coordinator);
    coordinator["returned"] = (job, outcome) => {
      if (outcome !== undefined || !coordinator["jobs"].has(job.id)) return returned(job, outcome);
      job.away = 0;
      coordinator["propose"](job);
      coordinator["carryOut"]();
    };
  },
};

/** Reads are answered from what this node holds. */
export const READS_LOCALLY: NodeBug = {
  serving: ({ coordinator }, _engine, host) => {
    const perform = coordinator.perform.bind(coordinator);
    coordinator.perform = (work, done) => {
      const held = work.writes ? undefined : coordinator.replica.held(work.name);
      if (held === undefined) return perform(work, done);
      const { result } = work.apply(held.state, host.nowMs());
      done({ applied: "yes", result, ballot: held.ballot });
    };
  },
};

/** A key past its deadline is answered as absent, and stays as it is. */
export const EXPIRES_LOCALLY: NodeBug = {
  serving: ({ coordinator }, _engine, host) => {
    const perform = coordinator.perform.bind(coordinator);
    coordinator.perform = (work, done) => {
      const held = work.writes ? undefined : coordinator.replica.held(work.name);
      if (held === undefined || !isExpired(held.state, host.nowMs())) return perform(work, done);
      const { result } = work.apply(tombstoneState(held.state.vv, held.state.cut), host.nowMs());
      done({ applied: "yes", result, ballot: held.ballot });
    };
  },
};

/** What may have been applied is said not to have been. */
export const MAYBE_IS_NO: NodeBug = {
  serving: ({ coordinator }) => {
    const settle = coordinator["settle"].bind(coordinator);
    coordinator["settle"] = (id, outcome) =>
      settle(id, outcome.applied === "maybe" ? { applied: "no", why: "no quorum" } : outcome);
  },
};

/** Answers are given twice as many chances: one that is late comes after the deadline, and says no. */
export const NEVER_GIVES_UP: NodeBug = {
  serving: ({ coordinator }) => {
    coordinator["expire"] = () => {};
  },
};

/** What the peers have of the log is believed to be all of it: nothing is shipped to one that was away. */
export const SHIPS_NOTHING: NodeBug = {
  serving: ({ coordinator }) => {
    coordinator.catchUp.asked = () => {};
    coordinator["pulls"].heard = () => {};
  },
};
