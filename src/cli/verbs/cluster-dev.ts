/**
 * cli/verbs/cluster-dev.ts: `kvorum cluster dev`: a cluster on this machine for trying things out: a process per node, as in earnest, each with its
 * directory and ports. Lines of a node are shown behind its id.
 *
 * Nodes are in process groups of their own: a Ctrl-C at the terminal would else reach them as well as this process, and be the second
 * signal that stops a node without waiting. So they would outlive this process if it were killed; therefore each has a pipe
 * for its standard input and stops when that ends, however this process does.
 * Invariants: no node is started when a port is taken, or a directory is of a cluster of other nodes; when this ends no node runs; one that dies is reported, and the others go on.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { basename, resolve } from "node:path";
import { createInterface } from "node:readline";
import { EXIT_PORT_IN_USE } from "../../lib/errors.js";
import { NodeDisk } from "../../platform/node-disk.js";
import { readMember } from "../../storage/member-file.js";
import { EXIT_CONFIG, EXIT_ERROR, EXIT_OK, EXIT_USAGE } from "../exit.js";

export interface DevOptions {
  readonly nodes: number;
  /** Of the first node; the others follow. */
  readonly port: number;
  readonly dir: string;
}

const HOST = "127.0.0.1";
const PEER_PORT_PLUS = 10_000;
const HTTP_PORT_PLUS = 1000;
const PORT_MAX = 65535;
/** The last line of a node's start screen: it serves. And the only one where lines are JSON. */
const SERVING = "Ctrl-C to stop";
const SERVING_JSON = '"msg":"serving",';

interface Planned {
  readonly id: string;
  readonly port: number;
  readonly dir: string;
  /** Of `kvorum`. */
  readonly argv: readonly string[];
}

/** @param more options for every node. @returns the exit code, once all nodes have ended. */
export async function dev(options: DevOptions, more: readonly string[]): Promise<number> {
  const { nodes, port } = options;
  const last = port + nodes - 1;
  if (last + PEER_PORT_PLUS > PORT_MAX) {
    complain(
      `ports for peers lie ${PEER_PORT_PLUS} above those for clients: ${last + PEER_PORT_PLUS} is over ${PORT_MAX}`,
    );
    return EXIT_USAGE;
  }
  const plan = planOf(options, more);
  const others = plan.map(({ dir }) => membersIn(dir)).find((ids) => ids !== undefined);
  if (
    others !== undefined &&
    others.join() !==
      plan
        .map(({ id }) => id)
        .sort()
        .join()
  ) {
    complain(
      `${resolve(options.dir)} has a cluster of ${others.length} (${others.join(" ")}). Say --nodes ${others.length}, or choose another --dir`,
    );
    return EXIT_CONFIG;
  }
  for (const { id, port: one } of plan) {
    for (const wanted of [one, one + HTTP_PORT_PLUS, one + PEER_PORT_PLUS]) {
      if (await isFree(wanted)) continue;
      complain(`port ${wanted}, which ${id} needs, is in use. Stop what uses it, or choose others with --port`);
      return EXIT_PORT_IN_USE;
    }
  }
  return new DevCluster(plan).run();
}

function planOf({ nodes, port, dir }: DevOptions, more: readonly string[]): Planned[] {
  const ids = Array.from({ length: nodes }, (_, i) => `n${i + 1}`);
  const peer = (i: number): string => `${ids[i]}=${HOST}:${port + i + PEER_PORT_PLUS}`;
  return ids.map((id, i) => {
    const peers = ids.flatMap((_, other) => (other === i ? [] : [peer(other)])).join(",");
    // Absolute: the command that starts a node again is shown, and may be given anywhere.
    const own = resolve(dir, id);
    const argv = ["serve", "--id", id, "--port", String(port + i), "--dir", own, "--peers", peers];
    return { id, port: port + i, dir: own, argv: [...argv, ...more] };
  });
}

/** The ids that a node's directory was last started with; undefined when there are none, or what is there is for the node itself to refuse. */
function membersIn(dir: string): readonly string[] | undefined {
  try {
    // A disk makes the directory that it is in.
    return existsSync(dir) ? readMember(new NodeDisk(dir))?.members : undefined;
  } catch {
    return undefined;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, HOST, () => server.close(() => resolve(true)));
  });
}

function complain(text: string): void {
  process.stderr.write(`kvorum: ${text}\n`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

class DevNode {
  readonly plan: Planned;
  readonly child: ChildProcess;
  /** Its start screen was seen. */
  readonly serving: Promise<void>;
  /** Its exit code, or the signal that ended it. Once its last line was shown. */
  readonly ended: Promise<number | NodeJS.Signals>;
  running = true;
  /** It has served: until then what ends it is a start that was refused. */
  served = false;

  constructor(plan: Planned) {
    this.plan = plan;
    const program = process.argv[1] as string;
    this.child = spawn(process.execPath, [...process.execArgv, program, ...plan.argv, "--stop-at-end-of-input"], {
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    const { stdin, stdout, stderr } = this.child;
    stdin?.on("error", () => {}); // it has died, which is told elsewhere
    this.serving = new Promise((resolve) => {
      for (const stream of [stdout, stderr]) {
        if (stream === null) continue;
        createInterface({ input: stream }).on("line", (line) => {
          if (line.includes(SERVING) || line.includes(SERVING_JSON)) {
            this.served = true;
            resolve();
          }
          // To stop one alone is not Ctrl-C's business here.
          if (!line.includes(SERVING) && line.trim() !== "") say(`${plan.id} | ${line.trimEnd()}`);
        });
      }
    });
    this.ended = new Promise((resolve) => {
      this.child.once("error", (error) => {
        complain(`${plan.id} could not be started: ${error.message}`);
        this.running = false;
        resolve(EXIT_ERROR);
      });
      this.child.once("close", (code, signal) => {
        this.running = false;
        resolve(signal ?? code ?? EXIT_ERROR);
      });
    });
  }
}

class DevCluster {
  private readonly nodes: readonly DevNode[];
  private stopping = false;
  /** Exit code: how the first node that did not end well ended. */
  private code: number = EXIT_OK;

  constructor(plan: readonly Planned[]) {
    this.nodes = plan.map((one) => new DevNode(one));
  }

  async run(): Promise<number> {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => this.signalled(signal));
    const ended = this.nodes.map((node) => node.ended.then((how) => this.onEnded(node, how)));
    const all = Promise.all(ended);
    const serving = Promise.all(this.nodes.map(({ serving: one }) => one)).then(() => "serving" as const);
    const first = await Promise.race([serving, Promise.race(ended)]);
    if (first === "serving") this.welcome();
    // One that could not even start: the others are of no use.
    else if (!this.stopping) this.stop();
    await all;
    return this.code;
  }

  private welcome(): void {
    const [a, b, c] = this.nodes as [DevNode, DevNode, DevNode | undefined];
    say("");
    say(`${this.nodes.length} nodes serve; any of them serves any key:`);
    for (const { plan, child } of this.nodes)
      say(`  ${plan.id}  redis-cli -p ${plan.port}   pid ${child.pid}   data ${plan.dir}`);
    say(`  by HTTP: http://${HOST}:${a.plan.port + HTTP_PORT_PLUS}/health, and so on`);
    say("");
    say(`  try  redis-cli -p ${a.plan.port} set greeting hello`);
    if (c === undefined) say(`       redis-cli -p ${b.plan.port} get greeting`);
    else {
      say(`       kill -9 ${c.child.pid}                        one of the nodes is gone`);
      say(`       redis-cli -p ${b.plan.port} get greeting      nothing is lost, and nothing waits for it`);
    }
    say(`       ${programName()} cluster status -s ${HOST}:${a.plan.port}`);
    say("");
    say("  Ctrl-C ends all nodes");
    say("");
  }

  private onEnded({ plan, served }: DevNode, how: number | NodeJS.Signals): void {
    // SIGTERM ends a node that is too young to have a handler for it: it was told to stop, and did.
    const well = how === EXIT_OK || (this.stopping && how === "SIGTERM");
    if (!well && this.code === EXIT_OK) this.code = typeof how === "number" ? how : EXIT_ERROR;
    if (this.stopping) return;
    const end = typeof how === "number" ? `exit code ${how}` : how;
    // Why is in its own lines, above; the same command would be refused again.
    if (!served) complain(`${plan.id} could not start (${end})`);
    else {
      complain(`${plan.id} ended (${end}); start it again, in another terminal, by`);
      complain(`  ${programName()} ${plan.argv.map(quoted).join(" ")}`);
    }
    if (this.nodes.every(({ running }) => !running)) complain("no node is left");
  }

  private signalled(signal: string): void {
    if (this.stopping) {
      complain(`${signal} again: all nodes are killed`);
      for (const node of this.nodes) if (node.running) node.child.kill("SIGKILL");
      return;
    }
    say(`kvorum: ${signal}: all nodes stop`);
    // What died before was told already; how the others stop is what counts now.
    this.code = EXIT_OK;
    this.stop();
  }

  private stop(): void {
    this.stopping = true;
    for (const node of this.nodes) if (node.running) node.child.kill("SIGTERM");
  }
}

/** As it was called: from the repository there is no kvorum on the path. */
function programName(): string {
  const program = process.argv[1] as string;
  return basename(program) === "kvorum" ? "kvorum" : `node ${quoted(program)}`;
}

/** For a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, "'\\''")}'`;
}
