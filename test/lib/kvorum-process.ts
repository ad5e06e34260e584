/**
 * test/lib/kvorum-process.ts: the command line as a process: servers that are started, killed and looked at from outside, and verbs that
 * end with a code.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { PROGRAM } from "./program.js";
import { within } from "./within.js";

const START_MS = 90_000;
const VERB_MS = 60_000;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Only what a test gives counts: no KVORUM_* of whoever runs it. */
function launch(argv: readonly string[], input: "ignore" | "pipe", by: readonly string[] = []): ChildProcess {
  const env = { PATH: process.env["PATH"] ?? "" };
  const [command, ...words] = [...by, ...PROGRAM];
  return spawn(command as string, [...words, ...argv], { env, stdio: [input, "pipe", "pipe"] });
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
  /** Resolves when it serves. */
  private readonly up: Promise<void>;

  private constructor(child: ChildProcess) {
    this.child = child;
    this.exited = new Promise((resolve) => child.once("close", resolve));
    this.up = new Promise((resolve, reject) => {
      const take = (text: string): void => {
        this.said += text;
        if (this.said.includes("Ctrl-C to stop")) resolve();
      };
      child.stdout?.setEncoding("utf8").on("data", take);
      child.stderr?.setEncoding("utf8").on("data", take);
      child.once("close", (code) => reject(new Error(`it ended with ${code}: ${this.said}`)));
    });
    this.up.catch(() => {}); // one that is killed while it starts
  }

  /** @param argv options of serve. Resolves when it serves. */
  static start(...argv: readonly string[]): Promise<KvorumProcess> {
    return KvorumProcess.startBy([], ...argv);
  }

  /** @param by what the program is run by, which must become it: ["ip", "netns", "exec", name]. */
  static async startBy(by: readonly string[], ...argv: readonly string[]): Promise<KvorumProcess> {
    const server = KvorumProcess.launch(by, ...argv);
    try {
      await within(START_MS, server.up, "the server serves");
    } catch (error) {
      server.signal("SIGKILL");
      throw new Error(`${(error as Error).message}; it said: ${server.said}`);
    }
    return server;
  }

  /** Start without waiting. */
  static launch(by: readonly string[], ...argv: readonly string[]): KvorumProcess {
    // A test that is killed must not leave it behind.
    return new KvorumProcess(launch(["serve", "--stop-at-end-of-input", "--http-port", "0", ...argv], "pipe", by));
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
