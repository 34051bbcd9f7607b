#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# Starts a release with the token of a GitHub Actions job, and waits for its end: exit 0 promoted, 1 failed,
# 2 undone. Needs bash and curl.
set -euo pipefail

server=${SERVER%/}
audience=${AUDIENCE:-$server}
if [ -z "${ACTIONS_ID_TOKEN_REQUEST_URL:-}" ]; then
  echo "::error::the job may not ask for a token of its own: give it permissions: {id-token: write}" >&2
  exit 1
fi

# field prints the first text of a name in a line of JSON.
field() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }

# token asks GitHub for a fresh one: it lives for minutes, and starts one release.
token() {
  curl -sSf -G --retry 3 --data-urlencode "audience=$audience" -H @<(printf 'Authorization: bearer %s\n' "$ACTIONS_ID_TOKEN_REQUEST_TOKEN") \
    "$ACTIONS_ID_TOKEN_REQUEST_URL" | field value
}

# ask calls the API with a header file, so that no token stands in a list of processes.
ask() { curl -sS -H @<(printf 'Authorization: Bearer %s\n' "$1") "${@:2}"; }

body=$(printf '{"service": "%s", "image": "%s"}' "$SERVICE" "$IMAGE")
# The same token may be sent again: it still starts one release.
one=$(token)
for try in 1 2 3 4 5; do
  answer=$(ask "$one" -w '\n%{http_code}' -X POST -d "$body" "$server/api/v1/releases" || printf '\n000')
  code=${answer##*$'\n'}
  case $code in 202) break ;; 000 | 503) sleep "$try" ;; *) break ;; esac
done
if [ "$code" != 202 ]; then
  echo "::error::not started ($code): ${answer%$'\n'*}" >&2
  exit 1
fi
release=$(field id <<<"$answer")
link=$(field link <<<"$answer")
echo "release $release: $link"
printf 'release=%s\nlink=%s\n' "$release" "$link" >>"${GITHUB_OUTPUT:-/dev/null}"

deadline=$((SECONDS + ${WAIT:-0}))
last=
while [ "$SECONDS" -lt "$deadline" ]; do
  now=$(ask "$(token)" "$server/api/v1/releases/$SERVICE/$release" || true)
  phase=$(field phase <<<"$now" || true)
  if [ -n "$phase" ] && [ "$phase" != "$last" ]; then
    last=$phase
    echo "$phase"
  fi
  case $phase in
    promoted) exit 0 ;;
    undone | superseded)
      echo "::error::$release $phase: $(field outcome <<<"$now")" >&2
      exit 2
      ;;
    refused | needs-person)
      echo "::error::$release $phase: $(field outcome <<<"$now")" >&2
      exit 1
      ;;
  esac
  sleep "${PAUSE:-5}"
done
if [ "${WAIT:-0}" -gt 0 ]; then
  echo "::error::$release has not ended within $WAIT s; it goes on: $link" >&2
  exit 1
fi
