/**
 * test/unit/config/http-bind.test.ts: where HTTP listens: loopback, whatever bind says, unless http-bind says otherwise.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { httpAddresses } from "../../../src/config/http-bind.js";

test("the loopback addresses among those of bind", () => {
  assert.equal(httpAddresses(["127.0.0.1", "-::1"], []), ["127.0.0.1", "-::1"]);
  assert.equal(httpAddresses(["10.0.0.5", "127.0.0.3"], []), ["127.0.0.3"]);
  assert.equal(httpAddresses(["*", "-::*"], []), ["127.0.0.1", "-::1"]);
  assert.equal(httpAddresses(["0.0.0.0", "127.0.0.1"], []), ["127.0.0.1"]);
  assert.equal(httpAddresses(["10.0.0.5"], []), ["127.0.0.1"], "not where bind listens");
  assert.equal(httpAddresses(["::"], []), ["-::1"]);
});

test("http-bind as it is given", () => {
  assert.equal(httpAddresses(["127.0.0.1"], ["*", "-::*"]), ["0.0.0.0", "::"]);
  assert.equal(httpAddresses(["127.0.0.1"], ["10.0.0.5", "-10.0.0.6", "10.0.0.5"]), ["10.0.0.5", "-10.0.0.6"]);
});

test.run();
