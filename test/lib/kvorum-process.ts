/**
 * test/lib/kvorum-process.ts: the command line as a process: servers that are started, killed and looked at from outside, and verbs that
 * end with a code.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { PROGRAM } from "./program.js";
import { within } from "./within.js";

const START_MS = 60_000;
const VERB_MS = 60_000;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Only what a test gives counts: no KVORUM_* of whoever runs it. */
function launch(argv: readonly string[], input: "ignore" | "pipe"): ChildProcess {
  const env = { PATH: process.env["PATH"] ?? "" };
  const [command, ...words] = PROGRAM;
  return spawn(command, [...words, ...argv], { env, stdio: [input, "pipe", "pipe"] });
}

/** Run a verb to its end. */
export async function kvorum(...argv: readonly string[]): Promise<Ended> {
  const child = launch(argv, "ignore");
  const ended = new Promise<Ended>((resolve) => {
    const [out, err]: [string[], string[]] = [[], []];
    child.stdout?.setEncoding("utf8").on("data", (text: string) => out.push(text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => err.push(text));
    child.on("close", (code) => resolve({ code, out: out.join(""), err: err.join("") }));
  });
  try {
    return await within(VERB_MS, ended, `kvorum ${argv.join(" ")}`);
  } finally {
    child.kill("SIGKILL");
  }
}

export class KvorumProcess {
  /** All it said so far. */
  said = "";
  /** Its exit code; null: a signal ended it. */
  readonly exited: Promise<number | null>;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.child = child;
    this.exited = new Promise((resolve) => child.once("close", resolve));
  }

  /** @param argv options of serve. Resolves when it serves. */
  static async start(...argv: readonly string[]): Promise<KvorumProcess> {
    // A test that is killed must not leave it behind.
    const child = launch(["serve", "--stop-at-end-of-input", "--http-port", "0", ...argv], "pipe");
    const server = new KvorumProcess(child);
    const up = new Promise<void>((resolve, reject) => {
      const take = (text: string): void => {
        server.said += text;
        if (server.said.includes("Ctrl-C to stop")) resolve();
      };
      child.stdout?.setEncoding("utf8").on("data", take);
      child.stderr?.setEncoding("utf8").on("data", take);
      child.once("close", (code) => reject(new Error(`it ended with ${code}: ${server.said}`)));
    });
    try {
      await within(START_MS, up, "the server serves");
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
    return server;
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** To this very process. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** @returns the exit code; null after a SIGKILL. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    this.child.kill(signal);
    try {
      return await within(START_MS, this.exited, `the server ends by ${signal}`);
    } finally {
      this.child.kill("SIGKILL");
    }
  }
}

export async function freePort(): Promise<number> {
  return (await freePorts(1))[0] as number;
}

/** So many different ones. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  try {
    return await Promise.all(
      servers.map(
        (server) =>
          new Promise<number>((resolve, reject) => {
            server.once("error", reject);
            server.listen(0, "127.0.0.1", () => {
              const address = server.address();
              resolve(typeof address === "object" && address !== null ? address.port : 0);
            });
          }),
      ),
    );
  } finally {
    for (const server of servers) server.close();
  }
}
