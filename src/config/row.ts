/**
 * config/row.ts: what a row of the option table says. A row is plain data; value.ts reads and writes values by its kind.
 * Invariants: the default passes the row's own checks; a row with `noEffect` has no camelCase key, because no code may
 * depend on it.
 */

/** One class of client-output-buffer-limit; 0 bytes means that limit is not set. */
export interface ClassLimit {
  readonly hardBytes: number;
  readonly softBytes: number;
  readonly softSeconds: number;
}
export interface ClassLimits {
  readonly normal: ClassLimit;
  readonly replica: ClassLimit;
  readonly pubsub: ClassLimit;
}

export type OptionValue = number | boolean | string | readonly string[] | ClassLimits;

/**
 * int: a whole number. bytes: a memory size. duration: milliseconds inside, text in `unit` or with a unit of its own.
 * octal: a file mode. list: several words. limits: client-output-buffer-limit. words: any words, kept as one text.
 */
export type Kind = "int" | "bytes" | "duration" | "octal" | "bool" | "enum" | "string" | "list" | "limits" | "words";

/** Bounds that Redis sets to a number. What is beyond the row's own becomes the nearest there is, with a warning, so that a redis.conf loads. */
interface WiderRange {
  readonly min: bigint;
  readonly max: bigint;
  /** Under this alias only: whoever uses the option's own name knows its bounds. */
  readonly alias?: string;
}

export interface Row<V extends OptionValue = OptionValue> {
  readonly kind: Kind;
  readonly default: V;
  /** Sentences for --help and docs/OPTIONS.md. */
  readonly doc: string;
  readonly unit?: string;
  readonly min?: number;
  readonly max?: number;
  /** What Redis takes beyond `min` and `max`. */
  readonly redis?: WiderRange;
  /** Kind enum: all values, in the order CONFIG SET names them. */
  readonly values?: readonly string[];
  /** Kind list: what stands between the words; a space by default. */
  readonly separator?: " " | ",";
  /** Must be the same on every node of a cluster: it is part of the peer handshake. */
  readonly scope?: "cluster";
  /** May CONFIG SET change it? Immutable unless said; "protected" is Redis's word for paths. */
  readonly change?: "reloadable" | "protected";
  /** Never shown in messages or logs; the environment may name a file that holds it. */
  readonly secret?: true;
  /** A relative path is taken from the working directory at start. */
  readonly path?: true;
  /** What is given up, in capitals, for the values in `unsafeValues` or any other than the default. */
  readonly unsafe?: string;
  /** Formula of a default that follows other options. */
  readonly derived?: string;
  /** Further names, from redis.conf. */
  readonly aliases?: readonly string[];
  /** Several lines add up instead of the last one counting. */
  readonly repeat?: true;
  /** Its name alone, without a word, is its empty value. */
  readonly bare?: true;
  /** In a file only: CONFIG GET does not show it. */
  readonly hidden?: true;
  /** Accepted and stored, but nothing follows it; the text says why. */
  readonly noEffect?: string;
  /** Any value is accepted, with a warning that says this, and it goes on reading its default. */
  readonly fixed?: string;
  /** Any value but the default is an error that says this: following it silently would be dangerous. */
  readonly refuse?: string;
  /** A value that `refuse` does not mean after all. */
  harmless?(words: readonly string[]): boolean;
  /** A further check; returns what is wrong, in CONFIG SET's style. */
  check?(value: V): string | undefined;
}

export type Rows<V> = { readonly [K in keyof V]: Row<V[K] extends OptionValue ? V[K] : never> };

/** A row with its names: what the rest of the room works with. */
export interface Option extends Row {
  readonly name: string;
  /** The property of Config that holds the value; undefined when nothing reads it. */
  readonly key: string | undefined;
  readonly group: string;
}
