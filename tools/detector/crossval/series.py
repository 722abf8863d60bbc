"""All runs of a comparison: deal the folds, give every run as many steps as the time allows, keep what ends."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from aoi_daemon.kit.boards.labels import BoardsError
from tools.detector.checkpoint import write_whole
from tools.detector.crossval.folds import folds_of, groups_of
from tools.detector.crossval.pack import read_names
from tools.detector.crossval.report import line_of, lines_of
from tools.detector.crossval.variants import Learn, Variant
from tools.detector.crossval.work import MEASURE_S, Run, Setting
from tools.detector.crossval.workers import Speed, Workers
from tools.detector.plan import Plan

# Part of the time that is planned for: steps differ between variants, and the device is shared.
SAFETY: Final = 0.88
# Writing checkpoints, average precisions and thresholds of a run.
AROUND_S: Final = 4.0
FEWEST_STEPS: Final = 20
ALL_SCANS: Final = "all scans"


@dataclass(frozen=True)
class Job:
    """What was asked for on the command line; `fold` is from 1, None: seed S is judged on fold S."""

    data: Path
    out: Path
    variants: tuple[Variant, ...]
    seeds: int
    minutes: float
    plan: Plan
    weights: Path | None = None
    device: str = "cuda"
    workers: int = 5
    folds: int = 5
    fold: int | None = None
    group_letters: int = 5


def carry_out(job: Job) -> int:
    """Run what is not there yet and write the report; returns the exit code.

    Raises:
        BoardsError: wrong input, found before a worker starts.
    """
    limit_s = time.monotonic() + 60 * job.minutes
    if job.device == "cuda" and not torch.cuda.is_available():
        raise BoardsError("device: cuda, but PyTorch finds no CUDA device; try --device cpu")
    runs = runs_of(job)
    try:
        job.out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise BoardsError(f"{job.out}: cannot be made: {e.strerror}") from e
    path = job.out / "results.jsonl"
    kept = read_results(path)
    _check_plans(job, kept, path)
    done = {(r["variant"], r["seed"], r["fold"]) for r in kept}
    left = [run for run in runs if (run.variant.name, run.seed, run.fold) not in done]
    print(f"{len(runs)} runs, {len(left)} of them to do", flush=True)
    if left:
        plan = replace(job.plan, steps=job.plan.steps or (kept[0]["plan"]["steps"] if kept else 0))
        # Without a line that was cut off: the next would be written behind it.
        write_whole(path, "".join(json.dumps(result) + "\n" for result in kept).encode())
        _run(job, left, plan, path, limit_s)
    results = read_results(path)
    text = "\n".join(lines_of(results, [variant.name for variant in job.variants])) + "\n"
    (job.out / "report.txt").write_text(text)
    print(text, end="", flush=True)
    missing = len(runs) - len({(r["variant"], r["seed"], r["fold"]) for r in results})
    if missing:
        print(f"{missing} of {len(runs)} runs are missing; the same command goes on with them")
    return 1 if missing else 0


def runs_of(job: Job) -> list[Run]:
    """All runs, seed by seed: what is cut short has complete seeds.

    Raises:
        BoardsError: unreadable data, too few groups, no such fold, or a variant with nothing to learn from.
    """
    scans, generated = read_names(job.data)
    groups = groups_of(scans, job.group_letters)
    folds = folds_of(groups, job.folds)
    if job.fold is not None and not 1 <= job.fold <= len(folds):
        raise BoardsError(f"fold: {job.fold}, allowed are 1 to {len(folds)}")
    for variant in job.variants:
        if variant.learn is not Learn.SCANS and not generated:
            raise BoardsError(
                f"variant {variant.name}: {job.data} holds no generated boards; pack some with --generated"
            )
    runs = []
    for seed in range(1, job.seeds + 1):
        names = folds[(seed - 1) % len(folds) if job.fold is None else job.fold - 1]
        held = tuple(place for name in names for place in groups[name])
        for variant in job.variants:
            if variant.learn is Learn.GENERATED:
                runs.append(Run(variant, seed, ALL_SCANS, tuple(range(len(scans)))))
            else:
                runs.append(Run(variant, seed, "+".join(names), held))
    return runs


def steps_for(speeds: list[Speed], runs: list[Run], left_s: float) -> int:
    """Steps of each run so that all of them, dealt to the workers, take `left_s`.

    Raises:
        BoardsError: too few to be worth anything; says how many minutes would do.
    """
    rounds = math.ceil(len(runs) / len(speeds))
    judge_s = AROUND_S + max(speed.board_s for speed in speeds) * max(len(run.held) for run in runs) * 1.3
    rate = min(speed.steps_per_s for speed in speeds)
    steps = int((SAFETY * left_s / rounds - judge_s) * rate)
    if steps < FEWEST_STEPS:
        needed_s = (FEWEST_STEPS / rate + judge_s) * rounds / SAFETY - left_s
        raise BoardsError(
            f"minutes: {max(0, steps)} steps a run at {rate:.2f} steps/s, at least {FEWEST_STEPS} are needed; "
            f"allow {needed_s / 60 + 0.1:.1f} minutes more, or fewer variants or seeds"
        )
    return steps


def read_results(path: Path) -> list[dict[str, Any]]:
    """Runs that ended, a line each; a last line that was cut off is left out."""
    if not path.exists():
        return []
    results = []
    for line in path.read_text().splitlines():
        try:
            results.append(json.loads(line))
        except ValueError:
            continue
    return results


def _check_plans(job: Job, kept: list[dict[str, Any]], path: Path) -> None:
    """Raises BoardsError where a run that is there was trained otherwise than this command would."""
    variants = {variant.name: variant for variant in job.variants}
    for result in kept:
        if result["variant"] not in variants:
            continue
        plan = replace(variants[result["variant"]].plan(job.plan), seed=result["seed"])
        plan = plan if job.plan.steps else replace(plan, steps=result["plan"]["steps"])
        # By way of JSON: tuples are lists there.
        if json.loads(json.dumps(asdict(plan))) != result["plan"]:
            raise BoardsError(
                f"{path}: {result['variant']}, seed {result['seed']} was trained by another plan; name a new --out, or "
                "give the command that began it"
            )


def _run(job: Job, left: list[Run], plan: Plan, path: Path, limit_s: float) -> None:
    # Where the steps are named, the pace is of interest and nothing hangs on it.
    measure_s = 1.0 if plan.steps else MEASURE_S
    setting = Setting(job.data, replace(plan, steps=10**6), job.device, job.weights, measure_s)
    with Workers(setting, min(job.workers, len(left)), left[0]) as workers, path.open("a") as file:
        speeds = workers.speeds
        total = sum(speed.steps_per_s for speed in speeds)
        if not plan.steps:
            plan = replace(plan, steps=steps_for(speeds, left, limit_s - time.monotonic()))
        print(
            f"{len(speeds)} workers, {total:.1f} steps/s together ({total * plan.batch:.0f} boards/s); "
            f"{plan.steps} steps a run, {limit_s - time.monotonic():.0f} s left",
            flush=True,
        )
        for result in workers.results(left, plan, limit_s):
            if isinstance(result, str):
                print(result, flush=True)
                continue
            file.write(json.dumps(result) + "\n")
            file.flush()
            print(line_of(result), flush=True)
