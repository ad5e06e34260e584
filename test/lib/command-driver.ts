/**
 * test/lib/command-driver.ts: commands against a keyspace without a server: bytes to arguments, lookup, arity, execute.
 * Of the server's own commands it knows SELECT and what commands/introspect.ts brings.
 */
import { Args } from "../../src/codec/resp/args.js";
import { DONE, RequestParser } from "../../src/codec/resp/request-parser.js";
import { Context, type Host } from "../../src/commands/context.js";
import {
  arityOk,
  execute,
  writeArityError,
  writeUnknownCommand,
  writeUnknownSubcommand,
} from "../../src/commands/execute.js";
import { INTROSPECTION } from "../../src/commands/introspect.js";
import type { CommandSpec } from "../../src/commands/spec.js";
import { lookup, lookupSubcommand } from "../../src/commands/table.js";
import { viewed } from "../../src/lib/view.js";
import type { Keyspace } from "../../src/ports/keyspace.js";
import { Store } from "../../src/storage/store.js";
import { encodeCommand } from "./redis-server.js";

export const HOST: Host = { maxValueBytes: 512 * 1024 * 1024, maxmemoryPolicy: "noeviction" };

export class CommandDriver {
  readonly context: Context;
  private readonly parser: RequestParser;

  constructor(space: Keyspace, host: Host = HOST) {
    this.context = new Context(space, host);
    this.parser = new RequestParser(new Args());
  }

  /** Run one command. @returns a copy of its raw reply. */
  run(parts: readonly (Buffer | string)[], now: number): Buffer {
    const c = this.context;
    const bytes = viewed(
      encodeCommand(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part))),
    );
    if (this.parser.next(bytes, 0, bytes.length) !== DONE) throw new Error("the command was not parsed");
    c.args = this.parser.args;
    c.now = now;
    c.space.gate = 0;
    if (c.space instanceof Store) c.space.setTime(now);
    else c.space.now = now;
    c.reply.at = 0;
    this.dispatch();
    return Buffer.from(c.reply.buf.subarray(0, c.reply.at));
  }

  /** A reply as latin1 text with its line ends. */
  text(command: string, now = 1_000_000): string {
    return this.run(command.split(" "), now).latin1Slice();
  }

  private dispatch(): void {
    const c = this.context;
    const { args, reply } = c;
    let spec: CommandSpec | undefined = lookup(args);
    if (spec === undefined) {
      writeUnknownCommand(reply, args);
      return;
    }
    if (spec.subcommands !== undefined && args.count > 1) {
      const sub = lookupSubcommand(spec, args);
      if (sub === undefined) {
        writeUnknownSubcommand(reply, spec, args);
        return;
      }
      spec = sub;
    }
    if (!arityOk(spec, args.count)) writeArityError(reply, spec);
    else if (spec.run !== undefined) execute(c, spec);
    else if (spec.name === "select") this.select();
    else INTROSPECTION.get(spec.fullName)?.(c);
  }

  private select(): void {
    const c = this.context;
    const db = Number(c.args.text(1));
    if (Number.isInteger(db) && db >= 0 && db < c.databases) {
      c.db = db;
      c.reply.ok();
    } else c.reply.error("ERR DB index is out of range");
  }
}
