/**
 * commands/syntax.ts: the two small notations of the command table, to values.
 *
 * Arguments:  key value [condition=NX|XX@2.6.12] [expiration=EX seconds:integer|KEEPTTL@6.0.0] pair{key value}...
 *   name            a string argument; `key`, or name:key, is a key (numbered from 0 in order, unless name:key#n says)
 *   name:type       integer double key pattern unix-time
 *   WORD            a token that stands alone;  WORD name:type is a token followed by its argument
 *   [ ... ]         optional;  ... after an item: it may be repeated;  ...* : it may be repeated, token included
 *   name=a|b|c      exactly one of these;  name{a b} these together
 *   @1.2.3          available since
 *
 * Keys:  "1 RO access"   "1..-1/2 OW update"   "1 RW access delete; 2 OW update"
 *   first argument, last argument (negative: from the end), step; then Redis's flags of the key specification.
 *
 * Both are read at start (keys) or when first asked for (arguments); a mistake is a programmer's and throws.
 */
import { assert } from "../lib/assert.js";
import type { ArgDoc } from "./spec.js";

export interface KeySpec {
  /** Index of the first key among the arguments, the name being 0. */
  readonly first: number;
  /** Index of the last one; negative counts from the end. */
  readonly last: number;
  readonly step: number;
  readonly flags: readonly string[];
}

export function parseKeySpecs(text: string): KeySpec[] {
  if (text === "") return [];
  return text.split(";").map((part) => {
    const [range, ...flags] = part.trim().split(" ");
    const match = /^(\d+)(?:\.\.(-?\d+))?(?:\/(\d+))?$/.exec(range);
    assert(match !== null, "malformed key positions", text);
    const first = Number(match[1]);
    return { first, last: Number(match[2] ?? first), step: Number(match[3] ?? 1), flags };
  });
}

const TYPES = ["string", "integer", "double", "key", "pattern", "unix-time"] as const;
/** Names, tokens and punctuation; a name may hold - _ : # / and . within itself. */
const LEXEME = /\.\.\.\*?|@[\d.]+|[[\]{}|=]|[^\s[\]{}|=@.]+(?:\.[^\s[\]{}|=@.]+)*/g;

type Mutable = { -readonly [K in keyof ArgDoc]: ArgDoc[K] };

export function parseSyntax(text: string): ArgDoc[] {
  const reader = new Reader(text);
  const args = reader.sequence("");
  assert(reader.at === reader.lexemes.length, "malformed arguments in the command table", text);
  return args;
}

class Reader {
  readonly lexemes: readonly string[];
  readonly text: string;
  at = 0;
  private keys = 0;

  constructor(text: string) {
    this.text = text;
    this.lexemes = text.match(LEXEME) ?? [];
  }

  sequence(end: string): ArgDoc[] {
    const args: ArgDoc[] = [];
    while (this.at < this.lexemes.length && this.lexemes[this.at] !== end && this.lexemes[this.at] !== "|")
      args.push(this.item());
    return args;
  }

  private item(): ArgDoc {
    if (!this.eat("[")) return this.plain();
    const inner = this.plain();
    this.expect("]");
    const since = this.since();
    const flags = ["optional", ...(inner.flags ?? [])] as NonNullable<ArgDoc["flags"]>;
    const all = [...new Set([...flags, ...this.repeats()])];
    return since === undefined ? { ...inner, flags: all } : { ...inner, since, flags: all };
  }

  private plain(): ArgDoc {
    let token: string | undefined;
    let word = this.next();
    if (/^[A-Z"]/.test(word)) {
      const next = this.lexemes[this.at] ?? "";
      // A token followed by a lower-case name is that argument's token.
      if (!/^[a-z]/.test(next)) return this.suffix({ name: word.toLowerCase(), type: "pure-token", token: word });
      token = word;
      word = this.next();
    }
    const arg: Mutable = this.named(word);
    if (token !== undefined) arg.token = token;
    return this.suffix(arg);
  }

  private named(word: string): Mutable {
    assert(/^[a-z]/.test(word), "a name was expected in the command table", this.text, word);
    if (this.eat("=")) {
      const args = [this.item()];
      while (this.eat("|")) args.push(this.item());
      return { name: word, type: "oneof", args };
    }
    if (this.eat("{")) {
      const args = this.sequence("}");
      this.expect("}");
      return { name: word, type: "block", args };
    }
    const [name, declared] = word.split(":");
    const [typeName, spec] = (declared ?? (name === "key" ? "key" : "string")).split("#");
    const type = TYPES.find((known) => known === typeName);
    assert(type !== undefined, "unknown type of argument in the command table", this.text);
    return type === "key"
      ? { name, type, keySpecIndex: spec === undefined ? this.keys++ : Number(spec) }
      : { name, type };
  }

  private suffix(arg: Mutable): ArgDoc {
    const since = this.since();
    if (since !== undefined) arg.since = since;
    const flags = this.repeats();
    if (flags.length > 0) arg.flags = flags;
    return arg;
  }

  private since(): string | undefined {
    const lexeme = this.lexemes[this.at] ?? "";
    if (!lexeme.startsWith("@")) return undefined;
    this.at++;
    return lexeme.slice(1);
  }

  private repeats(): ("multiple" | "multiple_token")[] {
    if (this.eat("...*")) return ["multiple", "multiple_token"];
    return this.eat("...") ? ["multiple"] : [];
  }

  private eat(lexeme: string): boolean {
    if (this.lexemes[this.at] !== lexeme) return false;
    this.at++;
    return true;
  }

  private expect(lexeme: string): void {
    assert(this.eat(lexeme), "malformed arguments in the command table", this.text, lexeme);
  }

  private next(): string {
    const lexeme = this.lexemes[this.at++];
    assert(lexeme !== undefined, "arguments end too early in the command table", this.text);
    return lexeme;
  }
}
