/**
 * test/lib/kvorum-cluster.ts: a cluster of real processes on loopback, whose nodes are killed, stopped for a while and started again. Every wait is
 * bounded; whatever a test does, end() leaves no process and no file behind.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./free-ports.js";
import { KvorumProcess } from "./kvorum-process.js";
import { Connection } from "./process-client.js";

const WAIT_MS = 90_000;
const LOOK_MS = 20;

/** Where a node is: its address, and what it is run by. */
export interface Place {
  readonly host: string;
  readonly by: readonly string[];
}

const HERE: Place = { host: "127.0.0.1", by: [] };

export interface ClusterNode {
  readonly id: string;
  readonly port: number;
  readonly peerPort: number;
  readonly dir: string;
  readonly place: Place;
  /** Undefined: it does not run. */
  process: KvorumProcess | undefined;
}

export class KvorumCluster {
  readonly nodes: readonly ClusterNode[];
  readonly directory: string;
  private readonly options: readonly string[];

  private constructor(nodes: readonly ClusterNode[], directory: string, options: readonly string[]) {
    this.nodes = nodes;
    this.directory = directory;
    this.options = options;
  }

  /** Nodes n1, n2... that all see one another. @param options of serve, for all. */
  static start(count: number, ...options: readonly string[]): Promise<KvorumCluster> {
    return KvorumCluster.startAt(new Array(count).fill(HERE), ...options);
  }

  /** One at each place. */
  static async startAt(places: readonly Place[], ...options: readonly string[]): Promise<KvorumCluster> {
    const cluster = await KvorumCluster.planAt(places, ...options);
    try {
      await Promise.all(cluster.nodes.map(({ id }) => cluster.begin(id)));
      await cluster.connected();
      return cluster;
    } catch (error) {
      await cluster.end();
      throw error;
    }
  }

  /** None runs yet. */
  static plan(count: number, ...options: readonly string[]): Promise<KvorumCluster> {
    return KvorumCluster.planAt(new Array(count).fill(HERE), ...options);
  }

  private static async planAt(places: readonly Place[], ...options: readonly string[]): Promise<KvorumCluster> {
    const count = places.length;
    const directory = mkdtempSync(join(tmpdir(), "kvorum-cluster-"));
    const ports = await freePorts(count * 2);
    const nodes = places.map((place, i) => ({
      id: `n${i + 1}`,
      port: ports[i] as number,
      peerPort: ports[count + i] as number,
      dir: join(directory, `n${i + 1}`),
      place,
      process: undefined,
    }));
    return new KvorumCluster(nodes, directory, options);
  }

  node(id: string): ClusterNode {
    const node = this.nodes.find((one) => one.id === id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  /** Options of serve with which a node runs. */
  argv(id: string): string[] {
    const { port, peerPort, dir, place } = this.node(id);
    const others = this.nodes.filter((one) => one.id !== id);
    const peers = others.map((one) => `${one.id}=${one.place.host}:${one.peerPort}`);
    const own = ["--id", id, "--port", String(port), "--peer-port", String(peerPort), "--dir", dir];
    if (place !== HERE) own.push("--bind", place.host);
    return [...own, "--peers", peers.join(","), ...this.options];
  }

  /** Start a node that does not run. Resolves when it serves. @param more options of serve that win. */
  async begin(id: string, ...more: readonly string[]): Promise<void> {
    const node = this.node(id);
    node.process = await KvorumProcess.startBy(node.place.by, ...this.argv(id), ...more);
  }

  /** Start a node that does not run, and kill it `ms` later, at whatever it does then. */
  async stumble(id: string, ms: number): Promise<void> {
    const { place } = this.node(id);
    const started = KvorumProcess.launch(place.by, ...this.argv(id));
    await new Promise((resolve) => setTimeout(resolve, ms));
    await started.end("SIGKILL");
  }

  /** @returns the exit code; null after a SIGKILL. */
  async finish(id: string, signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<number | null> {
    const node = this.node(id);
    const { process } = node;
    node.process = undefined;
    if (process === undefined) throw new Error(`${id} does not run`);
    // A stopped process takes no other signal.
    if (signal === "SIGTERM") process.signal("SIGCONT");
    return process.end(signal);
  }

  /** It neither runs nor closes its connections. */
  pause(id: string): void {
    this.node(id).process?.signal("SIGSTOP");
  }

  resume(id: string): void {
    this.node(id).process?.signal("SIGCONT");
  }

  get running(): ClusterNode[] {
    return this.nodes.filter(({ process }) => process !== undefined);
  }

  connection(id: string): Promise<Connection> {
    const { port, place } = this.node(id);
    return Connection.open(port, place.host);
  }

  /** The fields of INFO cluster. */
  async info(id: string): Promise<Map<string, string>> {
    const connection = await this.connection(id);
    try {
      const text = String(await connection.ask("INFO", "cluster"));
      const lines = text.split("\r\n").filter((line) => line.includes(":"));
      return new Map(lines.map((line) => line.split(/:(.*)/s).slice(0, 2) as [string, string]));
    } finally {
      connection.close();
    }
  }

  /** Until every node that runs sees all of those, knows how clients reach them, and no other. */
  async connected(): Promise<void> {
    const ids = this.running.map(({ id }) => id);
    for (const id of ids) await this.until(() => this.sees(id, ids), `${id} sees ${ids.join(" ")}`);
  }

  private async sees(id: string, ids: readonly string[]): Promise<boolean> {
    const members = [...(await this.info(id))].filter(([name]) => name.startsWith("member_")).map(([, line]) => line);
    const up = members.filter((line) => line.includes(",state=up,") && !line.includes(",port=0,"));
    return up.length === ids.length && ids.every((one) => up.some((line) => line.startsWith(`id=${one},`)));
  }

  /** Until `holds` says so. @throws after a while, naming `what`. */
  async until(holds: () => Promise<boolean>, what: string): Promise<void> {
    const giveUp = performance.now() + WAIT_MS;
    while (!(await holds())) {
      if (performance.now() > giveUp) throw new Error(`not within ${WAIT_MS} ms: ${what}\n${this.said()}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** What the nodes that run said, for a failure. */
  said(): string {
    return this.running.map(({ id, process }) => `--- ${id}\n${process?.said}`).join("\n");
  }

  /** Whatever runs is killed, and its files are removed. */
  async end(): Promise<void> {
    await Promise.all(this.running.map(({ id }) => this.finish(id)));
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}
