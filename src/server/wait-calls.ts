/**
 * server/wait-calls.ts: WAIT and WAITAOF on a node of a cluster. A write is acknowledged when W replicas have it on disk: so once all that a
 * connection asked for is over, its writes lie on W - 1 replicas beside the one that counts as the server itself.
 * Nothing is to be gained by waiting longer, so they answer then, whatever number was asked for.
 */
import type { ReplyWriter } from "../codec/resp/reply-writer.js";
import type { Context } from "../commands/context.js";
import type { CommandSpec } from "../commands/spec.js";
import { NOT_INTEGER } from "../commands/texts.js";
import { Call } from "./call.js";
import type { Route, Surroundings } from "./cluster-dispatch.js";
import type { ClusterSession } from "./cluster-session.js";
import { waitaofArgs } from "./host-persistence.js";
import { parseLong, timeoutArg } from "./numbers.js";

/** Is what the connection wrote where it should be? "late": that was not known in time. */
type Safety = "safe" | "doubtful" | "late";

/** When all is over, or `timeoutMs` is (0: never). */
function whenSafe(
  around: Surroundings,
  session: ClusterSession,
  timeoutMs: number,
  done: (safety: Safety) => void,
): void {
  let over = false;
  const end = (safety: Safety): void => {
    if (over) return;
    over = true;
    cancel();
    done(safety);
  };
  const cancel = timeoutMs > 0 ? around.server.after(timeoutMs, () => end("late")) : (): void => {};
  session.afterAll(() => {
    if (over) return;
    // A write of unknown outcome lies nowhere for sure. It is told once.
    const { doubtful } = session;
    session.doubtful = false;
    end(doubtful ? "doubtful" : "safe");
  });
}

function answerWhenSafe(
  around: Surroundings,
  session: ClusterSession,
  spec: CommandSpec,
  c: Context,
  timeoutMs: number,
  write: (reply: ReplyWriter, safety: Safety) => void,
): void {
  // The other commands of an EXEC are over when it runs.
  if (session.inExec) {
    write(c.reply, "safe");
    return;
  }
  const args = c.args.clone();
  const call = new Call(session, spec, () => args);
  session.hold();
  whenSafe(around, session, timeoutMs, (safety) => {
    call.answerBy(({ reply }) => write(reply, safety));
    session.letGo();
  });
}

function wait(around: Surroundings, session: ClusterSession, spec: CommandSpec, c: Context): void {
  if (parseLong(c.args, 1) === undefined) {
    c.reply.error(NOT_INTEGER);
    return;
  }
  const timeoutMs = timeoutArg(c, 2);
  if (timeoutMs < 0) return;
  const further = around.cluster.w - 1;
  answerWhenSafe(around, session, spec, c, timeoutMs, (reply, safety) => reply.int(safety === "safe" ? further : 0));
}

/** Where an acknowledgement does not wait for the disk (appendfsync everysec, no) nothing is promised of the disks. */
function waitaof(around: Surroundings, session: ClusterSession, spec: CommandSpec, c: Context): void {
  const asked = waitaofArgs(c);
  if (asked === undefined) return;
  const { config } = around.server;
  const further = around.cluster.w - 1;
  answerWhenSafe(around, session, spec, c, asked.timeoutMs, (reply, safety) => {
    const synced = safety === "safe" && config.appendfsync === "always";
    reply.array(2);
    reply.int(synced ? 1 : 0);
    reply.int(synced ? further : 0);
  });
}

export const WAIT_ROUTES: Readonly<Record<string, Route>> = { wait, waitaof };
