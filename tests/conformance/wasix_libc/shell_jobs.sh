# Jobs in the background, and waiting for them.
cd "$FOLDER" || exit 9
background() { echo "in the background"; exit 5; }
background > job & wait $!; echo "job: $? $(cat job)"
(exit 6) & first=$!; (exit 7) & second=$!
wait $second; echo "second: $?"; wait $first; echo "first: $?"
