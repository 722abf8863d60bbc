"""`tools/bench_ultralytics`: a part's time here and in Ultralytics' predict, on one machine in one run."""
