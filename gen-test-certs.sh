#!/usr/bin/env bash
# Certificates for tests and for trying things out: tests/tls/{ca,server,client,redis}.{crt,key} and redis.dh.
#
#   ./gen-test-certs.sh [DIR]
#
# Certificates that are still valid for a day are kept. `server` is for servers only, `client` for clients only, `redis` for both.
set -euo pipefail

dir=${1:-$(cd "$(dirname "$0")" && pwd)/tests/tls}
mkdir -p "$dir"
cd "$dir"

fresh() { # file
    [ -s "$1" ] && openssl x509 -in "$1" -noout -checkend 86400 >/dev/null 2>&1
}

if ! fresh ca.crt || [ ! -s ca.key ]; then
    rm -f ./*.crt ./*.key
    openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -keyout ca.key -out ca.crt \
        -subj "/O=Redis Test/CN=Certificate Authority" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
fi

issue() { # name, common name, extended key usage
    if fresh "$1.crt" && [ -s "$1.key" ] && openssl verify -CAfile ca.crt "$1.crt" >/dev/null 2>&1; then
        return
    fi
    local request extensions
    request=$(mktemp) extensions=$(mktemp)
    openssl req -newkey rsa:2048 -nodes -sha256 -keyout "$1.key" -out "$request" -subj "/O=Redis Test/CN=$2" 2>/dev/null
    printf '%s\n' "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1" "extendedKeyUsage=$3" \
        "keyUsage=digitalSignature,keyEncipherment" "basicConstraints=CA:FALSE" >"$extensions"
    openssl x509 -req -sha256 -days 365 -in "$request" -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 16)" \
        -extfile "$extensions" -out "$1.crt" 2>/dev/null
    rm -f "$request" "$extensions"
}

issue server "Server-only" serverAuth
issue client "Client-only" clientAuth
issue redis "Generic-cert" serverAuth,clientAuth

# A standard group is as strong as generated parameters, which would take a minute.
[ -s redis.dh ] || openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out redis.dh 2>/dev/null
chmod 600 ./*.key
echo "certificates are in $dir"
