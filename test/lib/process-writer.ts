/**
 * test/lib/process-writer.ts: a connection that writes to keys of its own, and a plain model of what may be in them after a crash.
 * The log is a sequence, so of one connection's commands a prefix survives: at least all that were acknowledged, at most all
 * that were sent. Nothing else is allowed: a lost, an undone or a half-done command shows as a state that no such prefix gives.
 */
import type { Random } from "../../src/lib/random.js";
import { Connection, type Reply, type Word } from "./process-client.js";

type Command = readonly Word[];
/** One command, or several under MULTI and EXEC. */
type Operation = readonly Command[];

const KEYS = 24;
const IN_FLIGHT_MAX = 16;
const PADDING_MAX = 3000;
const PADDING: string = "0123456789abcdef".repeat(PADDING_MAX / 16 + 1);

export class Writer {
  acknowledged = 0;
  private readonly name: string;
  private readonly random: Random;
  /** State after every acknowledged operation, and those sent after it, in order. */
  private state = new Map<string, string>();
  private uncertain: Operation[] = [];
  private sequence = 0;
  /** An error reply to a write, which no write here deserves. */
  unexpected: string | undefined;

  constructor(name: string, random: Random) {
    this.name = name;
    this.random = random;
  }

  /** Write until the connection is gone. */
  async run(port: number): Promise<void> {
    const connection = await Connection.open(port).catch(() => undefined);
    if (connection === undefined) return;
    const inFlight = new Set<Promise<void>>();
    while (!connection.closed) {
      const depth = 1 + this.random.below(IN_FLIGHT_MAX);
      while (inFlight.size < depth) {
        const sent: Promise<void> = this.send(connection, this.next()).finally(() => inFlight.delete(sent));
        inFlight.add(sent);
      }
      await Promise.race(inFlight);
    }
    await Promise.all(inFlight);
    connection.close();
  }

  private key(): string {
    return `${this.name}:${this.random.below(KEYS)}`;
  }

  private next(): Operation {
    const number = ++this.sequence;
    const value = (): string =>
      `${this.name}.${number}.${PADDING.slice(0, this.random.below(this.random.below(PADDING_MAX) + 1))}`;
    const kind = this.random.below(10);
    if (kind < 4) return [["SET", this.key(), value()]];
    if (kind < 6) return [["DEL", this.key(), this.key()]];
    if (kind < 8) return [["INCR", `${this.name}:n`]];
    if (kind < 9) return [["MSET", this.key(), value(), this.key(), value()]];
    return [
      ["SET", this.key(), value()],
      ["INCR", `${this.name}:n`],
      ["DEL", this.key()],
      ["SET", `${this.name}:last`, number],
    ];
  }

  private async send(connection: Connection, operation: Operation): Promise<void> {
    this.uncertain.push(operation);
    let reply: Reply;
    try {
      if (operation.length === 1) reply = await connection.send(...operation[0]);
      else {
        const queued = [connection.send("MULTI"), ...operation.map((command) => connection.send(...command))];
        for (const each of queued) each.catch(() => {});
        reply = await connection.send("EXEC");
      }
    } catch {
      return;
    }
    const errors = [reply, ...(Array.isArray(reply) ? reply : [])].filter((part) => part instanceof Error);
    if (errors.length > 0 || reply === null) {
      this.unexpected ??= `${operation[0][0]}: ${String(errors[0] ?? "null")}`;
      return;
    }
    // Replies come in order, so this is the oldest.
    apply(this.state, this.uncertain.shift() as Operation);
    this.acknowledged++;
  }

  /**
   * Compare with what the server has now, and go on from there.
   * @returns what is wrong, or undefined.
   */
  async verify(connection: Connection): Promise<string | undefined> {
    if (this.unexpected !== undefined) return `an unexpected error: ${this.unexpected}`;
    const keys = [
      ...Array.from({ length: KEYS }, (_, i) => `${this.name}:${i}`),
      `${this.name}:n`,
      `${this.name}:last`,
    ];
    const values = (await connection.ask("MGET", ...keys)) as (string | null)[];
    const found = new Map(keys.flatMap((key, i) => (values[i] === null ? [] : [[key, values[i]] as const])));
    const reasons: string[] = [];
    const { state } = this;
    for (let applied = 0; ; applied++) {
      const difference = differenceOf(state, found);
      if (difference === undefined) break;
      if (applied < 3) reasons.push(`after ${applied} of ${this.uncertain.length} unacknowledged: ${difference}`);
      if (applied === this.uncertain.length) {
        return `${this.name}: ${this.acknowledged} acknowledged; no prefix fits: ${reasons.join("; ")}`;
      }
      apply(state, this.uncertain[applied]);
    }
    this.uncertain = [];
    return undefined;
  }
}

function apply(state: Map<string, string>, operation: Operation): void {
  for (const [name, ...words] of operation) {
    const args = words.map(String);
    if (name === "SET" || name === "MSET") for (let i = 0; i < args.length; i += 2) state.set(args[i], args[i + 1]);
    else if (name === "DEL") for (const key of args) state.delete(key);
    else state.set(args[0], String(Number(state.get(args[0]) ?? 0) + 1));
  }
}

function differenceOf(wanted: ReadonlyMap<string, string>, found: ReadonlyMap<string, string>): string | undefined {
  for (const key of new Set([...wanted.keys(), ...found.keys()])) {
    const [a, b] = [wanted.get(key), found.get(key)];
    if (a !== b) return `${key} should be ${shown(a)}, is ${shown(b)}`;
  }
  return undefined;
}

function shown(value: string | undefined): string {
  return value === undefined ? "absent" : `"${value.slice(0, 24)}" (${value.length} bytes)`;
}
