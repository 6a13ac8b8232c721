# shellcheck shell=bash
# A pkgd of this machine, for the scripts beside this one.

# start_pkgd BIN STATE [SEED [LANES]]: starts it and waits until it answers. It ends with the shell that called. Killed or stopped,
# it loses at most the phase that ran.
start_pkgd() {
    local bin=$1 state=$2 seed=${3:-out/seed} lanes=${4:-1}
    mkdir -p "$state"
    "$bin/pkgd" --root "$state" --seed "$seed" --sources out/sources --recipes pkgd/recipes --lanes "$lanes" &
    pkgd=$!
    trap 'kill "$pkgd" 2>/dev/null; wait "$pkgd" 2>/dev/null' EXIT
    for _ in $(seq 100); do
        "$bin/pkgctl" --root "$state" status >/dev/null 2>&1 && return
        kill -0 "$pkgd" 2>/dev/null || break
        sleep 0.2
    done
    echo "pkgd did not start; see above" >&2
    exit 1
}
