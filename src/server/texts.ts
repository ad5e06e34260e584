/**
 * server/texts.ts: error texts that clients match, word for word Redis's, and long ones.
 */

export const WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled.";
export const NO_PASSWORD_SET =
  "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?";
export const HELLO_NEEDS_AUTH =
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time";
export const STILL_LOADING = "LOADING Redis is loading the dataset in memory";
export const NO_SUCH_CLIENT = "ERR No such client";
export const BAD_CLIENT_NAME = "ERR Client names cannot contain spaces, newlines or special characters.";
export const EXPLAINS_GET = "ERR KV.EXPLAIN explains GET key only";
export const CLUSTER_DISABLED = "ERR This instance has cluster support disabled";

/** Told to a client from elsewhere while there is no password; then the connection is closed. */
export const PROTECTED_MODE: string =
  "DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. " +
  "In this mode connections are only accepted from the loopback interface. " +
  "If you want to connect from external computers to Redis you may adopt one of the following solutions: " +
  "1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. " +
  "2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. " +
  "3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. " +
  "4) Setup a an authentication password for the default user. " +
  "NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.";

/** The answer to what waited for the log when the log failed. */
export const UNCERTAIN: Buffer = Buffer.from(
  "-UNCERTAIN the log failed before this was known to be on disk: it may have been applied or not\r\n",
);

// In a cluster.

/** A write that surely did not happen. */
export const NO_REPLICAS: Buffer = Buffer.from(
  "-NOREPLICAS Not enough good replicas to write. (too few of the key's replicas answered; nothing was changed)\r\n",
);
/** A read that could not be answered. */
export const CLUSTER_DOWN: Buffer = Buffer.from("-CLUSTERDOWN The cluster is down\r\n");
/** More is under way than the key, or this node, can take. */
export const TRY_AGAIN: Buffer = Buffer.from("-TRYAGAIN Too many commands are waiting; this one was not executed\r\n");
export const UNCERTAIN_QUORUM: Buffer = Buffer.from(
  "-UNCERTAIN too few of the key's replicas answered in time: it may have been applied or not\r\n",
);
/** Of a command on several keys. */
export const UNCERTAIN_PARTLY: Buffer = Buffer.from(
  "-UNCERTAIN too few replicas answered in time: it may have been applied to some of the keys\r\n",
);
/** No message between nodes could carry it. */
export const KEY_AND_VALUE_TOO_LONG = "ERR key and value together are longer than several nodes can hold (513 MiB)";
const ONE_KEY =
  "on several nodes all that one command or transaction writes must be one key; it may read others, but WATCH only the one that it writes";
/** Clients look at the code alone, so it is the same where the keys do share a slot. */
export const CROSS_SLOT: string = `CROSSSLOT Keys in request don't hash to the same slot (${ONE_KEY})`;
export const SEVERAL_OF_SLOT: string = `CROSSSLOT Keys in request are several, though of one slot (${ONE_KEY})`;
export const FLUSH_IN_MULTI =
  "CROSSSLOT Keys in request don't hash to the same slot (on several nodes a transaction cannot empty a database)";
