/**
 * cli/verbs/serve.ts: `kvorum serve`: the process around a node: configuration, signals, exit codes, last words. All that
 * belongs to the process and not to a node in it is here, so that an embedded node touches none of it.
 * Invariants: after a start that succeeded the process ends only by stop(), a fatal error of the node, a fault of the program, or
 * a second signal; the exit code says which. Every end says one line why.
 */
import type { Config } from "../../config/config.js";
import { inlineMore } from "../../platform/compiler.js";
import { jsonLine } from "../../platform/log.js";
import { EXIT_OK, EXIT_SOFTWARE, exitCodeOf } from "../exit.js";
import { complain, loadHere, takeFlags } from "../load.js";

/** One line to standard output, in the format of the node's own. */
type Say = (text: string) => void;

/** The part of node.ts that a process needs. */
export interface NodeModule {
  start(config: Config): Promise<Running>;
}
export interface Running {
  readonly startScreen: string;
  stop(): Promise<void>;
  /** Resolves when the node must end by itself: a disk error, SHUTDOWN (code 0). */
  readonly failed: Promise<{ code: number; message: string }>;
}

const SIGNALS = ["SIGTERM", "SIGINT"] as const;
/** For whoever starts a server and must not leave it behind, however that process itself ends. */
const END_OF_INPUT = "--stop-at-end-of-input";

/**
 * @param load where the node comes from; tests give one of their own.
 * @returns the exit code when no server was started; a running server ends the process itself.
 */
export async function serve(argv: readonly string[], load?: () => Promise<NodeModule>): Promise<number> {
  const { found, rest } = takeFlags(argv, ["--check-config", "--help", "--version", END_OF_INPUT]);
  if (found.has("--help") || rest[0] === "-h") return printOptions();
  if (found.has("--version") || rest[0] === "-v") return (await import("../version.js")).printVersion();
  let config: Config;
  try {
    config = loadHere(rest);
  } catch (error) {
    complain(error);
    return exitCodeOf(error, EXIT_SOFTWARE);
  }
  for (const warning of config.warnings) process.stderr.write(`warning: ${warning}\n`);
  if (found.has("--check-config")) {
    process.stdout.write("the configuration is good\n");
    return EXIT_OK;
  }
  guard();
  // Signals count from here: one that comes while the data is being loaded stops the node as soon as it is up.
  const say = sayer(config);
  const signal = firstSignal(say);
  const stopping = found.has(END_OF_INPUT) ? Promise.race([signal, endOfInput()]) : signal;
  let node: Running;
  try {
    const { start }: NodeModule = load === undefined ? await import("../../node.js") : await load();
    node = await start(config);
    inlineMore();
  } catch (error) {
    complain(error);
    // The loop may still hold half-opened things that would keep the process.
    process.exit(exitCodeOf(error, EXIT_SOFTWARE));
  }
  process.stdout.write(node.startScreen.endsWith("\n") ? node.startScreen : `${node.startScreen}\n`);
  const end = await Promise.race([stopping.then((why) => ({ why })), node.failed]);
  if ("why" in end) return stop(node, end.why, say);
  process.stderr.write(`kvorum: stopped: ${end.message}\n`);
  return process.exit(end.code);
}

function sayer({ logFormat }: Config): Say {
  return (text) => void process.stdout.write(logFormat === "json" ? jsonLine("notice", text) : `kvorum: ${text}\n`);
}

async function stop(node: Running, signal: string, say: Say): Promise<never> {
  say(`${signal}: stopping`);
  try {
    // What goes wrong on the way out is still the reason of the end.
    const failure = await Promise.race([node.stop().then(() => undefined), node.failed]);
    if (failure !== undefined && failure.code !== EXIT_OK) {
      process.stderr.write(`kvorum: stopped: ${failure.message}\n`);
      process.exit(failure.code);
    }
  } catch (error) {
    complain(error);
    process.exit(exitCodeOf(error, EXIT_SOFTWARE));
  }
  say(`stopped by ${signal}; everything acknowledged is on disk`);
  process.exit(EXIT_OK);
}

/** The first signal asks to stop; the second forces. */
function firstSignal(say: Say): Promise<string> {
  process.on("SIGHUP", () => say("SIGHUP: nothing to reload; use CONFIG SET"));
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (!asked) {
          asked = true;
          resolve(signal);
          return;
        }
        process.stderr.write(`kvorum: ${signal} again: stopped without waiting\n`);
        process.exit(1);
      });
    }
  });
}

function endOfInput(): Promise<string> {
  return new Promise((resolve) => {
    const ended = (): void => resolve("end of input");
    process.stdin.on("end", ended).on("close", ended).on("error", ended).resume();
  });
}

function guard(): void {
  process.on("uncaughtException", (error) => {
    const { stack } = error as Error;
    process.stderr.write(`kvorum: fault, please report it: ${stack ?? String(error)}\n`);
    process.exit(exitCodeOf(error, EXIT_SOFTWARE));
  });
  // A reader of our output that goes away (a closed pipe or terminal) must not end the server.
  process.stdout.on("error", () => undefined);
  process.stderr.on("error", () => undefined);
}

async function printOptions(): Promise<number> {
  const { helpText } = await import("../../config/docs.js");
  const columns = Math.max(60, Math.min(process.stdout.columns ?? 100, 120));
  process.stdout.write(
    `Usage: kvorum serve [FILE | -] [--option value ...]\n\nFILE is a redis.conf, - is standard input; flags win over KVORUM_* variables, these over the file.\n--check-config checks and stops.\n${END_OF_INPUT} makes the server stop when its standard input ends.\n\n${helpText(columns)}\n`,
  );
  return EXIT_OK;
}
