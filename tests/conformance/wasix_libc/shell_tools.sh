# Small programs that work on files and on each other's output.
cd "$FOLDER" || exit 9
seq 1 10 | sort -rn | head -n 3
seq 1 20000 | wc -l | tr -d ' '
for number in 3 1 2; do echo "line $number" >> lines; done
sort lines | sed 's/line/LINE/' | tail -n 1
cut -d ' ' -f 2 lines | sort | xargs echo
awk '{ sum += $2 } END { print "sum", sum }' lines
grep -c line lines; grep -v 2 lines; grep -n '[13]$' lines
while read -r word number; do echo "$number:$word"; done < lines
mkdir -p deep/er/still; cp lines deep/copy; mv deep/copy deep/er/moved; touch deep/er/still/empty
find deep -type f | sort; find deep -type d | sort; ls deep/er
cat lines | tee second | uniq | wc -l | tr -d ' '
cmp lines second && echo same
ln -s lines link; readlink link; [ -L link ] && cat link | head -n 1
tar cf archive.tar lines deep; rm -r deep; tar xf archive.tar; find deep -type f | sort
gzip -c lines > lines.gz; gunzip -c lines.gz | head -n 2
printf 'b\na\nb\n' | sort -u; printf 'a b  c\n' | tr -s ' ' | tr ' ' '\n'
basename /one/two.txt .txt; dirname /one/two.txt; expr 3 + 4
env NAME=value sh -c 'echo $NAME'
printf 'abc' | od -b | tr -s ' ' | sed 's, *$,,'
seq 1 5 | sed -n '2,3p'; seq 1 5 | sed '/3/d' | tr '\n' ' '; echo
rm lines second link; ls | sort
rmdir deep/er/still 2>/dev/null || echo "not empty"
