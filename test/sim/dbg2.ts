import { run } from "./runs.js";

const [from, n, ops] = process.argv.slice(2).map(Number) as [number, number, number];
for (let s = from; s < from + n; s++) {
  const { violation } = run(s, ops);
  if (violation) console.log(s, violation.slice(0, 2000));
}
console.log("done");
