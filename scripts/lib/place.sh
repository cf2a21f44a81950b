# shellcheck shell=bash
# Where the private servers live, and as whom. Sourced, by scripts that have set `root` to the checkout.
#
# The folder must be reachable for the unprivileged user (a checkout under /root is not), on a file system with real permissions (a Windows
# drive under WSL has none), short (a socket's path ends at 107 bytes) and lasting: /var/tmp comes last, since newer systems sweep it.

# The user that the servers run as: PostgreSQL refuses root.
service_user() {
    local name
    if [ "$(id -u)" -ne 0 ]; then
        id -un
        return
    fi
    for name in postgres nobody; do
        if id -u "$name" >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    echo "there is neither a user postgres nor a user nobody to run the servers as" >&2
    return 1
}

# Runs a command as the service user, in a folder that it may enter.
as_service() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && exec setpriv --reuid="${service_user:?}" --regid="$(id -g "$service_user")" --clear-groups --inh-caps=-all -- "$@")
    else
        "$@"
    fi
}

# The candidates, best first. The key keeps checkouts and users apart.
places() {
    local key
    key=$(id -u)-$(printf '%s' "${root:?}" | sha256sum | cut -c 1-8)
    echo "$root/.run/services"
    [ "$(id -u)" -ne 0 ] || echo "/var/lib/mathledger-ops/$key"
    echo "/var/tmp/mathledger-$key"
}

# usable DIR: makes DIR, and can the service user keep private files in it?
usable() {
    local probe=$1/probe.$$ status=1
    if [ ${#1} -gt 80 ] || ! mkdir -p "$1" 2>/dev/null || [ -L "$1" ] || [ ! -O "$1" ] || ! chmod 755 "$1"; then
        return 1
    fi
    if mkdir "$probe" && chown "$service_user" "$probe" && chmod 700 "$probe" && [ "$(stat -c %a "$probe")" = 700 ]; then
        as_service touch "$probe/file" 2>/dev/null && status=0
    fi
    rm -rf -- "$probe"
    return "$status"
}

# Prints the folder: the one that holds our data already, else with `make` the first usable one. Fails when there is none.
find_place() {
    local dir
    while IFS= read -r dir; do
        # Somebody else may have made a folder of this name in /var/tmp.
        if [ -d "$dir/pg" ] && [ -O "$dir" ]; then
            echo "$dir"
            return
        fi
    done < <(places)
    [ "${1:-}" = make ] || return 1
    while IFS= read -r dir; do
        if usable "$dir"; then
            echo "$dir"
            return
        fi
        rmdir "$dir" 2>/dev/null || true
    done < <(places)
    echo "no folder for the private servers: none of these can be used: $(places | tr '\n' ' ')" >&2
    return 1
}

# processes_in DIR: the processes whose working folder is DIR. A server's is its data folder, which tells it from any other process, also
# after a restart of the machine when its number belongs to a stranger.
processes_in() {
    # As the service user: in a container root may not look into other users' processes.
    # shellcheck disable=SC2016 # expanded by the inner shell
    as_service sh -c '
        real=$(realpath "$1" 2>/dev/null) || exit 0
        for link in /proc/[0-9]*/cwd; do
            if [ "$(readlink "$link" 2>/dev/null)" = "$real" ]; then
                link=${link#/proc/}
                echo "${link%/cwd}"
            fi
        done' sh "$1"
}

# ours PID DIR: is PID alive and at home in DIR?
ours() {
    [ -n "$1" ] && [ "$(as_service readlink "/proc/$1/cwd" 2>/dev/null)" = "$(realpath "$2" 2>/dev/null)" ]
}

# wait_gone PID DIR SECONDS
wait_gone() {
    local tries=0
    while ours "$1" "$2"; do
        [ "$tries" -lt $(($3 * 10)) ] || return 1
        sleep 0.1
        tries=$((tries + 1))
    done
}

# A port on the loopback where nothing listens now, below the range that the kernel gives to clients.
free_port() {
    local port tries
    for tries in {1..100}; do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    echo "no free port among $tries tried on 127.0.0.1" >&2
    return 1
}

random_word() {
    od -An -N 24 -t x1 /dev/urandom | tr -d ' \n'
}

# write_private FILE: stdin into FILE, which nobody else can read at any time; the old content stays until the new one is there.
write_private() {
    (umask 077 && cat >"$1.new") && mv -f "$1.new" "$1"
}
