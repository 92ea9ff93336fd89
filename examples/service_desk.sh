#!/usr/bin/env bash
# A service desk by curl: an order in one sentence, its timeline, why it stands so, and what could not be applied.
#
#     bash examples/service_desk.sh [http://127.0.0.1:8080] [ORDER]
#
# Where the API asks for a key: export KEY=sk_...
set -euo pipefail
U=${1:-http://127.0.0.1:8080}
ORDER=${2:-SO1-000001}

ask() { # ask PATH [curl's options]
    local path=$1
    shift
    curl -sS --fail-with-body --max-time 20 ${KEY:+-H "Authorization: Bearer $KEY"} "$U$path" "$@"
}

ask "/v1/orders/$ORDER" | python3 -c 'import json, sys
order = json.load(sys.stdin)
print(order["order_id"], order["status"])
print(order["sentence"])'

ask "/v1/orders/$ORDER/timeline" | python3 -c 'import json, sys
for fact in json.load(sys.stdin)["facts"][:5]:
    print(fact["time"][:19], fact["source"] or "-", fact["type"] or fact["milestones"][0])'

ask "/v1/explain?order=$ORDER" | python3 -c 'import json, sys
rule = json.load(sys.stdin)["rule"]
print("because:", rule["text"])'

ask "/v1/exceptions?what=dead_letter&limit=3" | python3 -c 'import json, sys
for one in json.load(sys.stdin)["exceptions"]:
    print("open:", one["id"], one["kind"], "orders", *one["impact"]["orders"] or ["none"])'
