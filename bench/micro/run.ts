/**
 * bench/micro/run.ts: all benches of small pieces: `npm run bench -- --help` says how.
 * Invariants: each group is checked before it is timed; the last line is a hash of all results, the same on every machine.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { toolOptions } from "../../test/lib/tool-options.js";
import { machineFacts } from "../lib/machine.js";
import { fold, type Group, type MicroResult, printResults, runGroup } from "../lib/micro.js";
import * as copy from "./copy.js";
import * as frame from "./frame.js";
import * as hash from "./hash.js";
import * as record from "./record.js";
import * as registerWire from "./register-wire.js";
import * as registers from "./registers.js";
import * as resp from "./resp.js";
import * as respDecode from "./resp-decode.js";
import * as ring from "./ring.js";
import * as store from "./store.js";
import * as table from "./table.js";
import * as wal from "./wal.js";

const FILES: Readonly<Record<string, { groups(): Group[] }>> = {
  "resp-decode": respDecode,
  resp,
  copy,
  record,
  frame,
  "register-wire": registerWire,
  hash,
  table,
  ring,
  store,
  registers,
  wal,
};

const USAGE = `Usage: npm run bench -- [NAME...] [options]
  NAME          only these: ${Object.keys(FILES).join(", ")}
  --tiny        seconds: shows that they run and are right
  --json FILE   keeps the figures
`;

const { values, positionals, refuse } = toolOptions(USAGE, {
  options: { tiny: { type: "boolean", default: false }, json: { type: "string" } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => FILES[name] === undefined);
if (unknown.length > 0) refuse(`no bench ${unknown.join(", ")}`);
const wanted = positionals.length > 0 ? positionals : Object.keys(FILES);
const machine = machineFacts(fileURLToPath(new URL("../..", import.meta.url)));
console.log(
  `${machine.cpus} x ${machine.cpu}, Node ${machine.node}, commit ${machine.commit}${values.tiny ? ", tiny" : ""}`,
);

const results: MicroResult[] = [];
for (const name of wanted) {
  for (const group of (FILES[name] as { groups(): Group[] }).groups()) {
    const found = runGroup(group, values.tiny);
    printResults(found);
    results.push(...found);
  }
}
const all = results.reduce((sum, { checksum }) => fold(sum, checksum), 1) >>> 0;
console.log(`\n${results.length} cases, all results as expected; hash ${all.toString(16).padStart(8, "0")}`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, results }, undefined, 2)}\n`);
