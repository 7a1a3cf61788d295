#!/usr/bin/env bash
# one_file_each.sh ROOT - what a README promises of policies, trace formats, worker models and laws: one
# is one file and one line. Each line MACRO(x) of a table has FOLDER/x.c, which defines the operations
# of that name; each file that defines some has its line. In a folder of policies, formats or laws there
# is nothing else; beside worker models stand what they share and are made of.
# shellcheck source=tests/checks/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

root=$1
count=0

# check TABLE MACRO FOLDER SYMBOL: the operations are the variable SYMBOL x of FOLDER/x.c.
check()
{
    local table=$1 macro=$2 folder=$3 symbol=$4 lines name file path

    [ -f "$root/$table" ] || return 0
    lines=$(sed -nE "s/^$macro\\(([a-z0-9_]+)\\).*/\\1/p" "$root/$table")
    for name in $lines; do
        count=$((count + 1))
        file=$folder/$name.c
        if [ ! -f "$root/$file" ]; then
            fault "$table: $macro($name) has no file (write $file)"
            continue
        fi
        grep -q "^const struct [a-z_]* $symbol$name = " "$root/$file" ||
            fault "$file: no $symbol$name (the operations have the name of the file)"
        grep -q "\.name = \"$name\"" "$root/$file" ||
            fault "$file: no .name = \"$name\" (what users call it is the name of its file)"
    done
    faults < <(sort <<<"$lines" | uniq -d | sed "s|.*|$table: $macro(&) stands twice|")
    for path in "$root/$folder"/*.c; do
        [ -e "$path" ] || continue
        name=$(basename -- "$path" .c)
        [ "$folder" != sim/models ] || grep -q "^const struct [a-z_]* $symbol" "$path" || continue
        grep -qx "$name" <<<"$lines" || fault "$folder/$name.c: no line $macro($name) in $table"
    done
}

check core/policies.def SGL_POLICY core/policies sgl_policy_
check traces/formats.def SGL_TRACE_FORMAT traces/formats sgl_format_
check sim/models.def SGL_WORKER_MODEL sim/models sgl_worker_model_
check traces/generate/arrivals.def SGL_LAW traces/generate/arrivals sgl_arrivals_
check traces/generate/lengths.def SGL_LAW traces/generate/lengths sgl_lengths_
finish "$count" 'policies, formats, models and laws'
