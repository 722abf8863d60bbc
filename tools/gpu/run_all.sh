#!/usr/bin/env bash
# Everything that needs a GPU, in one go: engines, tests, executor, line, kill, long line.
#
#   tools/gpu/run_all.sh OUT [STEP ...]
#
# Steps, all of them in this order where none is named:
#   build      engines of the bundle for this machine, fp32 and fp16, into OUT/bundle, a copy      a minute
#   tests      tests/gpu                                                                           1 to 3 min
#   executor   the executor's latency beside the bare loop and PyTorch; agreement with the CPU     5 min
#   fp32       the same in fp32, spinning alone                                                    3 min
#   line       the whole line, 1,200 parts at 50 ms                                                2 min
#   kill       SIGKILL of the inspection process while parts pass                                  half a minute
#   long       the whole line, 100,000 parts at 5 ms                                               9 min
#   tasks      every task: verdicts beside the CPU's, the executor beside its bare loop            6 min at most
# Those from `executor` to `long` use OUT/bundle; without engines in it they build it first. `tasks` makes its own.
#
# Each step's output goes to OUT/STEP.txt and its figures to OUT/STEP*.json; a step that fails or takes too
# long does not keep the next from running. How each ended is added to OUT/summary.txt.
# Exit codes: 0 all did their work; 1 one did not; 2 the command line is wrong.
#
# Environment: PYTHON, an interpreter that has what is needed (else .venv is made, which needs the network,
# with TensorRT-RTX; AOI_GPU_EXTRA=gpu takes TensorRT); BUNDLE (default: config/bundles/demo); SIZE, the
# frames' (640x640); BUILT, where the copy with engines lies (OUT/bundle); PRECISION of executor, line, kill and
# long (fp16); WAIT, spin or block (spin); SPIN_US, realtime.spin_us of line and long (1000); SETTLE_S, the pause
# before their parts (0); AWAKE=1 keeps the cores from halting meanwhile; RUNS of executor (20000); LIMIT_S
# for each step (590).
#
# The line's figures are those of a line PC only where SCHED_FIFO is allowed: the output of `line` says so where it
# is not. In a container or another cgroup of a kernel with RT_GROUP_SCHED, root is refused it too.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
all=(build tests executor fp32 line kill long tasks)

usage() { sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }
[ "${1:-}" = -h ] || [ "${1:-}" = --help ] && { usage; exit 0; }
[ $# -ge 1 ] || { usage >&2; exit 2; }
mkdir -p "$1" || exit 2
out=$(cd "$1" && pwd)
shift
steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=("${all[@]}")
for step in "${steps[@]}"; do
    case " ${all[*]} " in *" $step "*) ;; *) echo "no step '$step'; there are: ${all[*]}" >&2; exit 2 ;; esac
done

if [ -n "${PYTHON:-}" ]; then
    PY=$PYTHON
    export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
else
    set -e
    . "$root/tools/lib/venv.sh"
    need_venv dev "${AOI_GPU_EXTRA:-rtx}"
    set +e
fi
source_bundle=$(realpath -m "${BUNDLE:-$root/config/bundles/demo}")
bundle=$(realpath -m "${BUILT:-$out/bundle}")
cd "$root" || exit 2
precision=${PRECISION:-fp16} wait=${WAIT:-spin} size=${SIZE:-640x640} spin_us=${SPIN_US:-1000} settle_s=${SETTLE_S:-0} awake=${AWAKE:+--awake} runs=${RUNS:-20000}
inspection=(--bundle "$bundle" --backend tensorrt --precision "$precision" --wait "$wait")

build() {
    [ -d "$bundle" ] || cp -r "$source_bundle" "$bundle" || return
    for each in fp32 fp16; do
        "$PY" -m aoi_daemon build-engine --bundle "$bundle" --$each --size "$size" --report "$out/build-$each.json" || return
    done
}
tests() {
    # What the project's own settings ask of pytest may not be here: only what these tests need is asked for.
    "$PY" -m pytest tests/gpu -c /dev/null --rootdir "$root" --import-mode=importlib -p no:cacheprovider -ra -v
}
bench_executor() {
    "$PY" -m tools.gpu.bench_executor --bundle "$bundle" --built --size "$size" --runs "$runs" --paced-runs 200 "$@"
}
executor() { bench_executor --precisions "$precision" --json "$out/executor.json"; }
fp32() { bench_executor --precisions fp32 --waits spin --json "$out/fp32.json"; }
bench_line() { "$PY" -m tools.line.bench "${inspection[@]}" --spin-us "$spin_us" --settle-s "$settle_s" $awake --memory --witness "$@"; }
line() { bench_line --parts 1200 --takt-ms 50 --report "$out/line.json"; }
kill_() { "$PY" -m tools.gpu.kill_inspection "${inspection[@]}" --takt-ms 50 --json "$out/kill.json"; }
long() {
    bench_line --parts 100000 --takt-ms 5 --floor-runs 100 --report "$out/long.json"
}
tasks() { "$PY" -m tools.gpu.bench_tasks --out "$out" --size "$size" --wait "$wait" --runs "$runs"; }

bounded() { # NAME: run that step until its limit
    local name=$1 function=$1 code began=$SECONDS here
    [ "$name" = kill ] && function=kill_
    echo "== $name"
    here=$(declare -p PY bundle source_bundle out root precision wait size inspection spin_us settle_s awake runs; declare -f bench_executor bench_line "$function")
    # SIGINT, as Ctrl-C: the line is taken down in order, where SIGTERM would leave a daemon behind.
    timeout --signal=INT --kill-after=20 "${LIMIT_S:-590}" bash -c "set -uo pipefail; $here; $function" \
        >"$out/$name.txt" 2>&1 </dev/null
    code=$?
    tail -n 25 "$out/$name.txt"
    ended "$name" "$(verdict $code)" $((SECONDS - began))
    return $code
}
verdict() {
    case $1 in 0) echo done ;; 124 | 137) echo "FAILED: too long" ;; *) echo "FAILED: exit code $1" ;; esac
}
ended() { printf '%s %-9s %-24s %4d s\n' "$(date +%T)" "$@" >>"$out/summary.txt"; }
engines() { [ -n "$(ls "$bundle"/engines/*.plan 2>/dev/null)" ] || bounded build; }

failed=0
for step in "${steps[@]}"; do
    case $step in
    executor | fp32 | line | kill | long)
        if ! engines; then
            ended "$step" "FAILED: no engines" 0
            failed=1
            continue
        fi
        ;;
    esac
    bounded "$step" || failed=1
done
echo
cat "$out/summary.txt"
exit $failed
