/**
 * config/http-bind.ts: where HTTP listens when nobody says so: where bind does, as far as that is loopback. HTTP has neither TLS nor Redis's
 * unauthenticated limits, and browsers speak it.
 */
import { isLoopback } from "../lib/loopback.js";

const ALL: Readonly<Record<string, string>> = { "*": "0.0.0.0", "::*": "::" };
/** All addresses have these loopback ones among them. */
const OWN: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "-::1" };
const DEFAULT = "127.0.0.1";

/** @returns addresses as in bind, none twice, at least one; a minus sign before one that may be missing. */
export function httpAddresses(bind: readonly string[], httpBind: readonly string[]): string[] {
  const wanted = httpBind.length > 0 ? httpBind.map(plain) : bind.map(plain).flatMap(loopbackOf);
  return wanted.length === 0 ? [DEFAULT] : [...new Set(wanted)];
}

function plain(address: string): string {
  return ALL[address.replace(/^-/, "")] ?? address;
}

function loopbackOf(address: string): string[] {
  const host = address.replace(/^-/, "");
  const own = OWN[host];
  if (own !== undefined) return [own];
  return isLoopback(host) ? [address] : [];
}
