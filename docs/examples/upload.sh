#!/bin/sh
# Sends a file in parts. Run again after a crash it goes on where it was interrupted.
#
#   upload.sh FILE ENTITY/PATH       PATH percent-encoded, as in a URL
#   upload.sh --abort FILE ENTITY/PATH   gives up what an interrupted run with FILE has left
#
# IOTFILE_URL           such as https://iotfile.iotfile-system.svc
# IOTFILE_TOKEN_FILE    the projected token; default /var/run/iotfile/token
# IF_MATCH              the ETag of the file that is to be replaced; without it there must be none
# PART_MIB, PARALLEL    size of a part in MiB (16), how many are sent at once (4)
# SSL_CERT_FILE         the authority that has signed the server's certificate, if it is a private one
#
# It needs curl, and of xargs the option -P. It keeps PARALLEL parts in memory, and nothing on disk.
set -eu

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
die() { echo "upload.sh: $*" >&2; exit 255; } # 255 has xargs start no more parts

: "${IOTFILE_URL:?where is the REST API?}" "${IOTFILE_TOKEN_FILE:=/var/run/iotfile/token}" "${PART_MIB:=16}" "${PARALLEL:=4}"
export IOTFILE_URL IOTFILE_TOKEN_FILE PART_MIB PARALLEL

# request METHOD URL [curl option…] sends a request until it gets an answer other than "later": $status and $answer. The body is what comes from
# `body`. The token is read for each attempt, because the kubelet replaces it; it does not stand in the arguments, which others can see.
request() {
  method=$1 url=$2 tries=0
  shift 2
  while :; do
    tries=$((tries + 1))
    answer=$(body | curl -sS -i -w '\n%{http_code}' -X "$method" --speed-time 120 --speed-limit 1 "$@" -K /dev/fd/3 "$url" 3<<EOF
header = "Authorization: Bearer $(cat "$IOTFILE_TOKEN_FILE")"
EOF
    ) || true
    status=${answer##*
}
    case $status in
      000 | 1?? | 408 | 429 | 502 | 503 | 504) [ "$tries" -lt 10 ] || return 0 ;; # 000: no answer; 1??: "continue", and then none
      401) [ "$tries" -lt 3 ] || return 0 ;; # the token has ended meanwhile: a new one is in the file, or soon will be
      *) return 0 ;;
    esac
    pause=$(header retry-after)
    # Without advice: 1, 2, 4 … 32 seconds; not all processes at the same moment.
    pause=$((${pause:-$((1 << (tries < 6 ? tries - 1 : 5)))} + $$ % 2))
    echo "$method $url: $status, again in $pause s" >&2
    sleep "$pause"
  done
}

# header NAME prints a header of $answer.
header() { printf '%s\n' "$answer" | tr -d '\r' | tr '[:upper:]' '[:lower:]' | sed -n "s/^$1: *//p" | tail -n 1; }

body() { :; }
# piece makes part $1 of the file the body of the next request.
piece() {
  number=$1
  body() { dd if="$file" bs=1048576 skip=$(((number - 1) * PART_MIB)) count="$PART_MIB" 2>/dev/null; }
}
with_body() { request "$@" -H 'Content-Type: application/octet-stream' --data-binary @-; }

refused() { die "$1: $status: $(printf '%s\n' "$answer" | sed -n 's/.*"message": *"\(.*\)".*/\1/p')"; }

# start opens the upload, or finds the one that an earlier run with the same file has opened, by its key.
start() {
  set -- -H "Idempotency-Key: $key" -H "X-File-Size: $size" -H "timestamp: $timestamp"
  [ -z "${IF_MATCH:-}" ] || set -- "$@" -H "If-Match: $IF_MATCH"
  request PUT "$address?upload=start" "$@"
  case $status in
    201 | 204) return ;;
    409) request HEAD "$address" --head ;;
    *) refused start ;;
  esac
  # The file exists. If it is this one, an earlier run has completed it, and not lived to see the answer.
  if [ "$status" = 200 ] && [ "$(header content-length)" = "$size" ] && [ "$(header timestamp)" = "$(echo "$timestamp" | tr '[:upper:]' '[:lower:]')" ]; then
    echo "$name is there, ETag $(header etag)"
    exit 0
  fi
  die "start: the file exists, with ETag $(header etag): set IF_MATCH to replace it"
}

# missing prints the numbers of the parts that have not arrived, but for the last one.
missing() {
  request GET "$IOTFILE_URL/api/iotfile/v3/fileslist/$name"
  [ "$status" = 200 ] || refused "list of parts"
  there=$(printf '%s\n' "$answer" | grep -o '"partNo": *[0-9]*' | tr -dc '0-9\n')
  i=1
  while [ "$i" -lt "$parts" ]; do
    printf '%s\n' "$there" | grep -qx "$i" || echo "$i"
    i=$((i + 1))
  done
}

case ${1:-} in
  --part) # this program itself, for each part
    file=$2 address=$IOTFILE_URL/api/iotfile/v3/files/$3
    piece "$4"
    with_body PUT "$address?part=$4"
    case $status in 201 | 204) echo "part $4" >&2 ;; *) refused "part $4" ;; esac
    exit 0
    ;;
esac

abort=
if [ "${1:-}" = --abort ]; then
  abort=yes
  shift
fi
[ $# = 2 ] || usage
file=$1 name=$2 address=$IOTFILE_URL/api/iotfile/v3/files/$2
size=$(($(wc -c <"$file"))) modified=$(date -r "$file" +%s) timestamp=$(date -u -r "$file" +%Y-%m-%dT%H:%M:%SZ)
[ "$size" -gt 0 ] || die "$file is empty"
parts=$(((size - 1) / (PART_MIB * 1048576) + 1))
key=$size-$modified-$PART_MIB # names the upload: an earlier run with the same file has sent it, too

if [ "$abort" ]; then # without the key it would be refused: the upload could be somebody else's
  request PUT "$address?upload=abort" -H "Idempotency-Key: $key"
  case $status in 204 | 404) exit 0 ;; *) refused abort ;; esac
fi
start
numbers=$(missing) || exit
[ -z "$numbers" ] || printf '%s\n' "$numbers" | xargs -P "$PARALLEL" -I N "$0" --part "$file" "$name" N || die "run it again, or give it up with --abort $file $name"
# The last piece completes the file. That may be repeated, too: it becomes the same part again, and a completion that was successful is answered as before.
piece "$parts"
with_body PUT "$address?upload=complete"
case $status in
  201 | 204) echo "$name is there, ETag $(header etag)" ;;
  *) refused complete ;;
esac
