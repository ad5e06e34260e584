/**
 * config/value.ts: one option's value from words and back to text, by the kind of its row. Error texts are Redis 7.0's own
 * where Redis has the check, because tools compare them.
 * Nothing here throws. Invariant: parseValue(formatValue(v)) gives v back for every value that parseValue ever gave.
 */
import { parseBytes, parseBytesExactly, parseDuration, parseInteger } from "../lib/units.js";
import { wordsOf } from "./file.js";
import type { ClassLimit, ClassLimits, Option, OptionValue, Row } from "./row.js";

/** `adapted`: the value is not the one given but the nearest there is; says so, to stand behind the option's name. */
export type Parsed =
  | { readonly value: OptionValue; readonly adapted?: string; readonly error?: undefined }
  | { readonly error: string };

const EMPTY_ITEM = "argument has a comma with nothing before or behind it";
export const WRONG_NUMBER = "wrong number of arguments";
const NOT_AN_INTEGER = "argument couldn't be parsed into an integer";
const NOT_MEMORY = "argument must be a memory value";

/** Most bytes of one value's text: longer than any real path, password or list. */
const TEXT_CHARS_MAX = 64 * 1024;

/**
 * @param words the directive's arguments, or CONFIG SET's one argument. Kinds that take several words split each word at
 *   white space once more, as Redis does, so that both ways read the same.
 * @param name the name it was given under, which may be an alias.
 */
export function parseValue(option: Option, words: readonly string[], name: string = option.name): Parsed {
  const parsed = parseKind(option, words, name.toLowerCase());
  if (parsed.error !== undefined) return parsed;
  const error = option.check?.(parsed.value);
  return error === undefined ? parsed : { error };
}

function parseKind(option: Option, words: readonly string[], name: string): Parsed {
  if (words.some((word) => word.length > TEXT_CHARS_MAX)) return { error: "argument is too long" };
  // U+FFFD is what bytes that are not UTF-8 become on the way in; a NUL ends a path or a password early elsewhere.
  if (words.some((word) => word.includes("\uFFFD") || word.includes("\0"))) {
    return { error: "argument must be valid UTF-8 text without NUL" };
  }
  switch (option.kind) {
    case "list": {
      const text = words.join(" ").trim();
      const commas = option.separator === ",";
      // A shell variable that was empty left this: a list of fewer than was meant, say a smaller cluster, for good.
      if (commas && text !== "" && text.split(",").some((item) => item.trim() === "")) return { error: EMPTY_ITEM };
      return { value: text.split(commas ? /[\s,]+/ : /\s+/).filter((item) => item !== "") };
    }
    case "words":
      return { value: words.flatMap(wordsOf).join(" ") };
    case "limits":
      return parseLimits(words.flatMap(wordsOf), option.default as ClassLimits);
    default:
      if (words.length !== 1) return { error: WRONG_NUMBER };
      return parseWider(option, words[0] as string, name) ?? parseScalar(option, words[0] as string);
  }
}

/** @returns undefined unless Redis has bounds of its own under this name, and a number is outside of the row's. */
function parseWider(option: Option, text: string, name: string): Parsed | undefined {
  const { redis, min = 0, max = Number.MAX_SAFE_INTEGER } = option;
  if (redis === undefined || name !== (redis.alias ?? option.name)) return undefined;
  const number = exactNumber(option, text);
  if (number === undefined || (number >= min && number <= max)) return undefined;
  if (number < redis.min || number > redis.max) {
    return { error: `argument must be between ${redis.min} and ${redis.max} inclusive` };
  }
  return number > max
    ? { value: max, adapted: `is lowered to ${max}, the most ${option.name} allows` }
    : { value: min, adapted: `is raised to ${min}, the least ${option.name} allows` };
}

/** A number of Redis's, which has 64 bits. */
function exactNumber({ kind }: Row, text: string): bigint | undefined {
  if (kind === "int" && /^-?[1-9][0-9]{0,18}$/.test(text)) {
    const number = BigInt(text);
    return BigInt.asIntN(64, number) === number ? number : undefined;
  }
  if (kind === "bytes") return parseBytesExactly(text);
  const value = parseInteger(text);
  return value === undefined ? undefined : BigInt(value);
}

function parseScalar(row: Row, text: string): Parsed {
  switch (row.kind) {
    case "int":
      return inRange(row, parseInteger(text), NOT_AN_INTEGER, String);
    case "octal":
      return inRange(row, /^[0-7]{1,4}$/.test(text) ? Number.parseInt(text, 8) : undefined, NOT_AN_INTEGER, octalText);
    case "bytes":
      return inRange(row, parseBytes(text), NOT_MEMORY, String);
    case "duration": {
      const unitMs = durationUnitMs(row);
      const value = parseDuration(text, unitMs);
      return inRange(row, value, "argument must be a duration such as 500ms, 5s or 2m", (ms) => `${ms}ms`);
    }
    case "bool":
      if (/^yes$/i.test(text)) return { value: true };
      return /^no$/i.test(text) ? { value: false } : { error: "argument must be 'yes' or 'no'" };
    case "enum": {
      const values = row.values as readonly string[];
      const value = values.find((candidate) => candidate === text.toLowerCase());
      if (value !== undefined) return { value };
      return { error: `argument(s) must be one of the following: ${values.join(", ")}` };
    }
    default:
      return { value: text };
  }
}

function inRange(row: Row, value: number | undefined, otherwise: string, text: (value: number) => string): Parsed {
  if (value === undefined) return { error: otherwise };
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = row;
  if (value >= min && value <= max) return { value };
  return { error: `argument must be between ${text(min)} and ${text(max)} inclusive` };
}

/** Milliseconds in one of the row's unit, "s" unless it says "ms". */
function durationUnitMs(row: Row): number {
  return row.unit === "ms" ? 1 : 1000;
}

function octalText(value: number): string {
  return value.toString(8);
}

/** Classes that are not named keep what `preset` says. */
function parseLimits(words: readonly string[], preset: ClassLimits): Parsed {
  if (words.length === 0 || words.length % 4 !== 0) {
    return { error: "Wrong number of arguments in buffer limit configuration." };
  }
  const limits: Record<keyof ClassLimits, ClassLimit> = { ...preset };
  for (let i = 0; i < words.length; i += 4) {
    const word = (words[i] as string).toLowerCase();
    const name = word === "slave" ? "replica" : word;
    if (name !== "normal" && name !== "replica" && name !== "pubsub") {
      return { error: "Invalid client class specified in buffer limit configuration." };
    }
    const hardBytes = parseBytes(words[i + 1] as string);
    const softBytes = parseBytes(words[i + 2] as string);
    const softSeconds = parseInteger(words[i + 3] as string);
    if (hardBytes === undefined || softBytes === undefined || softSeconds === undefined || softSeconds < 0) {
      return { error: "Error in hard, soft or soft_seconds setting in buffer limit configuration." };
    }
    limits[name] = { hardBytes, softBytes, softSeconds };
  }
  return { value: limits };
}

/** The value as CONFIG GET shows it. */
export function formatValue(row: Row, value: OptionValue): string {
  switch (row.kind) {
    case "bool":
      return value === true ? "yes" : "no";
    case "octal":
      return octalText(value as number);
    case "duration": {
      const unitMs = durationUnitMs(row);
      return (value as number) % unitMs === 0 ? String((value as number) / unitMs) : `${value as number}ms`;
    }
    case "list":
      return (value as readonly string[]).join(row.separator ?? " ");
    case "limits":
      return formatLimits(value as ClassLimits);
    default:
      return String(value);
  }
}

function formatLimits({ normal, replica, pubsub }: ClassLimits): string {
  const text = (name: string, limit: ClassLimit): string =>
    `${name} ${limit.hardBytes} ${limit.softBytes} ${limit.softSeconds}`;
  // Redis goes on calling the class slave here.
  return `${text("normal", normal)} ${text("slave", replica)} ${text("pubsub", pubsub)}`;
}
