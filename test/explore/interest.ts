/**
 * test/explore/interest.ts: what of a world can still have an effect. The rest is left out, so that worlds which differ in it alone are one.
 *
 * Left out: replies that nobody waits for or ever will (they are ignored on arrival); timers of what is over; requests whose answer
 * nobody waits for and which their replica would refuse now and, since its bound only rises, for ever. The last is left out only where
 * no unsynced state can be lost. With a rule taken out that argument may fail; what is found then is a real way all the same.
 * Dropping a late nack's lesson about its bound is the same as losing it.
 * Kept: acknowledgements at a node that still has a read before it. They are facts, and a relay of the same ballot counts them.
 */
import { compareDots, type Dot, sameDot } from "../../src/core/clock/dot.js";
import type { Timer } from "../../src/core/register/effects.js";
import { type ExploredNode, KEY, type Letter, type Message } from "./node.js";
import type { World } from "./world.js";

export function matters(world: World, letter: Letter): boolean {
  const { from, to, message } = letter;
  const sender = world.nodes[from];
  const receiver = world.nodes[to];
  switch (message.type) {
    case "state":
      return receiver.reading.awaits(message.boot, message.id) || !world.run.prunes;
    case "promise":
      return isInRound(receiver, "prepare", message.ballot);
    case "nack":
      if (isInRound(receiver, message.phase, message.ballot) || isOwned(receiver, message.ballot)) return true;
      return message.phase === "accept" && mayRelay(world, to);
    case "ack":
      return isInRound(receiver, "accept", message.ballot) || isOwned(receiver, message.ballot) || mayRelay(world, to);
    case "purgeable":
      return isAsking(receiver, message.ballot);
    case "ask":
      return isAsking(sender, message.ballot);
    case "read":
      return sender.reading.awaits(message.boot, message.id);
    case "prepare":
      if (isInRound(sender, "prepare", message.ballot) || isOwned(sender, message.ballot)) return true;
      return !boundsRise(world) || !isDead(receiver, message);
    case "accept":
      if (isInRound(sender, "accept", message.ballot) || isOwned(sender, message.ballot) || mayRelay(world, from))
        return true;
      return !boundsRise(world) || !isDead(receiver, message);
    case "chosen":
      return !boundsRise(world) || !isDead(receiver, message);
    default:
      return true;
  }
}

/** Is what a replica refuses refused for ever? */
function boundsRise({ run: { prunes, config } }: World): boolean {
  return prunes && (config.sync === "at once" || config.crashes === 0);
}

/** Would the replica change nothing for this request? */
function isDead(node: ExploredNode, message: Extract<Message, { type: "prepare" | "accept" | "chosen" }>): boolean {
  const { memory } = node;
  if (message.type === "chosen") return memory !== undefined && compareDots(memory.ballot, message.ballot) > 0;
  const above = compareDots(message.ballot, node.accepting["effective"](KEY, memory, message.epoch));
  return message.type === "prepare" ? above <= 0 : above < 0;
}

function isInRound(node: ExploredNode, phase: "prepare" | "accept", ballot: Dot): boolean {
  const round = node.proposing["entries"].get(KEY)?.round;
  return round !== undefined && round.phase === phase && sameDot(round.ballot, ballot);
}

function isOwned(node: ExploredNode, ballot: Dot): boolean {
  const owned = node.proposing["ownership"].get(KEY);
  return owned !== undefined && sameDot(owned.ballot, ballot);
}

function isAsking(node: ExploredNode, ballot: Dot): boolean {
  const question = node.purging["questions"].get(KEY);
  return question !== undefined && sameDot(question.ballot, ballot);
}

/** Has the node a read in flight, or to come? */
function mayRelay({ run: { config }, seen }: World, index: number): boolean {
  return config.plan.some(
    ({ kind, at }, i) => kind === "get" && at === index && (seen[i].status === "new" || seen[i].status === "sent"),
  );
}

export function isLive(node: ExploredNode, timer: Timer): boolean {
  if (timer.what === "read") return node.reading.awaits(node.durable.boot, timer.id);
  const entry = node.proposing["entries"].get(KEY);
  if (entry === undefined || timer.what === "purge") return false;
  if (timer.what === "retry") return entry.round === undefined;
  return isInRound(node, timer.phase, timer.ballot);
}

export function alike(a: Timer, b: Timer): boolean {
  if (a === b) return true;
  if (a.what === "round") return b.what === "round" && a.phase === b.phase && sameDot(a.ballot, b.ballot);
  return a.what === "read" ? b.what === "read" && a.id === b.id : b.what === a.what;
}
