#!/usr/bin/env bash
# full_disk.sh PROGRAM - replays onto file systems (tmpfs, in a namespace of our own) too small for
# their logs, from hopeless to nearly enough. Wherever it fails: exit 1, one line, the old log intact,
# nothing beside it; and in the largest it fits. Exit status 77: nothing may be mounted, skipped.
set -euo pipefail

program=$1
if [ "${2:-}" != mounted ]; then
    if ! unshare -rm true 2>/dev/null; then
        echo "SKIPPED: no namespace to mount a small file system in"
        exit 77
    fi
    exec unshare -rm "$0" "$program" mounted
fi
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
trace=$root/traces/samples/sglang-3-workers.csv
scratch=$(mktemp -d)
trap 'cd /; umount "$scratch/disk" 2>/dev/null || true; rm -rf -- "$scratch"' EXIT
mkdir "$scratch/disk"
head -n 6 "$trace" >"$scratch/short.csv"
faults=0
failed=0
done=0

# What the log of a few requests takes: every table has a page, however empty.
"$program" replay "$scratch/short.csv" --policy random --log "$scratch/least.db" -q >/dev/null
least=$(($(stat -c %s "$scratch/least.db") / 1024))

for log in out.db out; do
    slash=
    [ "$log" = out.db ] || slash=/
    for more in 110 160 210 260 310 410 510 710 810 910 1110 3110; do
        kib=$((least + more))
        if ! mount -t tmpfs -o size=${kib}k none "$scratch/disk" 2>/dev/null; then
            echo "SKIPPED: no tmpfs may be mounted"
            exit 77
        fi
        cd -- "$scratch/disk"
        "$program" replay "$scratch/short.csv" --policy random --log "$log$slash" -q >/dev/null
        rm -rf -- "$scratch/old"
        cp -r -- "$log" "$scratch/old"
        status=0
        "$program" replay "$trace" --policy random --log "$log$slash" -q >/dev/null \
            2>"$scratch/said" || status=$?
        what="$log on $kib KiB: status $status, said: $(cat -- "$scratch/said")"
        if [ "$status" -eq 0 ]; then
            done=$((done + 1))
            "$program" verify "$log" >/dev/null || { echo "$what: verify fails"; faults=1; }
        else
            failed=$((failed + 1))
            { [ "$status" -eq 1 ] && [ "$(grep -c . "$scratch/said")" -eq 1 ] &&
                diff -rq -- "$scratch/old" "$log" >/dev/null; } || { echo "$what"; faults=1; }
        fi
        [ "$(ls -A)" = "$log" ] || { echo "$what: leaves $(find . -mindepth 1 -maxdepth 1)"; faults=1; }
        cd /
        umount "$scratch/disk"
    done
done
printf '%d runs did not fit, %d did\n' "$failed" "$done"
[ "$faults" -eq 0 ] && [ "$failed" -gt 0 ] && [ "$done" -gt 0 ]
