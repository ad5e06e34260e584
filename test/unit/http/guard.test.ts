/**
 * test/unit/http/guard.test.ts: who is let in, where a test on this machine cannot come from: other machines.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkRequest, type Door } from "../../../src/http/guard.js";
import { HttpError } from "../../../src/http/http-error.js";

function statusOf(
  door: Partial<Record<"password" | "protectedMode", unknown>>,
  remote: string,
  headers = {},
  free = false,
): number {
  const { password = "", protectedMode = true } = door as { password?: string; protectedMode?: boolean };
  const given: Door = { password: () => password, protectedMode: () => protectedMode, names: ["kv.example"] };
  try {
    checkRequest(given, { host: "10.0.0.5:7379", ...headers }, undefined, remote, free);
    return 200;
  } catch (error) {
    assert.instance(error, HttpError);
    return (error as HttpError).status;
  }
}

test("protected mode: without a password only this machine, by any of its addresses", () => {
  for (const own of ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"]) assert.is(statusOf({}, own), 200, own);
  for (const other of ["10.0.0.9", "::ffff:10.0.0.9", "fe80::1", "1270.0.0.1", ""])
    assert.is(statusOf({}, other, {}, true), 403, other);
  assert.is(statusOf({ protectedMode: false }, "10.0.0.9"), 200);
});

test("with a password others come in by it, and health is free", () => {
  const right = { authorization: "Bearer secret" };
  assert.is(statusOf({ password: "secret" }, "10.0.0.9", right), 200);
  assert.is(statusOf({ password: "secret" }, "127.0.0.1"), 401);
  assert.is(statusOf({ password: "secret" }, "10.0.0.9", {}, true), 200);
  assert.is(statusOf({ password: "secret" }, "127.0.0.1", { ...right, origin: "http://evil.example" }), 403);
});

test("Host: an address, localhost, a name of the operator's; none at all comes from no browser", () => {
  const open = { protectedMode: false };
  for (const host of ["kv.example", "KV.example:80", "localhost", "[fe80::1]:7379", "10.0.0.5"])
    assert.is(statusOf(open, "10.0.0.9", { host }), 200, host);
  for (const host of ["", "kv.example.evil", "evil.example", "10.0.0.5.evil"])
    assert.is(statusOf(open, "10.0.0.9", { host }), 403, host);
  assert.is(statusOf(open, "10.0.0.9", { host: undefined }), 200);
});

test.run();
