# shellcheck shell=bash
# The private PostgreSQL cluster in $place/pg. Sourced after place.sh; `place` and `service_user` are set.
#
# The superuser is the service user over the socket (peer); everybody else gives a password over TCP.

pg_data() {
    echo "${place:?}/pg"
}

# The programs for our data: of the major version that made it, or the newest installed.
pg_bin() {
    local dir version=''
    if [ -e "$(pg_data)/PG_VERSION" ]; then
        version=$(as_service cat "$(pg_data)/PG_VERSION")
    fi
    for dir in "${PG_BIN:-/nowhere}" $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
        if [ -x "$dir/postgres" ] && [ -x "$dir/initdb" ]; then
            if [ -z "$version" ] || [ "$("$dir/postgres" --version | sed 's/.*) \([0-9]*\).*/\1/')" = "$version" ]; then
                echo "$dir"
                return
            fi
        fi
    done
    if [ -n "$version" ]; then
        echo "the private cluster was made by PostgreSQL $version, whose programs are not installed any more" >&2
        echo "hint: install postgresql-$version again, or set PG_BIN to its programs" >&2
    else
        echo "PostgreSQL's server programs are not installed" >&2
        echo "hint: run scripts/install-deps.sh" >&2
    fi
    return 1
}

# Line N of the file in which a running server says where it is: 1 its process, 4 its port, 8 whether it is ready.
pg_says() {
    as_service sed -n "$1{s/ *$//;p;q}" "$(pg_data)/postmaster.pid" 2>/dev/null || true
}

pg_pid() {
    local pid
    pid=$(pg_says 1)
    if ours "$pid" "$(pg_data)"; then
        echo "$pid"
    fi
}

pg_port() {
    pg_says 4
}

# SQL on stdin, as the superuser.
pg_superuser() {
    local bin
    bin=$(pg_bin)
    as_service env PGOPTIONS='' PGCONNECT_TIMEOUT=10 "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 \
        -h "$place/s" -p "$(pg_port)" -d postgres >/dev/null
}

pg_answers() {
    [ -n "$(pg_pid)" ] && [ "$(pg_says 8)" = ready ] && echo 'SELECT 1' | pg_superuser 2>/dev/null
}

pg_make() {
    local bin data
    data=$(pg_data)
    bin=$(pg_bin)
    [ ! -e "$data/PG_VERSION" ] || return 0
    # Made aside and renamed: a run that was ended leaves nothing half-made under the name.
    rm -rf -- "$data.new"
    mkdir -m 700 "$data.new"
    chown "${service_user:?}" "$data.new"
    as_service env LC_ALL=C.UTF-8 "$bin/initdb" --pgdata="$data.new" --encoding=UTF8 --locale=C.UTF-8 --data-checksums \
        --auth-local=peer --auth-host=scram-sha-256 --no-instructions >"$place/initdb.log" 2>&1 || {
        tail -n 5 "$place/initdb.log" >&2
        return 1
    }
    mv "$data.new" "$data"
}

pg_start() {
    local bin data pid port tries
    data=$(pg_data)
    bin=$(pg_bin)
    # Processes of a server that was killed still hold the data for a moment.
    for pid in $(processes_in "$data"); do
        wait_gone "$pid" "$data" 30 || {
            echo "process $pid of an earlier server still uses $data" >&2
            echo "hint: look at it with ps -fp $pid, and end it" >&2
            return 1
        }
    done
    # Nobody is left, so the file can only be a dead server's; its number may be a stranger's by now, which PostgreSQL would not see.
    rm -f -- "$data/postmaster.pid"
    port=$(sed -n 's/^pg_port=//p' "$place/state" 2>/dev/null || true)
    for tries in 1 2 3 4 5; do
        if [ -z "$port" ] || (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            port=$(free_port)
        fi
        # 9 is our lock: a server must not keep it.
        if as_service env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "$bin/pg_ctl" start -w -t 120 -s -D "$data" -l "$place/log/postgresql.log" \
            -o "-p $port -k $place/s -c listen_addresses=127.0.0.1 -c unix_socket_permissions=0700 -c timezone=UTC" \
            </dev/null >/dev/null 2>&1 9>&-; then
            return 0
        fi
        port=''
    done
    echo "PostgreSQL did not start ($tries tries); the end of $place/log/postgresql.log:" >&2
    tail -n 5 "$place/log/postgresql.log" >&2
    return 1
}

# The role and the database of the ledger; nothing is changed when they are there.
pg_provide() {
    local password
    [ -s "$place/ml.password" ] || random_word | write_private "$place/ml.password"
    password=$(cat "$place/ml.password")
    # CREATEDB: restores go into a database beside the ledger.
    pg_superuser <<EOSQL
SELECT 'CREATE ROLE ml LOGIN CREATEDB' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ml') \gexec
SELECT 'CREATE DATABASE mathledger OWNER ml' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'mathledger') \gexec
SET log_min_error_statement = panic;
ALTER ROLE ml PASSWORD '$password';
EOSQL
}

pg_up() {
    local pid tries=0
    pg_make
    pid=$(pg_pid)
    # One that is just starting (another terminal, recovery after a crash) is given its time.
    while [ -n "$pid" ] && ! pg_answers; do
        if [ "$tries" -ge 120 ]; then
            echo "the private PostgreSQL (process $pid) runs but does not answer" >&2
            echo "hint: look into $place/log/postgresql.log, then run scripts/services.sh down" >&2
            return 1
        fi
        sleep 0.5
        tries=$((tries + 1))
        pid=$(pg_pid)
    done
    [ -n "$pid" ] || pg_start
    pg_provide
}

pg_down() {
    local pid
    pid=$(pg_pid)
    [ -n "$pid" ] || return 0
    # INT is PostgreSQL's fast shutdown: clients are sent away, the data is written.
    kill -INT "$pid"
    wait_gone "$pid" "$(pg_data)" 60 || {
        echo "the private PostgreSQL (process $pid) has not ended after a minute" >&2
        return 1
    }
}
