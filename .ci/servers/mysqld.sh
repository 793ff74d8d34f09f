# Functions of the scripts that start MySQL servers, after common.sh.

# Makes $directory for the data of servers. It is removed, and the processes $started end, together with the script.
# Inside the chroot it is $inside.
started=()
make_directory() {
    directory=$("${as_root[@]}" mktemp -d "$sid/tmp/mysql.XXXXXX")
    inside=${directory#"$sid"}
    trap remove_directory EXIT
    "${as_root[@]}" chown nobody:nogroup "$directory"
    "${as_root[@]}" tee "$directory/users.sql" >/dev/null
}

remove_directory() {
    [ ${#started[@]} -eq 0 ] || { kill "${started[@]}" && wait "${started[@]}"; } 2>/dev/null || true
    "${as_root[@]}" rm -rf "$directory"
}

# Starts a server with the name $1, for files in $directory, at port $2, with the options that follow.
start_mysqld() {
    local name=$1 port=$2
    local mysqld=("${in_sid[@]}" mysqld --no-defaults --datadir="$inside/$name" --log-error="$inside/$name.log"
        --secure-file-priv=NULL)
    shift 2
    [ -e "$directory/$name" ] || "${mysqld[@]}" --initialize-insecure || {
        "${as_root[@]}" cat "$directory/$name.log" >&2
        fail "mysqld --initialize-insecure failed"
    }
    "${mysqld[@]}" --init-file="$inside/users.sql" --bind-address=127.0.0.1 --port="$port" --mysqlx=OFF \
        --socket="$inside/$name.socket" --skip-name-resolve --max-connections=300 "$@" &
    started+=($!)
    wait_for_port "$!" "$port" "$directory/$name.log"
}
