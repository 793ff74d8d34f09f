# Functions of the scripts in this folder, which source this file in the root of the repository.
servers="$PWD/target/servers"
sid="$servers/sid"
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Prints a port that is free, and that the system gives to no outgoing connection before the server starts.
free_port() {
    python3 - <<'PYTHON'
import random, socket

while True:
    port = random.randrange(20000, 32000)
    try:
        socket.socket().bind(("127.0.0.1", port))
        break
    except OSError:
        pass
print(port)
PYTHON
}

# Waits until the process $1 accepts connections at port $2 of 127.0.0.1. Its log is the file $3.
wait_for_port() {
    for _ in $(seq 600); do
        ! (: <"/dev/tcp/127.0.0.1/$2") 2>/dev/null || return 0
        kill -0 "$1" 2>/dev/null || break
        sleep 0.1
    done
    "${as_root[@]}" tail -n 20 "$3" >&2
    fail "no server at port $2"
}

# Options of setpriv: servers refuse to run as root, and end together with the script, even if that is killed.
unprivileged=(--reuid=nobody --regid=nogroup --clear-groups --pdeathsig=TERM)
in_sid=("${as_root[@]}" chroot "$sid" setpriv "${unprivileged[@]}")
