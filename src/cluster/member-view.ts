/**
 * cluster/member-view.ts: the members as this node sees them now. A snapshot for people and for answers to clients; nothing is decided by it.
 */
import type { PeerLink } from "./peer-link.js";
import type { MemberView } from "./work.js";

/** Where a member's peer port is, as configured. */
export interface MemberAddress {
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

/** @param members @param links by index; this node has no link. */
export function memberViews(
  members: readonly MemberAddress[],
  links: readonly (PeerLink | undefined)[],
  selfIndex: number,
): MemberView[] {
  return members.map(({ id, host, port }, index) => {
    const link = links[index];
    const isSelf = index === selfIndex;
    return {
      index,
      id,
      isSelf,
      state: isSelf ? "up" : (link?.state ?? "down"),
      host: isSelf ? "" : host,
      peerPort: isSelf ? 0 : port,
      // What was measured before it went down says nothing of now.
      roundTripMs: link === undefined || link.state === "down" ? -1 : link.roundTripMs,
      clockOffsetMs: link === undefined || link.state === "down" ? 0 : link.clockOffsetMs,
    };
  });
}
