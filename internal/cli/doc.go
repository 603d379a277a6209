// Package cli is the command line of iotfile-operator, kubectl-iotfile: it moves files through the
// REST API with the Go client, and shows uploads with the Kubernetes API. Each command is a file.
//
// Start with cli.go; put_run.go and get_run.go move bytes. The packages below it are connection,
// localfile and report.
package cli
