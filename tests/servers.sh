#!/bin/sh
# Installs the servers that the tests talk to, where that needs no question: for root, on Debian and its relatives.
# Elsewhere it only says what is missing; the tests that need it are skipped then, or fail where CI=true.
PATH="$PATH:/usr/sbin:/usr/local/sbin"

missing=""
command -v memcached >/dev/null || missing="memcached"
# apache2-bin is the server and its modules without a site: nothing begins to run.
command -v apache2 >/dev/null || command -v httpd >/dev/null || missing="$missing apache2-bin"
# wrk asks; rotatelogs and cronolog are what the acceptance tests compare with.
command -v wrk >/dev/null || missing="$missing wrk"
command -v rotatelogs >/dev/null || missing="$missing apache2-utils"
command -v cronolog >/dev/null || missing="$missing cronolog"
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    if apt-get update -qq >/dev/null 2>&1 &&
        apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1; then
        exit 0
    fi
    echo "tests/servers.sh: apt-get could not install:$missing; the tests that need it are skipped" >&2
    exit 0
fi
echo "tests/servers.sh: not installed: $missing; the tests that need it are skipped" >&2
