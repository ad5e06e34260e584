/**
 * config/config.ts: the options as one running node has them: typed properties for code, text for CONFIG GET, SET and
 * REWRITE, and where each value came from. Made by load.ts; the server room writes what the methods return as replies.
 * Invariants: every property holds the same value as its option's text; CONFIG SET changes all it was asked to or nothing;
 * a secret never appears in a warning or an error.
 */
import { assert } from "../lib/assert.js";
import { hasGlob, matchGlob } from "./glob.js";
import { type ConfigValues, findOption, OPTIONS } from "./options.js";
import { rewriteFile } from "./rewrite.js";
import type { Option, OptionValue } from "./row.js";
import { brokenRule, unsafeLines } from "./rules.js";
import { formatValue, parseValue } from "./value.js";

export type OriginKind = "default" | "derived" | "file" | "environment" | "flag" | "options" | "config set";

/** Where a value came from; `where` is for people: "/etc/redis.conf:12", "KVORUM_PORT", "--port", "port + 1000". */
export interface Origin {
  readonly kind: OriginKind;
  readonly where: string;
}

export interface Setting {
  readonly option: Option;
  readonly value: OptionValue;
  readonly origin: Origin;
}

/** What this room needs of a file system; platform or cli supplies it. All paths are absolute. Errors are Node's own. */
export interface Files {
  read(path: string): Uint8Array;
  /** Names in a directory. */
  list(directory: string): string[];
  /** Put the bytes in place of the file, all or nothing, on disk when it returns; the mode stays. */
  replace(path: string, bytes: Uint8Array): void;
}

/** Return an error text to refuse the change; the old value is then put back and announced too. */
export type ChangeListener = (config: Config, name: string) => string | undefined;

/** `config.maxValueBytes` and all other options by camelCase key, beside the methods of ConfigStore. */
export type Config = ConfigStore & Readonly<ConfigValues>;

const UNKNOWN_LIMIT = 128;

export class ConfigStore {
  /** What was accepted at start but not followed, one sentence each. */
  readonly warnings: readonly string[];
  /** The file CONFIG REWRITE writes; undefined when started without one. */
  readonly file: string | undefined;
  /** Library only: `port: 0` means any free port, where for a server it means no TCP. */
  readonly anyPort: boolean;
  private readonly settings = new Map<string, Setting>();
  private readonly listeners = new Map<string, ChangeListener[]>();
  private readonly warningListeners: ((text: string) => void)[] = [];
  private readonly files: Files | undefined;

  constructor(
    settings: Iterable<Setting>,
    given: { warnings: readonly string[]; file?: string | undefined; files?: Files | undefined; anyPort?: boolean },
  ) {
    this.warnings = given.warnings;
    this.file = given.file;
    this.files = given.files;
    this.anyPort = given.anyPort ?? false;
    for (const setting of settings) {
      const { key } = setting.option;
      assert(key === undefined || !(key in this), "an option hides a member of Config", key);
      this.put(setting);
    }
  }

  /** The value's text as CONFIG GET shows it; undefined for a name that is no option. Aliases work. */
  get(name: string): string | undefined {
    const option = findOption(name);
    if (option === undefined || option.hidden === true) return undefined;
    return formatValue(option, this.setting(option.name).value);
  }

  /** Where the value came from. `name` must be an option's. */
  origin(name: string): Origin {
    const option = findOption(name);
    assert(option !== undefined, "no such option", name);
    return this.setting(option.name).origin;
  }

  /** Every option with its value and origin, in the table's order; for `config --show-origin` and the start screen. */
  all(): Setting[] {
    return OPTIONS.filter(({ hidden }) => hidden !== true).map(({ name }) => this.setting(name));
  }

  /**
   * CONFIG GET: name and text of every option that a pattern matches, each once. A pattern without wildcards answers with
   * the name as it was asked for, as Redis does.
   */
  matching(patterns: readonly string[]): [name: string, text: string][] {
    const found = new Map<string, string>();
    for (const pattern of patterns) {
      const lower = pattern.toLowerCase();
      if (!hasGlob(lower)) {
        if (this.get(lower) !== undefined && !found.has(lower)) found.set(lower, pattern);
        continue;
      }
      for (const { name, aliases, hidden } of OPTIONS) {
        if (hidden === true) continue;
        for (const candidate of [name, ...(aliases ?? [])]) {
          if (!found.has(candidate) && matchGlob(lower, candidate)) found.set(candidate, candidate);
        }
      }
    }
    return [...found].map(([name, shown]) => [shown, this.get(name) as string]);
  }

  /** CONFIG SET of one option; see setAll. */
  set(name: string, text: string): string | undefined {
    return this.setAll([[name, text]]);
  }

  /**
   * CONFIG SET of several options, all or none.
   * @returns undefined when done, else Redis's error text with its code word, nothing having changed.
   */
  setAll(pairs: readonly (readonly [name: string, text: string])[]): string | undefined {
    const wanted: { option: Option; name: string; value: OptionValue }[] = [];
    const options: Option[] = [];
    const adapted: string[] = [];
    for (const [name] of pairs) {
      const option = findOption(name);
      if (option === undefined || option.hidden === true) {
        return `ERR Unknown option or number of arguments for CONFIG SET - '${name.slice(0, UNKNOWN_LIMIT)}'`;
      }
      if (option.change !== "reloadable") {
        return failed(
          name,
          option.change === "protected" ? "can't set protected config" : "can't set immutable config",
        );
      }
      if (options.includes(option)) return failed(name.toLowerCase(), "duplicate parameter");
      options.push(option);
    }
    for (const [i, [name, text]] of pairs.entries()) {
      const option = options[i] as Option;
      const parsed = parseValue(option, [text], name);
      if (parsed.error !== undefined) return failed(name.toLowerCase(), parsed.error);
      if (parsed.adapted !== undefined) adapted.push(`CONFIG SET: ${option.name} ${parsed.adapted}`);
      wanted.push({ option, name: name.toLowerCase(), value: parsed.value });
    }
    const error = this.change(wanted);
    if (error === undefined) for (const text of adapted) this.warn(text);
    return error;
  }

  private change(wanted: readonly { option: Option; name: string; value: OptionValue }[]): string | undefined {
    const before: Setting[] = [];
    for (const { option, value } of wanted) {
      const old = this.setting(option.name);
      const changed = formatValue(option, old.value) !== formatValue(option, value);
      if (changed && option.fixed !== undefined)
        this.warn(`CONFIG SET: ${option.name} stays as it is: ${option.fixed}`);
      else if (changed) {
        before.push(old);
        this.put({ option, value, origin: { kind: "config set", where: "CONFIG SET" } });
      }
    }
    const broken = brokenRule(this as unknown as Config);
    let error = broken?.text;
    let culprit =
      broken === undefined ? "" : (before.find(({ option }) => broken.names.includes(option.name))?.option.name ?? "");
    let announced = 0;
    while (error === undefined && announced < before.length) {
      culprit = (before[announced] as Setting).option.name;
      error = this.announce(culprit);
      announced++;
    }
    if (error === undefined) {
      for (const { option } of before) {
        if (option.noEffect !== undefined)
          this.warn(`CONFIG SET: ${option.name} has no effect here: ${option.noEffect}`);
      }
      return undefined;
    }
    for (const old of before) this.put(old);
    for (const old of before.slice(0, announced)) this.announce(old.option.name);
    return failed(wanted.find(({ option }) => option.name === culprit)?.name ?? culprit, error);
  }

  /**
   * Be told after CONFIG SET changed an option.
   * @param name an option's name, or "*" for all.
   * @returns a function that ends it.
   */
  onChange(name: string, listener: ChangeListener): () => void {
    const key = name === "*" ? name : findOption(name)?.name;
    assert(key !== undefined, "no such option", name);
    const list = this.listeners.get(key) ?? [];
    this.listeners.set(key, [...list, listener]);
    return () => {
      this.listeners.set(
        key,
        (this.listeners.get(key) ?? []).filter((other) => other !== listener),
      );
    };
  }

  /** Be told of warnings that arise while running; those of the start are in `warnings`. */
  onWarning(listener: (text: string) => void): void {
    this.warningListeners.push(listener);
  }

  /** CONFIG REWRITE. @returns undefined when done, else the error text with its code word. */
  rewrite(): string | undefined {
    if (this.file === undefined || this.files === undefined) return "ERR The server is running without a config file";
    try {
      const bytes = this.files.read(this.file);
      this.files.replace(this.file, rewriteFile(bytes, this.all(), this.file));
      return undefined;
    } catch (error) {
      return `ERR Rewriting CONFIG file: ${(error as Error).message.replace(/[\r\n]+/g, " ")}`;
    }
  }

  /** What the present values give up, in capitals; empty when nothing. */
  unsafe(): string[] {
    return unsafeLines(this as unknown as Config);
  }

  private setting(name: string): Setting {
    const setting = this.settings.get(name);
    assert(setting !== undefined, "an option without a value", name);
    return setting;
  }

  private put(setting: Setting): void {
    const { option, value } = setting;
    this.settings.set(option.name, setting);
    if (option.key !== undefined) (this as unknown as Record<string, OptionValue>)[option.key] = value;
  }

  private announce(name: string): string | undefined {
    for (const key of [name, "*"]) {
      for (const listener of this.listeners.get(key) ?? []) {
        const error = listener(this as unknown as Config, name);
        if (error !== undefined) return error;
      }
    }
    return undefined;
  }

  private warn(text: string): void {
    for (const listener of this.warningListeners) listener(text);
  }
}

function failed(name: string, reason: string): string {
  return `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
}
