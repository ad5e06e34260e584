/**
 * cli/cluster-verbs.ts: the grammar of `kvorum cluster`: dev starts a cluster on this machine, status and nodes ask a running one. What they do is
 * in verbs/, one file each.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { parseInteger } from "../lib/units.js";
import { clientVerb } from "./client-verbs.js";

const NODES_MIN = 2;
const NODES_MAX = 16;
const PORT_MAX = 65535;

function number(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = parseInteger(text);
    if (value === undefined || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** @param ended hears the exit code. */
export function addClusterVerbs(program: Command, ended: (code: number) => void): void {
  const cluster = program
    .command("cluster")
    .description("a cluster on this machine; what a running one says of itself");
  cluster
    .command("dev")
    .description("run a cluster on this machine, for trying things out; Ctrl-C ends all nodes")
    .addOption(new Option("--nodes <number>", "nodes").argParser(number(NODES_MIN, NODES_MAX)).default(3))
    .addOption(
      new Option("--port <number>", "port of the first node; the others follow")
        .argParser(number(1, PORT_MAX))
        .default(7001),
    )
    .option("--dir <directory>", "where each node has its data, in a directory of its own", "kvorum-dev")
    .argument("[option...]", "behind --: options of `kvorum serve` for all nodes")
    .action(async (words, options) => ended(await (await import("./verbs/cluster-dev.js")).dev(options, words)));
  clientVerb(cluster, "status", "is all well, as one node sees it").action(async (options) => {
    ended(await (await import("./verbs/cluster-status.js")).status(options));
  });
  clientVerb(cluster, "nodes", "the nodes, as one of them sees them").action(async (options) => {
    ended(await (await import("./verbs/cluster-status.js")).nodes(options));
  });
}
