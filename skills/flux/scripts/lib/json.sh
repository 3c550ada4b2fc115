# shellcheck shell=bash disable=SC2016
#
# JSON by python3 or jq. Each operation reads standard input and writes one answer, and fails without a word where the
# input is not what it wants. Values get in as arguments or input, never by being pasted into a program or a text.

# As many values as there should be (one), and no number this jq would round or turn into null.
readonly JQ_ONE='
def sound: [.. | numbers | select(isnan or ($lossy == "yes" and fabs >= 9007199254740992))] == [];
def one: if length == 1 and (.[0] | sound) then .[0] else error("no") end;
def millis: now * 1000 | floor;
def need(test): if test then . else error("no") end;
one | '

jq_json() {
  local operation=$1
  shift
  local run=(jq -c -s --arg lossy "$json_lossy")
  case $operation in
    event)
      run+=(--arg stream "$1" --arg source "$2" --arg entity "$3" --arg id "$4" --arg ttl "$5")
      "${run[@]}" "$JQ_ONE"'need(type == "object")
        | {$stream, $source, timestamp: millis} + (if $id == "" then {} else {eventId: $id} end)
        + (if $ttl == "" then {} else {ttlSeconds: ($ttl | tonumber)} end)
        + {payload: {entity_id: $entity, properties: .}}' ;;
    batch)
      "${run[@]}" "$JQ_ONE"'need(type == "array" and length > 0 and all(.[]; type == "object"))
        | {events: map({timestamp: millis} + .)}' ;;
    filter)
      "${run[@]}" "$JQ_ONE"'need(type == "object" and length == 1)
        | need((keys[0] | . == "prefix" or . == "namespace") and (.[] | type == "string" and . != "")
            or keys[0] == "entity_ids" and (.[] | type == "array" and length > 0 and all(.[]; type == "string" and . != "")))' ;;
    filter-parts)
      "${run[@]}" -r "$JQ_ONE"'keys[0], (.[] | if type == "array" then length else . end)' ;;
    # A jq that rounds must not touch what the server said: it only checks it.
    pretty)
      cat >"$work/pretty"
      "${run[@]}" --arg kind "$1" 'if length == 1 and ($kind == "any" or (.[0] | type) == $kind) then empty else error("no") end' \
        <"$work/pretty" || return 1
      if [[ $json_lossy == yes ]]; then
        cat "$work/pretty"
        echo
      else
        jq . <"$work/pretty"
      fi ;;
    object) "${run[@]}" "$JQ_ONE"'need(type == "object")' ;;
    named)
      "${run[@]}" --arg name "$1" --arg private "$2" \
        '{$name} + (if $private == "" then {} else {private: true} end)' ;;
    token) jq -R -s -c 'gsub("^\\s+|\\s+$"; "") | if . == "" then error else {token: .} end' ;;
    subscribe) "${run[@]}" --arg key "$1" --arg value "$2" '{type: "subscribe"} + {($key): $value}' ;;
    health) "${run[@]}" --arg url "$1" 'if (.[0] | type) == "array" then {ok: true, $url} else error("no") end' ;;
    matches) "${run[@]}" '{matches: (.[0] | if type == "array" then length else . end)}' ;;
    listed)
      "${run[@]}" '.[0] | if type == "array" then . else [.] end
        | if all(.[]; (.id | type) == "string" and (.properties | type) == "object" and has("lastUpdated"))
          then . else error("no") end' ;;
    failed) "${run[@]}" '.[0].failed | floor' ;;
    error) "${run[@]}" -r '.[0] | if (.error | type) == "string" then .error else error("no") end' ;;
    changes)
      jq -n -c --slurpfile before "$1" --slurpfile after "$2" '
        def state: map({key: .id, value: .}) | from_entries;
        ($before[0] | state) as $old | ($after[0] | state) as $new
        | ($old + $new | keys[]) as $id
        | select($old[$id].properties != $new[$id].properties)
        | {type: (if $old[$id] == null then "appeared" elif $new[$id] == null then "gone" else "changed" end),
           id: $id, before: $old[$id].properties, after: $new[$id].properties, lastUpdated: $new[$id].lastUpdated}' ;;
  esac
}

json() {
  if [[ $json_by == python3 ]]; then
    python3 -I -S "$library/json.py" "$@" 2>/dev/null
  else
    jq_json "$@" 2>/dev/null
  fi
}

# Sets json_by and json_lossy. An exact jq (1.7) starts fastest; an older one rounds whole numbers beyond 2^53.
choose_json_program() {
  local probe=''
  json_lossy=no
  if command -v jq >/dev/null 2>&1; then probe=$(jq -c . <<<9007199254740993 2>/dev/null) || probe=''; fi
  if [[ $probe == 9007199254740993 ]]; then
    json_by=jq
  elif python3 -I -S -c 'import sys; sys.exit(sys.version_info < (3, 6))' >/dev/null 2>&1; then
    json_by=python3
  elif [[ -n $probe ]]; then
    json_by=jq json_lossy=yes
  else
    fail "$USAGE" 'neither jq nor python3 (3.6 or newer) is there: install one of them'
  fi
}

# json_request NAME-OF-ARGUMENT WHAT-IT-MUST-BE TEXT OPERATION [WORDS…]: the body of the next request.
json_request() {
  local name=$1 must=$2 text=$3 hint=''
  shift 3
  if [[ $text == - ]]; then cat >"$work/input"; else printf '%s' "$text" >"$work/input"; fi
  if json "$@" <"$work/input" >"$work/request"; then return; fi
  if [[ $json_lossy == yes ]] && grep -Eq '[0-9]{16}' "$work/input"; then
    hint='; whole numbers beyond 2^53 need python3 or jq 1.7'
  fi
  misuse "$name must be $must$hint"
}
