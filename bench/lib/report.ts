/**
 * bench/lib/report.ts: the rows of a comparison as text for a terminal, as JSON and as a picture.
 * Invariants: the JSON has every run of every row; the picture shows only rows that have a bar, each scaled to its bar.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { met, type Row } from "../compare/scenario.js";
import type { MachineFacts } from "./machine.js";
import { type Spread, short } from "./statistics.js";
import { barPicture } from "./svg.js";

export interface Section {
  readonly name: string;
  readonly about: string;
  readonly rows: readonly Row[];
  readonly seconds: number;
  /** Why there are no rows. */
  readonly failure?: string;
}

export interface Report {
  readonly machine: MachineFacts;
  readonly command: string;
  readonly quick: boolean;
  readonly runs: number;
  readonly sections: readonly Section[];
}

function spreadText(spread: Spread | undefined): string {
  if (spread === undefined) return "";
  const { median, least, most, runs } = spread;
  return runs.length < 2 ? short(median) : `${short(median)} (${short(least)}-${short(most)})`;
}

function barText(row: Row): string {
  return row.limit === undefined ? "" : `${row.sense === "at least" ? ">=" : "<="} ${short(row.limit)}`;
}

function verdict(row: Row): string {
  const is = met(row);
  return is === undefined ? "" : is ? "met" : "NOT MET";
}

const HEAD = ["what", "kvorum", "redis", "ratio", "bar", ""];

function cells(row: Row): string[] {
  const redis = row.redis === undefined ? "" : `${spreadText(row.redis)} [${row.redisAs}]`;
  const ratio = row.redis === undefined ? "" : short(row.kvorum.median / row.redis.median);
  return [`${row.what}, ${row.unit}`, spreadText(row.kvorum), redis, ratio, barText(row), verdict(row)];
}

/** A table with aligned columns. */
export function table(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => (line[column] as string).length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The same as Markdown, for docs/BENCHMARKS.md. */
export function markdown(report: Report): string {
  const { machine } = report;
  const out = [
    `Commit ${machine.commit}, ${machine.at.slice(0, 10)}, \`${report.command}\`: ${machine.cpus} x ${machine.cpu}, ` +
      `${machine.memoryGiB} GiB, ${machine.kernel}, Node ${machine.node}, Redis ${machine.redis}; load average at the ` +
      `start ${machine.load.join(" ")}. Median of ${report.runs} (least-most).`,
  ];
  for (const section of report.sections) {
    out.push("", `**${section.name}**: ${section.about}.`, "");
    if (section.failure !== undefined) out.push(`Could not be measured: ${section.failure.split("\n", 1)[0]}`);
    if (section.rows.length === 0) continue;
    out.push(`| ${HEAD.join(" | ")} |`, `|${"---|".repeat(HEAD.length)}`);
    for (const row of section.rows) out.push(`| ${cells(row).join(" | ")} |`);
  }
  return `${out.join("\n")}\n`;
}

/** Write compare.json, compare.md and compare.svg into a directory. @returns their paths. */
export function writeReport(report: Report, directory: string): string[] {
  mkdirSync(directory, { recursive: true });
  const bars = report.sections.flatMap((section) =>
    section.rows
      .filter((row) => row.limit !== undefined)
      .map((row) => ({
        label: `${section.name}: ${row.what}${row.redisAs === undefined ? "" : ` [${row.redisAs}]`}`,
        value: row.measured,
        limit: row.limit as number,
        good: met(row) === true,
        note: `${short(row.measured)} (bar ${barText(row)})`,
      })),
  );
  const { machine } = report;
  const caption = `commit ${machine.commit}, ${machine.cpus} x ${machine.cpu}, Node ${machine.node}, Redis ${machine.redis}`;
  const files: [string, string][] = [
    ["compare.json", `${JSON.stringify(report, undefined, 2)}\n`],
    ["compare.md", markdown(report)],
    ["compare.svg", barPicture("kvorum against its bars", caption, bars)],
  ];
  return files.map(([name, text]) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  });
}
