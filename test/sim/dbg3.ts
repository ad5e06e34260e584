import { dotText, textOf } from "./history.js";
import { planOf } from "./plan.js";
import { Simulation } from "./simulation.js";
import { WHOLE_MAKERS } from "./whole-node.js";

const seed = Number(process.argv[2]),
  ops = Number(process.argv[3]);
const plan = planOf(seed, ops);
const sim = new Simulation(plan, WHOLE_MAKERS);
const r = sim.run();
console.log(
  r.violation?.split("\n")[0],
  "n r w",
  plan.n,
  plan.r,
  plan.w,
  "nodes",
  plan.nodes,
  Object.keys(plan.faults).join(),
  "asked",
  plan.askedMax,
  "prom",
  plan.promisesMax,
  "queue",
  plan.queueMax,
);
const m = /"\\u0000(key:\d+)"/.exec(r.violation ?? "");
if (m) {
  const name = "\0" + m[1];
  const reps = sim.machines[0]!.replicas(name);
  console.log(
    reps,
    sim.hosts.map((h) => [h.up, h.pausedUntil > sim.events.now, h.life]),
    "now",
    sim.events.now,
  );
  for (const n of reps) {
    const h = sim.machines[n]!.held(name) as any;
    console.log(
      n,
      h && dotText(h.ballot),
      h?.chosen,
      JSON.stringify((sim.machines[n] as any).node.coordinator.figures()),
    );
    console.log(
      [...(sim.machines[n] as any).node.peers.links].map(([id, l]: any) => `${id}:${l.state}`).join(" "),
      (sim.machines[n] as any).node.coordinator.catchUp.peers
        ?.map((p: any) => p && `behind ${p.behind} has ${p.hasLsn} `)
        .join("|"),
      (sim.machines[n] as any).engine.registers.durableLsn,
    );
  }
  const es = sim.history.byName.get(name)!;
  for (const e of es.slice(-14)) console.log(textOf(e));
  for (const e of es.filter((e) => e.heard !== "yes").slice(-6)) console.log(textOf(e));
  for (const v of [...(sim.evidence as any).byName.get(name).values()]
    .sort((a: any, b: any) => a.ballot.hlc - b.ballot.hlc)
    .slice(-5))
    console.log(dotText(v.ballot), v.holders.toString(2), v.content?.seq, v.vv.dots.map(dotText).join(" "));
}
