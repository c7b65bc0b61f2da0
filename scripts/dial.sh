#!/bin/sh
# Has Dialroom call a phone into a room, with curl and openssl alone.
#
#   dial.sh NUMBER ROOM [TRUNK]
#
# NUMBER is an E.164 number with its + or an extension, TRUNK a trunk's id.
# From the environment:
#   DIALROOM_KEY_ID      id of a key with the role script, as in the settings
#   DIALROOM_KEY_SECRET  its secret
#   DIALROOM_BRIDGE      where the bridge listens (http://127.0.0.1:8090)
#
# Prints the bridge's answer. Exits with 0 when the call is under way, with 1
# when it was refused or the bridge could not be asked, with 2 when called wrongly.
#
# The request is signed by RFC 9421 with HMAC-SHA256 over method, path, query
# and the digest of the body; a signature is good once and for a minute.
set -eu
LC_ALL=C
export LC_ALL

fail() {
	echo "dial.sh: $2" >&2
	exit "$1"
}

[ $# -eq 2 ] || [ $# -eq 3 ] || fail 2 "usage: dial.sh NUMBER ROOM [TRUNK]"
[ -n "${DIALROOM_KEY_ID:-}" ] || fail 2 "DIALROOM_KEY_ID is not set"
[ -n "${DIALROOM_KEY_SECRET:-}" ] || fail 2 "DIALROOM_KEY_SECRET is not set"
bridge=${DIALROOM_BRIDGE:-http://127.0.0.1:8090}

# json prints its argument as a JSON string.
json() {
	case $1 in *[[:cntrl:]]*) fail 2 "control characters cannot be sent" ;; esac
	printf '"%s"' "$(printf %s "$1" | sed 's/\\/\\\\/g; s/"/\\"/g')"
}

number=$(json "$1")
room=$(json "$2")
trunk=$(json "${3:-}")
body="{\"number\":$number,\"room\":$room"
[ -z "${3:-}" ] || body="$body,\"trunk\":$trunk"
body="$body}"

# The key as decimal bytes. RFC 2104 §2: one longer than a block of 64 is hashed first.
key=$(printf %s "$DIALROOM_KEY_SECRET" | od -An -v -tu1)
if [ "$(printf %s "$DIALROOM_KEY_SECRET" | wc -c)" -gt 64 ]; then
	key=$(printf %s "$DIALROOM_KEY_SECRET" | openssl dgst -sha256 -binary | od -An -v -tu1)
fi

# padded prints the key, padded to a block with zeros, XOR its argument.
padded() {
	left=64
	for byte in $key; do
		printf '%b' "\\0$(printf %03o $((byte ^ $1)))"
		left=$((left - 1))
	done
	while [ $left -gt 0 ]; do
		printf '%b' "\\0$(printf %03o "$1")"
		left=$((left - 1))
	done
}

# hmac prints the base64 of the HMAC-SHA256 of its argument. openssl has a
# switch for it, but then every user of the machine could read the secret in
# the list of processes; printf is built into the shell.
hmac() {
	{
		padded 92
		{
			padded 54
			printf %s "$1"
		} | openssl dgst -sha256 -binary
	} | openssl dgst -sha256 -binary | openssl base64 -A
}

digest="sha-256=:$(printf %s "$body" | openssl dgst -sha256 -binary | openssl base64 -A):"
nonce=$(openssl rand 16 | openssl base64 -A | tr '+/' '-_' | tr -d =)
params="(\"@method\" \"@path\" \"@query\" \"content-digest\");created=$(date +%s);nonce=\"$nonce\";keyid=\"$DIALROOM_KEY_ID\";alg=\"hmac-sha256\""
base="\"@method\": POST
\"@path\": /v1/calls
\"@query\": ?
\"content-digest\": $digest
\"@signature-params\": $params"

answer=$(curl -sS --max-time 10 -w '\n%{http_code}' \
	-H 'Content-Type: application/json' \
	-H "Content-Digest: $digest" \
	-H "Signature-Input: sig1=$params" \
	-H "Signature: sig1=:$(hmac "$base"):" \
	--data-binary "$body" "${bridge%/}/v1/calls") || fail 1 "the bridge at $bridge cannot be reached"

status=$(printf %s "$answer" | tail -n 1)
printf '%s\n' "$answer" | sed '$d'
case $status in
2*) exit 0 ;;
*) fail 1 "the bridge answered with HTTP status $status" ;;
esac
