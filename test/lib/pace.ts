/**
 * test/lib/pace.ts: time on a machine that has other work too. A figure in milliseconds says something of the program only when
 * that work is kept out: by counting this process's own CPU time, by comparing with what a PING takes meanwhile, or by trying again, since a fault of
 * the program shows each time and another process does not.
 */
import type { Connection } from "./process-client.js";

const PAUSE_MS = 5;
const TRIES = 30;

/** CPU time of this process so far, in milliseconds. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Sends PING after PING to a server, for as long as something else is measured there. */
export class Pace {
  private slowestMs = 0;
  private over = false;
  private readonly ended: Promise<void>;

  /** @param connection of its own, else what is measured would be in its way. */
  constructor(connection: Connection) {
    this.ended = this.run(connection);
  }

  private async run(connection: Connection): Promise<void> {
    let last = performance.now();
    while (!this.over) {
      await connection.ask("PING");
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      const now = performance.now();
      this.slowestMs = Math.max(this.slowestMs, now - last);
      last = now;
    }
    connection.close();
  }

  /** @returns how long the slowest took. */
  async stop(): Promise<number> {
    this.over = true;
    await this.ended;
    return this.slowestMs;
  }
}

/** @param attempt says what is wrong with what it measured, or undefined. @throws when it was wrong each time. */
export async function atLeastOnce(attempt: () => Promise<string | undefined>): Promise<void> {
  let wrong: string | undefined;
  for (let tries = 0; tries < TRIES; tries++) {
    wrong = await attempt();
    if (wrong === undefined) return;
  }
  throw new Error(`${wrong}, and not better in ${TRIES} tries`);
}
