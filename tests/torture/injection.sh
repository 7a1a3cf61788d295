#!/usr/bin/env bash
# injection.sh PROGRAM - a replay whose n-th system call on its log fails, or never returns.
#
# For a log in SQLite and one in CSV, for each call that writes (below), for n = 1, 2, ... up to POINTS
# or the last: ENOSPC, EIO and SIGKILL at the n-th up to ALL, then one of them (strace --inject). An old log is at the path. Then
#
#     exit 0     the log is the one of an undisturbed run
#     exit 1     one line on stderr; the log is the old one or that of an undisturbed run
#     SIGKILL    the same, but the old one may be OUT.replaced, which the next run puts back
#
# and always the next run succeeds, leaves the log of an undisturbed run, and nothing beside it but,
# as OUT.interrupted, a log that was whole and only lacked its name. The log passes integrity_check
# and verify. Exit status 77: no ptrace here, skipped.
set -euo pipefail

program=$1
POINTS=30
ALL=10 # up to there each n meets each fault; beyond, the faults take turns
calls=(pwrite64 write fsync fdatasync ftruncate rename)
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # the leak check is a ptrace of its own

if ! strace -o /dev/null true 2>/dev/null; then
    echo "SKIPPED: strace is missing or may not trace here"
    exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
mkdir "$scratch/run" # strace's own files stay outside
cd -- "$scratch/run"
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
head -n 61 "$root/traces/samples/sglang-3-workers.csv" >"$scratch/trace.csv"

# replay POLICY LOG [COMMAND...]: behind that command, quietly.
replay()
{
    local policy=$1 log=$2

    shift 2
    "$@" "$program" replay "$scratch/trace.csv" --policy "$policy" --log "$log" --quiet \
        >/dev/null 2>"$scratch/said"
}

same()
{
    diff -rq -- "$1" "$2" >/dev/null 2>&1
}

faults=0
runs=0
kept=0

fault()
{
    printf '%s: %s (said: %s)\n' "$what" "$1" "$(cat -- "$scratch/said")"
    faults=$((faults + 1))
}

# Is the log at the path whole, the old or the new one?
check_log()
{
    same "$log" "$scratch/new.$kind" || same "$log" "$scratch/old.$kind" ||
        { [ "$1" -eq 137 ] && [ ! -e "$log" ] && same out.replaced "$scratch/old.$kind"; } ||
        fault "the log is neither the old one nor the new one"
}

check()
{
    local status=$1

    case $status in
    0) same "$log" "$scratch/new.$kind" || fault "says done, but the log is another" ;;
    1) [ "$(grep -c . "$scratch/said")" -eq 1 ] || fault "expected one line" ;;
    137) ;;
    *) fault "ends with $status" ;;
    esac
    check_log "$status"
    replay marginal_utility "$log" || fault "the next run fails"
    same "$log" "$scratch/new.$kind" || fault "the next run leaves another log"
    if same "$log.interrupted" "$scratch/new.$kind"; then
        rm -r -- "$log.interrupted"
        kept=$((kept + 1))
    fi
    [ "$(ls -A)" = "$log" ] || fault "leaves $(find . -mindepth 1 -maxdepth 1)"
}

# sweep CALL FAULT: every n of one call and one fault, until the run no longer gets that far.
sweep()
{
    local call=$1 fault=$2 n status

    for ((n = 1; n <= POINTS; n++)); do
        if ((n > ALL && n % 3 != turn)); then
            continue
        fi
        rm -rf -- "$scratch/run/"*
        cp -r -- "$scratch/old.$kind" "$log"
        what="$log, $fault at $call number $n"
        status=0
        # strace dies of the signal that ended the program: in a shell of its own, which is quiet.
        (replay marginal_utility "$log" strace -qq -o "$scratch/calls" -e trace="$call" \
            -e inject="$call:$fault:when=$n") 2>/dev/null || status=$?
        if ! grep -qE 'INJECTED|killed by SIGKILL' "$scratch/calls"; then
            return 0
        fi
        runs=$((runs + 1))
        check "$status"
    done
}

for kind in db folder; do
    log=out.db
    [ "$kind" = db ] || log=out
    slash=
    [ "$kind" = db ] || slash=/
    for policy in round_robin marginal_utility; do
        replay "$policy" "$log$slash"
        name=new
        [ "$policy" = marginal_utility ] || name=old
        mv -- "$log" "$scratch/$name.$kind"
        "$program" verify "$scratch/$name.$kind" >/dev/null
    done
    for call in "${calls[@]}"; do
        turn=0
        for injected in error=ENOSPC error=EIO signal=SIGKILL; do
            sweep "$call" "$injected"
            turn=$((turn + 1))
        done
    done
done
[ "$(sqlite3 "$scratch/new.db" 'PRAGMA integrity_check')" = ok ] || fault "integrity_check"
printf '%d runs with a system call that failed or killed, %d whole logs kept aside, %d faults\n' \
    "$runs" "$kept" "$faults"
[ "$runs" -gt 0 ] && [ "$kept" -gt 0 ] && [ "$faults" -eq 0 ]
