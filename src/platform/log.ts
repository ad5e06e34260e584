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
    const now = new Date();
    write(
      format === "json"
        ? `${JSON.stringify({ time: now.toISOString(), level, pid: process.pid, msg: text })}\n`
        : `${process.pid}:M ${stamp(now)} ${MARKS[level]} ${text}\n`,
    );
  };
}

function stamp(now: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const time = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}.${String(now.getMilliseconds()).padStart(3, "0")}`;
  return `${two(now.getDate())} ${MONTHS[now.getMonth()]} ${now.getFullYear()} ${time}`;
}
