#!/usr/bin/env bash
# A storefront by curl: ATP, a page of SKUs, a hold, a promise for the basket, and what an error looks like.
#
#     bash examples/storefront.sh [http://127.0.0.1:8080]
#
# Where the API asks for a key: export KEY=sk_...
set -euo pipefail
U=${1:-http://127.0.0.1:8080}
SKU=TEAPOT-$$-$(date +%s)

ask() { # ask PATH [curl's options]: the answer's body, whatever its status
    local path=$1
    shift
    curl -sS --max-time 20 --retry 5 --retry-connrefused ${KEY:+-H "Authorization: Bearer $KEY"} "$U$path" "$@"
}
pick() { # pick FIELD...: these of a JSON object on standard input
    python3 -c 'import json, sys; b = json.load(sys.stdin); print(*(f"{k}={b.get(k)}" for k in sys.argv[1:]))' "$@"
}

# As a warehouse would: stock of a SKU of our own.
P=$(ask /v1/events -H 'Content-Type: application/cloudevents+json' -d '{
  "specversion": "1.0", "id": "count-'"$SKU"'", "source": "wms/ber", "subject": "'"$SKU"'",
  "type": "springtide.inventory.counted.v1", "time": "'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'",
  "data": {"location": "BER", "on_hand": 10, "basis": "includes_committed"}}' |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["position"])')

ask "/v1/atp/$SKU?qty=3&min_position=$P" | pick on_hand available shortage

ask /v1/atp:batch -H 'Content-Type: application/json' \
    -d '{"items": [{"sku": "'"$SKU"'", "location": "BER"}, {"sku": "TYPO"}]}' |
    python3 -c 'import json, sys
for item in json.load(sys.stdin)["items"]: print(item.get("available", item.get("title")))'

# Ten minutes would do for a cart; a demo's time runs up to 5,000 times as fast as the clock, so 30 days here.
ask /v1/holds -H 'Content-Type: application/json' \
    -d '{"sku": "'"$SKU"'", "qty": 2, "ttl_s": 2592000, "owner": "cart-7", "hold_id": "'"$SKU"'-cart-7"}' | pick qty state

# The same key again is the same promise: nothing is set aside twice.
for _ in 1 2; do
    ask /v1/promises -H "Idempotency-Key: basket-$SKU" -H 'Content-Type: application/json' \
        -d '{"channel": "web", "lines": [{"line_id": "1", "sku": "'"$SKU"'", "qty": 4}]}' | pick outcome
done

ask "/v1/atp/$SKU?qty=0" | pick status title errors
