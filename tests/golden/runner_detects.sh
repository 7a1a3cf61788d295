#!/usr/bin/env bash
# runner_detects.sh - the transcript runner notices every kind of difference, and only differences.
# It is run with a program of its own, so this says nothing of sglsim.
set -euo pipefail

runner=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)/run.sh
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
mkdir "$scratch/program folder"
cat >"$scratch/program folder/sglsim" <<'TEXT'
#!/bin/sh
case $1 in
fail) echo "out"; echo "err" >&2; exit 3 ;;
bare) printf 'bare' ;;
nul) printf 'a\000' ;;
env) echo "$LC_ALL $TZ $LEAK" ;;
write) echo here >left ;;
read) cat left ;;
input) cat; echo end ;;
sample) ls traces/samples/sglang-3-workers.csv ;;
esac
TEXT
chmod +x "$scratch/program folder/sglsim"
wrong=0

# verdict EXPECTED NAME TEXT: the runner's exit status for a transcript with that text.
verdict()
{
    local status=0

    printf '%s\n' "$3" >"$scratch/a transcript"
    "$runner" "$scratch/program folder" "$scratch/a transcript" >"$scratch/output" 2>&1 || status=$?
    if [ "$status" -ne "$1" ]; then
        printf '%s: exits %d, expected %d:\n' "$2" "$status" "$1"
        cat -- "$scratch/output"
        wrong=$((wrong + 1))
    fi
}

export LEAK=leaked
good='# a remark
$ sglsim fail
out
err
? 3
$ sglsim bare
bare
\ no newline
$ sglsim env
C UTC
$ sglsim write
$ sglsim read
here
$ sglsim input
end
$ sglsim sample
traces/samples/sglang-3-workers.csv'
# `env` prints a blank where LEAK would be; written here so that no line ends in one.
good=${good/C UTC/C UTC }

verdict 0 "same" "$good"
verdict 1 "another word" "${good/err/error}"
verdict 1 "another status" "${good/\? 3/? 4}"
verdict 1 "status not written" "${good/$'\n? 3'/}"
verdict 1 "a line missing" "${good/$'\nout'/}"
verdict 1 "a line too many" "$good"$'\nmore'
verdict 1 "newline that is not there" "${good/$'\n\\ no newline'/}"
verdict 1 "trailing blank" "${good/here/here }"
verdict 1 "no command" '# only a remark'
verdict 1 "file of the transcript before" '$ sglsim read
here'

printf '%s\n' "$good" >"$scratch/good"
sed 's/^err$/wrong/; s/^? 3$/? 5/' "$scratch/good" >"$scratch/bad"
"$runner" --update "$scratch/program folder" "$scratch/bad"
if ! cmp "$scratch/good" "$scratch/bad"; then
    printf 'update: does not write what was said\n'
    wrong=$((wrong + 1))
fi
# The diff itself is shown, with what was expected and what was said.
sed -i 's/^here$/there/' "$scratch/bad"
output=$("$runner" "$scratch/program folder" "$scratch/bad" || true)
if [[ $output != *$'\n-there\n+here\n'* ]]; then
    printf 'no unified diff:\n%s\n' "$output"
    wrong=$((wrong + 1))
fi
printf 'transcript runner: %d wrong verdicts\n' "$wrong"
[ "$wrong" -eq 0 ]
