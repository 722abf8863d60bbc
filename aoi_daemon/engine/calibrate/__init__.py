"""`aoi-daemon calibrate`: scale, distortion and white balance of a camera, from a printed target."""
