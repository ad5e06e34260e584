/**
 * test/integration/clients-protocol.test.ts: what goes over the wire, byte for byte as redis-server 7.0 answers it: the
 * protocol's errors, inline commands, transactions, and the connection commands.
 */
// timeout: 120s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { findRedisServer } from "../lib/redis-server.js";
import { command, startServer } from "../unit/server/harness.js";
import { converse, startJudge } from "../unit/server/redis.js";

/**
 * Each is one connection's bytes. Lines without an end are not among them: what Redis says of them depends on how the
 * network cut them up. Nor is what depends on time, memory or version.
 */
const CONVERSATIONS: readonly string[] = [
  // Framing.
  "*abc\r\n",
  "*\r\n",
  "*-1\r\n*0\r\nPING\r\n",
  "*-10\r\nPING\r\n",
  "*-1234567890123456\r\n*-9223372036854775808\r\nPING\r\n",
  "*-9223372036854775809\r\n",
  "*-0123456789012345\r\n",
  "*-123456789012345x\r\n",
  "*9223372036854775807\r\n",
  "*01\r\n",
  "*+1\r\n",
  "* 1\r\n",
  "*1 \r\n",
  "*3000000000\r\n",
  "*1\r\n:1\r\n",
  "*1\r\nPING\r\n",
  "*1\r\n\r\n",
  "*1\r\n$-1\r\n",
  "*1\r\n$\r\n",
  "*1\r\n$4x\r\nPING\r\n",
  "*1\r\n$04\r\nPING\r\n",
  "*1\r\n$+4\r\nPING\r\n",
  "*1\r\n$536870913\r\n",
  "*1\r\n$99999999999999999999\r\n",
  "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
  "*1\r\n$4\r\nPINGab*1\r\n$4\r\nPING\r\n",
  "*1\rX$4\rXPING\r\n",
  // Inline.
  "\r\n\n \r\nPING\r\n",
  "PING\n",
  `${"A".repeat(65_536)}\r\nPING\r\n`,
  "  echo   'a b'  \r\n",
  'echo "\\x41\\n\\r\\t\\b\\a\\"\\q"\r\n',
  "echo 'it\\'s \\n'\r\n",
  'echo ""\r\n',
  'echo "abc\r\n',
  "echo 'abc\r\n",
  'echo "abc"d\r\n',
  "echo 'abc'd\r\n",
  'echo ab"cd"\r\n',
  'echo "\\xg1\\x4"\r\n',
  "echo a\tb\r\n",
  "echo a\x0bb\r\n",
  // A monitor has nothing to do with keys, and is one only once.
  "monitor\r\nget a\r\nset a 1\r\ndbsize\r\nkeys *\r\nflushall\r\nwatch\r\nget\r\nmonitor\r\nreset\r\nset a 1\r\nget a\r\n",
  "set a 1\r\nmonitor\r\ncopy a b\r\nrandomkey\r\nobject encoding a\r\ntouch a\r\nreset\r\nmultI\r\nget a\r\nmonitor\r\nexec\r\n",
  // Numbers of 64 bits.
  "wait 9223372036854775807 1\r\nwait -9223372036854775808 1\r\nwait 0 9223372036854775807\r\nwait 0 -9223372036854775808\r\n",
  "wait 9223372036854775808 1\r\nwait 0 9223372036854775808\r\nwait x x\r\n",
  // Unknown and malformed.
  "nosuchcommandatall\r\n",
  "nosuchcommandatall a b c\r\n",
  command("zzzzzzzzzz\r\nq", "a\r\nb", "c"),
  command("y".repeat(300), "z".repeat(300), "w"),
  "get\r\n",
  "get a b\r\n",
  "GeT nokey\r\n",
  "client\r\n",
  "client zzzzzzzz\r\n",
  "client unblock\r\nclient unblock 1 x\r\nclient unBlock 1 timeout x\r\nclient unblock 1 error x y\r\n",
  "client pause 1 all x\r\nclient pause 1 x\r\nclient pause 1 x y z\r\n",
  "config zzzzzzzz a\r\n",
  "config get\r\n",
  "ping a b\r\n",
  "ping a\r\n",
  "echo\r\n",
  "quit\r\nping\r\n",
  "quit a\r\n",
  "POST / HTTP/1.1\r\n",
  "host: localhost\r\n",
  // Connection commands.
  "select 1\r\nselect 15\r\nselect 16\r\nselect -1\r\nselect a\r\nselect 01\r\n",
  "select 2147483648\r\nselect -2147483649\r\nselect 9223372036854775807\r\nselect 9223372036854775808\r\n",
  "set a 1\r\nselect 1\r\nget a\r\nselect 0\r\nget a\r\n",
  "auth x\r\nauth default x\r\nauth nobody x\r\nauth a b c\r\nauth\r\n",
  "hello 1\r\nhello 4\r\nhello a\r\nhello 2 auth\r\nhello 2 auth a\r\nhello 3 setname\r\nhello 3 zzz\r\nhello 3 setname a zzz\r\n",
  "hello 3 auth nobody x\r\n",
  'hello 2 setname "a b"\r\nclient getname\r\n',
  "client getname\r\nclient setname x\r\nclient getname\r\n",
  'client setname "a b"\r\nclient setname ""\r\nclient getname\r\n',
  "client reply zzz\r\nclient reply off\r\nping\r\nclient reply on\r\nping\r\n",
  "client reply skip\r\nping\r\nping\r\n",
  "client reply skip\r\nclient reply skip\r\nping\r\nping\r\n",
  "client no-evict on\r\nclient no-evict off\r\nclient no-evict zzz\r\n",
  "client kill 1.2.3.4:5\r\nclient kill id 99999\r\nclient kill id a\r\nclient kill type zzz\r\nclient kill zzz 1\r\nclient kill id\r\n",
  "client kill user zzz\r\nclient kill skipme zzz\r\nclient kill addr 1.2.3.4:5 laddr 1:2\r\n",
  "client list type zzz\r\nclient list id a\r\nclient list zzz\r\nclient list type pubsub\r\nclient list id 99999\r\n",
  "client pause 9223372036854775807\r\nping\r\nclient pause 9223372036854775807 write\r\nset a 1\r\nclient pause 9223372036854775808\r\n",
  "client pause 9007199254740993 write\r\nping\r\nclient unpause\r\nset a 1\r\n",
  "client pause a\r\nclient pause -1\r\nclient unpause\r\n",
  "client unblock 99999\r\nclient unblock a\r\nclient unblock 1 zzz\r\n",
  "client info a\r\nclient id a\r\n",
  "reset\r\nreset a\r\n",
  "acl whoami\r\nacl users\r\nacl list\r\nacl cat zzz\r\nacl zzz\r\n",
  "acl log reset\r\nacl log\r\nacl log 5\r\nacl log -1\r\nacl log 9223372036854775807\r\nacl log x\r\nacl log ReSet\r\nacl log reset x\r\nacl log 9223372036854775808\r\n",
  "acl genpass 0\r\nacl genpass -5\r\nacl genpass 4097\r\nacl genpass 9223372036854775807\r\nacl genpass x\r\nacl genpass 5 5\r\n",
  "acl getuser default\r\nacl getuser Default\r\nacl getuser nobody\r\nacl getuser\r\nacl getuser default x\r\n",
  "acl dryrun default get a\r\nacl dryrun default get\r\nacl dryrun default get a b\r\nacl dryrun default\r\nacl dryrun nobody get a\r\n",
  "acl dryrun nobody nosuch a\r\nacl dryrun default NoSuch a\r\nacl dryrun default client\r\nacl dryrun default client list\r\n",
  "acl dryrun default Client nosuch\r\nacl dryrun default client id x\r\nacl dryrun Default get a\r\nacl dryrun default auth x\r\n",
  "acl log reset\r\nmulti\r\nacl log\r\nacl log reset\r\nacl getuser default\r\nacl dryrun default multi\r\nmemory purge\r\nexec\r\n",
  "config set requirepass hush\r\nacl getuser default\r\nacl list\r\nconfig set requirepass ''\r\n",
  "command info acl|log acl|genpass acl|getuser acl|dryrun memory|purge memory|malloc-stats\r\n",
  "memory purge\r\nmemory purge x\r\nmemory malloc-stats x\r\n",
  "time a\r\nrole a\r\nlastsave a\r\nsave a\r\n",
  "module list\r\nreadonly\r\nreadwrite\r\ncluster info\r\ncluster nodes\r\ncluster slots\r\n",
  "wait 0 0\r\nwait a 0\r\nwait 0 a\r\nwait 0 -1\r\n",
  "slowlog reset\r\nslowlog get a\r\nslowlog get -2\r\nslowlog zzz\r\nslowlog get 1 2\r\n",
  "latency latest\r\nlatency history zzz\r\nlatency reset\r\nlatency zzz\r\n",
  "config get nosuchthing\r\nconfig set nosuchthing 1\r\nconfig set maxmemory zzz\r\nconfig set maxmemory\r\n",
  "shutdown zzz\r\nshutdown save nosave\r\nshutdown abort\r\n",
  "bgsave zzz\r\n",
  "debug sleep 0\r\n",
  // Transactions.
  "multi\r\nset a 1\r\nincr a\r\nget a\r\nexec\r\n",
  "multi\r\nmulti\r\nexec\r\n",
  "multi\r\nnosuch\r\nset a 5\r\nexec\r\nget a\r\n",
  "multi\r\nget\r\nexec\r\n",
  "multi\r\nset a b\r\nincr a\r\nget a\r\nexec\r\n",
  "multi\r\nset a c\r\ndiscard\r\nget a\r\n",
  "exec\r\ndiscard\r\nunwatch\r\n",
  "watch a\r\nmulti\r\nwatch b\r\nexec\r\n",
  "watch a b\r\nset a 9\r\nmulti\r\nget a\r\nexec\r\nmulti\r\nget a\r\nexec\r\n",
  "watch a\r\nset a 10\r\nunwatch\r\nmulti\r\nget a\r\nexec\r\n",
  "set t 1\r\nwatch t\r\ndel t\r\nset t 1\r\nmulti\r\nexec\r\n",
  "watch newkey1\r\nset newkey1 1\r\nmulti\r\nexec\r\n",
  "multi\r\nexec\r\n",
  "multi\r\nselect 2\r\nset in2 1\r\nexec\r\nget in2\r\nselect 0\r\nget in2\r\n",
  "multi\r\nsave\r\nexec\r\n",
  "multi\r\nping\r\nquit\r\n",
  "multi\r\nset a 1\r\nreset\r\nexec\r\n",
  "watch\r\n",
  "watch a\r\nreset\r\nset a 3\r\nmulti\r\nping\r\nexec\r\n",
];

/** Hints stand behind Redis's text, where clients that match it do not look. */
function withoutHints(text: string): string {
  return text.replace(/\(did you mean '[^']*'\?\)/g, "");
}

test("conversations are those of redis-server", async () => {
  const path = findRedisServer();
  if (path === undefined) return;
  const judge = await startJudge(path);
  const h = await startServer({ config: { maxValueBytes: 512 * 1024 * 1024 } });
  const differences: string[] = [];
  try {
    for (const text of CONVERSATIONS) {
      const bytes = Buffer.from(text, "latin1");
      const theirs = await converse(judge.port, bytes);
      const ours = await converse(h.port, bytes);
      const same = theirs.text === withoutHints(ours.text) && theirs.closed === ours.closed;
      if (!same)
        differences.push(
          `sent   ${JSON.stringify(text.slice(0, 120))}\n  redis  ${JSON.stringify(theirs)}\n  kvorum ${JSON.stringify(ours)}`,
        );
    }
  } finally {
    await h.close();
    await judge.stop();
  }
  assert.equal(differences, [], differences.join("\n"));
});

test("with a password", async () => {
  const path = findRedisServer();
  if (path === undefined) return;
  const judge = await startJudge(path, ["--requirepass", "secret"]);
  const h = await startServer({ config: { requirepass: "secret" } });
  const differences: string[] = [];
  const conversations = [
    "get a\r\nping\r\nnosuchcommandatall\r\nget\r\nauth secret\r\n",
    "auth wrong\r\nauth default secret\r\nget nokey\r\n",
    "auth nobody secret\r\nauth secret\r\n",
    "hello\r\nhello 3\r\nauth secret\r\n",
    "hello 3 auth default wrong\r\nauth secret\r\n",
    "multi\r\nauth secret\r\nmulti\r\nping\r\nexec\r\n",
    "quit\r\n",
    "auth secret\r\nreset\r\nget a\r\nauth secret\r\n",
    `*11\r\n${"$1\r\na\r\n".repeat(11)}`,
    "*2\r\n$4\r\nECHO\r\n$16385\r\n",
    `*2\r\n$4\r\nauth\r\n$6\r\nsecret\r\n*11\r\n$3\r\ndel\r\n${"$1\r\nz\r\n".repeat(10)}`,
  ];
  try {
    for (const text of conversations) {
      const bytes = Buffer.from(text, "latin1");
      const theirs = await converse(judge.port, bytes);
      const ours = await converse(h.port, bytes);
      if (theirs.text !== withoutHints(ours.text) || theirs.closed !== ours.closed)
        differences.push(
          `sent   ${JSON.stringify(text)}\n  redis  ${JSON.stringify(theirs)}\n  kvorum ${JSON.stringify(ours)}`,
        );
    }
  } finally {
    await h.close();
    await judge.stop();
  }
  assert.equal(differences, [], differences.join("\n"));
});

test.run();
