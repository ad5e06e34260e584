/**
 * test/unit/codec/protocol-document.test.ts: docs/PROTOCOL.md and src/codec/frame/layout.ts give the same things the same numbers.
 */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as layout from "../../../src/codec/frame/layout.js";

const text = readFileSync(new URL("../../../docs/PROTOCOL.md", import.meta.url), "utf8");

/** Rows "| 7 NAME | ..." below a heading. */
function rows(heading: string): Record<string, number> {
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  const found = [...section.matchAll(/^\| (\d+) ([A-Z_]+) \|/gm)].map(([, number, name]) => [name, Number(number)]);
  return Object.fromEntries(found) as Record<string, number>;
}

function constants(prefix: string): Record<string, number> {
  const found = Object.entries(layout).filter(([name, value]) => name.startsWith(prefix) && typeof value === "number");
  return Object.fromEntries(found.map(([name, value]) => [name.slice(prefix.length), value as number]));
}

test("types of messages", () => {
  const { HEADER_BYTES: _, ...types } = constants("MESSAGE_");
  assert.equal(rows("Messages"), types);
});

test("types of frames", () => {
  const { HEADER_BYTES: _, MAGIC: __, ...types } = constants("FRAME_");
  assert.equal(rows("Frames"), types);
});

test("flags, reasons and outcomes are named with their numbers", () => {
  const row = (name: string): string => new RegExp(`^\\| \\d+ ${name} \\|.*$`, "m").exec(text)?.[0] ?? "";
  const { FLAG_CHOSEN, FLAG_HAS_STATE, FLAG_MORE, FLAG_FAILED } = layout;
  assert.match(row("READ_REPLY"), new RegExp(`${FLAG_CHOSEN} chosen, ${FLAG_HAS_STATE} the state`));
  assert.match(row("PROMISE"), new RegExp(`${FLAG_HAS_STATE} the state`));
  assert.match(row("QUERY_REPLY"), new RegExp(`${FLAG_MORE} more follows, ${FLAG_FAILED} failed`));
  const { NACK_BALLOT, NACK_EPOCH, NACK_NOT_REPLICA, NACK_BUSY, NACK_LATE, NACK_AHEAD } = layout;
  assert.match(
    row("NACK"),
    new RegExp(
      `${NACK_BALLOT} ballot, ${NACK_EPOCH} epoch, ${NACK_NOT_REPLICA} not a replica, ${NACK_BUSY} busy, ${NACK_LATE} late, ${NACK_AHEAD} ahead`,
    ),
  );
  const { FORWARD_DONE, FORWARD_NOT_APPLIED, FORWARD_UNCERTAIN, FORWARD_NEARLY } = layout;
  assert.match(
    row("FORWARD_REPLY"),
    new RegExp(
      `${FORWARD_DONE} done, ${FORWARD_NOT_APPLIED} not applied, ${FORWARD_UNCERTAIN} uncertain, ${FORWARD_NEARLY} nearly`,
    ),
  );
});

test.run();
