#!/usr/bin/env bash
# run.sh [--update] PROGRAM_FOLDER TRANSCRIPT... - what the program says, word for word.
#
# A transcript is a text file:
#
#     # lines before the first command are remarks
#     $ sglsim replay nowhere.csv
#     sglsim: nowhere.csv: no such file
#     ? 1
#
# After `$ ` comes a bash command, then all it prints, stdout and stderr together in their order,
# then `? N` when it exits with another status than 0. Output whose last line has no newline is
# followed by `\ no newline`. The commands of a transcript run one after the other in one scratch
# folder of their own, which holds a copy of traces/samples, with PROGRAM_FOLDER first in the path,
# nothing on stdin, and an environment in which locale, time zone and home are fixed.
#
# A transcript that differs is shown as a unified diff (- expected, + said) and the exit status is 1;
# --update writes what was said into the transcript instead.
set -euo pipefail

update=0
if [ "${1:-}" = --update ]; then
    update=1
    shift
fi
if [ $# -lt 2 ]; then
    printf 'usage: run.sh [--update] PROGRAM_FOLDER TRANSCRIPT...\n' >&2
    exit 2
fi
program_folder=$(cd -- "$1" && pwd -P)
shift
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT

# Sanitizers are spoken to through the environment, so their options pass.
environment=(PATH="$program_folder:$PATH" HOME="$scratch/home" LC_ALL=C TZ=UTC
    ASAN_OPTIONS="${ASAN_OPTIONS:-}" UBSAN_OPTIONS="${UBSAN_OPTIONS:-}" TSAN_OPTIONS="${TSAN_OPTIONS:-}")

# converse TRANSCRIPT: runs its commands in the current folder and prints it as it should read.
converse()
{
    local line status talking=0

    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        '$ '*) ;;
        *)
            [ "$talking" -eq 1 ] || printf '%s\n' "$line"
            continue
            ;;
        esac
        talking=1
        printf '%s\n' "$line"
        status=0
        env -i "${environment[@]}" bash -c "${line#??}" </dev/null >"$scratch/said" 2>&1 || status=$?
        cat -- "$scratch/said"
        if [ -s "$scratch/said" ] && [ -n "$(tail -c 1 -- "$scratch/said" | tr '\0' 'x')" ]; then
            printf '\n\\ no newline\n'
        fi
        [ "$status" -eq 0 ] || printf '? %d\n' "$status"
    done <"$1"
}

failed=0
for transcript in "$@"; do
    if [ ! -f "$transcript" ] || ! grep -q '^\$ ' -- "$transcript"; then
        printf '%s: no transcript, or no command in it\n' "$transcript" >&2
        failed=1
        continue
    fi
    transcript=$(realpath -- "$transcript")
    folder=$scratch/run
    rm -rf -- "$folder"
    mkdir -p "$folder/traces" "$scratch/home"
    cp -r -- "$root/traces/samples" "$folder/traces/samples"
    (cd -- "$folder" && converse "$transcript") >"$scratch/actual"
    if [ "$update" -eq 1 ]; then
        cmp -s -- "$transcript" "$scratch/actual" || cp -- "$scratch/actual" "$transcript"
    elif ! diff -u --label "$transcript" --label said "$transcript" "$scratch/actual"; then
        failed=1
    fi
done
exit "$failed"
