/**
 * cli/cli.ts: the command `kvorum`. Finds the verb and loads its file, nothing else: a server starts without the cost of
 * what the other verbs need, and a client verb without the engine.
 * `kvorum` alone, with options, or with a config file is `kvorum serve`.
 */
import { nearest } from "../config/nearest.js";
import { EXIT_USAGE } from "./exit.js";

const SERVER_VERBS = ["serve", "config", "inspect", "restore"];
const CLIENT_VERBS = ["put", "get", "delete", "backup", "cluster"];
/** What others call our verbs. */
const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ["set", "put"],
  ["del", "delete"],
  ["rm", "delete"],
  ["remove", "delete"],
]);

async function main(argv: readonly string[]): Promise<number> {
  const first = argv[0] ?? "";
  const rest = argv.slice(1);
  switch (first) {
    case "serve":
      return (await import("./verbs/serve.js")).serve(rest);
    case "config":
      return (await import("./verbs/config.js")).showConfig(rest);
    case "inspect":
      return (await import("./verbs/inspect.js")).inspect(rest);
    case "restore":
      return (await import("./verbs/restore.js")).restore(rest);
    case "help":
    case "-h":
    case "--help":
      // `kvorum help get` is `kvorum get --help`.
      if (rest[0] !== undefined && rest[0] !== "help") return main([rest[0], "--help"]);
      return (await import("./verbs/help.js")).help();
    case "-v":
    case "-V":
    case "--version":
      return (await import("./version.js")).printVersion();
    default:
      break;
  }
  if (CLIENT_VERBS.includes(first)) return (await import("./client-verbs.js")).runClientVerb(argv);
  // A path cannot be taken for a misspelt verb.
  if (first === "" || first.startsWith("-") || /[/\\.]/.test(first)) {
    return (await import("./verbs/serve.js")).serve(argv);
  }
  const hint = SYNONYMS.get(first.toLowerCase()) ?? nearest(first, [...SERVER_VERBS, ...CLIENT_VERBS, "help"]);
  const meant = hint === undefined ? "" : `; did you mean "${hint}"?`;
  process.stderr.write(`kvorum: unknown verb "${first}"${meant} (kvorum --help lists them)\n`);
  return EXIT_USAGE;
}

process.exitCode = await main(process.argv.slice(2));
