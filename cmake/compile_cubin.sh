#!/bin/sh
# compile_cubin.sh CUBIN COMMAND...: run the compiler, keep what ptxas reports in CUBIN.ptxas.txt, show only the rest.
report=$1.ptxas.txt
shift
"$@" >"$report.part" 2>&1
code=$?
# Lines of ptxas's -v report; a warning is neither and stays on the screen. A text that is a template's argument is
# printed as {'t', 'e', 'x', 't', '\000'}: its letters are joined.
grep -vE '^ptxas info|^ +[0-9]+ bytes stack frame' "$report.part" | sed "s/, '\\\\000'//g; s/', '//g" >&2
mv -f "$report.part" "$report"
exit "$code"
