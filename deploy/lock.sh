#!/bin/sh
# lock.sh UV: write beside each requirements*.txt a .lock with the hashes of what it pins.
#
# Every file of a release is in it, whatever the Python or the machine it is for. What a file takes
# from another by -r is locked there.
set -eu
for pins in requirements*.txt; do
  lock="${pins%.txt}.lock"
  {
    echo "# Made by \`make lock\` from $pins, which says what for. Not to be edited."
    sed -n 's/^-r \(.*\)\.txt$/-r \1.lock/p' "$pins"
    grep -v '^-r ' "$pins" | "$1" pip compile --quiet --no-config --universal --no-deps \
      --generate-hashes --no-annotate --no-header --no-strip-extras --no-strip-markers \
      --no-emit-index-url --python-version 3.11 -
  } >"$lock.new"
  mv "$lock.new" "$lock"
done
