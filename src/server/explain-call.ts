/** server/explain-call.ts: KV.EXPLAIN on a node of a cluster: the cluster is asked, and the session goes on meanwhile, as with a read. */
import { nameOf } from "../cluster/work.js";
import type { Context } from "../commands/context.js";
import type { CommandSpec } from "../commands/spec.js";
import { Call } from "./call.js";
import type { Surroundings } from "./cluster-dispatch.js";
import type { ClusterSession } from "./cluster-session.js";
import { EXPLAINS_GET } from "./texts.js";

/** KV.EXPLAIN GET key: what each replica of the key says about it. */
export function explainInCluster(
  around: Surroundings,
  session: ClusterSession,
  spec: CommandSpec,
  { args, reply }: Context,
): void {
  if (args.lower(1) !== "get") {
    reply.error(EXPLAINS_GET);
    return;
  }
  const name = nameOf(session.db, args.bytes, args.start[2], args.length[2]);
  const own = args.clone();
  const call = new Call(session, spec, () => own);
  around.cluster.explain(name, (text) => call.answerBy((c) => c.reply.verbatim(Buffer.from(text).latin1Slice())));
}
