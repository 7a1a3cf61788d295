#!/usr/bin/env bash
# style.sh ROOT [COMPILE_COMMANDS] - the habits that a machine can hold:
#
#   all text files   no tab (but where the format wants it), no trailing blank, ends in one newline,
#                    no path of one machine, no unfinished-work mark (NEEDSWORK: with a reason is
#                    fine)
#   .c .h .def       at most 600 lines of at most 100 columns; no banned call; no // comment; no
#                    typedef of a struct
#   .c               is compiled by some target (COMPILE_COMMANDS: the build's list of commands);
#                    no function over 70 lines, from its type to its last brace
# shellcheck source=tests/checks/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

root=$1
commands=${2:-}

# --- text ---

# Traces are data: a recorder's cells are not ours to restyle.
list_text()
{
    (cd -- "$root" && find . \( -name build -o -name .git -o -path ./tests/fuzz/corpus \) -prune -o \
        -type f ! -name '*.csv' ! -name '*.jsonl' ! -name '*.gz' ! -name '*.db' ! -name '*.png' -print | sort)
}

text_count=0
while IFS= read -r file; do
    text_count=$((text_count + 1))
    case $file in
    *.c | *.h | *.def | *.h.in) is_code=1 ;;
    *) is_code=0 ;;
    esac
    # The words are written [T]ODO so that this file does not find itself.
    faults < <(cd -- "$root" && awk -v file="${file#./}" -v is_code="$is_code" '
        function fault(what) { print file ":" FNR ": " what }
        /\t/ { fault("tab (use spaces)") }
        /[ \t\r]$/ { fault("trailing blank") }
        /(^|[^A-Za-z_])([T]ODO|[F]IXME|[X]XX)([^A-Za-z_]|$)/ {
            fault("unfinished work (NEEDSWORK: with what and why, or finish it)")
        }
        /NEEDSWORK/ && !/NEEDSWORK: [^ ]|NEEDSWORK:? with/ { fault("NEEDSWORK without a reason") }
        /(^|[^A-Za-z0-9_.$}~*])\/(work|farm|root|home\/[a-z]+|Users\/[A-Za-z]+)\// {
            fault("path of one machine")
        }
        is_code {
            columns = $0
            gsub(/[\200-\277]/, "", columns) # the later bytes of a UTF-8 character
            if (length(columns) > 100)
                fault("over 100 columns (" length(columns) ")")
        }
        END {
            if (is_code && FNR > 600)
                fault("over 600 lines (is it two ideas?)")
        }' "$file")
    if [ -s "$root/$file" ] && [ -n "$(tail -c 1 -- "$root/$file")" ]; then
        fault "${file#./}: no newline at the end"
    fi
done < <(list_text)

# --- C ---

code_count=0
while IFS= read -r file; do
    code_count=$((code_count + 1))
    # Comments and literals are blanked first: they may speak of what the code may not do.
    faults < <(cd -- "$root" && awk -v file="$file" '
        function fault(what) { print file ":" FNR ": " what }
        function blank(line,    out, i, c, pair) {
            out = ""
            for (i = 1; i <= length(line); i++) {
                c = substr(line, i, 1)
                pair = substr(line, i, 2)
                if (state == "comment") {
                    if (pair == "*/") { state = ""; i++ }
                } else if (state != "") {
                    if (c == "\\") i++
                    else if (c == state) { state = ""; out = out c }
                } else if (pair == "/*") {
                    state = "comment"
                    i++
                } else if (pair == "//") {
                    fault("// comment (write /* */)")
                    return out
                } else {
                    if (c == "\"" || c == quote) state = c
                    out = out c
                }
            }
            return out
        }
        BEGIN {
            quote = sprintf("%c", 39)
            everywhere = "strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof|rand|srand|alloca"
            outside_cli = "time|localtime|gmtime|exit"
        }
        # A function begins in column 1, as does the brace behind its parameters.
        function measure() {
            if (code ~ /^[A-Za-z_]/ && opening == 0)
                opening = FNR
            if (code ~ /^[{]/ && opening > 0) {
                body = opening
            } else if (code ~ /^[}]/) {
                if (body > 0 && FNR - body + 1 > 70)
                    print file ":" body ": function of " FNR - body + 1 " lines (at most 70: is it two ideas?)"
                opening = 0
                body = 0
            } else if (body == 0 && code ~ /[;=]/) {
                opening = 0 # a declaration, or a table
            }
        }
        {
            code = blank($0)
            measure()
            if (code ~ /^[ ]*#[ ]*(include|error)/)
                next
            if (match(code, "(^|[^A-Za-z0-9_.>])(" everywhere ")[ ]*\\("))
                fault("banned call: " substr(code, RSTART, RLENGTH) "...")
            if (file !~ /^cli\// && match(code, "(^|[^A-Za-z0-9_.>])(" outside_cli ")[ ]*\\("))
                fault("call that only cli may make: " substr(code, RSTART, RLENGTH) "...")
            if (code ~ /(^|[^A-Za-z0-9_])typedef[ ]+(struct|union)/)
                fault("typedef of a struct (write struct where it is used)")
        }' "$file")
done < <(list_code "$root" '*.c' '*.h' '*.def')

if [ -n "$commands" ]; then
    while IFS= read -r file; do
        grep -qF "/$file\"" "$commands" || fault "$file: in no target (list it in CMakeLists.txt)"
    done < <(list_code "$root" '*.c')
fi
[ "$text_count" -gt 0 ] || fault "style: no text file to look at"
finish "$code_count" "code files"
