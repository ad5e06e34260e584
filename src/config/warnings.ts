/**
 * config/warnings.ts: what of a configuration holds differently from how it was written, one line each. A redis.conf as it comes names half a
 * hundred options that do nothing here at values that ask for nothing: those are one line per reason.
 * Invariant: an option has one line, of what it was given last, or a place in one.
 */

/** Of an option that has no effect, and was given the value that it has anyway. */
interface Idle {
  readonly name: string;
  readonly line: string;
}

export class Warnings {
  private readonly single = new Map<string, string>();
  /** By reason, then by option. */
  private readonly idle = new Map<string, Map<string, Idle>>();

  set(option: string, line: string): void {
    this.delete(option);
    this.single.set(option, line);
  }

  /** @param name as it was written. @param line what would be said of it alone. */
  setIdle(option: string, why: string, name: string, line: string): void {
    this.delete(option);
    const of = this.idle.get(why) ?? new Map<string, Idle>();
    this.idle.set(why, of.set(option, { name, line }));
  }

  delete(option: string): void {
    this.single.delete(option);
    for (const of of this.idle.values()) of.delete(option);
  }

  lines(): string[] {
    const grouped = [...this.idle].flatMap(([why, of]) => {
      const all = [...of.values()];
      if (all.length < 2) return all.map(({ line }) => line);
      return `${all.length} options have no effect here (${why}): ${all.map(({ name }) => name).join(", ")}`;
    });
    return [...this.single.values(), ...grouped];
  }
}
