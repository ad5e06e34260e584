/**
 * test/unit/commands/long-double.test.ts: sums whose digits redis-server 7.0 on x86 printed.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addLongDoubles, formatLongDouble, parseLongDouble } from "../../../src/commands/long-double.js";

function sum(a: string, b: string): string | undefined {
  const [x, y] = [parseLongDouble(a), parseLongDouble(b)];
  if (x === undefined || y === undefined) return undefined;
  const total = addLongDoubles(x, y);
  return total === undefined ? "infinite" : formatLongDouble(total);
}

const SUMS: readonly (readonly [a: string, b: string, expected: string | undefined])[] = [
  ["10.5", "0.1", "10.6"],
  ["0.1", "0.2", "0.3"],
  ["5.0e3", "200", "5200"],
  ["3.0e3", "1e15", "1000000000003000"],
  ["1e5", "1e-5", "100000.00001000000000317"],
  ["12345678901234567890123", "1", "12345678901234567889920"],
  ["9223372036854775807", "0.5", "9223372036854775807.5"],
  ["0x1.8p1", "0X.1", "3.0625"],
  [".5", "5.", "5.5"],
  ["0", "-1e-20", "0"],
  ["0", "1e-17", "0.00000000000000001"],
  ["-0", "0", "0"],
  ["1e-4950", "0", "0"],
  ["1e-5000", "0", undefined],
  ["1e4933", "0", undefined],
  ["1.18e4932", "1.18e4932", "infinite"],
  ["inf", "1", "infinite"],
  ["nan", "1", undefined],
  ["", "1", undefined],
  ["1 ", "1", undefined],
  ["0x", "1", undefined],
  ["1e", "1", undefined],
  ["1e999999999999999999999", "0", undefined],
  ["0e999999999999999999999", "1", "1"],
];

for (const [a, b, expected] of SUMS) {
  test(`${JSON.stringify(a)} + ${JSON.stringify(b)} = ${expected ?? "no number"}`, () => {
    assert.is(sum(a, b), expected);
  });
}

test("more digits than a long double are rounded half to even, once", () => {
  assert.is(sum("18446744073709551617", "0"), "18446744073709551616");
  assert.is(sum("36893488147419103234", "0"), "36893488147419103232");
  assert.is(sum("36893488147419103234.0000001", "0"), "36893488147419103236");
});

test("texts beyond Redis's limit are no numbers", () => {
  assert.is(parseLongDouble("1".repeat(5119)), undefined);
  assert.is.not(parseLongDouble(`1${"0".repeat(4900)}`), undefined);
  assert.is.not(parseLongDouble(`${"0".repeat(5118)}1`), undefined);
  assert.is(parseLongDouble(`${"0".repeat(5119)}1`), undefined);
});

test.run();
