/**
 * server/host-observe.ts: SLOWLOG, LATENCY, MONITOR.
 */
import type { Context } from "../commands/context.js";
import { ALL_SPECS, specByName } from "../commands/table.js";
import type { HostHandler } from "./hosts.js";
import { parseInteger } from "./numbers.js";
import type { Session } from "./session.js";

const SLOWLOG_COUNT_DEFAULT = 10;

function slowlogGet(session: Session, c: Context): void {
  const { args, reply } = c;
  if (args.count > 3) {
    reply.error(`ERR unknown subcommand or wrong number of arguments for '${args.text(1)}'. Try SLOWLOG HELP.`);
    return;
  }
  const count = args.count > 2 ? parseInteger(args, 2) : SLOWLOG_COUNT_DEFAULT;
  if (count === undefined || count < -1) {
    reply.error("ERR count should be greater than or equal to -1");
    return;
  }
  const entries = session.server.slowlog.newest(count);
  reply.array(entries.length);
  for (const entry of entries) {
    reply.array(6);
    reply.int(entry.id);
    reply.int(entry.seconds);
    reply.int(entry.usec);
    reply.array(entry.args.length);
    for (const text of entry.args) reply.bulkText(text);
    reply.bulkText(entry.remote);
    reply.bulkText(entry.name);
  }
}

function slowlogLen(session: Session, c: Context): void {
  c.reply.int(session.server.slowlog.length);
}

function slowlogReset(session: Session, c: Context): void {
  session.server.slowlog.reset();
  c.reply.ok();
}

function latencyLatest(session: Session, c: Context): void {
  const { reply } = c;
  const rows = session.server.latency.latest();
  reply.array(rows.length);
  for (const { event, last, maxMs } of rows) {
    reply.array(4);
    reply.bulkText(event);
    reply.int(last.seconds);
    reply.int(last.ms);
    reply.int(maxMs);
  }
}

function latencyHistory(session: Session, c: Context): void {
  const { reply } = c;
  const samples = session.server.latency.history(c.args.text(2));
  reply.array(samples.length);
  for (const { seconds, ms } of samples) {
    reply.array(2);
    reply.int(seconds);
    reply.int(ms);
  }
}

function latencyReset(session: Session, c: Context): void {
  const { args } = c;
  const events: string[] = [];
  for (let i = 2; i < args.count; i++) events.push(args.text(i));
  c.reply.int(session.server.latency.reset(events));
}

function latencyDoctor(session: Session, c: Context): void {
  const { config, latency } = session.server;
  const lines: string[] = [];
  if (config.latencyMonitorThreshold === 0)
    lines.push("Nothing is watched: CONFIG SET latency-monitor-threshold <milliseconds> begins.");
  const rows = latency.latest();
  if (rows.length === 0) lines.push("No delay was noted.");
  for (const { event, last, maxMs } of rows)
    lines.push(
      `${event}: last ${last.ms} ms at ${last.seconds}, longest ${maxMs} ms. SLOWLOG GET names slow commands.`,
    );
  c.reply.verbatim(`${lines.join("\n")}\n`);
}

function latencyHistogram(session: Session, c: Context): void {
  const { args, reply } = c;
  const { statistics } = session.server;
  let specs = ALL_SPECS.filter(({ index }) => statistics.calls[index] > 0);
  if (args.count > 2) {
    const wanted = new Set<string>();
    for (let i = 2; i < args.count; i++) {
      const spec = specByName(args.lower(i));
      for (const { fullName } of spec?.subcommands ?? []) wanted.add(fullName);
      if (spec !== undefined) wanted.add(spec.fullName);
    }
    specs = specs.filter(({ fullName }) => wanted.has(fullName));
  }
  reply.map(specs.length);
  for (const { fullName, index } of specs) {
    reply.bulkText(fullName);
    reply.map(2);
    reply.bulkText("calls");
    reply.int(statistics.calls[index]);
    reply.bulkText("histogram_usec");
    const rows = statistics.histogram(index);
    reply.map(rows.length);
    for (const [usec, calls] of rows) {
      reply.int(usec);
      reply.int(calls);
    }
  }
}

function monitor(session: Session, c: Context): void {
  if (session.inExec) {
    c.reply.error("ERR MONITOR isn't allowed for DENY BLOCKING client");
    return;
  }
  // As in Redis: nothing is said to one who watches already.
  if (session.monitor) return;
  session.server.monitors.add(session);
  c.reply.ok();
}

export const observeHosts: Readonly<Record<string, HostHandler>> = {
  "slowlog|get": slowlogGet,
  "slowlog|len": slowlogLen,
  "slowlog|reset": slowlogReset,
  "latency|latest": latencyLatest,
  "latency|history": latencyHistory,
  "latency|reset": latencyReset,
  "latency|doctor": latencyDoctor,
  "latency|histogram": latencyHistogram,
  monitor,
};
