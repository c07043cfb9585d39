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
# The docs compare numbers with theirs.
command -v goaccess >/dev/null || missing="$missing goaccess"
[ -e /usr/lib/cgi-bin/awstats.pl ] || missing="$missing awstats"
# The pages are looked at by a browser, too.
command -v chromium >/dev/null || missing="$missing chromium"
# axe-core, which looks at them for people who see or point less well, comes by npm.
command -v npm >/dev/null || missing="$missing npm"

axe() {
    cd "$(dirname "$0")/browser" || exit 0
    [ -f node_modules/axe-core/axe.min.js ] && exit 0
    command -v npm >/dev/null &&
        npm install --no-package-lock --no-audit --no-fund --ignore-scripts --silent >/dev/null 2>&1 && exit 0
    echo "tests/servers.sh: npm could not install axe-core; the test that needs it is skipped" >&2
    exit 0
}

[ -z "$missing" ] && axe

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    if apt-get update -qq >/dev/null 2>&1 &&
        apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1; then
        axe
    fi
    echo "tests/servers.sh: apt-get could not install:$missing; the tests that need it are skipped" >&2
    axe
fi
echo "tests/servers.sh: not installed: $missing; the tests that need it are skipped" >&2
axe
