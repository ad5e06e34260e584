/**
 * node.ts: one node, wired: disk, engine, server, sockets. A table of contents: what there is and in which order it starts and
 * stops; no rule of its own.
 * Start: lock the directory, open the engine, listen (clients hear -LOADING), recover, join the peers, serve. Stop: take no more clients,
 * answer what was asked, say goodbye to the peers, flush, seal, let go of the directory. A failed log: those who wait hear -UNCERTAIN, then
 * the node fails.
 */
import { randomBytes, randomInt } from "node:crypto";
import { version } from "./cli/version.js";
import { type Performer, QUESTION_NODE } from "./cluster/work.js";
import type { Config } from "./config/config.js";
import { keySlot } from "./core/ring/slot.js";
import type { RunningHttp } from "./http/start.js";
import { asDiskError } from "./lib/errors.js";
import { type Member, memberOf } from "./node-cluster.js";
import { listenForClients, listenForHttp, shownAddresses } from "./node-listen.js";
import { BackupDirectory } from "./platform/backup-directory.js";
import { lockDirectory } from "./platform/directory-lock.js";
import { jsonLine, type LogLevel, lineLogger } from "./platform/log.js";
import { MemoryDisk } from "./platform/memory-disk.js";
import { NodeDisk } from "./platform/node-disk.js";
import { releaseMemory } from "./platform/node-memory.js";
import { NodeScheduler } from "./platform/node-scheduler.js";
import { NodeSystem } from "./platform/node-system.js";
import type { Disk } from "./ports/disk.js";
import type { Listener } from "./ports/network.js";
import { clampWarning } from "./server/admission.js";
import { ServerPerformer } from "./server/performer.js";
import type { ServerParts, ShutdownRequest } from "./server/ports.js";
import { Server } from "./server/server.js";
import { type StartFacts, startFields, startScreen } from "./server/start-screen.js";
import { Engine } from "./storage/engine.js";
import { RefusalWatch } from "./storage/refusal-watch.js";
import { ServedStorage } from "./storage/served.js";

const LOAD_SLICE_MS = 4;
/** What the start line says where lines are JSON; see also cli/verbs/cluster-dev.ts. */
const SERVING = "serving";
/** After a disk failure clients get this long to hear of it. */
const LAST_WORDS_MS = 200;
const DRAIN_POLL_MS = 5;
const ALIVE_MS = 1000;
/** On a clean stop a snapshot is written when it is quick: it makes the next start quicker. */
const STOP_SNAPSHOT_BYTES_MAX: number = 256 << 20;

export interface NodeEnd {
  /** Exit code for a process that is nothing but this node; 0 = it was asked to stop. */
  readonly code: number;
  readonly message: string;
}

export interface NodeParts {
  /** Keep everything in memory: nothing outlives the node. */
  readonly memory?: boolean;
  /** HTTP on any free port, when http-port names none. */
  readonly http?: boolean;
  /** Where the node's lines go; absent = standard output. */
  readonly log?: (level: LogLevel, text: string) => void;
}

export class RunningNode {
  readonly config: Config;
  readonly server: Server;
  readonly engine: Engine;
  /** Resolves when the node must end, or was told to by SHUTDOWN. */
  readonly failed: Promise<NodeEnd>;
  startScreen = "";
  listeners: Listener[] = [];
  /** Undefined: none is wanted. */
  http: RunningHttp | undefined;
  private readonly scheduler: NodeScheduler;
  private readonly served: ServedStorage;
  private readonly refusals: RefusalWatch;
  /** Undefined: a node alone. */
  private readonly member: Member | undefined;
  private readonly release: () => void;
  readonly log: (level: LogLevel, text: string) => void;
  private readonly memory: boolean;
  private end: (end: NodeEnd) => void = () => {};
  private stopping: Promise<void> | undefined;
  /** The engine touches the directory no more. */
  private quiet: Promise<void> = Promise.resolve();

  constructor(config: Config, disk: Disk, release: () => void, parts: NodeParts) {
    this.config = config;
    // Members of a cluster compare their clocks as they are, and have a rule of their own for one that is off.
    this.scheduler = new NodeScheduler(config.peers.length === 0);
    this.release = release;
    this.memory = parts.memory === true;
    this.log =
      parts.log ??
      lineLogger(
        config.logFormat,
        () => levelOf(config),
        (line) => void process.stdout.write(line),
      );
    this.failed = new Promise((resolve) => {
      this.end = resolve;
    });
    this.member = memberOf({ config, disk, scheduler: this.scheduler, log: this.log });
    const secret = this.member?.hashSecret;
    this.engine = new Engine(disk, this.scheduler, {
      register: this.member !== undefined,
      get mode() {
        return config.appendfsync;
      },
      partitions: config.partitions,
      segmentBytes: config.walSegmentBytes,
      snapshotLogBytes: () => config.snapshotWalBytes,
      ...(this.member === undefined ? {} : { retainFromLsn: this.member.retainFromLsn }),
      retainBytes: () => config.walRetainBytes,
      newNode: () => ({
        node: randomBytes(20).toString("hex"),
        hashSecret: secret ?? [randomBytes(4).readInt32LE(), randomBytes(4).readInt32LE()],
      }),
      seed: randomInt(2 ** 31),
      releaseMemory,
    });
    this.served = new ServedStorage(
      this.engine,
      this.scheduler.nowMs(),
      () => this.scheduler.monotonicMs(),
      this.memory ? undefined : (directory) => new BackupDirectory(config.dir, directory),
    );
    this.served.congestedBytes = config.walBatchBytesMax;
    this.refusals = new RefusalWatch({
      scheduler: this.scheduler,
      storage: this.served,
      readOnly: () => this.engine.store.readOnly,
      log: this.log,
    });
    this.server = new Server(this.serverParts());
    this.followConfig();
  }

  private serverParts(): ServerParts {
    return {
      ...(this.member === undefined ? {} : { cluster: this.member.cluster }),
      space: this.engine.store,
      storage: this.served,
      scheduler: this.scheduler,
      system: new NodeSystem(),
      config: this.config,
      version: version(),
      nodeId: this.engine.meta.node,
      keySlot,
      port: () => this.listeners.find((listener) => listener.port > 0)?.port ?? 0,
      log: this.log,
      shutdown: (request, refused) => this.shutdown(request, refused),
    };
  }

  private followConfig(): void {
    const { config, engine } = this;
    const follow = (): undefined => {
      engine.store.setPolicy(config.maxmemoryPolicy);
      engine.store.eviction.maxBytes = config.maxmemory;
      engine.store.eviction.samples = config.maxmemorySamples;
      engine.store.usage.logFactor = config.lfuLogFactor;
      engine.store.usage.decayMinutes = config.lfuDecayTime;
      engine.upkeepMs = 1000 / config.hz;
      engine.wal?.setMode(config.appendfsync);
      return undefined;
    };
    follow();
    config.onChange("*", follow);
    const tell = (): undefined => {
      const text = clampWarning(this.server);
      if (text !== undefined) this.log("warning", text);
      return undefined;
    };
    tell();
    config.onChange("maxclients", tell);
    config.onWarning((text) => this.log("warning", text));
  }

  /** @param http on any free port. */
  async listen(http: boolean): Promise<void> {
    await listenForClients(this.config, (connection) => this.server.accept(connection), this.listeners);
    this.http = await listenForHttp(this, http);
  }

  /** Recover, then serve. @throws CorruptionError, FormatError, DiskError, each with an exit code. */
  async load(): Promise<void> {
    const { engine, server } = this;
    await new Promise<void>((resolve, reject) => {
      engine.load(LOAD_SLICE_MS, (error) => (error === undefined ? resolve() : reject(error)));
    });
    const { wal } = engine;
    if (wal === undefined) return; // a client asked for SHUTDOWN meanwhile
    const { member } = this;
    wal.onDurable = member === undefined ? () => server.logWaiters.durable() : () => this.durable(member);
    wal.audience = member ?? server.logWaiters;
    wal.onFailed = (error) => {
      this.log("warning", `${error.message}: nothing is acknowledged any more`);
      void member?.stop();
      server.logWaiters.logFailed();
      server.stopAccepting();
      this.scheduler.after(LAST_WORDS_MS, () => this.end({ code: error.exitCode, message: error.message }));
    };
    this.refusals.start();
    await member?.start(engine, this.performer(member));
    this.served.ready();
    this.startScreen = this.startText(member);
    engine.recovery = undefined;
  }

  private startText(member: Member | undefined): string {
    const { config, engine } = this;
    const facts: StartFacts = {
      version: version(),
      config,
      addresses: shownAddresses(this.listeners, config.tlsPort),
      http: this.http?.addresses,
      directory: this.memory ? undefined : config.dir,
      keys: engine.store.table.keys.reduce((sum, keys) => sum + keys, 0),
      loadMs: engine.loadMs,
      droppedBytes: engine.recovery?.droppedBytes ?? 0,
      pid: process.pid,
      cluster: member && { view: member.cluster, peerAddresses: member.peerAddresses },
    };
    return config.logFormat === "json" ? jsonLine("notice", SERVING, startFields(facts)) : startScreen(facts);
  }

  /** First what waited for this node's own disk, so that replies leave with the news. */
  private durable(member: Member): void {
    member.durable();
    this.server.logWaiters.durable();
  }

  private performer({ cluster }: Member): Performer {
    const { engine, config, server } = this;
    const expiryMs = (): number => cluster.expiryMs();
    const performer = new ServerPerformer({ space: engine.store, config, keys: engine.registers, keySlot, expiryMs });
    return {
      decode: (name, bytes) => performer.decode(name, bytes),
      answer: (kind, bytes) => (kind === QUESTION_NODE ? server.face.cardBytes() : performer.answer(kind, bytes)),
    };
  }

  private shutdown(request: ShutdownRequest, refused: (error: string) => void): void {
    this.log("warning", "User requested shutdown...");
    const finish = (): void => {
      this.stop(request.save !== "nosave", request.now).then(
        () => this.end({ code: 0, message: "SHUTDOWN" }),
        (error: Error & { exitCode?: number }) => this.end({ code: error.exitCode ?? 70, message: error.message }),
      );
    };
    if (request.save !== "save") return finish();
    const started = this.engine.snapshot((error) => {
      if (error !== undefined && !request.force) refused(`ERR Errors trying to SHUTDOWN. Check logs.`);
      else finish();
    });
    if (!started) finish();
  }

  /** Stop in good order. Everything acknowledged is on disk when it resolves. */
  stop(save = true, now = false): Promise<void> {
    this.stopping ??= keptAlive(this.stopOnce(save, now));
    return this.stopping;
  }

  private async stopOnce(save: boolean, now: boolean): Promise<void> {
    const { server, engine } = this;
    server.lastCall();
    this.member?.part();
    const closed = this.listeners.map((listener) => listener.close());
    await Promise.all([this.drained(now), this.http?.stop(now ? 0 : this.config.shutdownTimeout)]);
    const parted = this.member?.stop();
    this.refusals.stop();
    server.close(now);
    const quick = engine.store.usedBytes() <= STOP_SNAPSHOT_BYTES_MAX && engine.store.stats.dirty > 0;
    const { wal } = engine;
    if (save && !this.memory && quick && wal?.failure === undefined && !wal?.waitsForRoom) {
      await new Promise<void>((resolve) => {
        if (!engine.snapshot(() => resolve())) resolve();
      });
    }
    const failure = await this.stopEngine();
    server.close(true);
    server.stop();
    await Promise.all([...closed, parted]);
    this.letGo();
    if (failure !== undefined) throw failure;
  }

  private stopEngine(): Promise<Error | undefined> {
    let quiet = (): void => {};
    this.quiet = new Promise((done) => {
      quiet = done;
    });
    return new Promise((resolve) => {
      try {
        this.engine.stop(resolve, quiet);
      } catch (error) {
        // Told as any other failure: the rest of the stop is still to come.
        quiet();
        resolve(asDiskError("cannot stop", error));
      }
    });
  }

  /** Where a disk hangs what is under way might reach the files of whoever opens the directory next: it is kept until then. */
  private letGo(): void {
    void this.quiet.then(this.release);
  }

  /** It could not be started: let go of all that was begun. */
  async abandon(): Promise<void> {
    for (const listener of this.listeners) void listener.close();
    void this.http?.stop(0);
    void this.member?.stop();
    this.refusals.stop();
    this.server.close(true);
    this.server.stop();
    this.engine.recovery?.close();
    await keptAlive(this.stopEngine());
    this.letGo();
  }

  private async drained(now: boolean): Promise<void> {
    const until = this.scheduler.monotonicMs() + (now ? 0 : this.config.shutdownTimeout);
    while (this.server.draining && this.scheduler.monotonicMs() < until) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
  }
}

/** A node's timers keep no process alive: when nothing else does, it would end in the midst of the stop. */
async function keptAlive<T>(stop: Promise<T>): Promise<T> {
  const alive = setInterval(() => {}, ALIVE_MS);
  try {
    return await stop;
  } finally {
    clearInterval(alive);
  }
}

/** Start a node and wait until it serves. @throws with `exitCode`: configuration 64, data 65, port 69, disk 74, directory 75. */
export async function start(config: Config, parts: NodeParts = {}): Promise<RunningNode> {
  let disk: Disk;
  let release = (): void => {};
  if (parts.memory === true) disk = new MemoryDisk(new NodeScheduler());
  else {
    disk = new NodeDisk(config.dir);
    release = (await lockDirectory(config.dir)).release;
  }
  let node: RunningNode | undefined;
  try {
    node = new RunningNode(config, disk, release, parts);
    await node.listen(parts.http === true);
    await node.load();
    return node;
  } catch (error) {
    if (node === undefined) release();
    else await node.abandon();
    throw node === undefined ? asDiskError("cannot open the data directory", error) : error;
  }
}

function levelOf(config: Config): LogLevel {
  const level: string = config.loglevel;
  return level === "debug" || level === "verbose" || level === "warning" ? level : "notice";
}
