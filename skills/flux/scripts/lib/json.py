"""The operations of json.sh, for python3: each reads standard input and writes one answer, or fails without a word."""

import json, os, sys, time

def refuse_constant(name):
    raise ValueError(name)

def parse(data):
    return json.loads(data.decode("utf-8"), parse_constant=refuse_constant)

def read(path):
    with open(path, "rb") as file:
        return parse(file.read())

def write(value, indent=None):
    spaces = (",", ": ") if indent else (",", ":")
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, separators=spaces)
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")

def need(condition):
    if not condition:
        raise ValueError()

def now():
    return int(time.time() * 1000)

def state(entities):
    return {entity["id"]: entity for entity in entities}

def main(operation, *words):
    words = [os.fsencode(word).decode("utf-8") for word in words]
    if operation == "changes":
        before, after = state(read(words[0])), state(read(words[1]))
        for name in sorted({*before, *after}):
            old, new = before.get(name), after.get(name)
            if old is not None and new is not None and old["properties"] == new["properties"]:
                continue
            write({
                "type": "appeared" if old is None else "gone" if new is None else "changed",
                "id": name,
                "before": None if old is None else old["properties"],
                "after": None if new is None else new["properties"],
                "lastUpdated": None if new is None else new["lastUpdated"],
            })
        return
    data = sys.stdin.buffer.read()
    if operation == "token":
        token = data.decode("utf-8").strip()
        need(token)
        return write({"token": token})
    value = parse(data)
    if operation == "event":
        stream, source, entity, event_id, ttl = words
        need(isinstance(value, dict))
        event = {"stream": stream, "source": source, "timestamp": now()}
        if event_id:
            event["eventId"] = event_id
        if ttl:
            event["ttlSeconds"] = int(ttl)
        write({**event, "payload": {"entity_id": entity, "properties": value}})
    elif operation == "batch":
        need(isinstance(value, list) and value and all(isinstance(event, dict) for event in value))
        write({"events": [{"timestamp": now(), **event} for event in value]})
    elif operation == "filter":
        need(isinstance(value, dict) and set(value) <= {"prefix", "namespace", "entity_ids"} and len(value) == 1)
        (wanted,) = value.values()
        need(wanted and isinstance(wanted, list if "entity_ids" in value else str))
        need(all(isinstance(item, str) and item for item in wanted))
        write(value)
    elif operation == "filter-parts":
        ((key, wanted),) = value.items()
        text = str(len(wanted)) if key == "entity_ids" else wanted
        sys.stdout.buffer.write(f"{key}\n{text}\n".encode("utf-8"))
    elif operation == "pretty":
        need(words[0] == "any" or isinstance(value, list if words[0] == "array" else dict))
        write(value, indent=2)
    elif operation == "object":
        need(isinstance(value, dict))
        write(value)
    elif operation == "named":
        write({"name": words[0], "private": True} if words[1] else {"name": words[0]})
    elif operation == "subscribe":
        write({"type": "subscribe", words[0]: words[1]})
    elif operation == "health":
        need(isinstance(value, list))
        write({"ok": True, "url": words[0]})
    elif operation == "matches":
        write({"matches": len(value) if isinstance(value, list) else value})
    elif operation == "listed":
        need(all(isinstance(e["id"], str) and isinstance(e["properties"], dict) and "lastUpdated" in e
                 for e in (value if isinstance(value, list) else [value])))
        write(value if isinstance(value, list) else [value])
    elif operation == "failed":
        print(int(value["failed"]))
    elif operation == "error":
        need(isinstance(value["error"], str))
        sys.stdout.buffer.write(value["error"].encode("utf-8", "replace"))

try:
    main(*sys.argv[1:])
except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
    sys.exit(1)
