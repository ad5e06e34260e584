/**
 * http/conditions.ts: what a request says beside its body: conditions on the version a key has (RFC 9110, 13), and how long a value lives.
 * Invariant: a condition or a parameter that is not understood is an error: passed over, it would let a write through that was not
 * meant, or keep for ever what was to go.
 */
import { badRequest } from "./http-error.js";

/** Versions, as KV.GET tells them, that a condition names. */
export interface Named {
  /** `*`: any version, so the key must be there (or must not). */
  readonly any: boolean;
  /** Other tags than versions, and weak ones, match nothing and are left out. */
  readonly versions: readonly string[];
}

const TAG = /^\s*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*$/;
const VERSION = /^[0-9a-z-]+$/;
const TTL = /^\d{1,12}(?:\.\d{1,3})?$/;

/** The value of If-Match or If-None-Match. @returns undefined: there is none. */
export function namedIn(name: string, header: string | undefined): Named | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === "*") return { any: true, versions: [] };
  const versions: string[] = [];
  // A tag may hold a comma; a version does not, so such a tag is in pieces that are no tags, unless it is kept whole here.
  const pieces = (header.match(/(?:"[^"]*"|[^,"])+/g) ?? []).filter((piece) => piece.trim() !== "");
  if (pieces.length === 0) throw badRequest(`${name} names nothing`);
  for (const piece of pieces) {
    const tag = TAG.exec(piece);
    if (tag === null)
      throw badRequest(`${name}: an entity tag stands in double quotes: "${piece.trim().slice(0, 40)}"`);
    if (tag[1] === undefined && VERSION.test(tag[2] as string)) versions.push(tag[2] as string);
  }
  return { any: false, versions };
}

/** @returns words for KV.SET and KV.DEL. */
function ifMatchWords({ any, versions }: Named): string[] {
  if (any) return ["IFMATCH", "*"];
  // An empty version is no key's, so nothing matches where nothing could.
  return (versions.length === 0 ? [""] : versions).flatMap((version) => ["IFMATCH", version]);
}

export interface ConditionHeaders {
  readonly "if-match"?: string | undefined;
  readonly "if-none-match"?: string | undefined;
}

/** @returns words for KV.SET, or for KV.DEL when nothing may be created. */
export function conditionWords(headers: ConditionHeaders, creates: boolean): string[] {
  const match = namedIn("If-Match", headers["if-match"]);
  const none = namedIn("If-None-Match", headers["if-none-match"]);
  if (none === undefined) return match === undefined ? [] : ifMatchWords(match);
  if (match !== undefined) throw badRequest("If-Match and If-None-Match exclude each other");
  if (!creates) throw badRequest("If-None-Match has no use with DELETE");
  if (!none.any) throw badRequest("a write takes If-None-Match: * only: the key must not be there");
  return ["NX"];
}

export function names(named: Named, version: string): boolean {
  return named.any || named.versions.includes(version);
}

/** @param names of the parameters that may be there. */
export function parametersOf(query: string, known: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!known.includes(name)) {
      const may = known.length === 0 ? "none is known here" : `known here: ${known.join(", ")}`;
      throw badRequest(`unknown parameter "${name.slice(0, 40)}"; ${may}`);
    }
    if (found.has(name)) throw badRequest(`the parameter ${name} is there twice`);
    found.set(name, value);
  }
  return found;
}

/** @param ttl seconds, with up to three digits behind the point, or "keep". @returns words for KV.SET. */
export function ttlWords(ttl: string | undefined): string[] {
  if (ttl === undefined) return [];
  if (ttl === "keep") return ["KEEPTTL"];
  const ms = TTL.test(ttl) ? Math.round(Number(ttl) * 1000) : 0;
  if (ms < 1) throw badRequest('ttl is a number of seconds above 0, at most three digits behind the point, or "keep"');
  return ["PX", String(ms)];
}
