/**
 * platform/log.ts: the node's own words, one line each, to standard output: Redis's shape, or JSON for machines.
 */

const LEVELS = ["debug", "verbose", "notice", "warning"] as const;
export type LogLevel = (typeof LEVELS)[number];
const MARKS: Record<LogLevel, string> = { debug: ".", verbose: "-", notice: "*", warning: "#" };
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** @param least lines below this level are not written; asked each time, since it can be changed. */
export function lineLogger(
  format: "text" | "json",
  least: () => LogLevel,
  write: (line: string) => void,
): (level: LogLevel, text: string) => void {
  return (level, text) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(least())) return;
    write(
      format === "json" ? jsonLine(level, text) : `${process.pid}:M ${stamp(new Date())} ${MARKS[level]} ${text}\n`,
    );
  };
}

/** @param facts stand behind the message, as fields of the same object. */
export function jsonLine(level: LogLevel, text: string, facts: object = {}): string {
  const time = new Date().toISOString();
  return `${JSON.stringify({ time, level, pid: process.pid, msg: text, ...facts })}\n`;
}

function stamp(now: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const time = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}.${String(now.getMilliseconds()).padStart(3, "0")}`;
  return `${two(now.getDate())} ${MONTHS[now.getMonth()]} ${now.getFullYear()} ${time}`;
}
