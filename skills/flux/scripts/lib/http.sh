# shellcheck shell=bash
#
# Which server is asked, and how: one request at a time, with time limits, without redirects. Tokens reach curl through its
# standard input.

readonly CONNECT_SECONDS=10 MAX_ID_BYTES=4096 MAX_RETRY_AFTER=10
readonly NO_URL='no Flux server is configured: set FLUX_URL to its address, for example http://127.0.0.1:8787'

is_loopback() { [[ $1 =~ ^https?://(localhost|127\.[0-9]+\.[0-9]+\.[0-9]+|\[::1\])(:[0-9]+)?(/|$) ]]; }

# Sets base_url: FLUX_URL, else what the plugin wrote into the account's file flux-url. There is no other default, so
# that neither data nor a token goes to a server nobody chose.
find_server() {
  local account=${FLUX_ACCOUNT:-default} home=${HOME-} dir
  base_url=${FLUX_URL-}
  if [[ -z $base_url ]]; then
    [[ $account =~ ^[a-z0-9][a-z0-9_-]{0,63}$ ]] || fail "$USAGE" 'FLUX_ACCOUNT is no account id'
    dir=$home/.agentrux
    [[ $account == default ]] || dir=$dir/accounts/$account
    [[ $home == /* && -f $dir/flux-url ]] || fail "$USAGE" "$NO_URL"
    IFS= read -r base_url <"$dir/flux-url" || [[ -n $base_url ]] || fail "$USAGE" "$NO_URL"
  fi
  while [[ $base_url == */ ]]; do base_url=${base_url%/}; done
  # No @ before the first slash (credentials), no query, nothing that would need quoting.
  [[ $base_url =~ ^https?://[A-Za-z0-9._:-]+(/[A-Za-z0-9._~/-]*)?$ || $base_url =~ ^https?://\[[0-9a-fA-F:]+\](:[0-9]+)?(/[A-Za-z0-9._~/-]*)?$ ]] ||
    fail "$USAGE" 'FLUX_URL must be an http or https address without user name, query or fragment'
}

# Percent-encodes everything but letters, digits, - _ ~ and the dot.
encode() {
  local LC_ALL=C text=$1 out='' i c n
  for ((i = 0; i < ${#text}; i++)); do
    c=${text:i:1}
    case $c in
      [A-Za-z0-9_.~-]) out+=$c ;;
      *)
        printf -v n '%d' "'$c"
        printf -v c '%%%02X' $((n & 255))
        out+=$c ;;
    esac
  done
  printf '%s' "$out"
}

# entity_path ID: sets path. A path of one dot or two would be another path, whatever the encoding.
entity_path() {
  [[ -n $1 ]] || misuse 'the entity id is empty'
  [[ $1 != . && $1 != .. ]] || misuse 'the ids . and .. cannot be asked for by URL'
  ((${#1} <= MAX_ID_BYTES)) || misuse "the entity id is longer than $MAX_ID_BYTES characters"
  path=/api/state/entities/$(encode "$1")
}

# add_query NAME VALUE: appends to path, where there is a value.
add_query() {
  [[ -n $2 ]] || return 0
  local mark='?'
  [[ $path != *\?* ]] || mark='&'
  path+=$mark$1=$(encode "$2")
}

# add_cursor TEXT: a cursor comes percent-encoded out of a header, and goes back as it came.
add_cursor() {
  [[ -n $1 ]] || return 0
  local unsafe='[^A-Za-z0-9%._~-]' mark='?'
  [[ ! $1 =~ $unsafe ]] || misuse '--cursor wants what an earlier page named'
  [[ $path != *\?* ]] || mark='&'
  path+=${mark}cursor=$1
}

# The part of curl's configuration that must not be seen in a process list.
secret_options() {
  [[ -n $1 ]] || return 0
  local token=${1//\\/\\\\}
  printf 'header = "Authorization: Bearer %s"\n' "${token//\"/\\\"}"
}

check_token() {
  [[ -z $1 ]] && return 0
  local LC_ALL=C
  [[ $1 =~ ^[!-~]+$ ]] || fail "$USAGE" "$2 has characters no token has (spaces, line breaks or others)"
  [[ $base_url == https://* ]] || is_loopback "$base_url" ||
    fail "$USAGE" "$base_url is plain http to another machine: a token would be readable on the way; use https"
}

answer_header() { { grep -i "^$1:" "$work/headers" || :; } | tail -n 1 | sed 's/^[^:]*:[[:space:]]*//' | tr -d '\r'; }

# What the server said is wrong, as one line without control characters; nothing where it said nothing.
answer_error() { json error <"$work/body" | tr '\n\r\t' '   ' | LC_ALL=C tr -d '\000-\037\177' | cut -c 1-500; }

# One attempt; sets status ("" where there was no answer) and curl_code.
attempt() {
  local method=$1 token=$2
  local run=(curl -q --config - --silent --show-error --globoff --path-as-is --proto '=http,https'
    --connect-timeout "$CONNECT_SECONDS" --max-time "$timeout" --request "$method"
    --user-agent 'flux-skill' --header 'Accept: application/json'
    --output "$work/body" --dump-header "$work/headers" --write-out '%{http_code}')
  if is_loopback "$base_url"; then run+=(--noproxy '*'); fi
  if [[ -f $work/request ]]; then
    run+=(--header 'Content-Type: application/json' --header 'Expect:' --data-binary "@$work/request")
  fi
  : >"$work/body"
  : >"$work/headers"
  curl_code=0
  status=$(secret_options "$token" | "${run[@]}" "$base_url$path" 2>"$work/curl-error") || curl_code=$?
  ((curl_code == 0)) || status=''
}

# Whether to try again: a read always, a write only where it was certainly not carried out.
worth_another() {
  local method=$1
  if [[ -z $status ]]; then [[ $method == GET ]] || ((curl_code == 6 || curl_code == 7)); return; fi
  [[ $status == 429 || $status == 503 ]] || [[ $method == GET && $status == 5* ]]
}

# request METHOD TOKEN [STATUS-THAT-IS-FINE-TOO]: asks for $path, with the body in $work/request where there is one.
# Returns with the answer in $work/body, or ends the script.
request() {
  local method=$1 token=$2 also=${3-} tries=0 pause text
  while :; do
    attempt "$method" "$token"
    [[ $status == 2* || (-n $also && $status == "$also") ]] && return 0
    if ((tries >= retries)) || ! worth_another "$method"; then break; fi
    tries=$((tries + 1))
    pause=$(answer_header retry-after)
    [[ $pause =~ ^[0-9]{1,6}$ ]] || pause=$tries
    ((pause <= MAX_RETRY_AFTER)) || break
    sleep "$pause"
  done
  if [[ -z $status ]]; then
    text=$(head -n 1 "$work/curl-error")
    [[ $method == GET ]] || ((curl_code == 6 || curl_code == 7)) ||
      fail "$UNKNOWN" "no answer from $base_url; the write may or may not have been carried out ($text)"
    fail "$UNKNOWN" "cannot reach $base_url ($text)"
  fi
  text=$(answer_error) && text=${text% } || text='the answer says nothing more; is this the address of a Flux server?'
  pause=$(answer_header retry-after)
  [[ ! $pause =~ ^[0-9]{1,6}$ ]] || text+="; try again in $pause s"
  [[ $status == 5* ]] && fail "$UNKNOWN" "HTTP $status: $text"
  fail "$REFUSED" "HTTP $status: $text"
}

# Prints the answer, which must be of this kind (object, array, any).
answer() {
  if [[ $status == 204 ]]; then
    printf '{}\n'
  else
    json pretty "$1" <"$work/body" || fail "$UNKNOWN" "HTTP $status, but the answer is not the JSON of a Flux server"
  fi
}

next_page() {
  local cursor
  cursor=$(answer_header flux-next-cursor | sed "s/!/%21/g; s/'/%27/g; s/(/%28/g; s/)/%29/g; s/\*/%2A/g")
  [[ -z $cursor ]] || say "there is more: --cursor ${cursor//[^A-Za-z0-9%._~-]/}"
}
