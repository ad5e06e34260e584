#!/bin/bash
# test/campaign/redis-suite.sh: Redis's own test suite against one kvorum server.
#
#   npm run build && bash test/campaign/redis-suite.sh /path/to/redis-7.0.15 [unit ...]
#
# Needs tclsh. The suite is copied and changed in one place: FUNCTION FLUSH, which it sends first, may fail. The tests named in
# redis-suite.skip are left out. Printed: per unit the tests that passed, failed, and were skipped. Ends with 1 when one failed.
# PORT: of a server that runs already (with enable-debug-command), instead of one started here. SUITE_FLAGS: more flags for the suite.
set -u
source=${1:?path of a Redis source tree}
shift
here=$(cd "$(dirname "$0")" && pwd)
units=("$@")
[ $# -gt 0 ] || units=(unit/type/string unit/type/incr unit/keyspace unit/expire unit/multi unit/scan unit/protocol unit/other unit/quit
  unit/introspection unit/introspection-2 unit/dump unit/bitops unit/bitfield unit/slowlog unit/latency-monitor unit/info-command unit/pause)
work=$(mktemp -d)
server=
end() {
  [ -z "$server" ] || { kill "$server"; wait "$server"; }
  rm -rf "$work"
}
trap end EXIT
mkdir "$work/suite" "$work/data"
cp -r "$source/tests" "$source/runtest" "$work/suite/" || exit 2
mkdir -p "$work/suite/tests/tmp"
sed -i 's/^    r function flush$/    catch {r function flush}/' "$work/suite/tests/support/server.tcl"
port=${PORT:-$((20000 + RANDOM % 10000))}
if [ -z "${PORT:-}" ]; then
  node "$here/../../dist/cli.js" serve --port "$port" --http-port 0 --dir "$work/data" --appendfsync no \
    --enable-debug-command local > "$work/server.log" 2>&1 &
  server=$!
  for _ in $(seq 100); do (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break; sleep 0.1; done
fi
failed=0
cd "$work/suite" || exit 2
for unit in "${units[@]}"; do
  # shellcheck disable=SC2086
  timeout 300 ./runtest --host 127.0.0.1 --port "$port" --durable --no-latency --timeout 60 --skipfile "$here/redis-suite.skip" ${SUITE_FLAGS:-} \
    --single "$unit" 2>&1 < /dev/null | sed 's/\x1b\[[0-9;]*m//g' | tr -d '\000' > "$work/out"
  count() { grep -a -c "^\[$1\]" "$work/out"; }
  printf '%-24s %4d passed %3d failed %3d skipped %3d not for an external server\n' "$unit" "$(count ok)" "$(count err)" "$(count skip)" "$(count ignore)"
  grep -a -q '^\[1/1 done\]' "$work/out" || { echo "  it did not end"; failed=1; }
  if [ "$(count err)" -gt 0 ]; then
    failed=1
    sed -n '/The following tests failed/,$p' "$work/out" | cut -c1-200
  fi
done
exit $failed
