# The language of the shell: expansion, pipelines, here documents, functions, loops, traps, statuses.
cd "$FOLDER" || exit 9
echo "arguments: $# ($1) ($2)"
echo "sum: $((6 * 7 + 0x10))"
name=world
echo "default: ${missing:-none} ${name:+set} ${name%ld} ${name#wo} ${#name}"
echo "substitution: $(echo inner $(echo nested)) `echo old style`"
echo one two three | while read -r first rest; do echo "read: $first, then $rest"; done
echo hello | tr a-z A-Z | sed 's/L/l/g' | cat
cat <<END
here document of $name
  with $((1 + 1)) lines
END
cat <<'END'
quoted $name here document
END
eval "$(printf 'cat <<-END | tr a-z A-Z\n\tindented here document\n\tEND\n')"
double() { echo $(($1 * 2)); return 4; }
double 21
echo "status of a function: $?"
for number in 1 2 3 4; do
  case $number in
  2) continue ;;
  4) break ;;
  esac
  echo "loop: $number"
done
count=0
while [ $count -lt 3 ]; do count=$((count + 1)); done
until [ $count -eq 0 ]; do count=$((count - 1)); done
echo "counted: $count"
(exit 3); echo "subshell: $?"
(cd /; pwd); [ "$(pwd)" = "$FOLDER" ] && echo "the folder is the same"
false || echo "or"; true && echo "and"; ! false && echo "not"
no_such_command 2>/dev/null; echo "not found: $?"
sh -c 'exit 7'; echo "another shell: $?"
VARIABLE=value sh -c 'echo "exported: $VARIABLE"'
set -- a "b c" d
for argument in "$@"; do echo "argument: $argument"; done
shift 2; echo "after shift: $1 $#"
echo output > file; echo more >> file; cat < file
{ echo to output; echo to errors >&2; } 2> errors > output; cat output errors
exec 5> five; echo "through five" >&5; exec 5>&-; cat five
echo "files: $(echo *)"
echo "pattern: $(echo f?le [eo]*)"
trap 'echo "trapped"' USR1; kill -USR1 $$; echo "after the trap"
trap 'echo "at the end"' EXIT
printf '%s %05d %x\n' text 42 255
IFS=:; set -- $(echo a:b:c); echo "split: $1 $2 $3"; unset IFS
echo "pipeline status: $(true | false; echo $?)"
readonly fixed=1
exit 11
