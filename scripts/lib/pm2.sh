# shellcheck shell=bash
# The pm2 that the tests of ml-health look at: from the npm registry, into a folder of the checkout's own cache. Only tests run it; nothing of
# it is shipped. Sourced; `root` is the checkout.

pm2_program() {
    echo "${root:?}/.run/peers/pm2/node_modules/.bin/pm2"
}

# Fetches it when it is missing. Fails where there is no npm or no registry; the tests are then skipped and say so.
install_pm2() {
    local folder status=0
    [ ! -x "$(pm2_program)" ] || return 0
    command -v npm >/dev/null && command -v node >/dev/null || return 1
    mkdir -p "$root/.run/peers"
    folder=$(mktemp -d "$root/.run/peers/pm2.XXXXXX")
    (cd "$folder" && npm install --no-audit --no-fund --no-update-notifier pm2@7.0.4) >/dev/null 2>&1 </dev/null || status=1
    if [ "$status" = 0 ]; then
        rm -rf -- "$root/.run/peers/pm2"
        mv -T "$folder" "$root/.run/peers/pm2" || status=1
    fi
    rm -rf -- "$folder"
    return "$status"
}
