/**
 * cli/verbs/help.ts: `kvorum --help`.
 */
import { EXIT_OK } from "../exit.js";

const TEXT = `kvorum: a Redis-protocol key-value store that does not lose acknowledged writes

Server:
  kvorum [serve] [FILE | -] [--option value ...]   run a server; FILE is a redis.conf, - is standard input
  kvorum serve --check-config [FILE] [...]         check the configuration and stop
  kvorum serve --help                              all options
  kvorum config [--show-origin] [FILE] [...]       the values that would hold, and where they come from

Cluster:
  kvorum cluster dev [--nodes 3] [--port 7001]     a cluster on this machine, for trying things out; Ctrl-C ends it
  kvorum cluster status                            is all well, as the node that -s names sees it
  kvorum cluster nodes                             the nodes: state, ports, round trip, clock, partitions

Files:
  kvorum inspect wal [DIR | SEGMENT]               the log: segments, batches, how it ends; --records, --json
  kvorum inspect snapshot [DIR | SNAPSHOT]         snapshots: blocks, digest, verdict; --records, --json
  kvorum restore BACKUP [--dir DIR]                check a backup and make a data directory of it

Client:
  kvorum put KEY [VALUE | -]                       store a value; - or nothing: from standard input
  kvorum get KEY                                   write the value to standard output
  kvorum delete KEY...                             remove keys
  kvorum backup DIR                                copy all the server has into a new directory on its machine

  Client verbs take -s/--server HOST:PORT (127.0.0.1:6379), a unix socket's path, or redis://[USER:PASSWORD@]HOST:PORT[/DB],
  with TLS rediss://... and --cacert, --cert, --key FILE; --password, --db, --timeout (5s; backup 1h) and --json.

Exit codes:
  client   0 done, 1 error, 2 usage, 3 not found, 4 may have been applied
  status   1 also when some keys have no quorum, as that node sees it
  files    0 done, 1 error, 2 usage, 64 configuration, 65 corrupt data, 74 disk error, 75 directory in use
  server   0 stopped, 1 stopped by force, 64 configuration, 65 corrupt data, 69 port in use, 70 fault, 74 disk error, 75 directory in use

  kvorum --version
`;

export function help(): number {
  process.stdout.write(TEXT);
  return EXIT_OK;
}
