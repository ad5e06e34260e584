import { dotText, textOf } from "./history.js";
import { planOf } from "./plan.js";
import { Simulation } from "./simulation.js";
import { WHOLE_MAKERS } from "./whole-node.js";

const sim = new Simulation(planOf(Number(process.argv[2]), Number(process.argv[5] ?? 5000)), WHOLE_MAKERS);
const r = sim.run();
console.log(r.violation);
const id = Number(process.argv[3]);
const span = Number(process.argv[4] ?? 150);
const e = sim.history.of(id)!;
if (e) for (const o of sim.history.byName.get(e.name)!) if (Math.abs(o.ask.id - id) < span) console.log(textOf(o));
if (e)
  for (const v of [...(sim.evidence as any).byName.get(e.name).values()].sort(
    (a: any, b: any) => a.ballot.hlc - b.ballot.hlc,
  )) {
    const base = e.replied?.base ?? e.ballot;
    if (base && Math.abs(v.ballot.hlc - base.hlc) < 4096 * Number(process.argv[6] ?? 200))
      console.log(
        dotText(v.ballot),
        v.holders.toString(2),
        JSON.stringify(v.content),
        v.vv.dots.map(dotText).join(" "),
      );
  }
