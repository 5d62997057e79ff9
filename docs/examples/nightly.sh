#!/bin/sh
# Benchmarks on emulated boards, compared with the last good run: for cron, and for any CI that runs a shell.
#
#   SUITES      suites and tests to run: paths or patterns         (suites/)
#   BOARDS      boards, with commas and globs                      (qemu)
#   FRAMEWORKS  frameworks with their options, with commas         (tvm)
#   STATE       a folder that stays from night to night            (.hilbench/nightly)
#   FAIL        how much worse is allowed: latency:2%,flash:512    (what docs/gate.md says)
#   FAIL_SINCE  fail for a step for the worse in the last N nights  (never; docs/ci.md, "What creeps")
#   SHARD       this computer's share of the work, such as 1/2     (all)
#   TRUNK       1: a good run is what later ones are held to       (1)
#   SITE        a folder for the site of all records               (none)
#
# Ends with 0 if all is well, with 1 if something failed or got worse, with more if it could not be run.
set -eu

state=${STATE:-.hilbench/nightly}
night=$state/nights/$(date -u +%Y%m%dT%H%M%SZ)-$$
mkdir -p "$night/records" "$state/records"

set -- --board="${BOARDS:-qemu}" --framework="${FRAMEWORKS:-tvm}" --hil-require
[ -z "${FAIL:-}" ] || set -- "$@" --hil-fail="$FAIL"
[ -z "${SHARD:-}" ] || set -- "$@" --hil-shard="$SHARD"

status=0
# shellcheck disable=SC2086 # several suites, or a pattern of them
pytest ${SUITES:-suites/} "$@" --hil-store="$night/records" --junitxml="$night/junit.xml" \
    --hil-compare=baseline --hil-baseline="$state/baseline" || status=$?

hilbench store copy "$night/records" "$state/records"
hilbench trend "$state/records" | tee "$night/trend.txt"

if [ "$status" = 0 ] && [ "${TRUNK:-1}" = 1 ] && [ -n "$(ls "$night/records")" ]; then
    hilbench baseline "$night/records" --baseline="$state/baseline"
fi
[ -z "${SITE:-}" ] || hilbench publish "$state/records" -o "$SITE"
if [ -n "${FAIL_SINCE:-}" ] && [ "$status" = 0 ]; then
    hilbench trend "$state/records" --fail-since="$FAIL_SINCE" > "$night/trend.txt" || status=$?
fi
exit "$status"
