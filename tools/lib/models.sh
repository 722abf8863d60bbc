# Sourced by tools/test: makes the environment of tools/models/requirements.txt, once, and sets MODELS_PY and MODELS_OUT.
# It lies in a cache folder (AOI_MODELS names another) and can be deleted at any time; a stamp holds what was installed.
MODELS=${AOI_MODELS:-${XDG_CACHE_HOME:-$HOME/.cache}/aoi-daemon/models}
MODELS_PY=$MODELS/venv/bin/python
MODELS_OUT=$MODELS/out

need_models() {
    local list=$root/tools/models/requirements.txt want torch pip
    want=$(sha256sum "$list" | cut -d' ' -f1)
    [ "$(cat "$MODELS/.installed" 2>/dev/null)" = "$want" ] && return
    mkdir -p "$MODELS"
    echo "making $MODELS/venv (once; needs the network and about 8 GB)" >&2
    "$(find_python)" -m venv "$MODELS/venv" || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 1; }
    pip=("$MODELS_PY" -m pip install --disable-pip-version-check --progress-bar on)
    torch=$(grep -E '^(torch|torchvision)==' "$list")
    # Without a GPU CUDA's libraries are gigabytes for nothing; where PyTorch's own index is not reached, they come along.
    if ! nvidia-smi -L >/dev/null 2>&1; then
        echo "torch without CUDA, from download.pytorch.org" >&2
        "${pip[@]}" --retries 1 --timeout 30 --no-deps --index-url https://download.pytorch.org/whl/cpu $torch >&2 \
            || echo "not reached: PyPI's torch is taken, with CUDA (3 GB)" >&2
    fi
    "${pip[@]}" --requirement "$list" >&2 || { echo "the programs of the models are not installed: pip said why" >&2; exit 1; }
    echo "$want" >"$MODELS/.installed"
}
