/**
 * cli/client-verbs.ts: the grammar of the client verbs, read by commander; what they do is in verbs/, one file each.
 * Exit codes: 0 done, 1 error, 2 usage, 3 not found, 4 may have been applied.
 */
import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { reason } from "../config/directive.js";
import { parseDuration, parseInteger } from "../lib/units.js";
import { LinkError, type Login, ReplyError } from "./connection.js";
import { EXIT_ERROR, EXIT_OK, EXIT_UNCERTAIN } from "./exit.js";
import { grammar, run } from "./program.js";
import { parseTarget, type Target } from "./target.js";

/** What every client verb takes. */
export interface ClientOptions extends Login {
  readonly server: Target;
  readonly timeout: number;
  readonly json?: true;
}

const TIMEOUT_MS_MAX = 3_600_000;

function targetArgument(text: string): Target {
  const target = parseTarget(text);
  if (typeof target === "string") throw new InvalidArgumentError(target);
  return target;
}

function fileArgument(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new InvalidArgumentError(`It cannot be read: ${reason(error)}.`);
  }
}

function durationArgument(text: string): number {
  const ms = parseDuration(text, 1000);
  if (ms === undefined || ms < 1) throw new InvalidArgumentError("It must be a duration such as 500ms or 5s.");
  return ms;
}

function timeoutArgument(text: string): number {
  return Math.min(durationArgument(text), TIMEOUT_MS_MAX);
}

function dbArgument(text: string): number {
  const db = parseInteger(text);
  if (db === undefined || db < 0) throw new InvalidArgumentError("It must be a number from 0.");
  return db;
}

/** A verb that talks to a server, and the options of all such. */
export function clientVerb(program: Command, words: string, description: string, timeout = "5s"): Command {
  return program
    .command(words)
    .description(description)
    .addOption(
      new Option("-s, --server <address>", "host:port, path of a unix socket, redis://... or, with TLS, rediss://...")
        .argParser(targetArgument)
        .default({ host: "127.0.0.1", port: 6379 }, "127.0.0.1:6379"),
    )
    .addOption(new Option("-a, --password <text>", "password; better in the environment").env("REDISCLI_AUTH"))
    .addOption(
      new Option("--cacert <file>", "TLS: authority that signed the server's certificate").argParser(fileArgument),
    )
    .addOption(new Option("--cert <file>", "TLS: certificate to show").argParser(fileArgument))
    .addOption(new Option("--key <file>", "TLS: its private key").argParser(fileArgument))
    .addOption(new Option("--db <number>", "database").argParser(dbArgument).default(0))
    .addOption(
      new Option("--timeout <duration>", "most time to wait")
        .argParser(timeoutArgument)
        .default(timeoutArgument(timeout), timeout),
    )
    .option("--json", "answer in JSON");
}

/** @param argv the verb and its arguments. @returns the exit code. */
export async function runClientVerb(argv: readonly string[]): Promise<number> {
  let code = EXIT_OK;
  const program = grammar("kvorum").enablePositionalOptions();
  clientVerb(program, "put", "store a value")
    .argument("<key>")
    .argument("[value]", "the value; - or nothing: standard input to its end")
    .option(
      "--ttl <duration>",
      "time after which the key is gone: 500ms, 5s, 2h; a number alone is seconds",
      durationArgument,
    )
    .addOption(new Option("--nx", "only when the key is not there").conflicts("xx"))
    .option("--xx", "only when the key is there")
    .action(async (key, value, options) => {
      code = await (await import("./verbs/put.js")).put(key, value, options);
    });
  clientVerb(program, "get", "write a key's value to standard output, as it is")
    .argument("<key>")
    .action(async (key, options) => {
      code = await (await import("./verbs/get.js")).get(key, options);
    });
  clientVerb(program, "delete", "remove keys")
    .argument("<key...>")
    .action(async (keys, options) => {
      code = await (await import("./verbs/delete.js")).remove(keys, options);
    });
  clientVerb(program, "backup", "copy what the server has into a new directory on its machine", "1h")
    .argument("<directory>", "must not exist, or be empty")
    .action(async (directory, options) => {
      code = await (await import("./verbs/backup.js")).backup(directory, options);
    });
  (await import("./cluster-verbs.js")).addClusterVerbs(program, (ended) => {
    code = ended;
  });
  return run(program, argv, () => code);
}

/**
 * Run a verb's work and turn what goes wrong into words and an exit code.
 * @param writes the command changes something, so that "no answer" may mean "done".
 */
export async function reporting(options: ClientOptions, writes: boolean, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ReplyError) && !(error instanceof LinkError)) throw error;
    const uncertain = writes && (error instanceof LinkError ? error.sent : error.message.startsWith("UNCERTAIN"));
    const note = uncertain ? " (it may have been applied)" : "";
    if (options.json === true) printJson({ ok: false, error: error.message, applied: uncertain ? "maybe" : "no" });
    else process.stderr.write(`kvorum: ${error.message}${note}${hintFor(error)}\n`);
    return uncertain ? EXIT_UNCERTAIN : EXIT_ERROR;
  }
}

function hintFor(error: Error): string {
  return error.message.startsWith("NOAUTH ")
    ? " Give the password by REDISCLI_AUTH in the environment, or --password"
    : "";
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
