#!/bin/sh
# usage: layers.sh SOURCE
# tensor <- runtime <- ops <- nn <- models <- checkpoints; io stands on tensor alone, image on tensor, runtime and io.
set -eu
cd "$1/include/vitrail"
status=0
allow() {
  folder=$1 && shift
  pattern=$(printf '%s/|' "$folder" "$@")
  if grep -rnE '#include <vitrail/[a-z]+/' "$folder" | grep -vE "#include <vitrail/(${pattern%|})"; then
    echo "$folder includes what stands above it" >&2
    status=1
  fi
}
allow tensor
allow runtime tensor
allow ops tensor runtime
allow io tensor
allow image tensor runtime io
allow nn tensor runtime ops
allow models tensor runtime ops nn image
allow checkpoints tensor runtime ops nn image io models
exit $status
