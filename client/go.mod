module github.com/iotfile-operator/iotfile-operator/client

go 1.26.0

require (
	github.com/minio/crc64nvme v1.1.1
	go.uber.org/goleak v1.3.0
)

require (
	github.com/klauspost/cpuid/v2 v2.4.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
)
