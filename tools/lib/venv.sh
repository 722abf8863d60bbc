# Sourced by every tool: makes .venv with the extras named, once, and sets PY.
#   . "$(dirname "$0")/lib/venv.sh"; need_venv dev
# Versions and hashes are those of tools/locks; `gpu`, `rtx` and `train` follow the machine and are not in them.
# A stamp holds what was installed, so the second call is offline and immediate.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

find_python() {
    for candidate in "${AOI_PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.10; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
        "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || continue
        echo "$candidate"
        return
    done
    echo "aoi-daemon needs Python 3.10 to 3.13 (with venv) on the PATH; or name one: AOI_PYTHON=/path/to/python3" >&2
    exit 1
}

# Nothing but what the lock holds is fetched: what builds the rest comes first, in the same way.
install_locked() { # SET
    local pip=("$PY" -m pip install --quiet --disable-pip-version-check)
    "${pip[@]}" --require-hashes --requirement "$root/tools/locks/build.txt" \
        && "${pip[@]}" --require-hashes --no-build-isolation --requirement "$root/tools/locks/$1.txt" \
        && "${pip[@]}" --no-deps --no-build-isolation --editable "$root"
}

need_venv() { # EXTRA ...
    local want extra set stamp=$root/.venv/.installed
    PY=$root/.venv/bin/python
    # A project file or a lock that changed makes every stamp stale.
    want=$(cat "$root/pyproject.toml" "$root"/tools/locks/*.txt | sha256sum | cut -d' ' -f1)
    # One installer at a time: two tools started side by side share the folder.
    exec 9>"$root/.venv.lock" && flock 9
    if [ ! -x "$PY" ] || [ "$(head -n1 "$stamp" 2>/dev/null)" != "$want" ]; then
        echo "making $root/.venv (once; needs the network)" >&2
        "$(find_python)" -m venv "$root/.venv" || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 1; }
        echo "$want" >"$stamp.new"
    else
        cp "$stamp" "$stamp.new"
    fi
    for extra in "$@"; do
        set=line
        [ "$extra" != dev ] || set=dev
        if ! grep -qx "$set" "$stamp.new"; then
            echo "installing tools/locks/$set.txt" >&2
            install_locked "$set" >&2 || exit 1
            # What CI runs with has all that a line runs with.
            printf '%s\n' line "$set" | sort -u >>"$stamp.new"
        fi
        case $extra in gpu | rtx | train) ;; *) continue ;; esac
        grep -qx "$extra" "$stamp.new" && continue
        echo "installing aoi-daemon[$extra]" >&2
        [ "$extra" != train ] || (cd "$root" && "$PY" -m tools.locks.torch) >&2 || exit 1
        "$PY" -m pip install --quiet --disable-pip-version-check --editable "$root[$extra]" >&2 || exit 1
        echo "$extra" >>"$stamp.new"
    done
    cmp -s "$stamp.new" "$stamp" && rm "$stamp.new" || mv "$stamp.new" "$stamp"
    flock -u 9
    exec 9>&-
    # Tools are run as modules of this checkout (python -m aoi_daemon.kit.boards).
    export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
}
