/**
 * server/host-info.ts: INFO: which sections, in which order. What they say is in info-sections.ts.
 */
import type { Context } from "../commands/context.js";
import type { HostHandler } from "./hosts.js";
import { SECTIONS, type SectionName } from "./info-sections.js";
import type { Session } from "./session.js";

const ALL = Object.keys(SECTIONS) as SectionName[];
/** Long ones are shown only when asked for. */
const ON_REQUEST: readonly SectionName[] = ["commandstats", "errorstats", "latencystats"];
const DEFAULT = ALL.filter((name) => !ON_REQUEST.includes(name));

/** INFO's text. `words` are section names, "default", "all" or "everything", lower case; none = default. */
function infoText(session: Session, words: readonly string[]): string {
  const wanted = new Set<string>();
  for (const word of words.length === 0 ? ["default"] : words) {
    const names = word === "all" || word === "everything" ? ALL : word === "default" ? DEFAULT : [word];
    for (const name of names) wanted.add(name);
  }
  const parts: string[] = [];
  for (const name of ALL) {
    if (!wanted.has(name)) continue;
    const title = name === "cpu" ? "CPU" : `${name[0].toUpperCase()}${name.slice(1)}`;
    const lines = SECTIONS[name](session.server, session).map(([field, value]) => `${field}:${value}\r\n`);
    parts.push(`# ${title}\r\n${lines.join("")}`);
  }
  return parts.join("\r\n");
}

function info(session: Session, c: Context): void {
  const words: string[] = [];
  for (let i = 1; i < c.args.count; i++) words.push(c.args.lower(i));
  c.reply.verbatim(Buffer.from(infoText(session, words), "utf8").latin1Slice());
}

export const infoHosts: Readonly<Record<string, HostHandler>> = { info };
