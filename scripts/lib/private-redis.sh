# shellcheck shell=bash
# The private Redis in $place/redis. Sourced after place.sh; `place` and `service_user` are set.
#
# It keeps its queue on disk, so that jobs survive a restart; the password is in its settings file and in nobody's argument list.

redis_dir() {
    echo "${place:?}/redis"
}

redis_pid() {
    local pid
    pid=$(cat "$(redis_dir)/pid" 2>/dev/null || true)
    if ours "$pid" "$(redis_dir)"; then
        echo "$pid"
    fi
}

redis_port() {
    sed -n 's/^redis_port=//p' "$place/state" 2>/dev/null || true
}

redis_answers() {
    [ -n "$(redis_pid)" ] &&
        [ "$(REDISCLI_AUTH=$(cat "$place/redis.password") timeout 5 redis-cli -h 127.0.0.1 -p "$(redis_port)" PING 2>/dev/null)" = PONG ]
}

redis_start() {
    local dir port password tries waited pid
    dir=$(redis_dir)
    [ -s "$place/redis.password" ] || random_word | write_private "$place/redis.password"
    password=$(cat "$place/redis.password")
    mkdir -p "$dir"
    chown "${service_user:?}" "$dir"
    chmod 700 "$dir"
    for pid in $(processes_in "$dir"); do
        wait_gone "$pid" "$dir" 30 || {
            echo "process $pid of an earlier server still uses $dir" >&2
            return 1
        }
    done
    port=$(redis_port)
    for tries in 1 2 3 4 5; do
        if [ -z "$port" ] || (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            port=$(free_port)
        fi
        write_private "$place/redis.conf" <<EOCONF
bind 127.0.0.1
port $port
unixsocket $place/s/redis.sock
unixsocketperm 700
requirepass $password
dir $dir
pidfile $dir/pid
logfile $place/log/redis.log
daemonize yes
appendonly yes
EOCONF
        chown "$service_user" "$place/redis.conf"
        rm -f -- "$dir/pid"
        as_service redis-server "$place/redis.conf" </dev/null >/dev/null 2>&1 9>&- || true
        set_state redis_port "$port"
        # It loads its data before it answers, and ends at once when the port is taken.
        for ((waited = 0; waited < 300; waited++)); do
            if redis_answers; then
                return 0
            fi
            [ "$waited" -lt 20 ] || [ -n "$(redis_pid)" ] || break
            sleep 0.1
        done
        port=''
    done
    echo "Redis did not start ($tries tries); the end of $place/log/redis.log:" >&2
    tail -n 5 "$place/log/redis.log" >&2
    return 1
}

redis_up() {
    redis_answers || redis_start
}

redis_down() {
    local pid
    pid=$(redis_pid)
    [ -n "$pid" ] || return 0
    # TERM writes what is not on disk yet.
    kill -TERM "$pid"
    wait_gone "$pid" "$(redis_dir)" 60 || {
        echo "the private Redis (process $pid) has not ended after a minute" >&2
        return 1
    }
}
