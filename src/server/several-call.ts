/**
 * server/several-call.ts: commands on several keys that belong together (COPY, RENAME, BITOP, MSETNX, LCS): done where everything that is
 * written is one key. The other keys are read first, each by a linearizable read; then the command runs as one work on the key that it
 * writes, told what was read.
 * So it is not one moment for all of its keys: what it read may have changed by the time that it writes.
 */
import { type Answer, keyOf } from "../cluster/work.js";
import type { Context } from "../commands/context.js";
import type { CommandSpec } from "../commands/spec.js";
import { viewed } from "../lib/view.js";
import { Call, failureOf, fetchAll } from "./call.js";
import type { Surroundings } from "./cluster-dispatch.js";
import type { ClusterSession } from "./cluster-session.js";
import { Gathered } from "./gathered.js";
import { repliesOf, type Steps, StepsWork } from "./steps-work.js";
import { CROSS_SLOT, SEVERAL_OF_SLOT } from "./texts.js";
import type { KnownState } from "./work-bytes.js";
import type { Stage } from "./works.js";

export function severalInCluster(around: Surroundings, session: ClusterSession, spec: CommandSpec, c: Context): void {
  const { server, stage } = around;
  const { args, reply } = c;
  const { names, error } = stage.rehearse(spec, args, session.db, session.proto, server.nowMs);
  if (error !== undefined) {
    reply.error(error.latin1Slice(1, error.length - 2));
    return;
  }
  const { written, read } = split(names);
  if (written.length > 1) {
    reply.error(severalError(around, written));
    return;
  }
  const own = args.clone();
  const call = new Call(session, spec, () => own);
  const commands = [{ spec, args: own, db: session.db }];
  const [key] = written;
  // The next command must not come between the reads and the write.
  const holds = read.length > 0;
  if (holds) session.hold();
  fetchAll(session, read, false, (known, failure) => {
    const steps: Steps = { commands, known, seen: undefined, proto: call.proto };
    const end = (bytes: Buffer): void => {
      call.answer(bytes);
      if (holds) session.letGo();
    };
    if (failure !== undefined) end(failure);
    else if (key === undefined) end(readOnly(stage, steps, server.nowMs)[0]);
    else performSteps(session, stage, key, steps, (replies, refusal) => end(refusal ?? (replies as Buffer[])[0]));
  });
}

/** @param names of keys that would have to be one. @returns why they cannot be written, or watched, together. */
export function severalError({ server }: Surroundings, names: Iterable<string>): string {
  const slots = new Set<number>();
  for (const name of names) {
    const key = keyOf(name);
    slots.add(server.parts.keySlot(viewed(key), 0, key.length));
  }
  return slots.size === 1 ? SEVERAL_OF_SLOT : CROSS_SLOT;
}

/** Keys that are written, and those that are only read. */
export function split(names: ReadonlyMap<string, boolean>): { written: string[]; read: string[] } {
  const written: string[] = [];
  const read: string[] = [];
  for (const [name, writes] of names) (writes ? written : read).push(name);
  return { written, read };
}

/** Run commands on what was read. @returns their replies. */
export function readOnly(stage: Stage, { commands, known, proto }: Steps, now: number): Buffer[] {
  const replies: Buffer[] = [];
  const gathered = new Gathered();
  const states: ReadonlyMap<string, KnownState> = known;
  stage.steps(commands, undefined, states, proto, now, (reply) => replies.push(Buffer.from(gathered.take(reply))));
  return replies;
}

/** @param done hears the reply to each command, undefined when the watched key had changed; or the reply that says what went wrong. */
export function performSteps(
  session: ClusterSession,
  stage: Stage,
  name: string,
  steps: Steps,
  done: (replies: Buffer[] | undefined, refusal: Buffer | undefined) => void,
): void {
  let bytes = 0;
  for (const { args } of steps.commands) bytes += args.bytes.length;
  const work = new StepsWork(stage, name, steps);
  session.perform(work, bytes, (answer: Answer) => {
    const refusal = failureOf(answer, work.writes);
    done(answer.applied === "yes" ? repliesOf(answer.result) : undefined, refusal);
  });
}
