#!/bin/sh
# usage: readme.sh SOURCE
# The README's program is examples/hello/hello.cpp, letter by letter.
set -eu
awk '/^```cpp/ { on = 1; next } /^```/ { if (on) exit } on' "$1/README.md" | diff - "$1/examples/hello/hello.cpp"
