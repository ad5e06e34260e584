/**
 * server/hosts.ts: which function answers which command of kind "host". The rows of the command table name them; the
 * functions are in host-*.ts, by subject.
 */
import type { Context } from "../commands/context.js";
import { aclHosts } from "./host-acl.js";
import { clientHosts } from "./host-client.js";
import { clusterHosts } from "./host-cluster.js";
import { commandHosts } from "./host-command.js";
import { configHosts } from "./host-config.js";
import { connectionHosts } from "./host-connection.js";
import { debugHosts } from "./host-debug.js";
import { infoHosts } from "./host-info.js";
import { observeHosts } from "./host-observe.js";
import { persistenceHosts } from "./host-persistence.js";
import { serverHosts } from "./host-server.js";
import type { Session } from "./session.js";
import { transactionHosts } from "./transaction.js";

/**
 * Answers one command: arguments and reply are in `c`. It writes exactly one reply, or calls putOff() and gives
 * the reply later through what that returned.
 */
export type HostHandler = (session: Session, c: Context) => void;

/** By full name: "config|get". */
export const HOSTS: Readonly<Record<string, HostHandler>> = {
  ...commandHosts,
  ...connectionHosts,
  ...clientHosts,
  ...aclHosts,
  ...serverHosts,
  ...infoHosts,
  ...configHosts,
  ...persistenceHosts,
  ...observeHosts,
  ...debugHosts,
  ...clusterHosts,
  ...transactionHosts,
};
