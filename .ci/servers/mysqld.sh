# Functions of the scripts that start MySQL servers, after common.sh.

# Makes $directory for the files of servers, which is $inside in the chroot, with the statements from the standard input
# that each server executes when it starts. The directory is removed when the script ends, and the processes $started end.
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

# Options of all servers with the name $1, and those of its files in $directory.
options_of() {
    options=(--no-defaults --secure-file-priv=NULL --datadir="$inside/$1" --log-error="$inside/$1.log")
}

# Makes the data directories of servers with these names, at the same time.
initialise() {
    local name making=() options
    for name in "$@"; do
        options_of "$name"
        "${in_sid[@]}" mysqld "${options[@]}" --initialize-insecure &
        making+=($!)
    done
    for name in "$@"; do
        wait "${making[0]}" || {
            "${as_root[@]}" cat "$directory/$name.log" >&2
            fail "mysqld --initialize-insecure failed"
        }
        making=("${making[@]:1}")
    done
}

# Starts the server with the name $1 at port $2, with the options that follow.
start_mysqld() {
    local name=$1 port=$2 options
    options_of "$name"
    shift 2
    "${in_sid[@]}" mysqld "${options[@]}" --init-file="$inside/users.sql" --bind-address=127.0.0.1 --port="$port" \
        --mysqlx=OFF --socket="$inside/$name.socket" --skip-name-resolve --max-connections=300 "$@" &
    started+=($!)
    wait_for_port "$!" "$port" "$directory/$name.log"
}
