# shellcheck shell=bash
#
# The watch: it looks, says what differs from the last look, waits for a hint or for the interval to pass, and looks again.
# What is shown comes from reading the state, so that a lost hint or a broken connection costs time and never a change that
# lasts. A change that is undone between two looks is not seen; history tells it.

# start_hints KEY VALUE: file descriptor 3 gives a line when it is worth looking, where node (22 or newer) is there, and
# another one only after $work/unread was removed.
start_hints() {
  mkfifo "$work/hints"
  exec 3<>"$work/hints"
  command -v node >/dev/null 2>&1 || return 0
  local subscribe
  subscribe=$(json subscribe "$1" "$2" <<<null)
  node "$library/hints.mjs" "ws${base_url#http}/api/ws?mode=explicit" "$subscribe" "$work/unread" >"$work/hints" 2>/dev/null 3>&- &
  hints_pid=$!
}

# look FILE: the watched entities as they are, as an array. Runs in a subshell of its own, so that a failure ends only this look.
look() {
  request GET "$flux_token" "${watched_may_be_missing:+404}"
  if [[ $status == 404 ]]; then
    answer_error >/dev/null || fail "$REFUSED" 'HTTP 404: is this the address of a Flux server?'
    printf '[]\n' >"$1"
  else
    json listed <"$work/body" >"$1" || fail "$UNKNOWN" 'the answer is not the JSON of a Flux server'
  fi
}

flux_watch() {
  local opt_prefix='' opt_namespace='' opt_seconds=60 opt_interval=2 opt_count='' opt_initial='' opt_state=''
  local key value started code shown=0 lines
  parse 'prefix= namespace= seconds= interval= count= initial state=' "$@"
  expect 0 1 'watch wants one ENTITY_ID, or --prefix or --namespace'
  whole_number --seconds "$opt_seconds" 0
  whole_number --interval "$opt_interval"
  [[ -z $opt_count ]] || whole_number --count "$opt_count"
  case ${#words[@]}${opt_prefix:+p}${opt_namespace:+n} in
    1) key=entity_id value=${words[0]} watched_may_be_missing=yes ;;
    0p) key=prefix value=$opt_prefix ;;
    0n) key=namespace value=$opt_namespace ;;
    *) misuse 'watch wants exactly one of ENTITY_ID, --prefix and --namespace' ;;
  esac
  path=/api/state/entities
  if [[ $key == entity_id ]]; then entity_path "$value"; else add_query "$key" "$value"; fi

  # The state file: which watch it belongs to in the first line, then what was seen last.
  local name=$base_url$path have=''
  if [[ -n $opt_state && -s $opt_state ]]; then
    IFS= read -r have <"$opt_state"
    [[ $have == "$name" ]] || misuse "$opt_state belongs to another watch"
    tail -n +2 "$opt_state" | json listed >"$work/seen" || misuse "$opt_state is damaged: remove it to begin anew"
  elif [[ -n $opt_initial ]]; then
    printf '[]\n' >"$work/seen"
    have=initial
  fi

  start_hints "$key" "$value"
  started=$SECONDS
  while :; do
    code=0
    (look "$work/now") || code=$?
    if ((code == 0)); then
      if [[ -n $have ]]; then
        json changes "$work/seen" "$work/now" >"$work/changes" </dev/null || fail "$UNKNOWN" 'the state could not be compared'
        cat "$work/changes"
        lines=$(wc -l <"$work/changes")
        shown=$((shown + lines))
      fi
      have=$name
      mv -f "$work/now" "$work/seen"
      if [[ -n $opt_state ]]; then
        if ! { printf '%s\n' "$name" && cat "$work/seen"; } >"$opt_state.tmp" || ! mv -f "$opt_state.tmp" "$opt_state"; then
          fail "$USAGE" "cannot write $opt_state"
        fi
      fi
    elif ((code != UNKNOWN)) || [[ -z $have ]]; then
      exit "$code"
    fi
    [[ -z $opt_count ]] || ((shown < opt_count)) || break
    ((opt_seconds == 0 || SECONDS - started < opt_seconds)) || break
    # A look that fails is told on stderr and tried again; what changed meanwhile shows at the next one that succeeds.
    if IFS= read -r -t "$opt_interval" _ <&3; then rm -f "$work/unread"; fi
  done
}
