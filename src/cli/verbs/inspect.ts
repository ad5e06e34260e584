/**
 * cli/verbs/inspect.ts: `kvorum inspect wal|snapshot`: what is in the files of a data directory, and whether it is whole. Opens
 * files read-only and takes no lock, so it works beside a running node, on a backup and on a copy.
 * With --json one JSON document, written as it is found: a log can be larger than memory.
 */
import { statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { NodeDisk } from "../../platform/node-disk.js";
import type { Disk } from "../../ports/disk.js";
import {
  type BatchNote,
  inspectLog,
  inspectSnapshot,
  type LogEnd,
  movedOn,
  onlyFiles,
  type RecordNote,
  type SnapshotEnd,
  segmentNames,
  snapshotNames,
} from "../../storage/inspect.js";
import { EXIT_CORRUPT, EXIT_ERROR, EXIT_OK, EXIT_SOFTWARE, exitCodeOf } from "../exit.js";
import { complain, loadHere } from "../load.js";
import { grammar, run } from "../program.js";
import { Output, PartsJson } from "./inspect-output.js";

interface Options {
  readonly json?: true;
  readonly records?: true;
}

/** How long a write that is under way may take to end, looked at three times. */
const LOOK_AGAIN_MS: readonly number[] = [20, 100, 500];

/** @param argv what stands behind `inspect`. @returns the exit code: 0 whole or torn, 65 corrupt. */
export async function inspect(argv: readonly string[]): Promise<number> {
  let code = EXIT_OK;
  const program = grammar("kvorum inspect").description("show what is in the files of a data directory");
  program
    .command("wal")
    .description("segments and batches of the log, and how it ends")
    .argument("[path]", "data directory or one segment; default: what dir says")
    .option("--records", "show keys and sizes too")
    .option("--json", "answer in JSON")
    .action(async (path: string | undefined, options: Options) => {
      code = await looking(path, (disk) => inspectWal(disk, options));
    });
  program
    .command("snapshot")
    .description("header, blocks and digest of snapshots")
    .argument("[path]", "data directory or one snapshot; default: what dir says")
    .option("--records", "show keys and sizes too")
    .option("--json", "answer in JSON")
    .action(async (path: string | undefined, options: Options) => {
      code = await looking(path, (disk) => inspectSnapshots(disk, options));
    });
  return run(program, argv, () => code);
}

async function looking(given: string | undefined, work: (disk: Disk) => Promise<number>): Promise<number> {
  let disk: Disk | undefined;
  try {
    const path = given ?? loadHere([]).dir;
    // A directory is never made here, and a file stands for a directory with nothing else in it.
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) {
      complain(`there is no ${resolve(path)}`);
      return EXIT_ERROR;
    }
    disk = found.isDirectory() ? new NodeDisk(path) : onlyFiles(new NodeDisk(dirname(path)), [basename(path)]);
    return await work(disk);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const dropped = disk !== undefined && code === "ENOENT";
    complain(dropped ? `${message}: a running server drops what it needs no more; try again` : error);
    return exitCodeOf(error, typeof code === "string" ? EXIT_ERROR : EXIT_SOFTWARE);
  }
}

async function inspectWal(disk: Disk, options: Options): Promise<number> {
  if (segmentNames(disk).length === 0) return nothing("log segments (wal-*.log)");
  const out = new Output();
  const json = options.json === true;
  const parts = new PartsJson(out);
  let segments = 0;
  let end: LogEnd | undefined;
  if (json) out.text('{"segments":[');
  for (const piece of inspectLog(disk, options.records === true)) {
    if (piece.kind === "segment") {
      const { name, firstLsn, bytes } = piece;
      if (json) {
        if (segments++ > 0) out.text(`${parts.close()}},`);
        out.text(`${JSON.stringify({ name, firstLsn, bytes }).slice(0, -1)},"batches":${parts.open()}`);
      } else out.line(`${name}  from LSN ${firstLsn}, ${bytes} bytes`);
    } else if (piece.kind === "batch") {
      const { records, ...batch } = piece.batch;
      if (json) parts.part({ ...batch, count: records, crcOk: true });
      else out.line(batchLine(piece.batch));
    } else if (piece.kind === "record") {
      if (json) parts.record(piece.record);
      else out.line(recordLine(piece.record, `${piece.record.lsn}`));
    } else end = piece.end;
    if (out.full) await out.flush();
  }
  if (end === undefined) throw new Error("a log without an end");
  const live = await isLive(disk, end);
  const shown = live ? { ...end, verdict: "live" as const, droppedBytes: 0, what: "it is being written" } : end;
  if (json) out.line(`${segments > 0 ? `${parts.close()}}` : ""}],"end":${JSON.stringify(shown)}}`);
  else out.line(endLine(shown));
  await out.flush();
  return shown.verdict === "corrupt" ? EXIT_CORRUPT : EXIT_OK;
}

/** A bad end that is gone a moment later was a write under way. */
async function isLive(disk: Disk, end: LogEnd): Promise<boolean> {
  if (end.verdict !== "torn" && end.verdict !== "corrupt") return false;
  for (const ms of LOOK_AGAIN_MS) {
    await new Promise((resolve) => setTimeout(resolve, ms));
    if (movedOn(disk, end)) return true;
  }
  return false;
}

function nothing(what: string): number {
  complain(`there are no ${what} here`);
  return EXIT_ERROR;
}

function batchLine({ offsetBytes, firstLsn, lastLsn, records, sectors, durableLsn, flags }: BatchNote): string {
  const lsns = firstLsn === lastLsn ? `LSN ${firstLsn}` : `LSN ${firstLsn} to ${lastLsn}`;
  const what = flags.length > 0 ? flags.join(" ") : `${records} ${records === 1 ? "record" : "records"}`;
  return `${String(offsetBytes).padStart(12)}  ${lsns}: ${what}, ${sectors} ${sectors === 1 ? "sector" : "sectors"}, durable ${durableLsn}, crc ok`;
}

function recordLine(record: RecordNote, place: string): string {
  const { kind, db, key, valueBytes, bodyBytes, expireAt } = record;
  if (kind === "ceiling") return `${" ".repeat(14)}${place}: ceiling ${record.hlc}`;
  const what = kind === "state" ? `value ${valueBytes} bytes` : kind;
  const until = expireAt === 0 ? "" : `, until ${new Date(expireAt).toISOString()}`;
  return `${" ".repeat(14)}${place}: db ${db} ${quoted(key)}, ${what}, body ${bodyBytes} bytes${until}${historyText(record)}`;
}

/** What only a member's records have: the dot, the last change of each node that made one, the cut. A node is its place in the sorted ids. */
function historyText({ epoch, hlc, node, vector, cut = 0 }: RecordNote): string {
  if (epoch === undefined || node === undefined) return "";
  const changes = vector?.map(dotText).join(" ");
  const history = changes === undefined ? "" : `, last changes ${changes === "" ? "not known" : changes}`;
  return `, dot ${dotText({ epoch, hlc, node })}${history}${cut === 0 ? "" : `, cut ${cut}`}`;
}

function dotText({
  epoch,
  hlc,
  node,
}: {
  readonly epoch: number;
  readonly hlc: number;
  readonly node: number;
}): string {
  return `${hlc}@${node}${epoch === 0 ? "" : ` epoch ${epoch}`}`;
}

/** As it can be typed into redis-cli. */
function quoted(key: Buffer): string {
  const text = key.toString("latin1").replace(/["\\]/g, "\\$&");
  return `"${text.replace(/[^ -~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`)}"`;
}

type ShownEnd = Omit<LogEnd, "verdict"> & { readonly verdict: LogEnd["verdict"] | "live" };

function endLine({ verdict, file, offsetBytes, lastLsn, droppedBytes, batches, records, what }: ShownEnd): string {
  const dropped = droppedBytes > 0 ? ` (${droppedBytes} bytes)` : "";
  const why = what === "" ? "" : `: ${what}${dropped}`;
  return `${verdict} at ${file} byte ${offsetBytes}${why}\n${batches} batches, ${records} records, last LSN ${lastLsn}`;
}

async function inspectSnapshots(disk: Disk, options: Options): Promise<number> {
  const names = snapshotNames(disk);
  if (names.length === 0) return nothing("snapshots (snap-*.kvs)");
  const out = new Output();
  const json = options.json === true;
  let corrupt = false;
  if (json) out.text('{"snapshots":[');
  for (const [index, name] of names.entries()) {
    if (json) out.text(`${index > 0 ? "," : ""}{"name":${JSON.stringify(name)}`);
    const end = await showSnapshot(disk, name, options, out);
    if (end.verdict === "corrupt") corrupt = true;
  }
  if (json) out.line("]}");
  await out.flush();
  return corrupt ? EXIT_CORRUPT : EXIT_OK;
}

async function showSnapshot(disk: Disk, name: string, options: Options, out: Output): Promise<SnapshotEnd> {
  const json = options.json === true;
  const parts = new PartsJson(out);
  let end: SnapshotEnd | undefined;
  for (const piece of inspectSnapshot(disk, name, options.records === true)) {
    if (piece.kind === "snapshot") {
      const { bytes, startLsn, hlc } = piece.head;
      if (json) out.text(`,"header":${JSON.stringify({ bytes, startLsn, hlc })},"blocks":${parts.open()}`);
      else out.line(`${name}  after LSN ${startLsn}, ${bytes} bytes, clock ${hlc}`);
    } else if (piece.kind === "block") {
      const { offsetBytes, bytes, records } = piece;
      if (json) parts.part({ offsetBytes, bytes, count: records, crcOk: true });
      else out.line(`${String(offsetBytes).padStart(12)}  block: ${records} records, ${bytes} bytes, crc ok`);
    } else if (piece.kind === "record") {
      if (json) parts.record(piece.record);
      else out.line(recordLine(piece.record, "record"));
    } else end = piece.end;
    if (out.full) await out.flush();
  }
  if (end === undefined) throw new Error("a snapshot without an end");
  if (json) out.text(`${parts.close()},"end":${JSON.stringify({ ...end, digest: hex(end.digest) })}}`);
  else out.line(snapshotEndLine(name, end));
  return end;
}

function hex(digest: number): string {
  return digest.toString(16).padStart(8, "0");
}

function snapshotEndLine(name: string, end: SnapshotEnd): string {
  const counts = `${end.blocks} blocks, ${end.records} records`;
  return end.verdict === "whole"
    ? `whole: ${counts}, digest ${hex(end.digest)}`
    : `corrupt at ${name} byte ${end.offsetBytes}: ${end.what}; before it ${counts}`;
}
