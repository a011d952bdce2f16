#!/bin/sh
# proc.sh observe|stop FOLDER: the processes whose program lies in the folder, whoever started them.
set -eu
home=$(cd "$2" 2>/dev/null && pwd -P) || exit 0

pids() {
  for exe in /proc/[0-9]*/exe; do
    case "$(readlink "$exe" 2>/dev/null || :)" in
      "$home"/*) pid=${exe#/proc/}; echo "${pid%/exe}" ;;
    esac
  done
}

case "$1" in
  observe)
    # The SHA-256 of the very file that runs.
    for pid in $(pids); do sha256sum <"/proc/$pid/exe" | cut -d' ' -f1; done
    ;;
  stop)
    for pid in $(pids); do kill "$pid" 2>/dev/null || :; done
    tries=100
    while [ -n "$(pids)" ] && [ "$tries" -gt 0 ]; do tries=$((tries - 1)); sleep 0.1; done
    for pid in $(pids); do kill -9 "$pid" 2>/dev/null || :; done
    ;;
esac
