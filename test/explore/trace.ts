/**
 * test/explore/trace.ts: a way through the worlds as text, one step a line, with what each node held after it.
 */
import type { Timer } from "../../src/core/register/effects.js";
import { dotText, Violation } from "./evidence.js";
import { letterOf } from "./history.js";
import type { ExploredNode, Message } from "./node.js";
import { type Action, type Run, World } from "./world.js";

export function traceText(run: Run, trace: readonly Action[]): string {
  const lines: string[] = [];
  let world = new World(run);
  for (const action of trace) {
    let after: World | undefined;
    try {
      after = world.after(action);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
    }
    const nodes = after === undefined ? "" : `  | ${after.nodes.map(nodeText).join("  ")}`;
    lines.push(`  ${String(lines.length + 1).padStart(3)} ${actionText(run, action).padEnd(64)}${nodes}`);
    if (after === undefined) break;
    world = after;
  }
  return lines.join("\n");
}

function actionText(run: Run, action: Action): string {
  switch (action.what) {
    case "send": {
      const { kind, at } = run.config.plan[action.operation];
      return `client sends ${letterOf(action.operation)} (${kind}) to ${at}`;
    }
    case "deliver": {
      const { from, to, message } = action.letter;
      return `${from} > ${to} ${messageText(message)}${action.keep ? " (once more to come)" : ""}`;
    }
    case "timer":
      return `${action.node} timer ${timerText(action.timer)}`;
    case "sync":
      return `${action.node} synced`;
    case "crash":
      return `${action.node} crashes, ${action.kept} unsynced records survive`;
    case "expire":
      return `${action.node} gives up`;
    case "purge":
      return `${action.node} asks whether its tombstone can go`;
    case "late":
      return "the value's deadline passes";
  }
}

function timerText(timer: Timer): string {
  if (timer.what === "round") return `of ${timer.phase} ${dotText(timer.ballot)}`;
  return timer.what === "read" ? `of read ${timer.id}` : timer.what;
}

function messageText(message: Message): string {
  switch (message.type) {
    case "read":
      return `READ #${message.id}`;
    case "state": {
      const { ballot, chosen, floor } = message;
      const mark = chosen ? " chosen" : "";
      return `STATE #${message.id} ${ballot === undefined ? "absent" : dotText(ballot)}${mark}${floor > 0 ? ` floor ${floor}` : ""}`;
    }
    case "promise": {
      const { ballot, accepted, floor } = message;
      const base = accepted === undefined ? "absent" : dotText(accepted);
      return `PROMISE ${dotText(ballot)} base ${base}${floor > 0 ? ` floor ${floor}` : ""}`;
    }
    case "accept":
    case "learn":
      return `${message.type.toUpperCase()} ${dotText(message.ballot)} ${message.state.value ?? "tombstone"}`;
    case "nack":
      return `NACK ${message.phase} ${dotText(message.ballot)} bound ${dotText(message.bound)}`;
    case "purgeable":
      return `PURGEABLE ${dotText(message.ballot)} ${message.yes ? "yes" : "no"}`;
    case "refused":
      return `REFUSED ${message.request}`;
    default:
      return `${message.type.toUpperCase()} ${dotText(message.ballot)}`;
  }
}

function nodeText({ memory, log, accepting, floor }: ExploredNode): string {
  const promised = accepting["promises"].get("k");
  const held =
    memory === undefined ? "-" : `${dotText(memory.ballot)}:${memory.state.value ?? "x"}${memory.chosen ? "*" : ""}`;
  const unsynced = log.length > 0 ? `+${log.length}` : "";
  return `${held}${unsynced}${promised === undefined ? "" : ` p${dotText(promised)}`}${floor > 0 ? ` f${floor}` : ""}`;
}
