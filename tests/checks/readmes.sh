#!/usr/bin/env bash
# readmes.sh ROOT - what the Markdown files name is there: link targets and their headings, source
# files in backticks (wherever in the tree they lie; NAME, my_ and x_ stand for one still to be
# made), words of ./dev, and every Debian package that dev needs to build and test, both ways.
# shellcheck source=tests/checks/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

root=$1
cd -- "$root"

# prose FILE: its lines with their numbers, without what stands between ``` fences.
prose()
{
    awk '/^ *```/ {fenced = !fenced; next} !fenced {print FNR ":" $0}' "$1"
}

# anchors FILE: what a link to a heading of it is called.
anchors()
{
    awk '/^ *```/ {fenced = !fenced; next} !fenced && /^#+ / {sub(/^#+ /, ""); print tolower($0)}' "$1" |
        sed 's/[^a-z0-9_ -]//g; s/ /-/g'
}

check_link()
{
    local file=$1 line=$2 target=$3
    local path=${target%%#*} anchor=${target#"${target%%#*}"} at=$file

    if [ -n "$path" ]; then
        at=$(dirname -- "$file")/$path
        [ -e "$at" ] || { fault "$file:$line: link to $target, which is not there"; return; }
    fi
    [ -z "$anchor" ] || anchors "$at" | grep -qx -- "${anchor#\#}" ||
        fault "$file:$line: link to $target, and $at has no such heading"
}

# Every name of a source file, once.
file_names=" $(find . \( -name build -o -name .git \) -prune -o -type f -print | sed 's|.*/||' | sort -u | tr '\n' ' ')"

count=0
while IFS= read -r file; do
    file=${file#./}
    count=$((count + 1))
    while IFS=: read -r line target; do
        check_link "$file" "$line" "$target"
    done < <(prose "$file" | awk -F: '{n = $1; rest = $0
        while (match(rest, /\]\([^) ]+\)/)) {
            target = substr(rest, RSTART + 2, RLENGTH - 3); rest = substr(rest, RSTART + RLENGTH)
            if (target !~ /^https?:/) print n ":" target
        }}')
    while IFS=: read -r line name; do
        case $name in
        *NAME* | my_* | x_* | X*) continue ;;
        esac
        [[ $file_names == *" ${name##*/} "* ]] || fault "$file:$line: no file is called $name"
    done < <(prose "$file" | awk -F: '{n = $1; rest = $0
        while (match(rest, /`[A-Za-z0-9_.\/-]+\.(c|h|def|sh|transcript)`/)) {
            print n ":" substr(rest, RSTART + 1, RLENGTH - 2); rest = substr(rest, RSTART + RLENGTH)
        }}' | awk -F: '{name = $2; sub(/.*\//, "", name); print $1 ":" name}')
    if [ -f dev ]; then
        while IFS=: read -r line word; do
            grep -q "^  $word " dev || fault "$file:$line: ./dev has no word '$word'"
        done < <(grep -noE '`?\./dev [a-z]+' "$file" | sed -E 's/`?\.\/dev //' || true)
    fi
done < <(find . \( -name build -o -name .git \) -prune -o -type f -name '*.md' -print | sort)

# The packages of dev's lists `common` and `testing` that are libraries, and those the README names.
if [ -f dev ] && [ -f README.md ]; then
    needed=$(sed -n '/^common=(/,/)/p; /^testing=(/,/)/p' dev | tr -c 'a-z0-9+.\n-' ' ' | tr ' ' '\n' |
        grep -E '^lib.*-dev$|^node-' | grep -v '^libc6-dev$' | sort -u || true)
    named=$(sed -n '/^## Licence and dependencies/,$p' README.md | grep -oE '\blib[a-z0-9-]+-dev\b|\bnode-[a-z]+' |
        sort -u || true)
    faults < <(comm -23 <(printf '%s\n' "$needed") <(printf '%s\n' "$named") |
        sed '/^$/d; s/.*/README.md: does not name the package & that dev installs/')
    faults < <(comm -13 <(printf '%s\n' "$needed") <(printf '%s\n' "$named") |
        sed '/^$/d; s/.*/README.md: names the package &, which dev does not install/')
fi
finish "$count" 'Markdown files'
