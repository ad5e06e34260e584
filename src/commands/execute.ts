/**
 * commands/execute.ts: run one parsed command against a keyspace: find the key, call the handler, apply what it left.
 * Must never: check arity or permissions (the caller's), wait, or know a command by name.
 * Invariants: a handler of kind "key" writes at most one key, through its outcome; the reply is whole when execute returns.
 */
import { Args } from "../codec/resp/args.js";
import type { ReplyWriter } from "../codec/resp/reply-writer.js";
import { assert } from "../lib/assert.js";
import { type Context, OUTCOME_NOTHING, OUTCOME_PUT, OUTCOME_REMOVE } from "./context.js";
import { type CommandSpec, KIND_EACH, KIND_KEY } from "./spec.js";
import { upToNul } from "./texts.js";

/** Does the command take `count` arguments, its name (or both its words) included? */
export function arityOk(spec: CommandSpec, count: number): boolean {
  return spec.arity >= 0 ? count === spec.arity : count >= -spec.arity;
}

/** The error for a wrong number of arguments. */
export function writeArityError(reply: ReplyWriter, spec: CommandSpec): void {
  reply.error(`ERR wrong number of arguments for '${spec.fullName}' command`);
}

/** Bytes of arguments that the error for an unknown command shows, as in Redis. */
const SHOWN_BYTES_MAX = 128;

/** The error for a name that is no command. @param hint put behind Redis's text, for people; "" for none. */
export function writeUnknownCommand(reply: ReplyWriter, args: Args, hint = ""): void {
  let shown = "";
  for (let i = 1; i < args.count && shown.length < SHOWN_BYTES_MAX; i++)
    shown += `'${upToNul(args.text(i)).slice(0, SHOWN_BYTES_MAX - shown.length)}' `;
  const name = upToNul(args.text(0)).slice(0, SHOWN_BYTES_MAX);
  reply.error(`ERR unknown command '${name}', with args beginning with: ${shown}${hint}`);
}

/** The error for a container's second word that is no subcommand. */
export function writeUnknownSubcommand(reply: ReplyWriter, container: CommandSpec, args: Args): void {
  const name = upToNul(args.text(1)).slice(0, SHOWN_BYTES_MAX);
  reply.error(`ERR unknown subcommand '${name}'. Try ${container.name.toUpperCase()} HELP.`);
}

// HOT: once per command. No allocation, closure or string. Guard: bench/micro/commands.ts
/**
 * Run one command; its reply is appended to c.reply. The caller has set args, db, reply and now, in
 * the keyspace too, and has checked arity.
 * Commands of kind "host" run here too when the table has their handler.
 */
export function execute(c: Context, spec: CommandSpec): void {
  // The wall clock may have stepped back since the keyspace last looked at it: one time for both, the later one.
  if (c.space.now > c.now) c.now = c.space.now;
  c.outcome = OUTCOME_NOTHING;
  if (spec.kindCode === KIND_KEY) step(c, spec, spec.firstKey);
  else if (spec.kindCode === KIND_EACH) each(c, spec);
  else {
    assert(spec.run !== undefined, "a command without a handler", spec);
    spec.run(c);
  }
}

function step(c: Context, spec: CommandSpec, keyIndex: number): void {
  const args = c.args;
  const keyAt = args.start[keyIndex];
  const keyBytes = args.length[keyIndex];
  const replyAt = c.reply.at;
  if (args.count !== spec.blindCount) c.space.find(c.db, args.bytes, keyAt, keyBytes, c.key, spec.touch);
  (spec.run as (c: Context) => void)(c);
  if (c.outcome !== OUTCOME_NOTHING) apply(c, args, keyAt, keyBytes, replyAt);
}

function apply(c: Context, args: Args, keyAt: number, keyBytes: number, replyAt: number): void {
  if (c.outcome === OUTCOME_REMOVE) {
    c.space.remove(c.db, args.bytes, keyAt, keyBytes);
    return;
  }
  assert(c.outcome === OUTCOME_PUT, "an outcome of no known kind");
  const { space, db, newBytes, newAt, newLength, newExpireAt, newRaw } = c;
  if (newBytes !== args.bytes && !c.fits(newLength, replyAt)) return;
  space.put(db, args.bytes, keyAt, keyBytes, newBytes, newAt, newLength, newExpireAt, newRaw);
  if (c.newIdleSeconds >= 0 || c.newFrequency >= 0) {
    space.setUsage(db, args.bytes, keyAt, keyBytes, c.newIdleSeconds, c.newFrequency);
    c.newIdleSeconds = -1;
    c.newFrequency = -1;
  }
}

/** What the handler of an "each" command sees: [name, key, (value)], offsets into the same bytes. */
const one: Args = new Args();

/** Run the handler once per key. An error of one step is the whole reply: what the steps before it wrote is taken back. */
function each(c: Context, spec: CommandSpec): void {
  const args = c.args;
  const { step: width, reduce } = spec;
  if ((args.count - 1) % width !== 0) {
    writeArityError(c.reply, spec);
    return;
  }
  one.bytes = args.bytes;
  one.count = width + 1;
  one.start[0] = args.start[0];
  one.length[0] = args.length[0];
  const { reply, space } = c;
  const { touching } = space;
  // As in Redis: TOUCH is a use of the keys even where reads are none.
  if (spec.name === "touch") space.touching = true;
  const whole = reply.at;
  const errors = reply.errors;
  if (reduce === "array") reply.array((args.count - 1) / width);
  let sum = 0;
  c.args = one;
  for (let i = 1; i < args.count; i += width) {
    for (let j = 0; j < width; j++) {
      one.start[1 + j] = args.start[i + j];
      one.length[1 + j] = args.length[i + j];
    }
    const before = reply.at;
    c.outcome = OUTCOME_NOTHING;
    step(c, spec, 1);
    if (reply.errors !== errors) {
      reply.buf.copyWithin(whole, before, reply.at);
      reply.at -= before - whole;
      c.args = args;
      space.touching = touching;
      return;
    }
    if (reduce === "array") continue;
    if (reduce === "sum") sum += writtenInteger(reply, before);
    reply.at = before;
  }
  c.args = args;
  space.touching = touching;
  if (reduce === "sum") reply.int(sum);
  else if (reduce === "ok") reply.ok();
}

/** The integer reply that lies at `at`. */
function writtenInteger(reply: ReplyWriter, at: number): number {
  let value = 0;
  for (let i = at + 1; i < reply.at - 2; i++) value = value * 10 + reply.buf[i] - 48;
  return value;
}
