/**
 * server/cluster-dispatch.ts: commands on a node of a cluster. The checks are those of dispatch.ts; what runs is not a handler on this node's
 * keys but works on the cluster's (works.ts).
 *
 *   one key          a work; the session goes on
 *   each key         a work for each key, the replies joined (each-call.ts)
 *   several keys     reads of all that it does not write, then one work on the key that it writes (several-call.ts)
 *   whole keyspace   questions to all members (listing.ts, keyspace-calls.ts)
 *   EXEC, WATCH      cluster-transaction.ts
 *   KV.EXPLAIN       explain-call.ts
 *   all others       at once, as alone
 */
import { type Cluster, nameOf } from "../cluster/work.js";
import { Args } from "../codec/resp/args.js";
import type { Context } from "../commands/context.js";
import { type CommandSpec, KIND_EACH, KIND_KEY } from "../commands/spec.js";
import { ALL_SPECS } from "../commands/table.js";
import { LARGE_BYTES } from "../lib/room.js";
import { Call, failureOf } from "./call.js";
import { keepClusterRules } from "./cluster-config.js";
import type { ClusterSession } from "./cluster-session.js";
import { execInCluster, watchInCluster } from "./cluster-transaction.js";
import { Dispatcher, GUARD_MONITORED } from "./dispatch.js";
import { eachInCluster } from "./each-call.js";
import { explainInCluster } from "./explain-call.js";
import { KEYSPACE_ROUTES } from "./keyspace-calls.js";
import { LargeCommandWork, largeArgumentOf, takeOver } from "./large-work.js";
import type { Server } from "./server.js";
import type { Session } from "./session.js";
import { severalInCluster } from "./several-call.js";
import { WAIT_ROUTES } from "./wait-calls.js";
import { HEADER_BYTES, readCommand } from "./work-bytes.js";
import { CommandWork, encodeCommandWork, Stage } from "./works.js";

/** What the routes share. */
export interface Surroundings {
  readonly server: Server;
  readonly cluster: Cluster;
  readonly stage: Stage;
}

/** Runs a command: writes its reply, or makes a Call and answers that. Arguments are in `c`, borrowed. */
export type Route = (around: Surroundings, session: ClusterSession, spec: CommandSpec, c: Context) => void;

/** Routes by full name, of commands that the cluster's several nodes change. */
const NAMED: Readonly<Record<string, Route>> = {
  ...KEYSPACE_ROUTES,
  ...WAIT_ROUTES,
  exec: execInCluster,
  "kv.explain": explainInCluster,
  watch: watchInCluster,
};

function routeOf(spec: CommandSpec): Route | undefined {
  const named = NAMED[spec.fullName];
  if (named !== undefined || spec.run === undefined) return named;
  if (spec.kindCode === KIND_KEY) return oneKey;
  if (spec.kindCode === KIND_EACH) return eachInCluster;
  return spec.kind === "keys" ? severalInCluster : undefined;
}

export class ClusterDispatcher extends Dispatcher {
  private readonly around: Surroundings;
  private readonly routes: readonly (Route | undefined)[];

  constructor(server: Server, cluster: Cluster) {
    super(server);
    this.around = { server, cluster, stage: new Stage(server.space, server.config, () => cluster.expiryMs()) };
    this.routes = ALL_SPECS.map(routeOf);
    keepClusterRules(server.config);
  }

  // HOT: once per command in a cluster.
  override run(session: Session, spec: CommandSpec): void {
    const { server, context: c } = this;
    const { index } = spec;
    const route = this.routes[index];
    if (route === undefined) {
      super.run(session, spec);
      return;
    }
    const { reply, args } = c;
    const { errors } = reply;
    server.statistics.begun(index);
    route(this.around, session as ClusterSession, spec, c);
    if (reply.errors !== errors) this.countError(spec);
    if ((server.guards & GUARD_MONITORED) !== 0) this.show(session, spec, args);
  }

  protected override takeBack(session: Session): void {
    super.takeBack(session);
    (session as ClusterSession).mute();
  }
}

// HOT: once per command on one key in a cluster.
function oneKey(around: Surroundings, session: ClusterSession, spec: CommandSpec, c: Context): void {
  const { args } = c;
  const key = spec.firstKey;
  const name = nameOf(session.db, args.bytes, args.start[key], args.length[key]);
  if (args.bytes.length > LARGE_BYTES && largeArgumentOf(args) > key)
    return oneLarge(around, session, spec, name, args);
  const bytes = encodeCommandWork(spec, args, session.db, session.proto);
  const work = new CommandWork(around.stage, spec, name, bytes);
  const call = new Call(session, spec, () => argsOf(bytes));
  session.perform(work, bytes.length, (answer) => {
    call.answer(answer.applied === "yes" ? answer.result : (failureOf(answer, spec.write) as Buffer));
  });
}

/** With a large argument, whose bytes stay where they came in. */
function oneLarge(around: Surroundings, session: ClusterSession, spec: CommandSpec, name: string, args: Args): void {
  session.keepInput();
  const large = largeArgumentOf(args);
  const own = takeOver(args, large);
  const work = new LargeCommandWork(around.stage, spec, name, own, large, session.db, session.proto);
  const call = new Call(session, spec, () => own);
  session.perform(work, own.bytes.length, (answer) => {
    call.answer(answer.applied === "yes" ? answer.result : (failureOf(answer, spec.write) as Buffer));
  });
}

/** Looked at and forgotten: with many clients every command may be a slow one. */
const shown: Args = new Args();
/** It keeps what it was pointed to: nothing larger. */
const SHOWN_BYTES_MAX = 4096;

function argsOf(bytes: Buffer): Args {
  const args = bytes.length > SHOWN_BYTES_MAX ? new Args() : shown;
  readCommand(bytes, HEADER_BYTES, args);
  return args;
}
