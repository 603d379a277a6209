package s3

import "time"

const (
	// probeDir holds the object of each probe that is under way.
	probeDir = ".iotfile-probe/"
	// probeLeftover is leftoverAge outside of tests. It allows for clocks that differ by S3's limit
	// of 15 minutes.
	probeLeftover = 30 * time.Minute
)
