# Jobs in the background, and waiting for them.
cd "$FOLDER" || exit 9
background() { echo "in the background"; exit 5; }
background > job & wait $!; echo "job: $? $(cat job)"
(exit 6) & first=$!; (exit 7) & second=$!
wait $second; echo "second: $?"; wait $first; echo "first: $?"
(echo "several wait" | cat) & (exit 8) & wait; echo "all are done: $?"
sleep 30 & job=$!
kill $job; wait $job 2>/dev/null; [ $? -ne 0 ] && echo "killed"
(trap 'echo "told to end"; exit 9' TERM; echo ready > ready; while :; do :; done) & job=$!
while [ ! -s ready ]; do :; done
kill $job; wait $job; echo "its status: $?"
wait; echo "none is left: $?"
