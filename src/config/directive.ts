/**
 * config/directive.ts: what load.ts, sources.ts and env.ts hand to each other, and the words their messages share.
 */
import type { Files, OriginKind } from "./config.js";

export interface Sources {
  /** `[file | -] [--option value ...]`, as after the verb. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths start here. */
  readonly cwd: string;
  readonly files: Files;
  /** All of standard input, for the file `-`. */
  readonly stdin?: () => Uint8Array;
}

/** One setting as somebody wrote it. */
export interface Directive {
  readonly name: string;
  readonly words: readonly string[];
  readonly kind: OriginKind;
  readonly where: string;
}

/** A Node error in words. */
export function reason(error: unknown): string {
  const words: Record<string, string> = {
    ENOENT: "no such file",
    EACCES: "permission denied",
    EISDIR: "it is a directory",
    ENOTDIR: "not a directory",
  };
  const { code, message } = error as { code?: string; message?: string };
  return words[code ?? ""] ?? message ?? String(error);
}

export function meant(name: string | undefined): string {
  return name === undefined ? "" : `; did you mean "${name}"?`;
}
