/**
 * commands/bitfield.ts: BITFIELD and BITFIELD_RO: integers of 1 to 64 bits at any bit offset of a string.
 * All operations are parsed and checked before the first is done. Any SET or INCRBY lengthens the string to hold its
 * field even when overflow makes it do nothing, as in Redis.
 * Values are bigints: the unsigned 63 bits and signed 64 bits of a field do not fit in a number, and the command is rare.
 */
import { BAD_OFFSET, grown } from "./bits.js";
import type { Context } from "./context.js";
import { clamp, integerArg, isWord, parseInteger } from "./numbers.js";
import { wrongType } from "./set.js";
import { SYNTAX } from "./texts.js";

const GET = 0;
const SET = 1;
const INCRBY = 2;
const WRAP = 0;
const SATURATE = 1;
const FAIL = 2;

interface Operation {
  readonly code: number;
  readonly signed: boolean;
  readonly bits: number;
  readonly offset: number;
  /** New value or increment; 0 for GET. */
  readonly operand: bigint;
  readonly overflow: number;
}

export function bitField(c: Context): void {
  run(c, false);
}

export function bitFieldRo(c: Context): void {
  run(c, true);
}

function run(c: Context, readOnly: boolean): void {
  const operations = parse(c);
  if (operations === undefined) return;
  let end = 0;
  for (const { code, offset, bits } of operations) if (code !== GET) end = Math.max(end, offset + bits);
  if (end > 0 && readOnly) {
    c.reply.error("ERR BITFIELD_RO only supports the GET subcommand");
    return;
  }
  if (wrongType(c)) return;
  if (end === 0) {
    const { present, bytes, valueAt, valueBytes } = c.key;
    const value = present ? bytes.subarray(valueAt, valueAt + valueBytes) : bytes.subarray(0, 0);
    c.reply.array(operations.length);
    for (const operation of operations) c.reply.bigint(read(value, operation));
    return;
  }
  if (Math.ceil(end / 8) > c.host.maxValueBytes) {
    c.reply.error(BAD_OFFSET);
    return;
  }
  const value = grown(c, Math.ceil(end / 8));
  c.reply.array(operations.length);
  const { key } = c;
  // As SETBIT: what changes nothing is not written.
  let changed = !key.present || !key.raw || value.length > key.valueBytes;
  for (const operation of operations) if (perform(c, value, operation)) changed = true;
  if (changed) c.put(value, 0, value.length, key.present ? key.expireAt : 0, true);
}

/** @returns undefined after having written an error. */
function parse(c: Context): Operation[] | undefined {
  const args = c.args;
  const operations: Operation[] = [];
  let overflow = WRAP;
  for (let i = 2; i < args.count; ) {
    const more = args.count - i - 1;
    if (more >= 1 && isWord(args, i, "overflow")) {
      overflow = overflowArg(c, i + 1);
      if (overflow < 0) return undefined;
      i += 2;
      continue;
    }
    let code = -1;
    if (more >= 2 && isWord(args, i, "get")) code = GET;
    else if (more >= 3 && isWord(args, i, "set")) code = SET;
    else if (more >= 3 && isWord(args, i, "incrby")) code = INCRBY;
    if (code < 0) {
      c.reply.error(SYNTAX);
      return undefined;
    }
    const operation = parseOperation(c, i, code, overflow);
    if (operation === undefined) return undefined;
    operations.push(operation);
    i += code === GET ? 3 : 4;
  }
  return operations;
}

function overflowArg(c: Context, index: number): number {
  if (isWord(c.args, index, "wrap")) return WRAP;
  if (isWord(c.args, index, "sat")) return SATURATE;
  if (isWord(c.args, index, "fail")) return FAIL;
  c.reply.error("ERR Invalid OVERFLOW type specified");
  return -1;
}

const LOWER_I = 105;
const LOWER_U = 117;

function parseOperation(c: Context, index: number, code: number, overflow: number): Operation | undefined {
  const args = c.args;
  const at = args.start[index + 1];
  const length = args.length[index + 1];
  const kind = length > 0 ? args.bytes[at] : 0;
  const signed = kind === LOWER_I;
  const width = signed || kind === LOWER_U ? parseInteger(args.bytes, at + 1, length - 1) : undefined;
  if (width === undefined || width < 1 || width > (signed ? 64 : 63)) {
    c.reply.error("ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
    return undefined;
  }
  const bits = Number(width);
  const offset = fieldOffset(c, index + 2, bits);
  if (offset < 0) {
    c.reply.error(BAD_OFFSET);
    return undefined;
  }
  const operand = code === GET ? 0 : integerArg(c, index + 3);
  if (operand === undefined) return undefined;
  return { code, signed, bits, offset, operand: BigInt(operand), overflow };
}

/** The offset of a bit field: a bit offset, or `#n`, the n-th field of that width. -1 when it is none. */
function fieldOffset(c: Context, index: number, width: number): number {
  const args = c.args;
  const at = args.start[index];
  const length = args.length[index];
  const counted = length > 0 && args.bytes[at] === 35;
  const given = counted ? parseInteger(args.bytes, at + 1, length - 1) : parseInteger(args.bytes, at, length);
  if (given === undefined || given < 0) return -1;
  const offset = clamp(given, 0, Number.MAX_SAFE_INTEGER / 64) * (counted ? width : 1);
  return offset < c.host.maxValueBytes * 8 ? offset : -1;
}

/** The field's value; bits beyond the end of the string are 0. */
function read(value: Uint8Array, { offset, bits, signed }: Operation): bigint {
  let field = 0n;
  const first = Math.floor(offset / 8);
  const last = Math.floor((offset + bits - 1) / 8);
  for (let i = first; i <= last; i++) field = (field << 8n) | BigInt(i < value.length ? value[i] : 0);
  field >>= BigInt((last + 1) * 8 - offset - bits);
  return signed ? BigInt.asIntN(bits, field) : BigInt.asUintN(bits, field);
}

function write(value: Uint8Array, { offset, bits }: Operation, field: bigint): void {
  let rest = BigInt.asUintN(bits, field);
  for (let i = offset + bits - 1; i >= offset; i--) {
    const mask = 0x80 >> (i % 8);
    if (rest & 1n) value[Math.floor(i / 8)] |= mask;
    else value[Math.floor(i / 8)] &= ~mask;
    rest >>= 1n;
  }
}

/** @returns whether the field has another value now. */
function perform(c: Context, value: Uint8Array, operation: Operation): boolean {
  const before = read(value, operation);
  if (operation.code === GET) {
    c.reply.bigint(before);
    return false;
  }
  const { code, signed, bits, operand, overflow } = operation;
  // SET of an unsigned field takes its value as unsigned, so that -1 is too large, not too small.
  const given = signed ? operand : BigInt.asUintN(64, operand);
  const start = code === SET ? given : before;
  const amount = code === SET ? 0n : operand;
  const width = BigInt(bits);
  const max = signed ? (1n << (width - 1n)) - 1n : (1n << width) - 1n;
  const min = signed ? -max - 1n : 0n;
  const over = overflowOf(start, amount, min, max, signed && bits < 64);
  let after = start + amount;
  if (over !== 0) {
    if (overflow === FAIL) {
      c.reply.nullBulk();
      return false;
    }
    if (overflow === SATURATE) after = over > 0 ? max : min;
    else after = signed ? BigInt.asIntN(bits, after) : BigInt.asUintN(bits, after);
  }
  c.reply.bigint(code === SET ? before : after);
  if (after === before) return false;
  write(value, operation, after);
  return true;
}

/**
 * Does start + amount leave min..max upwards (1), downwards (-1) or not at all (0)?
 * @param wraps compute the room above as Redis does, in 64 bits: a start near -2^63 then counts as too large.
 */
function overflowOf(start: bigint, amount: bigint, min: bigint, max: bigint, wraps: boolean): number {
  if (start + amount > max || (wraps && amount > BigInt.asIntN(64, max - start))) return 1;
  return start + amount < min ? -1 : 0;
}
