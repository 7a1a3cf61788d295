#!/usr/bin/env bash
# run.sh TREE [GROUP|NAME...] - faults put into the sources on purpose: does a test notice each?
# run.sh --check              - do all of them apply to the sources as they are? Changes nothing.
#
# GROUP.mutations beside this script list them; README.md says how. TREE is a copy of the sources,
# made and built here; for each mutation it is changed, built, put to the tests that are to notice
# and changed back. A mutation is caught when a test fails, crashes or does not end: one that is
# skipped has noticed nothing. Groups and names given run only these.
#
# Exit status 0: all were caught. 1: one was not, or does not apply or build any more. 2: usage.
#
# It takes minutes, so it is no part of the tests: ./dev mutate runs it.
set -euo pipefail
set -m # a test is a process group of its own: what it leaves behind is ended with it

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd -- "$here/../.." && pwd -P)
seconds=120 # for a test; the longest takes twenty
skipped=77

[ $# -ge 1 ] || {
    printf 'usage: run.sh TREE [GROUP|NAME...] | run.sh --check\n' >&2
    exit 2
}
goal=$1
shift
if [ -z "${SGLSIM_DATA:-}" ] && [ -d "$root/../shared/data" ]; then
    SGLSIM_DATA=$(cd -- "$root/../shared/data" && pwd -P)
    export SGLSIM_DATA
fi

# ---- the list ----

names=() groups=() files=() olds=() news=() tests=()

complain()
{
    printf 'mutate: %s\n' "$*" >&2
    exit 1
}

# The text behind the mark that the line has to begin with.
behind()
{
    case $3 in
    "$2 "*) printf '%s' "${3#"$2" }" ;;
    *) complain "$1: expected a line that begins with '$2': $3" ;;
    esac
}

is_wanted()
{
    local wanted

    [ ${#chosen[@]} -gt 0 ] || return 0
    for wanted in "${chosen[@]}"; do
        [ "$wanted" = "$1" ] || [ "$wanted" = "$2" ] || continue
        return 0
    done
    return 1
}

read_group()
{
    local group=$1 usual='' name file old new own

    while IFS= read -r name; do
        case $name in
        '' | '#'*) continue ;;
        '= '*)
            usual=${name#= }
            continue
            ;;
        esac
        IFS= read -r file
        IFS= read -r old
        IFS= read -r new
        IFS= read -r own || own=''
        old=$(behind "$name" - "$old")
        new=$(behind "$name" + "$new")
        [ -z "$own" ] || own=$(behind "$name" = "$own")
        own=${own:-$usual}
        [ -n "$own" ] || complain "$name: no test is to notice it"
        known+=("$name")
        is_wanted "$group" "$name" || continue
        names+=("$name") groups+=("$group") files+=("$file")
        olds+=("$old") news+=("$new") tests+=("$own")
    done <"$here/$group.mutations"
}

# Does every text occur once?
apply()
{
    local i text rest

    for i in "${!names[@]}"; do
        text=$(<"$root/${files[i]}")
        rest=${text/"${olds[i]}"/}
        if [ "$rest" = "$text" ] || [ "${rest/"${olds[i]}"/}" != "$rest" ]; then
            complain "${names[i]}: expected once in ${files[i]}: ${olds[i]}" \
                "(the code has changed: so must the fault in tests/mutation/${groups[i]}.mutations)"
        fi
    done
}

# ---- the tree ----

# Files that did not change keep their times, so that a second run builds little.
copy_sources()
{
    mkdir -p "$tree/source"
    (cd -- "$root" && find . \( -name build -o -name .git \) -prune -o -type f -print0) |
        while IFS= read -r -d '' file; do
            cmp -s "$root/$file" "$tree/source/$file" && continue
            mkdir -p "$tree/source/${file%/*}"
            cp -- "$root/$file" "$tree/source/$file"
        done
}

# Only what the tests run.
build()
{
    local -a targets=()

    [[ " $1" != *' unit.'* ]] || targets+=(unit)
    [[ " $1" != *' live.'* ]] || targets+=(sglsim)
    cmake --build "$tree/build" --target "${targets[@]}" >"$tree/build.log" 2>&1
}

# run_test NAME: its exit status.
run_test()
{
    local name=${1#*.} pid status=0
    local file=$tree/source/tests/live/${name%%:*}_test.py

    case $1 in
    unit.*) set -- "$tree/build/bin/unit" "$name" ;;
    live.*:*) set -- python3 -B "$file" "$tree/build/bin/sglsim" -k "${name#*:}" ;;
    live.*) set -- python3 -B "$file" "$tree/build/bin/sglsim" ;;
    *) complain "no test $1, expected unit.SUITE, live.FILE or live.FILE:PATTERN" ;;
    esac
    timeout --kill-after=5 "$seconds" "$@" >"$tree/test.log" 2>&1 </dev/null &
    pid=$!
    wait "$pid" || status=$?
    kill -KILL -- "-$pid" 2>/dev/null || true
    return "$status"
}

# The first of the tests that fails; nothing when none does.
first_to_fail()
{
    local name status

    for name in $1; do
        status=0
        run_test "$name" || status=$?
        [ "$status" -ne "$skipped" ] || printf 'mutate: %s was skipped\n' "$name" >&2
        if [ "$status" -ne 0 ] && [ "$status" -ne "$skipped" ]; then
            printf '%s' "$name"
            return
        fi
    done
}

# ---- the work ----

chosen=("$@") known=()
for list in "$here"/*.mutations; do
    group=${list##*/}
    group=${group%.mutations}
    known+=("$group")
    read_group "$group"
done
for wanted in "${chosen[@]}"; do
    [[ " ${known[*]} " == *" $wanted "* ]] || {
        printf "mutate: no group or mutation '%s'\n" "$wanted" >&2
        exit 2
    }
done

apply
if [ "$goal" = --check ]; then
    printf '%d mutations apply\n' "${#names[@]}"
    exit 0
fi

mkdir -p "$goal"
tree=$(cd -- "$goal" && pwd -P)
copy_sources
cmake -S "$tree/source" --preset dev -B "$tree/build" -DBUILD_TESTING=ON >"$tree/build.log" 2>&1 || {
    tail -n 20 "$tree/build.log" >&2
    exit 1
}

# No test fails of itself.
mapfile -t used < <(printf '%s\n' "${tests[@]}" | tr ' ' '\n' | sort -u)
build "${used[*]}" || {
    tail -n 20 "$tree/build.log" >&2
    exit 1
}
noticed=$(first_to_fail "${used[*]}")
[ -z "$noticed" ] || {
    tail -n 20 "$tree/test.log" >&2
    complain "$noticed fails without a mutation"
}

missed=0
for i in "${!names[@]}"; do
    path=$tree/source/${files[i]}
    text=$(<"$path")
    printf '%s\n' "${text/"${olds[i]}"/"${news[i]}"}" >"$path"
    if ! build "${tests[i]}"; then
        result='does not build: not a mutation'
        missed=$((missed + 1))
    elif noticed=$(first_to_fail "${tests[i]}") && [ -n "$noticed" ]; then
        result="caught by $noticed"
    else
        result='NOT CAUGHT'
        missed=$((missed + 1))
    fi
    cp -- "$root/${files[i]}" "$path"
    printf '%-9s %-52s %s\n' "${groups[i]}" "${names[i]}" "$result"
done
printf '%d mutations, %d not caught\n' "${#names[@]}" "$missed"
[ "$missed" -eq 0 ]
