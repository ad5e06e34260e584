/**
 * cli/verbs/cluster-status.ts: `kvorum cluster status` and `kvorum cluster nodes`: what one node knows of its cluster, from its INFO cluster.
 * status exits with 1 when some keys have no quorum, as far as that node can see, or when it is alone.
 */
import { type ClientOptions, printJson, reporting } from "../client-verbs.js";
import { runCommand } from "../connection.js";
import { EXIT_ERROR, EXIT_OK } from "../exit.js";

interface Known {
  readonly fields: ReadonlyMap<string, string>;
  readonly members: readonly ReadonlyMap<string, string>[];
}

/** @returns undefined: the node is alone. */
async function ask(options: ClientOptions): Promise<Known | undefined> {
  const reply = await runCommand(options.server, { ...options, db: 0 }, ["INFO", "cluster"], options.timeout);
  const known = readInfo(String(reply));
  return known.members.length === 0 ? undefined : known;
}

export function readInfo(text: string): Known {
  const fields = new Map<string, string>();
  const members: Map<string, string>[] = [];
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1)];
    if (/^member_\d+$/.test(name)) members.push(new Map(value.split(",").map((part) => pair(part))));
    else fields.set(name, value);
  }
  return { fields, members };
}

function pair(text: string): [string, string] {
  const equals = text.indexOf("=");
  return [text.slice(0, equals), text.slice(equals + 1)];
}

export async function status(options: ClientOptions): Promise<number> {
  return reporting(options, false, async () => {
    const known = await ask(options);
    if (known === undefined) return alone(options);
    const get = (name: string): string => known.fields.get(`kvorum_cluster_${name}`) ?? "";
    const ok = get("state") === "ok";
    const down = known.members.filter((member) => member.get("state") !== "up");
    if (options.json === true) {
      printJson({
        ok,
        cluster: get("name"),
        id: get("id"),
        seenBy: get("self"),
        ...numbers(get, [
          "members",
          "members_up",
          "n",
          "r",
          "w",
          "partitions",
          "slots_ok",
          "slots_suspect",
          "slots_fail",
        ]),
        notUp: down.map((member) => member.get("id")),
      });
      return ok ? EXIT_OK : EXIT_ERROR;
    }
    const lines = [
      `cluster ${get("name")} (${get("id")}), as ${get("self")} sees it: ${ok ? "ok" : "NOT ALL KEYS HAVE A QUORUM"}`,
      `  nodes    ${get("members_up")} of ${get("members")} up${down.length > 0 ? `; not up: ${down.map(shortly).join(", ")}` : ""}`,
      `  quorum   n ${get("n")}, r ${get("r")}, w ${get("w")}`,
      `  slots    ${get("slots_ok")} with a quorum, ${get("slots_suspect")} in doubt, ${get("slots_fail")} without`,
    ];
    process.stdout.write(`${lines.join("\n")}\n`);
    return ok ? EXIT_OK : EXIT_ERROR;
  });
}

function shortly(member: ReadonlyMap<string, string>): string {
  return `${member.get("id")} (${member.get("state")})`;
}

function numbers(get: (name: string) => string, names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [camel(name), Number(get(name))]));
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export async function nodes(options: ClientOptions): Promise<number> {
  return reporting(options, false, async () => {
    const known = await ask(options);
    if (known === undefined) return alone(options);
    const self = known.fields.get("kvorum_cluster_self");
    if (options.json === true) {
      printJson({ ok: true, seenBy: self, nodes: known.members.map(asJson) });
      return EXIT_OK;
    }
    const rows = known.members.map((member) => {
      const get = (name: string): string => member.get(name) ?? "";
      const isSelf = get("self") === "1";
      const unmeasured = isSelf || isUnmeasured(member);
      return [
        `${get("id")}${isSelf ? " *" : ""}`,
        get("state"),
        get("port") === "0" ? "not known" : `${get("host")}:${get("port")}`,
        get("peer_port"),
        unmeasured ? "-" : `${Number(get("round_trip_ms")).toFixed(2)} ms`,
        unmeasured ? "-" : `${signed(Number(get("clock_offset_ms")))} ms`,
        get("partitions"),
        get("first"),
        get("version") || "-",
      ];
    });
    const head = ["node", "state", "clients", "peer port", "round trip", "clock", "partitions", "first of", "version"];
    process.stdout.write(`${table([head, ...rows])}as ${self} (*) sees them\n`);
    return EXIT_OK;
  });
}

const NUMERIC = ["port", "peer_port", "round_trip_ms", "clock_offset_ms", "partitions", "first"];
const MEASURED = ["round_trip_ms", "clock_offset_ms"];

function asJson(member: ReadonlyMap<string, string>): Record<string, string | number | boolean | null> {
  const value = (name: string, text: string): string | number | boolean | null => {
    if (name === "self") return text === "1";
    if (MEASURED.includes(name) && isUnmeasured(member)) return null;
    return NUMERIC.includes(name) ? Number(text) : text;
  };
  return Object.fromEntries([...member].map(([name, text]) => [camel(name), value(name, text)]));
}

/** It is down, or its link has just opened. */
function isUnmeasured(member: ReadonlyMap<string, string>): boolean {
  return member.get("round_trip_ms") === "-1";
}

function signed(ms: number): string {
  const whole = Math.round(ms);
  return whole > 0 ? `+${whole}` : String(whole);
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

function alone(options: ClientOptions): number {
  if (options.json === true) printJson({ ok: false, error: "the node is alone: it has no peers", applied: "no" });
  else process.stderr.write("kvorum: the node is alone: it has no peers\n");
  return EXIT_ERROR;
}
