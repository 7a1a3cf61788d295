#!/usr/bin/env bash
# layers.sh ROOT - who may include whom.
#
#     core  <--  traces  <--  sim  <--  analysis  <--  cli
#       ^          ^                                    |
#       +----------+---------  live  <------------------+
#
# Project headers are named from the root ("core/rng.h") or, inside one folder, by their bare name.
# Libraries belong to the folder that owns them: no SQL outside traces, no socket outside live, and
# core sees only the part of the C library that computes.
# shellcheck source=tests/checks/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

root=$1

declare -A may_include=(
    [core]="core"
    [traces]="core traces"
    [sim]="core traces sim"
    [live]="core traces live"
    [analysis]="core traces sim analysis"
    [cli]="core traces sim live analysis cli"
    [tests]="core traces sim live analysis cli tests"
)

# The emulator serves the worker model, and the transfers between the legs of a pair, in real time:
# the only files of live that may see sim, and of sim only these headers.
exceptions=" live/emulator.c:sim/worker_model.h live/emulate_wires.c:sim/transfer.h "

# Libraries with the folders (or files) that may use them.
declare -A library_users=(
    [gsl]="core analysis"
    [sqlite3.h]="traces"
    [csv.h]="traces"
    [zlib.h]="traces"
    [jansson.h]="traces live analysis cli"
    [curl]="live"
    [uv.h]="live"
    [llhttp.h]="live"
    [pthread.h]="live analysis/crew.c" # the runs of a comparison
    [threads.h]="live"
    [sys/socket.h]="live"
)

core_headers=" assert.h errno.h float.h inttypes.h limits.h math.h stdalign.h stdarg.h stdbool.h
 stddef.h stdint.h stdio.h stdlib.h string.h "

check_own()
{
    local at=$1 file=$2 header=$3
    local folder=${file%%/*} target

    case $header in
    ../* | */../*)
        fault "$at: \"$header\" climbs (name it from the root)"
        return
        ;;
    */*) target=${header%%/*} ;;
    *) target=$folder ;;
    esac
    # A path below one's own folder, such as "policies/common.h" in core.
    [ -n "${may_include[$target]:-}" ] || target=$folder
    case " ${may_include[$folder]} " in
    *" $target "*) ;;
    *)
        [[ $exceptions == *" $file:$header "* ]] ||
            fault "$at: $folder may not include $header (only: ${may_include[$folder]})"
        ;;
    esac
}

check_library()
{
    local at=$1 file=$2 header=$3
    local folder=${file%%/*} users

    if [ -n "${may_include[${header%%/*}]:-}" ]; then
        fault "$at: <$header> is ours (write \"$header\")"
        return
    fi
    [ "$folder" != tests ] || return 0
    users=${library_users[$header]:-${library_users[${header%%/*}]:-}}
    if [ -n "$users" ]; then
        case " $users " in
        *" $folder "* | *" $file "*) ;;
        *) fault "$at: $file may not use $header (only: $users)" ;;
        esac
    elif [ "$folder" = core ]; then
        case $core_headers in
        *[[:space:]]"$header"[[:space:]]*) ;;
        *) fault "$at: core may not include <$header> (it computes, and asks the system nothing)" ;;
        esac
    fi
}

include_line='^([^:]+):([0-9]+):[[:space:]]*#[[:space:]]*include[[:space:]]*([<"])([^>"]+)[>"]'
count=0
while IFS= read -r file; do
    count=$((count + 1))
    while IFS= read -r line; do
        [[ $line =~ $include_line ]] || continue
        at=${BASH_REMATCH[1]}:${BASH_REMATCH[2]}
        if [ "${BASH_REMATCH[3]}" = '"' ]; then
            check_own "$at" "$file" "${BASH_REMATCH[4]}"
        else
            check_library "$at" "$file" "${BASH_REMATCH[4]}"
        fi
    done < <(cd -- "$root" && { grep -HnE '^[[:space:]]*#[[:space:]]*include' "$file" || true; })
done < <(list_code "$root" '*.c' '*.h' '*.def' '*.h.in')
finish "$count" files
