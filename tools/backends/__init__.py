"""`tools/bench_backends`: what each back end costs on this machine, beside the vendor's bare run."""
