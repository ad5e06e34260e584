/**
 * server/work-decoder.ts: a work that another node sent, from its bytes. It says no to what this node would not have made itself, so that
 * nothing a peer sends makes a handler look for what is not there.
 */
import { nameOf, type Work } from "../cluster/work.js";
import { Args } from "../codec/resp/args.js";
import { arityOk } from "../commands/execute.js";
import { type CommandSpec, KIND_EACH, KIND_KEY } from "../commands/spec.js";
import { lookup, lookupSubcommand } from "../commands/table.js";
import { LargeCommandWork, readLarge } from "./large-work.js";
import { SeriesWork } from "./series-work.js";
import { StepsWork } from "./steps-work.js";
import {
  FLAG_BRIEF,
  FLAG_RESP3,
  HEADER_BYTES,
  type KnownState,
  versionIsKnown,
  WORK_COMMAND,
  WORK_FETCH,
  WORK_LARGE,
  WORK_SERIES,
  WORK_STEPS,
  WorkReader,
} from "./work-bytes.js";
import { CommandWork, FetchWork, keyIndexOf, type Stage, type Step } from "./works.js";

/** Of a name, of a state and of a command, at least. */
const KNOWN_BYTES_MIN = 4 + 1 + 22;
const COMMAND_BYTES_MIN = 1 + 4 + 4 + 1;

/** @param own nobody changes it from now on. @returns undefined: malformed, or of a later version. */
export function decodeWork(stage: Stage, name: string, own: Buffer): Work | undefined {
  if (!versionIsKnown(own) || name.length === 0) return undefined;
  switch (own[1]) {
    case WORK_COMMAND:
      return decodeCommand(stage, name, own);
    case WORK_LARGE:
      return decodeLarge(stage, name, own);
    case WORK_FETCH:
      return own.length === HEADER_BYTES ? new FetchWork(name, (own[2] & FLAG_BRIEF) !== 0) : undefined;
    case WORK_STEPS:
      return decodeSteps(stage, name, own);
    case WORK_SERIES:
      return decodeSeries(stage, name, own);
    default:
      return undefined;
  }
}

function decodeCommand(stage: Stage, name: string, bytes: Buffer): Work | undefined {
  const reader = new WorkReader(bytes, HEADER_BYTES);
  const args = new Args();
  const db = reader.command(args);
  const spec = reader.done ? specOn(stage, name, db, args) : undefined;
  return spec && new CommandWork(stage, spec, name, bytes);
}

function decodeLarge(stage: Stage, name: string, bytes: Buffer): Work | undefined {
  const found = readLarge(bytes);
  const spec = found && specOn(stage, name, found.db, found.args);
  if (found === undefined || spec === undefined) return undefined;
  return new LargeCommandWork(stage, spec, name, found.args, found.large, found.db, bytes[2] & FLAG_RESP3 ? 3 : 2);
}

/** The command, when it is one on this key. */
function specOn(stage: Stage, name: string, db: number, args: Args): CommandSpec | undefined {
  const spec = specOf(args);
  if (spec === undefined || db >= stage.context.databases) return undefined;
  if (spec.kindCode === KIND_EACH ? args.count !== spec.step + 1 : spec.kindCode !== KIND_KEY) return undefined;
  const key = keyIndexOf(spec);
  return nameOf(db, args.bytes, args.start[key], args.length[key]) === name ? spec : undefined;
}

function decodeSeries(stage: Stage, name: string, bytes: Buffer): Work | undefined {
  const reader = new WorkReader(bytes, HEADER_BYTES);
  const works: Work[] = [];
  while (!reader.failed && !reader.done) {
    const part = reader.view(reader.u32());
    // Not one in another: they would lie as deep as the bytes go.
    const work = reader.failed || part[1] === WORK_SERIES ? undefined : decodeWork(stage, name, part);
    if (work === undefined) return undefined;
    works.push(work);
  }
  return reader.done && works.length > 0 ? new SeriesWork(name, works) : undefined;
}

/** The command, when it takes so many arguments. */
function specOf(args: Args): CommandSpec | undefined {
  let spec = lookup(args);
  if (spec?.subcommands !== undefined) spec = args.count > 1 ? lookupSubcommand(spec, args) : undefined;
  return spec !== undefined && arityOk(spec, args.count) ? spec : undefined;
}

function decodeSteps(stage: Stage, name: string, bytes: Buffer): Work | undefined {
  const reader = new WorkReader(bytes, HEADER_BYTES);
  const watched = reader.u8() !== 0;
  const present = reader.u8() !== 0;
  const version = reader.f64();
  const versionNode = reader.u32();
  const known = new Map<string, KnownState>();
  for (let left = reader.count(KNOWN_BYTES_MIN); left > 0; left--) {
    const other = reader.view(reader.u32()).latin1Slice();
    known.set(other, reader.state());
  }
  const commands: Step[] = [];
  const proto = bytes[2] & FLAG_RESP3 ? 3 : 2;
  for (let left = reader.count(COMMAND_BYTES_MIN); left > 0 && !reader.failed; left--) {
    const args = new Args();
    const db = reader.command(args);
    const spec = reader.failed ? undefined : specOf(args);
    if (spec === undefined || !allKnown(stage, { spec, args, db }, name, known)) return undefined;
    commands.push({ spec, args, db });
  }
  if (!reader.done) return undefined;
  const seen = watched ? { present, version, versionNode } : undefined;
  return new StepsWork(stage, name, { commands, known, seen, proto });
}

/** Does the command look at nothing but keys that are told of, and write none but the own one? */
function allKnown(stage: Stage, step: Step, name: string, known: ReadonlyMap<string, KnownState>): boolean {
  const { spec, args, db } = step;
  if (db >= stage.context.databases || spec.run === undefined || spec.kind === "space" || spec.kind === "host")
    return false;
  const { names } = stage.rehearse(spec, args, db, 2, 0);
  for (const [other, written] of names) if (other !== name && (written || !known.has(other))) return false;
  return true;
}
