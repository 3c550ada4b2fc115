#!/usr/bin/env bash
#
# flux.sh: reads, writes and watches the shared world state of a Flux server.
#
# Needs bash 3.2 or newer, curl, and python3 or jq. JSON goes to stdout and nothing else does; messages go to stderr.
# Every value becomes JSON through a JSON program and part of a URL through percent-encoding, never by pasting. Tokens
# reach curl through its standard input, so that no process list shows them.
#
# Exit codes: 0 done, 1 refused by the server, 2 wrong usage or set-up (nothing was sent), 3 not reached or no usable
# answer (a write may or may not have happened; the message says which), 4 a batch of which a part failed.

set -euo pipefail

readonly REFUSED=1 USAGE=2 UNKNOWN=3 PARTIAL=4

# The tokens stay in this shell: no child process inherits them.
flux_token=${FLUX_TOKEN-}
flux_admin_token=${FLUX_ADMIN_TOKEN-}
unset FLUX_TOKEN FLUX_ADMIN_TOKEN

usage() {
  cat <<'TEXT'
flux.sh: shared world state

Usage: flux.sh COMMAND [ARGUMENTS]

  health                                      is the server there, and is it a Flux server
  publish STREAM SOURCE ENTITY_ID PROPERTIES_JSON [--event-id ID] [--ttl SECONDS]
  batch EVENTS_JSON_ARRAY                     timestamps are added where missing
  get ENTITY_ID [--meta]
  list [--prefix P] [--namespace NS] [--limit N] [--sort id|-id|updated|-updated] [--cursor C] [--meta]
  history ENTITY_ID [--since RFC3339] [--limit N] [--cursor C]
  watch ENTITY_ID | --prefix P | --namespace NS
        [--seconds 60] [--interval 2] [--count N] [--initial] [--state FILE]
  delete ENTITY_ID
  batch-delete FILTER_JSON [--dry-run]        one of {"prefix":…} {"namespace":…} {"entity_ids":[…]}
  connectors [NAME]
  connector-token NAME                        stores the token read from standard input
  connector-token NAME --remove
  namespace list | get NAME | create NAME [--private] | private NAME on|off
  namespace rotate NAME                       a new token; the old one ends
  namespace delete NAME --yes [--keep-entities]
  admin-config [UPDATE_JSON]

A JSON argument given as - is read from standard input. After -- nothing is an option.

Environment:
  FLUX_URL          the server; without it, the hub the AgenTrux plugin is configured for
  FLUX_TOKEN        token of your namespace, where the server wants one
  FLUX_ADMIN_TOKEN  for namespaces and admin-config
  FLUX_TIMEOUT      seconds per request (30)      FLUX_RETRIES  further attempts (2)
  FLUX_ACCOUNT      account of the plugin whose hub is meant (default)
TEXT
}

say() { printf 'flux.sh: %s\n' "$*" >&2; }

fail() {
  local code=$1
  shift
  say "$*"
  exit "$code"
}

misuse() { fail "$USAGE" "$* (flux.sh --help shows the usage)"; }

library=${BASH_SOURCE[0]}
while [[ -L $library ]]; do
  link=$(readlink "$library")
  [[ $link == /* ]] || link=${library%/*}/$link
  library=$link
done
[[ $library == */* ]] || library=./$library
library=${library%/*}/lib
# shellcheck source-path=SCRIPTDIR
{
  source "$library/json.sh"
  source "$library/http.sh"
  source "$library/watch.sh"
}

# --- arguments --------------------------------------------------------------------------------------------------------

# parse "OPTION OPTION= …" ARGUMENTS…: sets words and opt_OPTION. A name that ends in = takes a value.
parse() {
  local allowed=" $1 " name
  shift
  words=()
  while (($# > 0)); do
    case $1 in
      --)
        shift
        words+=("$@")
        return ;;
      --*)
        name=${1#--}
        [[ $name =~ ^[a-z-]+$ ]] || misuse "unknown option $1"
        if [[ $allowed == *" $name= "* ]]; then
          [[ -n ${2-} ]] || misuse "--$name needs a value"
          printf -v "opt_${name//-/_}" '%s' "$2"
          shift
        elif [[ $allowed == *" $name "* ]]; then
          printf -v "opt_${name//-/_}" yes
        else
          misuse "unknown option $1"
        fi ;;
      -?*) misuse "unknown option $1; an argument that begins with a dash goes after --" ;;
      *) words+=("$1") ;;
    esac
    shift
  done
}

# expect MINIMUM MAXIMUM WHAT: how many words there must be.
expect() { ((${#words[@]} >= $1 && ${#words[@]} <= $2)) || misuse "$3"; }

# whole_number NAME TEXT [LEAST]
whole_number() {
  if ! [[ $2 =~ ^[0-9]{1,9}$ ]] || ((10#$2 < ${3:-1})); then misuse "$1 must be a whole number of at least ${3:-1}"; fi
}

admin_token() { [[ -n $flux_admin_token ]] || fail "$USAGE" 'FLUX_ADMIN_TOKEN is not set'; }

# --- commands ---------------------------------------------------------------------------------------------------------

flux_health() {
  parse '' "$@"
  expect 0 0 'health takes no arguments'
  # A prefix nobody has: the answer is small, whatever the size of the world.
  path='/api/state/entities?prefix=flux-health-check%2F&limit=1'
  request GET "$flux_token"
  json health "$base_url" <"$work/body" || fail "$UNKNOWN" "$base_url answers, but not as a Flux server"
}

flux_publish() {
  local opt_event_id='' opt_ttl=''
  parse 'event-id= ttl=' "$@"
  expect 4 4 'publish wants STREAM SOURCE ENTITY_ID PROPERTIES_JSON'
  [[ -n ${words[0]} && -n ${words[1]} && -n ${words[2]} ]] || misuse 'STREAM, SOURCE and ENTITY_ID must not be empty'
  [[ -z $opt_ttl ]] || whole_number --ttl "$opt_ttl" 0
  json_request PROPERTIES_JSON 'one JSON object' "${words[3]}" \
    event "${words[0]}" "${words[1]}" "${words[2]}" "$opt_event_id" "$opt_ttl"
  path=/api/events
  request POST "$flux_token"
  answer object
}

# none_failed WHAT WHERE: ends the script where the answer says that a part of the batch failed.
none_failed() {
  local failed
  failed=$(json failed <"$work/body") || fail "$UNKNOWN" "the answer does not say how many $1 failed"
  ((failed == 0)) || fail "$PARTIAL" "$failed of the $1 failed: see the $2"
}

flux_batch() {
  parse '' "$@"
  expect 1 1 'batch wants EVENTS_JSON_ARRAY'
  json_request EVENTS_JSON_ARRAY 'a JSON array of at least one event (objects)' "${words[0]}" batch
  path=/api/events/batch
  request POST "$flux_token"
  answer object
  none_failed events results
}

flux_get() {
  local opt_meta=''
  parse meta "$@"
  expect 1 1 'get wants ENTITY_ID'
  entity_path "${words[0]}"
  add_query meta "${opt_meta:+true}"
  request GET "$flux_token"
  answer object
}

flux_list() {
  local opt_prefix='' opt_namespace='' opt_limit='' opt_sort='' opt_cursor='' opt_meta=''
  parse 'prefix= namespace= limit= sort= cursor= meta' "$@"
  expect 0 0 'list takes options only'
  [[ -z $opt_limit ]] || whole_number --limit "$opt_limit"
  path=/api/state/entities
  add_query prefix "$opt_prefix"
  add_query namespace "$opt_namespace"
  add_query limit "$opt_limit"
  add_query sort "$opt_sort"
  add_cursor "$opt_cursor"
  add_query meta "${opt_meta:+true}"
  request GET "$flux_token"
  answer array
  next_page
}

flux_history() {
  local opt_since='' opt_limit='' opt_cursor=''
  parse 'since= limit= cursor=' "$@"
  expect 1 1 'history wants ENTITY_ID'
  [[ -n ${words[0]} ]] || misuse 'the entity id is empty'
  [[ -z $opt_limit ]] || whole_number --limit "$opt_limit"
  path=/api/events
  add_query entity "${words[0]}"
  add_query since "$opt_since"
  add_query limit "$opt_limit"
  add_cursor "$opt_cursor"
  request GET "$flux_token"
  answer array
  next_page
}

flux_delete() {
  parse '' "$@"
  expect 1 1 'delete wants one ENTITY_ID'
  entity_path "${words[0]}"
  request DELETE "$flux_token"
  answer object
}

flux_batch_delete() {
  local opt_dry_run='' kind value
  parse dry-run "$@"
  expect 1 1 'batch-delete wants FILTER_JSON'
  json_request FILTER_JSON 'an object with exactly one of prefix, namespace or entity_ids, and that one not empty' \
    "${words[0]}" filter
  if [[ -z $opt_dry_run ]]; then
    path=/api/state/entities/delete
    request POST "$flux_token"
    answer object
    none_failed deletions errors
    return
  fi
  # Counted by reading: a server that does not know a dry run would delete.
  json filter-parts <"$work/request" >"$work/parts"
  rm -f "$work/request"
  kind=$(head -n 1 "$work/parts")
  value=$(tail -n +2 "$work/parts")
  if [[ $kind == entity_ids ]]; then
    json matches <<<"$value"
  else
    path=/api/state/entities
    add_query "$kind" "$value"
    request GET "$flux_token"
    json matches <"$work/body" || fail "$UNKNOWN" 'the answer is not a list of entities'
  fi
}

flux_connectors() {
  parse '' "$@"
  expect 0 1 'connectors takes at most one NAME'
  path=/api/connectors
  [[ -z ${words[0]-} ]] || path+=/$(encode "${words[0]}")
  request GET "$flux_token"
  answer object
}

flux_connector_token() {
  local opt_remove=''
  parse remove "$@"
  expect 1 1 'connector-token wants NAME; the token comes from standard input'
  [[ -n ${words[0]} ]] || misuse 'the connector name is empty'
  path=/api/connectors/$(encode "${words[0]}")/token
  if [[ -n $opt_remove ]]; then
    request DELETE "$flux_token"
  else
    [[ ! -t 0 ]] || say 'reading the token from standard input'
    json_request 'the token on standard input' 'a text that is not empty' - token
    request POST "$flux_token"
  fi
  answer object
}

flux_namespace() {
  local opt_private='' opt_yes='' opt_keep_entities='' verb name
  parse 'private yes keep-entities' "$@"
  verb=${words[0]-}
  path=/api/namespaces
  if [[ $verb == list ]]; then
    expect 1 1 'namespace list takes no arguments'
    request GET "${flux_admin_token:-$flux_token}"
    answer any
    return
  fi
  [[ $verb == private ]] && expect 3 3 'namespace private wants NAME and on or off'
  [[ $verb == private ]] || expect 2 2 'namespace wants list, or one of get, create, private, rotate, delete and a NAME'
  name=${words[1]}
  [[ $name =~ ^[a-z0-9_-]{3,32}$ ]] || misuse 'a namespace name is 3 to 32 characters of a-z, 0-9, - and _'
  [[ $verb == create ]] || path+=/$name
  case $verb in
    get) request GET "${flux_admin_token:-$flux_token}" ;;
    create)
      json_request NAME 'a name' null named "$name" "$opt_private"
      request POST "$flux_admin_token" ;;
    private)
      case ${words[2]} in
        on) printf '{"private":true}' >"$work/request" ;;
        off) printf '{"private":false}' >"$work/request" ;;
        *) misuse 'namespace private wants on or off' ;;
      esac
      request PATCH "${flux_admin_token:-$flux_token}" ;;
    rotate)
      path+=/token
      request POST "${flux_admin_token:-$flux_token}" ;;
    delete)
      [[ -n $opt_yes ]] || misuse 'deleting a namespace can delete all its entities: add --yes'
      admin_token
      add_query entities "${opt_keep_entities:+keep}"
      request DELETE "$flux_admin_token" ;;
    *) misuse "namespace does not know ${verb:-nothing}" ;;
  esac
  answer object
}

flux_admin_config() {
  parse '' "$@"
  expect 0 1 'admin-config takes at most UPDATE_JSON'
  path=/api/admin/config
  if ((${#words[@]} == 0)); then
    request GET "$flux_admin_token"
  else
    admin_token
    json_request UPDATE_JSON 'one JSON object' "${words[0]}" object
    request PUT "$flux_admin_token"
  fi
  answer object
}

# --- main -------------------------------------------------------------------------------------------------------------

hints_pid=''
work=''
clean_up() {
  # Waited for, because it writes into the folder that goes next.
  [[ -z $hints_pid ]] || { kill "$hints_pid" && wait "$hints_pid"; } 2>/dev/null || :
  [[ -z $work ]] || rm -rf "$work"
}

main() {
  local command=${1-}
  (($# == 0)) || shift
  case $command in
    health | publish | batch | get | list | history | watch | delete | batch-delete) ;;
    connectors | connector-token | namespace | admin-config) ;;
    help | -h | --help)
      usage
      exit 0 ;;
    *)
      usage >&2
      exit "$USAGE" ;;
  esac
  timeout=${FLUX_TIMEOUT:-30}
  retries=${FLUX_RETRIES:-2}
  whole_number FLUX_TIMEOUT "$timeout"
  whole_number FLUX_RETRIES "$retries" 0
  command -v curl >/dev/null 2>&1 || fail "$USAGE" 'curl is not there: install it'
  choose_json_program
  find_server
  check_token "$flux_token" FLUX_TOKEN
  check_token "$flux_admin_token" FLUX_ADMIN_TOKEN
  umask 077
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  work=$(mktemp -d "${TMPDIR:-/tmp}/flux.XXXXXX") || fail "$USAGE" 'no temporary directory can be made'
  "flux_${command//-/_}" "$@"
}

main "$@"
