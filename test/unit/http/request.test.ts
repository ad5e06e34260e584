/**
 * test/unit/http/request.test.ts: what a request says, piece by piece: target, key, conditions, parameters.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { conditionWords, namedIn, parametersOf, ttlWords } from "../../../src/http/conditions.js";
import { errorOf, HttpError } from "../../../src/http/http-error.js";
import { keyOf, targetOf } from "../../../src/http/target.js";

function statusOf(run: () => unknown): number {
  try {
    run();
    return 200;
  } catch (error) {
    return error instanceof HttpError ? error.status : 0;
  }
}

test("any bytes are a key: escaped, they come back; whatever text comes, an answer does", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const hex = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
      assert.equal(keyOf(`/kv/${hex}`), Buffer.from(bytes));
      assert.equal(keyOf(`/kv/${hex.toUpperCase()}`), Buffer.from(bytes));
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => [200, 400].includes(statusOf(() => keyOf(`/kv/${text}`)))));
});

test("targets: path and query apart, a server's name in front", () => {
  assert.equal(targetOf("/kv/a?b?c"), { authority: undefined, path: "/kv/a", query: "b?c" });
  assert.equal(targetOf("http://h:1/kv/a?"), { authority: "h:1", path: "/kv/a", query: "" });
  assert.equal(targetOf("HTTPS://h"), { authority: "h", path: "/", query: "" });
  assert.is(targetOf("//evil.example/kv/a").path, "//evil.example/kv/a");
  assert.is(targetOf("*").path, "*");
});

test("entity tags: lists, weak ones, ones with commas, none", () => {
  assert.is(namedIn("x", undefined), undefined);
  assert.equal(namedIn("x", " * "), { any: true, versions: [] });
  assert.equal(namedIn("x", '"a1-2", "b"'), { any: false, versions: ["a1-2", "b"] });
  assert.equal(namedIn("x", '"a", ,'), { any: false, versions: ["a"] }, "empty elements are passed over");
  assert.equal(namedIn("x", 'W/"a", "b,c", "*", "", "A"'), { any: false, versions: [] });
  for (const wrong of ["a", '"a', 'a"b"', '"a" "b"', '"a", b', "", 'w/"a"'])
    assert.is(
      statusOf(() => namedIn("x", wrong)),
      400,
      wrong,
    );
  assert.equal(conditionWords({ "if-match": '"a", "b"' }, true), ["IFMATCH", "a", "IFMATCH", "b"]);
  assert.equal(conditionWords({ "if-match": 'W/"a"' }, false), ["IFMATCH", ""], "matches no key, and is judged there");
  assert.equal(conditionWords({ "if-none-match": "*" }, true), ["NX"]);
});

test("lifetimes", () => {
  const words: [string | undefined, string[]][] = [
    [undefined, []],
    ["keep", ["KEEPTTL"]],
    ["1", ["PX", "1000"]],
    ["0.001", ["PX", "1"]],
    ["1.005", ["PX", "1005"]],
    ["999999999999.999", ["PX", "999999999999999"]],
  ];
  for (const [ttl, expected] of words) assert.equal(ttlWords(ttl), expected, ttl);
  for (const wrong of ["0", "0.000", "1.", ".5", "+1", "1s", "Infinity", "1234567890123"])
    assert.is(
      statusOf(() => ttlWords(wrong)),
      400,
      wrong,
    );
  assert.equal([...parametersOf("ttl=5", ["ttl"])], [["ttl", "5"]]);
  for (const wrong of ["ttl=1&ttl=1", "x", "ttl=1&x=1"])
    assert.is(
      statusOf(() => parametersOf(wrong, ["ttl"])),
      400,
      wrong,
    );
});

test("an error that is no reply is a fault, and stays one", () => {
  const fault = new TypeError("x is undefined");
  assert.throws(
    () => errorOf(fault, true),
    (error: unknown) => error === fault,
  );
});

test.run();
